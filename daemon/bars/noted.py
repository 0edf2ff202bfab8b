"""Diagnostics on their way to the tape: bars that entered nothing, and when bars came."""

from typing import Final

from daemon.bars.lane import Came
from daemon.bars.settled import Row
from daemon.diagnostics import Arrival, Diagnostics, StoredBar, Unapplied
from daemon.feed import BarClosed

MOST: Final = 10_000
"""Most rows of a kind that wait; further ones are only counted."""

KINDS: Final = {Came.LATE: Unapplied.LATE, Came.REVISION: Unapplied.REVISION}


class Noted:
    """What is to be noted.

    Attributes:
        dropped: Rows for which there was no room.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._bars: list[StoredBar] = []
        self._arrivals: list[Arrival] = []

    def unapplied(self, came: Came, bar: BarClosed, received_ms: int) -> None:
        """Note a bar that came too late, or again with other values; nothing of any other."""
        kind = KINDS.get(came)
        if kind is not None and self._has_room(self._bars):
            self._bars.append(StoredBar(kind, bar, received_ms))

    def arrival(self, row: Row) -> None:
        """Note when the bar of a row came, if it came from outside."""
        if row.received_ms is not None and self._has_room(self._arrivals):
            self._arrivals.append(Arrival(row.bar.instrument, row.bar.minute, row.received_ms))

    def drain(self) -> Diagnostics:
        """Hand over what was noted."""
        noted = Diagnostics(tuple(self._bars), tuple(self._arrivals))
        self._bars, self._arrivals = [], []
        return noted

    def _has_room(self, rows: list[StoredBar] | list[Arrival]) -> bool:
        full = len(rows) >= MOST
        self.dropped += full
        return not full
