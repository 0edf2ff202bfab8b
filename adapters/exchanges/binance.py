"""Binance spot and USD-M futures: one wire format, two markets.

**A bar is final** when its kline frame says so (`k.x`). Every instrument has a final frame every minute,
traded or not (then `n` is 0 and the bar flat); while the minute runs its newest state comes about every two
seconds.

A frame of a combined stream (ours, shortened; without the wrapper it is the inner object alone):

    {"stream":"btcusdt@kline_1m","data":{"e":"kline","E":1700000040003,"s":"BTCUSDT","k":{
     "t":1699999980000,"T":1700000039999,"s":"BTCUSDT","i":"1m","o":"37000.10","c":"37001.00","h":"37002.50",
     "l":"36999.00","v":"12.5","n":420,"x":true,"V":"7.25"}}}

`t` and `T` are the minute's first and last millisecond, `v` base units, `V` those bought by takers.

**Connection**: the server pings every 20 s (spot) or 3 min (futures), answered by the websocket library; it
cuts every connection at 24 h, now and then earlier, and may announce it (`serverShutdown`). A client may send
5 frames a second, pongs included (futures 10), and hold 1,024 streams a connection (futures 200, to stay
below what users report to work in one).

**History**: `/api/v3/klines`, at most 1,000 rows (futures `/fapi/v1/klines`, 1,500). The last row may be the
minute that still runs and is not marked; only its end time tells. Above 6,000 weight a minute comes 429 with
`Retry-After`; who goes on is banned (418).

Sources: developers.binance.com (spot: WebSocket Streams, Market Data endpoints; USD-M: change log of 2026-03,
which moved klines below `/market` and retired the old path on 2026-04-23).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from adapters.exchanges.reading import (
    ABSENT,
    FrameReader,
    RefusedError,
    bar_of_texts,
    decode_history,
    excerpt,
    forming,
    minute_of_ms,
    number,
    read_rows,
)
from adapters.exchanges.venue import (
    HistoryPage,
    HistoryRefusedError,
    HistoryRequest,
    HistoryRules,
    ReconnectAsked,
    Said,
    StreamRules,
)
from daemon.events import MINUTE_MS
from daemon.feed import BarClosed

IGNORED: Final = frozenset(
    (
        *("24hrMiniTicker", "24hrTicker", "aggTrade", "avgPrice", "bookTicker", "compositeIndex"),
        *("continuous_kline", "contractInfo", "depthUpdate", "executionReport", "forceOrder"),
        *("indexPriceUpdate", "indexPrice_kline", "markPriceUpdate", "markPrice_kline", "ticker_all"),
        *("trade", "trade_all", "ACCOUNT_CONFIG_UPDATE", "ACCOUNT_UPDATE", "MARGIN_CALL"),
        *("ORDER_TRADE_UPDATE", "listenKeyExpired"),
    )
)
"""Events that Binance has and we do not ask for."""


class _Kline(msgspec.Struct):
    t: int
    T: int
    s: str
    i: str
    o: str
    h: str
    l: str  # noqa: E741 - the wire's name
    c: str
    v: str
    V: str
    x: bool


class _Event(msgspec.Struct):
    e: str = ""
    k: msgspec.Raw = ABSENT
    lastUpdateId: int | None = None  # noqa: N815 - the wire's name
    u: int | None = None
    b: msgspec.Raw = ABSENT
    openInterest: str | None = None  # noqa: N815 - the wire's name


class _Frame(_Event):
    stream: str | None = None
    data: msgspec.Raw = ABSENT
    id: int | str | None = None
    result: msgspec.Raw = ABSENT
    error: msgspec.Raw = ABSENT


_FRAME = msgspec.json.Decoder(_Frame)
_EVENT = msgspec.json.Decoder(_Event)
_EVENTS = msgspec.json.Decoder(list[_Event])
_KLINE = msgspec.json.Decoder(_Kline)

_HistoryRow = tuple[
    int, str, str, str, str, str, int, msgspec.Raw, msgspec.Raw, str, msgspec.Raw, msgspec.Raw
]
_HISTORY = msgspec.json.Decoder(list[_HistoryRow])


class _Failure(msgspec.Struct):
    code: int
    msg: str


_FAILURE = msgspec.json.Decoder(_Failure)


class BinanceParser(FrameReader):
    """Reads klines; holds no state, for every frame is whole in itself."""

    def read(self, frame: bytes, received_s: float) -> list[Said]:  # noqa: ARG002 - frames carry their time
        """Return what a frame says."""
        if frame[:1] == b"[":
            return self._events(_EVENTS.decode(frame))
        outer = _FRAME.decode(frame)
        if outer.error:
            return self.not_sent(excerpt(bytes(outer.error)))
        if not outer.data:
            return self._answer(outer) if outer.id is not None else self._event(outer)
        inner = bytes(outer.data)
        return self._events(_EVENTS.decode(inner)) if inner[:1] == b"[" else self._event(_EVENT.decode(inner))

    def _answer(self, answer: _Frame) -> list[Said]:
        """Return what the answer to a subscription says."""
        if answer.result and bytes(answer.result) != b"null":
            return self.ignored("answer to a question")
        return self.ignored("subscription confirmed")

    def _events(self, events: Sequence[_Event]) -> list[Said]:
        """Return what an array of events says; only streams of all instruments come as one."""
        for event in events:
            if event.e not in IGNORED:
                raise RefusedError(f"an array of unknown events {event.e[:40]!r}")
        return self.ignored("events of all instruments")

    def _event(self, event: _Event) -> list[Said]:
        if event.e == "kline" and event.k:
            return self._kline(_KLINE.decode(event.k))
        if event.e in IGNORED:
            return self.ignored(event.e)
        if event.e == "serverShutdown":
            return [ReconnectAsked("Binance shuts this server down")]
        if not event.e and event.lastUpdateId is not None:
            return self.ignored("depth snapshot")
        if not event.e and event.u is not None and event.b:
            return self.ignored("bookTicker")  # spot names no event in it
        if not event.e and event.openInterest is not None:
            return self.ignored("open interest")
        raise RefusedError(f"an unknown event {event.e[:40]!r}")

    def _kline(self, kline: _Kline) -> list[Said]:
        if kline.i != "1m":
            return self.ignored("kline of another interval")
        instrument = self.instrument(kline.s)
        if instrument is None:
            return self.not_ours()
        if kline.T - kline.t != MINUTE_MS - 1:
            raise RefusedError(f"a minute from {kline.t} to {kline.T}")
        texts = (kline.o, kline.h, kline.l, kline.c, kline.v)
        bar = bar_of_texts(instrument, minute_of_ms(kline.t), texts, number(kline.V))
        return [bar if kline.x else forming(bar)]


def _spot_stream() -> StreamRules:
    return StreamRules(
        url="wss://data-stream.binance.vision/stream",
        instruments_per_connection=1024,
        requests_per_s=3.0,
        silent_after_s=90.0,
    )


def _spot_history() -> HistoryRules:
    # Weight 2 of 6,000 a minute each: 20 a second are 40 % of it.
    return HistoryRules(url="https://data-api.binance.vision", minutes_per_page=1000, requests_per_s=20.0)


@dataclass(frozen=True, slots=True)
class BinanceSpot:
    """Binance's spot market, from its hosts for market data that need no key."""

    name: str = "binance"
    stream: StreamRules = field(default_factory=_spot_stream)
    history: HistoryRules = field(default_factory=_spot_history)
    klines_path: str = "/api/v3/klines"
    topics_per_request: int = 200

    def parser(self, symbols: Sequence[str]) -> BinanceParser:
        """Make a parser (`Venue.parser`)."""
        return BinanceParser(self.name, symbols)

    def subscribe(self, symbols: Sequence[str]) -> list[bytes]:
        """Return the subscribing frames (`Venue.subscribe`); streams are named in lower case."""
        topics = [f"{symbol.lower()}@kline_1m" for symbol in symbols]
        starts = range(0, len(topics), self.topics_per_request)
        return [
            msgspec.json.encode(
                {"method": "SUBSCRIBE", "params": topics[at : at + self.topics_per_request], "id": number_}
            )
            for number_, at in enumerate(starts, start=1)
        ]

    def history_request(
        self,
        symbol: str,
        first_minute: int,
        last_minute: int,
        now_minute: int,  # noqa: ARG002 - one endpoint
    ) -> HistoryRequest:
        """Return the request for a span of minutes (`Venue.history_request`); both times are inclusive."""
        return HistoryRequest(
            self.klines_path,
            {
                "symbol": symbol,
                "interval": "1m",
                "startTime": str(first_minute * MINUTE_MS),
                "endTime": str(last_minute * MINUTE_MS + MINUTE_MS - 1),
                "limit": str(self.history.minutes_per_page),
            },
        )

    def read_history(self, symbol: str, body: bytes) -> HistoryPage:
        """Read an answer (`Venue.read_history`)."""
        if body[:1] == b"{":
            failure = decode_history(_FAILURE, body)
            raise HistoryRefusedError(
                f"{failure.msg} (code {failure.code})", passing=failure.code in _PASSING
            )
        instrument = f"{self.name}:{symbol}"

        def bar(row: _HistoryRow) -> BarClosed:
            if row[6] - row[0] != MINUTE_MS - 1:
                raise RefusedError(f"a minute from {row[0]} to {row[6]}")
            return bar_of_texts(instrument, minute_of_ms(row[0]), row[1:6], number(row[9]))

        rows = decode_history(_HISTORY, body)
        return read_rows(self.name, rows, bar)


_PASSING: Final = frozenset((-1000, -1001, -1003, -1006, -1007, -1008, -1016))
"""Codes of answers that may be others later: too many requests, busy, timed out, disconnected."""


def binance_usd_m(stream_url: str = "wss://fstream.binance.com/market/stream") -> BinanceSpot:
    """Return Binance's USD-M futures market, whose frames and history have the same form."""
    return BinanceSpot(
        name="binance_um",
        stream=StreamRules(
            url=stream_url, instruments_per_connection=200, requests_per_s=5.0, silent_after_s=90.0
        ),
        # Weight 10 of 2,400 a minute for a page of 1,500 rows: 1.6 a second are 40 % of it.
        history=HistoryRules(url="https://fapi.binance.com", minutes_per_page=1500, requests_per_s=1.6),
        klines_path="/fapi/v1/klines",
    )
