"""In which minutes an instrument trades: around the clock, or in the sessions of an exchange's calendar.

Half days, holidays and daylight saving come from the library exchange_calendars.
"""

import warnings
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import numpy as np

from daemon.errors import BarsError
from daemon.events import MINUTES_PER_DAY
from daemon.kernels import IntArray

ALWAYS: Final = "24/7"
MINUTES_PER_YEAR: Final = 525_600.0
"""Of a market that never closes."""

COUNTED_YEARS: Final = (2021, 2024)
"""First and last of the years whose sessions are averaged: whole ones, and the same for every run."""

_MINUTE_NS: Final = 60_000_000_000
_NO_BREAK: Final = np.iinfo(np.int64).min


class SessionCalendar:
    """The session minutes of one calendar, or of several together.

    Args:
        names: `24/7`, or names that exchange_calendars knows, such as `XNYS`; at least one.

    Raises:
        BarsError: No calendar has that name.
    """

    def __init__(self, *names: str) -> None:
        self.names: Final = tuple(sorted(set(names)))
        for name in self.names:
            if name != ALWAYS:
                _check_name(name)

    def minutes(self, first: int, last: int) -> IntArray:
        """Return the session minutes (bar-open times, epoch minutes) in [first, last], ascending.

        Raises:
            BarsError: The calendar does not reach that far.
        """
        if ALWAYS in self.names:
            return np.arange(first, last + 1, dtype=np.int64)
        spans = [_session_spans(name, *_years(first, last)) for name in self.names]
        return _minutes_within(np.concatenate(spans), first, last)

    def sessions(self, minute: IntArray) -> IntArray:
        """Number the sessions that `minute` (n,), ascending, stands in; -1 outside any.

        Two minutes with the same number have only session minutes between them. Numbers are only comparable
        within one call.
        """
        if ALWAYS in self.names or not len(minute):
            return np.zeros(len(minute), dtype=np.int64)
        own = self.minutes(int(minute[0]), int(minute[-1]))
        if not len(own):
            return np.full(len(minute), -1, dtype=np.int64)
        number = np.concatenate([[0], np.cumsum(np.diff(own) > 1)]).astype(np.int64)
        at = np.minimum(np.searchsorted(own, minute), len(own) - 1)
        return np.where(own[at] == minute, number[at], -1)


def minutes_per_year(name: str) -> float:
    """Return how many session minutes a year has, on average of `COUNTED_YEARS`: what annualises a minute.

    XNYS has about 97,700, a market that never closes 525,600.

    Raises:
        BarsError: No calendar has that name, or it does not cover those years.
    """
    if name == ALWAYS:
        return MINUTES_PER_YEAR
    _check_name(name)
    first, last = COUNTED_YEARS
    spans = _session_spans(name, first, last)
    return int(np.sum(spans[:, 1] - spans[:, 0])) / (last - first + 1)


def days_per_year(name: str) -> int:
    """Return on how many days (UTC) of a year a session begins, rounded; what annualises a day's return.

    XNYS has 251, a market that never closes 365.

    Raises:
        BarsError: As from `minutes_per_year`.
    """
    if name == ALWAYS:
        return 365
    _check_name(name)
    first, last = COUNTED_YEARS
    days = np.unique(_session_spans(name, first, last)[:, 0] // MINUTES_PER_DAY)
    return round(len(days) / (last - first + 1))


def union(calendars: Iterable[SessionCalendar]) -> SessionCalendar:
    """Return the calendar whose session minutes are those of any of `calendars`."""
    return SessionCalendar(*(name for calendar in calendars for name in calendar.names))


def _minutes_within(spans: IntArray, first: int, last: int) -> IntArray:
    inside = [
        np.arange(max(start, first), min(stop, last + 1), dtype=np.int64)
        for start, stop in spans.tolist()
        if start <= last and stop > first
    ]
    return np.unique(np.concatenate(inside)) if inside else np.empty(0, dtype=np.int64)


def _years(first: int, last: int) -> tuple[int, int]:
    # Whole years, one more on either side, so that neighbouring questions are answered from one table.
    year = np.array([first, last], dtype="datetime64[m]").astype("datetime64[Y]").astype(np.int64) + 1970
    return int(year[0]) - 1, int(year[1]) + 1


def _check_name(name: str) -> None:
    import exchange_calendars  # noqa: PLC0415  # slow, and round-the-clock markets need it never

    known = exchange_calendars.get_calendar_names(include_aliases=True)
    if name not in known:
        raise BarsError(
            f"universe.calendar: there is no calendar named {name!r}. "
            f"Write 24/7 or a name of exchange_calendars, for example XNYS, XNAS, XLON, XETR or CMES."
        )


@lru_cache(maxsize=64)
def _session_spans(name: str, first_year: int, last_year: int) -> IntArray:
    """Return (n_spans, 2): first minute of every unbroken stretch of trading, and the one behind its last."""
    import exchange_calendars  # noqa: PLC0415  # as above

    try:
        with warnings.catch_warnings():
            # The library asks pandas for arrays in a way that pandas 3.1 warns of; the values are right.
            warnings.simplefilter("ignore")
            table = exchange_calendars.get_calendar(
                name, start=f"{first_year}-01-01", end=f"{last_year}-12-31"
            )
    except (exchange_calendars.errors.CalendarError, ValueError) as error:
        raise BarsError(
            f"the calendar {name} of exchange_calendars does not cover {first_year} to {last_year}: {error}. "
            f"Choose a shorter range or universe.calendar: 24/7."
        ) from error
    opens, closes = np.asarray(table.opens_nanos), np.asarray(table.closes_nanos)
    break_starts, break_ends = np.asarray(table.break_starts_nanos), np.asarray(table.break_ends_nanos)
    broken = break_starts != _NO_BREAK
    starts = np.concatenate([opens, break_ends[broken]])
    stops = np.concatenate([np.where(broken, break_starts, closes), closes[broken]])
    order = np.argsort(starts, kind="stable")
    return np.stack([starts[order], stops[order]], axis=1).astype(np.int64) // _MINUTE_NS
