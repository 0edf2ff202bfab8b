"""How much of a tape retention takes away: up to a snapshot, and never what that snapshot's windows need."""

from dataclasses import dataclass
from typing import Final

from adapters.tape.reader import TapeReader
from adapters.tape.retention import Goal
from daemon.events import MINUTES_PER_DAY
from daemon.snapshot import HEAD_BYTES, has_this_version

_SNAPSHOTS: Final = (
    f"SELECT batch, minute, substr(content, 1, {HEAD_BYTES}) "  # noqa: S608 - a number of ours
    "FROM snapshot JOIN batch ON number = batch ORDER BY batch"
)
_ENDS: Final = "SELECT coalesce(min(number), 0), coalesce(max(number), 0), max(minute) FROM batch"

FROM_SHARE: Final = 0.95
TO_SHARE: Final = 0.85
"""A tape above the first share of its limit is pruned to the second: so it stays below the limit, and is not
pruned every minute."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a tape may grow to; None: without end.

    Attributes:
        max_bytes: Size of what is on it.
        keep_days: Days whose batches stay.
    """

    max_bytes: int | None
    keep_days: float | None

    @property
    def any(self) -> bool:
        """Whether there is a limit."""
        return self.max_bytes is not None or self.keep_days is not None


def oldest_minute(reader: TapeReader) -> int | None:
    """Return the minute of the oldest batch on the tape, or None if there is none."""
    rows = reader.fetch("SELECT minute FROM batch ORDER BY number LIMIT 1")
    return int(rows[0][0]) if rows else None


def goal_of(reader: TapeReader, limits: Limits, history_rows: int) -> Goal | None:
    """Return what is to be pruned now, or None if nothing is, or nothing can be.

    Args:
        reader: Of the tape.
        limits: Of its size and age.
        history_rows: Rows of each lane that a snapshot's windows need.
    """
    ((first, last, newest),) = reader.fetch(_ENDS)
    if not last:
        return None
    wanted = 0
    if (
        limits.max_bytes is not None
        and (used := reader.database.used_bytes()) > FROM_SHARE * limits.max_bytes
    ):
        wanted = _batches_of(used - TO_SHARE * limits.max_bytes, used / (last - first + 1))
    before = newest - limits.keep_days * MINUTES_PER_DAY if limits.keep_days is not None else None
    # Verification must be able to begin at the oldest that stays.
    snapshots = [(at, minute) for at, minute, head in reader.fetch(_SNAPSHOTS) if has_this_version(head)]
    candidates = [one for one in snapshots if before is not None and one[1] <= before][-1:]
    if wanted:
        # Windows look back on that many minutes at least: an earlier snapshot cannot make room enough.
        enough = first + wanted + history_rows
        candidates += [one for one in snapshots if one[0] >= enough] or snapshots[-1:]
    goal = None
    for batch, minute in candidates:
        free = reader.batch_before(reader.first_needed(minute, history_rows))
        if free >= first:
            goal = Goal(batch, free)
        if free - first + 1 >= wanted:
            break
    return goal


def _batches_of(n_bytes: float, bytes_per_batch: float) -> int:
    return max(1, int(-(-n_bytes // bytes_per_batch)))
