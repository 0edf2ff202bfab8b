"""The caps of the book: per instrument, on the sum of absolute weights (gross), on the absolute sum (net).

Targets never exceed a cap. What is held may outgrow one as prices move; it is cut back to the cap once it is
beyond it by `SLACK`, not at every tick, which would pay costs each minute for nothing. Sums are exact
(`math.fsum`), so the order of the instruments cannot matter.
"""

import math
from collections.abc import Collection, Mapping

from daemon.policy.reasons import Reason
from daemon.settings import PolicySettings

SLACK = 0.1
"""Share of a cap by which prices may carry a position beyond it before it is cut."""

WORTHWHILE = 0.1
"""An order for less than this share of its target is not worth its costs."""


def within(settings: PolicySettings, weights: Collection[float]) -> bool:
    """Say whether no cap is outgrown by more than `SLACK`."""
    slack = 1.0 + SLACK
    return (
        max(weights, default=0.0) <= settings.max_weight * slack
        and min(weights, default=0.0) >= -settings.max_weight * slack
        and math.fsum(map(abs, weights)) <= settings.max_gross * slack
        and abs(math.fsum(weights)) <= settings.max_net * slack
    )


def outgrown(
    settings: PolicySettings, weights: Mapping[int, float], movable: Collection[int]
) -> dict[int, float]:
    """Return smaller targets for those of `movable` that must shrink for the caps to hold again.

    Args:
        settings: The policy's settings.
        weights: What is held or will be, by instrument.
        movable: Instruments that may be ordered now.
    """
    cut = dict(weights)
    largest = settings.max_weight
    for instrument in movable:
        if abs(weights[instrument]) > largest * (1.0 + SLACK):
            cut[instrument] = math.copysign(largest, weights[instrument])
    gross = math.fsum(map(abs, cut.values()))
    if gross > settings.max_gross * (1.0 + SLACK):
        _scale(cut, movable, gross - settings.max_gross)
    net = math.fsum(cut.values())
    if abs(net) > settings.max_net * (1.0 + SLACK):
        heavy = [instrument for instrument in movable if cut[instrument] * net > 0.0]
        _scale(cut, heavy, abs(net) - settings.max_net)
    return {i: weight for i, weight in cut.items() if weight != weights[i]}


def granted(
    settings: PolicySettings, weights: Mapping[int, float], instrument: int, target: float
) -> tuple[float, Reason]:
    """Return the part of `target` (signed) the caps allow beside the other weights, and what stops it.

    A target cut to less than `WORTHWHILE` of itself is refused (0.0).
    """
    side = 1.0 if target > 0.0 else -1.0
    others = [weight for i, weight in weights.items() if i != instrument]
    gross_room = settings.max_gross - math.fsum(map(abs, others))
    net_room = settings.max_net - side * math.fsum(others)
    room, why = min((gross_room, Reason.CAP_GROSS), (net_room, Reason.CAP_NET))
    allowed = min(abs(target), settings.max_weight, room)
    if allowed < WORTHWHILE * abs(target):
        return 0.0, why
    return side * allowed, Reason.PASSED


def _scale(weights: dict[int, float], members: Collection[int], excess: float) -> None:
    """Shrink `members` in proportion, by `excess` in all, at most to nothing."""
    total = math.fsum(abs(weights[i]) for i in members)
    keep = max(0.0, 1.0 - excess / total) if total > 0.0 else 1.0
    for i in members:
        weights[i] *= keep
