"""Kraken spot, websocket v2.

**A bar is final** when a row of a later `interval_begin` has come, or when Kraken's own clock is `GRACE_S`
past its end. No flag says so: a row comes with every trade and nothing comes without one. Kraken's clock is
the `timestamp` of its newest frame plus what has gone by since it came, which is never ahead of the truth,
however wrong the clock here is. A row of a bar already closed is a revision and given out again.

A frame (ours, shortened; a row's `timestamp` is its END and deprecated):

    {"channel":"ohlc","type":"update","timestamp":"2023-11-14T22:13:05.123456789Z","data":[{"symbol":"BTC/USD",
     "open":37000.1,"high":37002.5,"low":36999.0,"close":37001.0,"volume":12.5,"trades":420,
     "interval_begin":"2023-11-14T22:13:00.000000000Z","interval":1}]}

The first frame of a subscription is a snapshot: the latest bars, the last of them forming. Minutes without a
trade have no row, here as in Kraken's downloadable archive; the rows without trades that REST has are left
out, so that a market is told one way by every source. Nothing says what takers bought.

**Connection**: a heartbeat comes about every second when nothing else does. Reconnecting in a tight loop is
answered by a temporary ban of the address, so attempts are 5 s apart.

**History**: `/0/public/OHLC`, at most the newest 720 rows whatever is asked for, the last one always forming.
Older minutes are not to be had by REST. A pair is named without its slash (`BTCUSD`).

Sources: docs.kraken.com (websocket v2: ohlc, heartbeat, status; REST: Get OHLC Data). Frames of v1 (arrays,
`event`) and of Kraken Futures (`feed`) are ignored by name.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import msgspec

from adapters.exchanges.reading import (
    ABSENT,
    FrameReader,
    RefusedError,
    UtcTime,
    bar_of_texts,
    checked,
    decode_history,
    forming,
    minute_of_s,
    minute_of_time,
    read_rows,
)
from adapters.exchanges.venue import (
    HistoryPage,
    HistoryRefusedError,
    HistoryRequest,
    HistoryRules,
    Said,
    StreamRules,
    requests,
)
from daemon.feed import BarClosed

GRACE_S: Final = 3.0
"""How long after a minute's end a row of it may still come."""
CLOCK_TOLERANCE_S: Final = 600.0
"""A frame from further ahead than any clock is wrong is refused: it would close minutes that still run."""
REST_ROWS: Final = 720

IGNORED: Final = frozenset(("book", "heartbeat", "instrument", "level3", "status", "ticker", "trade"))
"""Channels of v2 that we do not ask for or that say nothing about bars."""
IGNORED_V1: Final = frozenset(("book", "ohlc", "spread", "ticker", "trade"))
IGNORED_FUTURES: Final = frozenset(
    ("book", "book_snapshot", "heartbeat", "ticker", "ticker_lite", "trade", "trade_snapshot")
)
IGNORED_EVENTS_V1: Final = frozenset(
    ("heartbeat", "pong", "subscribe", "subscriptionStatus", "systemStatus", "unsubscribe")
)


class _Row(msgspec.Struct):
    symbol: str
    open: float
    high: float
    low: float
    close: float
    volume: float
    interval_begin: UtcTime
    interval: int


class _Frame(msgspec.Struct):
    channel: str | None = None
    data: msgspec.Raw = ABSENT
    timestamp: UtcTime | int | None = None
    method: str | None = None
    success: bool | None = None
    error: msgspec.Raw = ABSENT
    symbol: str | None = None
    result: msgspec.Raw = ABSENT
    event: str | None = None
    feed: str | None = None
    orderBook: msgspec.Raw = ABSENT  # noqa: N815 - the wire's name


_FRAME = msgspec.json.Decoder(_Frame)
_ROWS = msgspec.json.Decoder(list[_Row])
_V1 = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)


class _Answer(msgspec.Struct):
    error: list[str]
    result: dict[str, msgspec.Raw] = {}


_HistoryRow = tuple[int, str, str, str, str, str, str, int]
_ANSWER = msgspec.json.Decoder(_Answer)
_HISTORY_ROWS = msgspec.json.Decoder(list[_HistoryRow])
_PASSING: Final = (
    "EAPI:Rate limit",
    "EGeneral:Temporary",
    "EGeneral:Too many",
    "EService:",
)
"""Beginnings of errors that may be gone later."""


class KrakenParser(FrameReader):
    """Reads rows and remembers, per symbol, the newest bar and whether it was given out as final."""

    def __init__(self, feed: str, symbols: Sequence[str]) -> None:
        super().__init__(feed, symbols)
        self._newest: dict[str, BarClosed] = {}
        self._closed: dict[str, BarClosed] = {}
        self._ahead_s: float | None = None

    def follow(self, symbols: Sequence[str]) -> None:
        """Know these symbols from now on and no other (`Parser.follow`)."""
        super().follow(symbols)
        stay = set(self.instruments.values())
        self._newest = {name: bar for name, bar in self._newest.items() if name in stay}
        self._closed = {name: bar for name, bar in self._closed.items() if name in stay}

    def read(self, frame: bytes, received_s: float) -> list[Said]:
        """Return what a frame says."""
        if frame[:1] == b"[":
            return self._v1(_V1.decode(frame))
        outer = _FRAME.decode(frame)
        if outer.channel == "ohlc" and outer.data:
            return self._ohlc(outer, received_s, frame)
        if outer.method is not None:
            return self._answer(outer)
        if outer.channel in IGNORED:
            return self.ignored(outer.channel)
        return self._foreign(outer)

    def due(self, now_s: float) -> list[Said]:
        """Return the bars whose minute is over by Kraken's clock (`Parser.due`)."""
        if self._ahead_s is None:
            return []
        kraken_s = now_s + self._ahead_s
        over = [bar for bar in self._newest.values() if (bar.minute + 1) * 60 + GRACE_S <= kraken_s]
        return [bar for bar in over if self._close(bar)]

    def _ohlc(self, outer: _Frame, received_s: float, frame: bytes) -> list[Said]:
        if not isinstance(outer.timestamp, datetime):
            raise RefusedError("an ohlc frame without its time")
        sent_s = outer.timestamp.timestamp()
        if sent_s > received_s + CLOCK_TOLERANCE_S:
            raise RefusedError(f"sent at {outer.timestamp.isoformat()}, ahead of the clock of this machine")
        rows = _ROWS.decode(outer.data or b"")
        if not rows:
            raise RefusedError("an ohlc frame without a row")
        self._ahead_s = sent_s - received_s
        return self.each(rows, lambda row: self._row(row, sent_s), frame)

    def _row(self, row: _Row, sent_s: float) -> list[Said]:
        if row.interval != 1:
            return self.ignored("ohlc of another interval")
        instrument = self.instrument(row.symbol)
        if instrument is None:
            return self.not_ours()
        minute = minute_of_time(row.interval_begin)
        if minute * 60 > sent_s:
            raise RefusedError(f"minute {row.interval_begin.isoformat()} begins after the frame was sent")
        bar = checked(BarClosed(instrument, minute, row.open, row.high, row.low, row.close, row.volume))
        newest = self._newest.get(instrument)
        if newest is not None and minute < newest.minute:
            return self._late(bar)
        self._newest[instrument] = bar
        if newest is not None and minute > newest.minute and self._close(newest):
            return [newest, forming(bar)]
        closed = self._closed.get(instrument)
        if closed is not None and closed.minute == minute:
            return [bar] if self._close(bar) else self.ignored("ohlc row known already")
        return [forming(bar)]

    def _late(self, bar: BarClosed) -> list[Said]:
        """Return what a row of an earlier minute says: a revision or a missed bar, or nothing new."""
        closed = self._closed.get(bar.instrument)
        if (closed is None or bar.minute >= closed.minute) and self._close(bar):
            return [bar]
        return self.ignored("ohlc row known already")

    def _close(self, bar: BarClosed) -> bool:
        """Note a bar as given out; return whether it is new."""
        if _same(self._closed.get(bar.instrument), bar):
            return False
        self._closed[bar.instrument] = bar
        return True

    def _answer(self, answer: _Frame) -> list[Said]:
        if answer.method == "pong":
            return self.ignored("pong")
        if answer.success is False:
            instrument = self.instrument(answer.symbol or "") or ""
            return self.not_sent(_TEXT.decode(answer.error) if answer.error else "", instrument)
        return self.ignored("subscription confirmed")

    def _foreign(self, frame: _Frame) -> list[Said]:
        """Return what frames are that belong to another protocol of Kraken."""
        if frame.event is not None and frame.event in IGNORED_EVENTS_V1:
            return self.ignored(f"v1 {frame.event}")
        if frame.feed is not None and frame.feed in IGNORED_FUTURES:
            return self.ignored(f"futures {frame.feed}")
        if frame.orderBook or (frame.error and frame.result):
            return self.ignored("answer of REST")
        raise RefusedError("neither a channel's data nor an answer")

    def _v1(self, parts: list[msgspec.Raw]) -> list[Said]:
        """Return what an array of protocol v1 is: [channel number, data, channel name, pair]."""
        if len(parts) >= 4:
            name = _TEXT.decode(parts[-2]).partition("-")[0]
            if name in IGNORED_V1:
                return self.ignored(f"v1 {name}")
        raise RefusedError("an array that is no frame of protocol v1")


def _same(one: BarClosed | None, other: BarClosed) -> bool:
    """Return whether two bars say the same; `==` would not, for the takers' volume is NaN in both."""
    return one is not None and (one.minute, one.open, one.high, one.low, one.close, one.volume) == (
        other.minute,
        other.open,
        other.high,
        other.low,
        other.close,
        other.volume,
    )


def _stream() -> StreamRules:
    return StreamRules(
        url="wss://ws.kraken.com/v2",
        instruments_per_connection=250,
        requests_per_s=5.0,
        connect_spacing_s=5.0,
        ping=b'{"method":"ping"}',
        ping_every_s=30.0,
        silent_after_s=45.0,
        quiet_after_s=300.0,
        speaks_each_minute=False,
    )


def _history() -> HistoryRules:
    return HistoryRules(url="https://api.kraken.com", minutes_per_page=REST_ROWS, requests_per_s=1.0)


@dataclass(frozen=True, slots=True)
class Kraken:
    """Kraken's spot market; symbols as websocket v2 has them (`BTC/USD`)."""

    name: str = "kraken"
    stream: StreamRules = field(default_factory=_stream)
    history: HistoryRules = field(default_factory=_history)
    symbols_per_request: int = 100

    def parser(self, symbols: Sequence[str]) -> KrakenParser:
        """Make a parser (`Venue.parser`)."""
        return KrakenParser(self.name, symbols)

    def subscribe(self, symbols: Sequence[str]) -> list[bytes]:
        """Return the subscribing frames (`Venue.subscribe`); the snapshot tells what is forming already."""
        ohlc = {"channel": "ohlc", "interval": 1, "snapshot": True}
        return requests(
            symbols,
            self.symbols_per_request,
            lambda some: {"method": "subscribe", "params": {**ohlc, "symbol": some}},
        )

    def history_request(
        self,
        symbol: str,
        first_minute: int,
        last_minute: int,  # noqa: ARG002 - every answer goes up to now
        now_minute: int,  # noqa: ARG002 - as above
    ) -> HistoryRequest:
        """Return the request for a span of minutes (`Venue.history_request`); `since` is exclusive."""
        query = {"pair": symbol.replace("/", ""), "interval": "1", "since": str(first_minute * 60 - 1)}
        return HistoryRequest("/0/public/OHLC", query)

    def read_history(self, symbol: str, body: bytes) -> HistoryPage:
        """Read an answer (`Venue.read_history`)."""
        answer = decode_history(_ANSWER, body)
        if answer.error:
            reason = "; ".join(answer.error)[:200]
            raise HistoryRefusedError(reason, passing=reason.startswith(_PASSING))
        pairs = [name for name in answer.result if name != "last"]
        if len(pairs) != 1:
            raise HistoryRefusedError(f"rows of {len(pairs)} pairs instead of one")
        rows = decode_history(_HISTORY_ROWS, bytes(answer.result[pairs[0]]))
        instrument = f"{self.name}:{symbol}"

        def bar(row: _HistoryRow) -> BarClosed | None:
            said = bar_of_texts(instrument, minute_of_s(row[0]), (*row[1:5], row[6]))
            return said if row[7] else None

        page = read_rows(self.name, rows[:-1], bar)
        if len(rows) < REST_ROWS:
            return page
        return HistoryPage(page.bars, page.refused, reach=minute_of_s(rows[0][0]))
