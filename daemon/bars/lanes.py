"""The lanes of a run: which column is whose, and the minutes in which any of them has a session."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from daemon.bars.lane import Lane, LaneCounts, LaneStart
from daemon.bars.open_minutes import OpenMinutes
from daemon.events import Instrument

NOWHERE: Final = LaneStart()


class Lanes:
    """One lane an instrument, in the order of every column. For the sequencer only.

    Args:
        instruments: Of the run, sorted by name.
        before: Nothing up to this minute is open where no start says otherwise.
        starts: Where instruments stand.

    Attributes:
        departed: What came of instruments that left, by what became of it.
    """

    def __init__(
        self, instruments: Sequence[Instrument], before: int, starts: Mapping[str, LaneStart]
    ) -> None:
        self.departed: Counter[str] = Counter()
        self._calendars: dict[str, OpenMinutes] = {}
        self._lanes: list[Lane] = []
        self._column: dict[str, int] = {}
        self.regroup(instruments, before, {one.name: starts.get(one.name, NOWHERE) for one in instruments})

    def regroup(
        self, instruments: Sequence[Instrument], before: int, starts: Mapping[str, LaneStart]
    ) -> tuple[str, ...]:
        """Go on with other instruments; arguments as of the class, but `starts` names all that join.

        Returns:
            Whose lanes ended; one that leaves and joins at once is among them.
        """
        names = {one.name for one in instruments}
        ended = tuple(lane for lane in self._lanes if lane.name in starts or lane.name not in names)
        for lane in ended:
            self.departed.update(lane.counts.by_way())
        stay = {lane.name: lane for lane in self._lanes if lane not in ended}
        calendars = sorted({one.calendar for one in instruments})
        self._calendars = {name: self._calendars.get(name) or OpenMinutes(name) for name in calendars}
        self._lanes = [
            stay.get(one.name)
            or _lane(one.name, self._calendars[one.calendar], before, starts.get(one.name, NOWHERE))
            for one in instruments
        ]
        self._column = {lane.name: at for at, lane in enumerate(self._lanes)}
        return tuple(lane.name for lane in ended)

    def __iter__(self) -> Iterator[Lane]:
        """Yield them in the order of the columns."""
        return iter(self._lanes)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._lanes)

    def of(self, instrument: str) -> Lane | None:
        """Return the lane of an instrument, if it is of the run."""
        column = self._column.get(instrument)
        return None if column is None else self._lanes[column]

    @property
    def counts(self) -> Mapping[str, LaneCounts]:
        """What came, by instrument."""
        return {lane.name: lane.counts for lane in self._lanes}

    def after(self, minute: int) -> int:
        """Return the first minute after `minute` in which any of them has a session."""
        return min(calendar.after(minute) for calendar in self._calendars.values())


def _lane(name: str, minutes: OpenMinutes, before: int, start: LaneStart) -> Lane:
    if start.minute is None:
        return Lane(name, minutes, before)
    return Lane(name, minutes, start.minute, start.close, start.has_taker, start.idle, start.minute)
