"""Bybit v5, spot and linear (USDT and USDC) perpetuals and futures.

**A bar is final** when its row says so (`confirm`). Its newest state comes every second or so before that.

A frame (ours, shortened):

    {"topic":"kline.1.BTCUSDT","type":"snapshot","ts":1700000040002,"data":[{"start":1699999980000,
     "end":1700000039999,"interval":"1","open":"37000.1","close":"37001","high":"37002.5","low":"36999",
     "volume":"12.5","turnover":"462512.5","confirm":true,"timestamp":1700000040001}]}

`volume` is in base units in both markets (inverse contracts, where it is not, are not offered here). Nothing
says what takers bought.

**Connection**: the client sends `{"op":"ping"}` every 20 s; after 10 minutes without it the server closes. A
spot subscription names at most 10 topics; the topics of one connection may have 21,000 characters together.

**History**: `/v5/market/kline`, newest first, at most 1,000 rows, its first one the minute that runs,
unmarked.

Sources: bybit-exchange.github.io/docs/v5 (websocket connect, public kline, market kline, rate limits). The
recorded frames of `klineV2.1` and `candle.1` are of protocol v2, which ended in 2023: ignored by name.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from adapters.exchanges.reading import (
    ABSENT,
    FrameReader,
    RefusedError,
    bar_of_texts,
    decode_history,
    forming,
    minute_of_ms,
    read_rows,
    whole,
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
from daemon.events import MINUTE_MS

IGNORED: Final = {
    "allLiquidation": "allLiquidation",
    "candle": "v2 candle",
    "instrument_info": "v2 instrument_info",
    "klineV2": "v2 klineV2",
    "liquidation": "liquidation",
    "orderBookL2_25": "v2 orderBookL2_25",
    "orderbook": "orderbook",
    "publicTrade": "publicTrade",
    "tickers": "tickers",
    "trade": "v2 trade",
}
"""Topics, by what stands before their first point, that Bybit has or had and we do not ask for."""


class _Row(msgspec.Struct):
    start: int
    end: int
    interval: str
    open: str
    high: str
    low: str
    close: str
    volume: str
    confirm: bool


class _Frame(msgspec.Struct):
    topic: str | None = None
    data: msgspec.Raw = ABSENT
    op: str | None = None
    success: bool | None = None
    ret_msg: str = ""
    ret_code: int | None = None
    request: msgspec.Raw = ABSENT


_FRAME = msgspec.json.Decoder(_Frame)
_ROWS = msgspec.json.Decoder(list[_Row])


class _Result(msgspec.Struct):
    rows: list[tuple[str, str, str, str, str, str, str]] = msgspec.field(default_factory=list, name="list")


class _History(msgspec.Struct):
    retCode: int  # noqa: N815 - the wire's name
    retMsg: str = ""  # noqa: N815 - the wire's name
    result: _Result = msgspec.field(default_factory=_Result)


_HISTORY = msgspec.json.Decoder(_History)
_PASSING: Final = frozenset((10000, 10006, 10016, 10018))
"""Return codes of answers that may be others later: timed out, too many visits, busy."""


class BybitParser(FrameReader):
    """Reads klines; holds no state, for every row is whole in itself."""

    def read(self, frame: bytes, received_s: float) -> list[Said]:  # noqa: ARG002 - rows carry their time
        """Return what a frame says."""
        outer = _FRAME.decode(frame)
        if outer.topic is None:
            return self._answer(outer)
        kind, _, rest = outer.topic.partition(".")
        if kind != "kline":
            if kind in IGNORED:
                return self.ignored(IGNORED[kind])
            raise RefusedError(f"an unknown topic {outer.topic[:40]!r}")
        interval, _, symbol = rest.partition(".")
        if interval != "1":
            return self.ignored("kline of another interval")
        instrument = self.instrument(symbol)
        if instrument is None:
            return self.not_ours()
        rows = _ROWS.decode(outer.data or b"")
        if not rows:
            raise RefusedError("a kline frame without a row")
        return self.each(rows, lambda row: [self._row(instrument, row)], frame)

    def _answer(self, answer: _Frame) -> list[Said]:
        if answer.ret_msg == "pong" or answer.op == "pong":
            return self.ignored("pong")
        if answer.success is False:
            return self.not_sent(answer.ret_msg)
        if answer.success is True:
            return self.ignored("subscription confirmed")
        if answer.ret_code is not None:
            return self.ignored("v2 answer of REST")
        if answer.op == "subscribe" and answer.success is None:
            return self.ignored("subscribe as a client sends it")
        raise RefusedError("neither a topic nor an answer")

    def _row(self, instrument: str, row: _Row) -> Said:
        if row.interval != "1" or row.end - row.start != MINUTE_MS - 1:
            raise RefusedError(f"a minute from {row.start} to {row.end}")
        texts = (row.open, row.high, row.low, row.close, row.volume)
        bar = bar_of_texts(instrument, minute_of_ms(row.start), texts)
        return bar if row.confirm else forming(bar)


def _stream() -> StreamRules:
    return StreamRules(
        url="wss://stream.bybit.com/v5/public/spot",
        instruments_per_connection=500,
        requests_per_s=10.0,
        ping=b'{"op":"ping"}',
        silent_after_s=45.0,
    )


def _history() -> HistoryRules:
    # 600 requests in 5 seconds for an address; a sixth of it.
    return HistoryRules(url="https://api.bybit.com", minutes_per_page=1000, requests_per_s=20.0)


@dataclass(frozen=True, slots=True)
class Bybit:
    """Bybit's spot market; with another category and path also its linear contracts."""

    name: str = "bybit"
    category: str = "spot"
    stream: StreamRules = field(default_factory=_stream)
    history: HistoryRules = field(default_factory=_history)
    topics_per_request: int = 10

    def parser(self, symbols: Sequence[str]) -> BybitParser:
        """Make a parser (`Venue.parser`)."""
        return BybitParser(self.name, symbols)

    def subscribe(self, symbols: Sequence[str]) -> list[bytes]:
        """Return the subscribing frames (`Venue.subscribe`)."""
        topics = [f"kline.1.{symbol}" for symbol in symbols]
        return requests(topics, self.topics_per_request, lambda args: {"op": "subscribe", "args": args})

    def history_request(
        self,
        symbol: str,
        first_minute: int,
        last_minute: int,
        now_minute: int,  # noqa: ARG002 - one endpoint
    ) -> HistoryRequest:
        """Return the request for a span of minutes (`Venue.history_request`); both times are inclusive."""
        return HistoryRequest(
            "/v5/market/kline",
            {
                "category": self.category,
                "symbol": symbol,
                "interval": "1",
                "start": str(first_minute * MINUTE_MS),
                "end": str(last_minute * MINUTE_MS),
                "limit": str(self.history.minutes_per_page),
            },
        )

    def read_history(self, symbol: str, body: bytes) -> HistoryPage:
        """Read an answer (`Venue.read_history`)."""
        answer = decode_history(_HISTORY, body)
        if answer.retCode != 0:
            raise HistoryRefusedError(
                f"{answer.retMsg[:200]} (code {answer.retCode})", passing=answer.retCode in _PASSING
            )
        instrument = f"{self.name}:{symbol}"
        return read_rows(
            self.name,
            answer.result.rows,
            lambda row: bar_of_texts(instrument, minute_of_ms(whole(row[0])), row[1:6]),
        )


def bybit_linear() -> Bybit:
    """Return Bybit's linear contracts, whose frames and history have the same form."""
    return Bybit(
        name="bybit_linear",
        category="linear",
        stream=replace(_stream(), url="wss://stream.bybit.com/v5/public/linear"),
        topics_per_request=200,
    )
