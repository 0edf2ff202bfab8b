"""Whether one calendar has a session in one minute, asked minute by minute."""

from collections import OrderedDict
from typing import Final

from daemon.bars.sessions import ALWAYS, SessionCalendar

SPAN_MINUTES: Final = 10_080
"""So much calendar is looked up at once."""

SPANS: Final = 4
"""So many spans are remembered: a catch-up and the present, with a neighbour each."""


class OpenMinutes:
    """The session minutes of one calendar.

    Args:
        name: `24/7` or a name that exchange_calendars knows.
    """

    def __init__(self, name: str) -> None:
        self._calendar = SessionCalendar(name)
        self._always = name == ALWAYS
        self._spans: OrderedDict[int, frozenset[int]] = OrderedDict()

    def __contains__(self, minute: int) -> bool:
        """Whether the epoch minute is a session minute."""
        return self._always or minute in self._span(minute // SPAN_MINUTES)

    def after(self, minute: int) -> int:
        """Return the first session minute after `minute`.

        Raises:
            BarsError: The calendar does not reach that far.
        """
        minute += 1
        while minute not in self:
            span = minute // SPAN_MINUTES
            later = [found for found in self._span(span) if found > minute]
            minute = min(later) if later else (span + 1) * SPAN_MINUTES
        return minute

    def _span(self, number: int) -> frozenset[int]:
        found = self._spans.get(number)
        if found is None:
            first = number * SPAN_MINUTES
            found = frozenset(self._calendar.minutes(first, first + SPAN_MINUTES - 1).tolist())
            self._spans[number] = found
            if len(self._spans) > SPANS:
                self._spans.popitem(last=False)
        return found
