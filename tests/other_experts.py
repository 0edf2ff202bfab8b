"""A bundle of the tests with fewer experts."""

from dataclasses import replace

from daemon.models.bundle import Bundle

NARROW = ("trees", "base_rate")


def narrow(wide: Bundle) -> Bundle:
    """The same bundle without the expert `online`."""
    calibrators = {name: one for name, one in wide.calibrators.items() if name in NARROW}
    learners = {name: one for name, one in wide.learners.items() if name in NARROW}
    return replace(wide, experts=NARROW, calibrators=calibrators, learners=learners)
