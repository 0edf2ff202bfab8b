"""What a run says where a venue keeps less history than the features look back."""

from typing import Final

import numpy as np
import structlog

from daemon.features.listing import warmups
from daemon.features.plan import FeaturePlan
from daemon.ports import BarSource
from daemon.vitals.moment import clock

NAMES_MOST: Final = 8
BLOCK_MINUTES: Final = 4_096


def bars_before(source: BarSource, first_minute: int) -> dict[str, int]:
    """Return by instrument how many bars it has before a minute, flat ones included."""
    counts = np.zeros(len(source.instruments), dtype=np.int64)
    for part in source.blocks(source.first_minute, first_minute - 1, BLOCK_MINUTES):
        counts += part.present.sum(axis=0)
    return {one.name: int(count) for one, count in zip(source.instruments, counts, strict=True)}


def tell_who_is_cold(source: BarSource, plan: FeaturePlan, first_minute: int) -> None:
    """Log, by venue, which instruments cannot be scored yet, for how long, and which features keep them."""
    cold = {name: n for name, n in bars_before(source, first_minute).items() if n < plan.warmup_bars - 1}
    needs = warmups(plan.formulas)
    if plan.warmup_bars > max(needs.values()):
        needs["sigma"] = plan.warmup_bars
    for venue in sorted({name.partition(":")[0] for name in cold}):
        of_venue = {name: n for name, n in cold.items() if name.startswith(f"{venue}:")}
        least = min(of_venue.values())
        # The first decided minute brings a bar of its own.
        wait = plan.warmup_bars - 1 - least
        waiting = sorted(name for name, bars in needs.items() if bars - 1 > least)
        structlog.get_logger().warning(
            "not scored yet: the history is shorter than the features look back",
            venue=venue,
            instruments=_some(sorted(of_venue)),
            bars=least,
            needs=plan.warmup_bars,
            minutes=wait,
            until=f"{clock(first_minute + wait)} UTC",
            features=_some([f"{name} ({needs[name]})" for name in waiting]),
        )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMES_MOST} more" if len(names) > NAMES_MOST else ""
    return ", ".join(names[:NAMES_MOST]) + more
