"""The minute grid of a run: the session minutes of all its instruments, and which are each one's own."""

from collections.abc import Iterator, Sequence

import numpy as np

from daemon.bars.sessions import SessionCalendar, union
from daemon.kernels import IntArray

SEARCH_MINUTES = 10_080
"""How much calendar is looked at in one go while gathering session minutes."""


class Grid:
    """Session minutes of instruments that may keep different calendars.

    Args:
        calendars: The calendar's name of each instrument, in the run's order.
    """

    def __init__(self, calendars: Sequence[str]) -> None:
        names = sorted(set(calendars))
        self._calendars = tuple(SessionCalendar(name) for name in names)
        self._calendar_of = np.array([names.index(name) for name in calendars], dtype=np.int64)
        self._union = union(self._calendars)

    def minutes(self, first: int, last: int) -> IntArray:
        """Return the minutes of [first, last] in which any instrument has a session, ascending."""
        return self._union.minutes(first, last)

    def sessions(self, minute: IntArray) -> IntArray:
        """Return (n_minutes, n_instruments): each instrument's session number, -1 outside any."""
        by_calendar = np.stack([calendar.sessions(minute) for calendar in self._calendars], axis=1)
        return by_calendar[:, self._calendar_of]

    def runs(self, first: int, last: int, max_minutes: int) -> Iterator[IntArray]:
        """Cut the session minutes of [first, last] into runs of `max_minutes`; the last may be shorter."""
        step = max(max_minutes, SEARCH_MINUTES)
        waiting = np.empty(0, dtype=np.int64)
        for start in range(first, last + 1, step):
            waiting = np.concatenate([waiting, self.minutes(start, min(start + step - 1, last))])
            while len(waiting) >= max_minutes:
                yield waiting[:max_minutes]
                waiting = waiting[max_minutes:]
        if len(waiting):
            yield waiting
