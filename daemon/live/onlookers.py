"""Who sees what a live run does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from daemon.diagnostics import Indication
from daemon.service import Sink, Timed, untimed

IndicationSink = Callable[[Indication], None]
"""Sees the first price after a decision."""


@dataclass(frozen=True, slots=True)
class Onlookers:
    """They are called on the event loop, must return at once and not raise.

    Attributes:
        sinks: See batches after they are durable.
        indicated: See the first price after a decision.
        timed: Measures the stages `prepare`, `score`, `process` and `commit`; for any thread.
    """

    sinks: Sequence[Sink] = ()
    indicated: Sequence[IndicationSink] = ()
    timed: Timed = untimed


NOBODY: Final = Onlookers()
