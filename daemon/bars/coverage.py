"""What came and what was missing: per instrument, the bars that its sessions called for and those it had."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from daemon.bars.grid import Grid
from daemon.events import Instrument, Minutes
from daemon.kernels import BoolArray, IntArray

COUNTS: Final = (
    *("expected", "received", "synthetic", "untraded", "refused", "gaps", "longest_gap", "open_gap"),
    *("early", "begun"),
)
"""The state of `Coverage`, one whole number per instrument each."""


@dataclass(frozen=True, slots=True)
class CoverageFigures:
    """What one instrument's decided minutes held.

    Attributes:
        instrument: Its name.
        expected: Minutes of its own sessions from its first bar on, warm-up included.
        received: Bars that came.
        synthetic: Flat bars that papertape made for short runs of absent minutes.
        untraded: Of the received ones, those with a volume of zero: nothing could have been filled there.
        refused: Of the received ones, those that the features could not take.
        gaps: Runs of session minutes without a bar, the one that lasts to the end among them. A close between
            two such minutes does not end a run.
        longest_gap: Session minutes of the longest.
        open_gap: Session minutes of the one that lasts to the end; 0 if the last minute had a bar.
        early: Session minutes before its first bar; none of the above counts them.
    """

    instrument: str
    expected: int
    received: int
    synthetic: int
    untraded: int
    refused: int
    gaps: int
    longest_gap: int
    open_gap: int
    early: int

    @property
    def absent(self) -> int:
        """Minutes of gaps."""
        return self.expected - self.received - self.synthetic


class Coverage:
    """Counts bars by instrument, minute by minute or thousands at once: how minutes are cut changes nothing.

    A bar that is backfilled later does not take back that its minute had none.

    Args:
        instruments: Of the run, in the order of every column: their calendars say what is expected.
        counts: (n_instruments,) by the names of `COUNTS`; default: nothing was seen.
    """

    def __init__(
        self, instruments: Sequence[Instrument], counts: Mapping[str, IntArray] | None = None
    ) -> None:
        self._instruments = tuple(instruments)
        self._grid = Grid([instrument.calendar for instrument in instruments])
        self._counts: dict[str, IntArray] = {
            name: np.zeros(len(instruments), dtype=np.int64) if counts is None else counts[name]
            for name in COUNTS
        }

    def warm(self, minutes: Minutes) -> None:
        """Take minutes that are not counted: they only show which instruments have begun."""
        self._counts["begun"] |= minutes.present.any(axis=0)

    def update(self, offered: Minutes, admitted: Minutes) -> None:
        """Take decided minutes.

        Args:
            offered: As they came.
            admitted: The same minutes without refused bars.
        """
        if not len(offered):
            return
        counts, came = self._counts, offered.present
        own = came | (self._grid.sessions(offered.minute) >= 0)
        begun = np.logical_or.accumulate(came, axis=0) | (counts["begun"] > 0)
        real = came & ~offered.synthetic
        for name, cells in (
            ("expected", own & begun),
            ("received", real),
            ("synthetic", came & offered.synthetic),
            ("untraded", real & ~offered.tradable),
            ("refused", came & ~admitted.present),
            ("early", own & ~begun),
        ):
            counts[name] += cells.sum(axis=0)
        counts["begun"] |= begun[-1]
        if not came.all():
            self._measure_gaps(own, absent=own & begun & ~came)
        else:
            counts["open_gap"][:] = 0

    def figures(self) -> tuple[CoverageFigures, ...]:
        """Return the counts so far, by instrument."""
        names = [name for name in COUNTS if name != "begun"]
        columns = {name: self._counts[name].tolist() for name in names}
        return tuple(
            CoverageFigures(instrument.name, **{name: columns[name][i] for name in names})
            for i, instrument in enumerate(self._instruments)
        )

    def regrouped(self, index: IntArray, instruments: Sequence[Instrument]) -> Self:
        """Return the counts of another universe: `index[j]` is j's old column, or -1 for a new instrument."""
        counts = {name: np.where(index >= 0, column[index], 0) for name, column in self._counts.items()}
        return type(self)(instruments, counts)

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data."""
        return {name: column.copy() for name, column in self._counts.items()}

    def restored(self, fields: Mapping[str, Any]) -> Self:
        """Return the counts of the same instruments where `to_fields` stood."""
        return type(self)(
            self._instruments, {name: np.array(fields[name], dtype=np.int64) for name in COUNTS}
        )

    def _measure_gaps(self, own: BoolArray, absent: BoolArray) -> None:
        """Count the runs of absent minutes, the one that the minutes before left open among them.

        The length of a run is the number of own minutes since the last one that was not absent: a difference
        of running counts, which is as long for any cut of the minutes.
        """
        counts = self._counts
        passed = np.cumsum(own, axis=0, dtype=np.int64)
        ended = np.where(own & ~absent, passed, -counts["open_gap"])
        length = np.where(absent, passed - np.maximum.accumulate(ended, axis=0), 0)
        counts["gaps"] += (length == 1).sum(axis=0)
        np.maximum(counts["longest_gap"], length.max(axis=0), out=counts["longest_gap"])
        # Where an instrument has no session the run neither grows nor ends: its last own minute tells.
        latest = own.shape[0] - 1 - np.argmax(own[::-1], axis=0)
        now = length[latest, np.arange(own.shape[1])]
        counts["open_gap"] = np.where(own.any(axis=0), now, counts["open_gap"])
