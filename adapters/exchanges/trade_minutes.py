"""Minutes built from trades, for venues whose stream has no minute bars.

A bar's open is the price of its first trade, its close that of its last, its volume the sum of the trades'
sizes, and a minute without a trade has no bar: so venues build their own. What makes such a bar true is that
**no trade is missing**, which the trades' numbers prove: they count up by one. A minute is whole if the trade
before its first one is known, lies in an earlier minute, and no number is left out up to its end. Any other
is left to history.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from daemon.feed import BarClosed


class Part(Enum):
    """What became of a trade, or of a minute that ended."""

    COUNTED = "counted"
    KNOWN = "known already"
    LATE = "came after its minute was closed"
    IN_PART = "minute seen in part, left to history"


@dataclass(slots=True)
class _Minute:
    """The minute that trades now; `is_whole` while no trade of it is known to be missing."""

    minute: int
    open: float
    high: float
    low: float
    close: float
    volume: Decimal
    is_whole: bool


class TradeMinutes:
    """The trades of one instrument, in the order of their numbers, made into minutes. Holds one minute.

    Args:
        instrument: `venue:SYMBOL` of the bars.
    """

    def __init__(self, instrument: str) -> None:
        self.instrument = instrument
        self._last_number: int | None = None
        self._last_minute = 0
        self._minute: _Minute | None = None

    def trade(self, number: int, minute: int, price: float, size: Decimal) -> tuple[BarClosed | None, Part]:
        """Count a trade; return the bar that it ends, and what became of the trade or of the minute it ends.

        `IN_PART` says that the minute before ended and has no bar, for trades of it are missing.
        """
        if self._last_number is not None and number <= self._last_number:
            return None, Part.KNOWN
        follows = self._last_number is not None and number == self._last_number + 1
        running = self._minute
        if minute < (running.minute if running else self._last_minute + 1) and self._last_number is not None:
            return self._late(number, follows=follows)
        if running is not None and minute == running.minute:
            self._last_number = number
            running.is_whole &= follows
            running.high, running.low = max(running.high, price), min(running.low, price)
            running.close = price
            running.volume += size
            return None, Part.COUNTED
        bar, part = self._end(is_whole=follows)
        # With a number left out the missing trade may be of this minute as well.
        self._minute = _Minute(minute, price, price, price, price, size, is_whole=follows)
        self._last_number, self._last_minute = number, minute
        return bar, part

    def _late(self, number: int, *, follows: bool) -> tuple[None, Part]:
        """Take note of a trade of a minute that is over: it cannot change a bar that was given out."""
        self._last_number = number
        if self._minute is not None:
            self._minute.is_whole &= follows
        return None, Part.LATE

    def over(self, minute: int, last_number: int) -> tuple[BarClosed | None, Part]:
        """End the running minute because the venue says that `minute` runs; return its bar, as `trade` does.

        Args:
            minute: Epoch minute that the venue's clock is in.
            last_number: The newest trade's number by the venue; 0 where it does not say.
        """
        if self._minute is None or minute <= self._minute.minute:
            return None, Part.COUNTED
        if last_number > (self._last_number or 0):
            return None, Part.COUNTED  # a trade is on its way, and will end the minute itself
        return self._end(is_whole=True)

    def _end(self, *, is_whole: bool) -> tuple[BarClosed | None, Part]:
        ended, self._minute = self._minute, None
        if ended is None:
            return None, Part.COUNTED
        if not (ended.is_whole and is_whole):
            return None, Part.IN_PART
        return (
            BarClosed(
                self.instrument,
                ended.minute,
                ended.open,
                ended.high,
                ended.low,
                ended.close,
                float(ended.volume),
            ),
            Part.COUNTED,
        )
