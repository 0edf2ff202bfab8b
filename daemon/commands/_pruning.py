"""Pruning a tape by hand, while no run writes it."""

from pathlib import Path
from typing import Final

from adapters.clock import SystemClock
from adapters.host.progress import Progress
from adapters.tape.limits import Limits, goal_of
from adapters.tape.place import Place
from adapters.tape.reader import TapeReader
from adapters.tape.retention import Pruner
from adapters.tape.writer import TapeWriter
from daemon.commands._retention import LifeSummaries
from daemon.commands._tape_models import first_model
from daemon.errors import TapeVersionError

STEP_BARS: Final = 131_072
"""By hand nothing waits for a step."""


def prune(place: Place, max_bytes: int | None, keep_days: float | None) -> str:
    """Prune a tape and say what came of it.

    Raises:
        TapeVersionError: There is no tape.
        TapeInUseError: A run writes it.
        TapeError: It cannot be written; the steps that were taken stand.
    """
    if isinstance(place, Path) and not place.exists():
        raise TapeVersionError(f"there is no tape at {place}")
    with TapeWriter(place) as tape:
        reader = TapeReader(place, tape.database)
        reader.demand_begun()
        before = tape.database.used_bytes()
        _, first = first_model(reader)
        goal = goal_of(reader, Limits(max_bytes, keep_days), first.model.plan.history_rows)
        if goal is None:
            return (
                "nothing was pruned: the tape is within these limits, or what is above them is what the "
                "windows of its newest snapshot need"
            )
        gone = reader.pruned()
        oldest = gone.batch + 1 if gone else 1
        pruner = Pruner(tape, LifeSummaries, STEP_BARS)
        with Progress("pruning", goal.last) as progress:
            while pruner.step(goal, SystemClock().now_ms()):
                reached = reader.pruned()
                progress.reach(reached.batch if reached else 0)
        tape.database.give_back(whole=True)
        after = tape.database.used_bytes()
    return (
        f"pruned: batches {oldest:,} to {goal.last:,} are gone; {before:,} bytes became {after:,}. "
        f"Verification begins after batch {goal.snapshot:,}."
    )
