"""Reading what strangers send: every doubt about a frame ends as a refusal with its reason."""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final, TypeVar

import msgspec

from adapters.exchanges.venue import HistoryPage, HistoryRefusedError, Said, SubscriptionRefused
from daemon.events import MINUTE_MS
from daemon.feed import BarClosed, FrameIgnored, FrameRefused, PriceSeen

EXCERPT_CHARACTERS: Final = 200
FIRST_MINUTE: Final = 20_454_000
"""2008-11-21: nothing that is traded here is older, so anything before is a time in another unit."""
LAST_MINUTE: Final = 68_374_080
"""2100-01-01, as `FIRST_MINUTE`."""

UtcTime = Annotated[datetime, msgspec.Meta(tz=True)]
"""An RFC 3339 time with its zone."""

ABSENT: Final = msgspec.Raw()
"""Default of a field that is decoded later, once it is known what it is; false, as an empty field is."""

Row = TypeVar("Row")


_IS_DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?").fullmatch


class RefusedError(Exception):
    """Says inside a parser why a frame or a row cannot be taken; never leaves it."""


UNREADABLE: Final = (RefusedError, msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding a stranger's bytes may raise: text that is no UTF-8 and nesting without end included."""


def excerpt(frame: bytes) -> str:
    """Return the beginning of a frame as text."""
    return frame[: 4 * EXCERPT_CHARACTERS].decode("utf-8", "replace")[:EXCERPT_CHARACTERS]


def number(text: str) -> float:
    """Return a decimal number that came as text, as venues send them lest a float loses digits.

    Raises:
        RefusedError: It is not digits with a point, or not finite.
    """
    # float() alone would take `1_000`, ` 1`, `nan` and `Infinity` as well.
    if not _IS_DECIMAL(text):
        raise RefusedError(f"{text[:20]!r} is no decimal number")
    value = float(text)
    if math.isinf(value):
        raise RefusedError(f"{text[:20]!r} is too large")
    return value


def whole(text: str) -> int:
    """Return a whole number that came as text.

    Raises:
        RefusedError: It is anything but at most 18 digits.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise RefusedError(f"{text[:20]!r} is no whole number")
    return int(text)


def minute_of_ms(milliseconds: int) -> int:
    """Return the epoch minute that begins at this time.

    Raises:
        RefusedError: No minute begins there, or the time is in another unit.
    """
    return _minute(milliseconds, MINUTE_MS, "milliseconds")


def minute_of_s(seconds: int) -> int:
    """Return the epoch minute that begins at this time; raises as `minute_of_ms`."""
    return _minute(seconds, 60, "seconds")


def _minute(value: int, per_minute: int, unit: str) -> int:
    minute, rest = divmod(value, per_minute)
    if not FIRST_MINUTE <= minute < LAST_MINUTE:
        raise RefusedError(f"{str(value)[:24]} is no time in {unit}")
    if rest:
        raise RefusedError(f"{value} {unit} is not where a minute begins")
    return minute


def minute_of_time(time: datetime) -> int:
    """Return the epoch minute that begins at this time; raises as `minute_of_ms`."""
    if time.second or time.microsecond:
        raise RefusedError(f"{time.isoformat()} is not where a minute begins")
    return minute_holding(time)


def minute_holding(time: datetime) -> int:
    """Return the epoch minute in which this time lies.

    Raises:
        RefusedError: The time is not of this century.
    """
    minute = int((time - _EPOCH).total_seconds() // 60)
    if not FIRST_MINUTE <= minute < LAST_MINUTE:
        raise RefusedError(f"{time.isoformat()} is not of this century")
    return minute


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def checked(bar: BarClosed) -> BarClosed:
    """Return the bar.

    Raises:
        RefusedError: It breaks what holds of every bar.
    """
    problem = bar.problem()
    if problem is not None:
        raise RefusedError(problem)
    return bar


def bar_of_texts(instrument: str, minute: int, ohlcv: Iterable[str], taker: float = math.nan) -> BarClosed:
    """Return the bar whose open, high, low, close and volume came as text; raises as `number`, `checked`."""
    first, high, low, last, volume = map(number, ohlcv)
    return checked(BarClosed(instrument, minute, first, high, low, last, volume, taker))


def forming(bar: BarClosed) -> PriceSeen:
    """Return what a bar says that is not final: the newest price of its minute."""
    return PriceSeen(bar.instrument, bar.minute, bar.close)


class FrameReader(ABC):
    """What the parsers of all venues have in common: names, refusals, and the promise never to raise.

    Args:
        feed: The venue's name.
        symbols: The symbols that were asked for; bars of others are ignored, so that no stranger's symbol
            can make the parser's memory grow.
    """

    def __init__(self, feed: str, symbols: Sequence[str]) -> None:
        self.feed = feed
        self.instruments: dict[str, str] = {}
        FrameReader.follow(self, symbols)
        self._not_ours: list[Said] = [FrameIgnored(feed, "an instrument not asked for")]

    def parse(self, frame: bytes, received_s: float) -> list[Said]:
        """Return what a frame says (`Parser.parse`)."""
        try:
            return self.read(frame, received_s)
        except UNREADABLE as problem:
            return [self.refused(problem, frame)]

    def follow(self, symbols: Sequence[str]) -> None:
        """Know these symbols from now on and no other (`Parser.follow`)."""
        self.instruments = {symbol: f"{self.feed}:{symbol}" for symbol in symbols}

    def due(self, now_s: float) -> list[Said]:  # noqa: ARG002 - venues whose bars close with time override it
        """Return nothing: at most venues a frame says that a bar is final (`Parser.due`)."""
        return []

    @abstractmethod
    def read(self, frame: bytes, received_s: float) -> list[Said]:
        """Return what a frame says, or raise one of `UNREADABLE`."""

    def refused(self, problem: Exception, frame: bytes) -> FrameRefused:
        """Return the refusal of a frame."""
        return FrameRefused(self.feed, str(problem)[:EXCERPT_CHARACTERS], excerpt(frame))

    def ignored(self, name: str) -> list[Said]:
        """Return that a frame is known and says nothing about bars."""
        return [FrameIgnored(self.feed, name)]

    def not_sent(self, reason: str, instrument: str = "") -> list[Said]:
        """Return that the venue will not send what was asked for."""
        return [SubscriptionRefused(instrument, reason[:EXCERPT_CHARACTERS])]

    def instrument(self, symbol: str) -> str | None:
        """Return `venue:SYMBOL` of a symbol that was asked for."""
        return self.instruments.get(symbol)

    def not_ours(self) -> list[Said]:
        """Return that a frame is about an instrument that was not asked for."""
        return self._not_ours

    def each(self, rows: Iterable[Row], read: Callable[[Row], list[Said]], frame: bytes) -> list[Said]:
        """Read every row of a frame; a bad row is refused and takes none of the others with it."""
        said: list[Said] = []
        for row in rows:
            try:
                said += read(row)
            except RefusedError as problem:
                said.append(self.refused(problem, frame))
        return said


def read_rows(feed: str, rows: Iterable[Row], read: Callable[[Row], BarClosed | None]) -> HistoryPage:
    """Read the rows of a history's answer, in any order; None from `read` leaves a row out."""
    bars: list[BarClosed] = []
    refused: list[FrameRefused] = []
    for row in rows:
        try:
            bar = read(row)
        except RefusedError as problem:
            refused.append(FrameRefused(feed, f"history: {problem}", str(row)[:EXCERPT_CHARACTERS]))
        else:
            if bar is not None:
                bars.append(bar)
    return HistoryPage(sorted(bars, key=lambda bar: bar.minute), refused)


def decode_history(decoder: msgspec.json.Decoder[Row], body: bytes) -> Row:
    """Decode a history's answer.

    Raises:
        HistoryRefusedError: It is not what the venue documents.
    """
    try:
        return decoder.decode(body)
    except UNREADABLE as problem:
        raise HistoryRefusedError(f"not the venue's answer ({problem}): {excerpt(body)}") from None
