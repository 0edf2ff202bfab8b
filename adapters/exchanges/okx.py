"""OKX v5: spot, swaps and dated futures.

**A bar is final** when its row's last field, `confirm`, is "1". Its newest state comes up to once a second
before that, where somebody trades.

A frame (ours, shortened), its row: time, open, high, low, close, volume, volume in the coin, volume in the
quote currency, confirm:

    {"arg":{"channel":"candle1m","instId":"BTC-USDT"},"data":[["1699999980000","37000.1","37002.5","36999",
     "37001","12.5","12.5","462512.5","1"]]}

The volume in base units is the sixth field for spot, and the seventh for swaps and futures, where the sixth
counts contracts. Nothing says what takers bought.

**Connection**: candles come on `/ws/v5/business` only (elsewhere the subscription is answered by error
60018). The server closes after 30 s in which it sent nothing and got nothing, so the client sends the text
`ping` before that and gets the text `pong`. At most 3 connections a second and 480 subscriptions an hour; a
request may have 64 KiB. A notice with code 64008 announces that the connection is about to close.

**History**: `/api/v5/market/candles` has the newest 1,440 rows, `/api/v5/market/history-candles` the years
before, each at most 100 a request (300 is documented since 2024; 100 is what every version took), newest
first, 20 requests in 2 s. Rows carry `confirm`. `after` and `before` are exclusive, and `before` alone would
give the newest rows instead of those after it: both are sent.

Sources: www.okx.com/docs-v5 (WebSocket candlesticks channel, connection count limit, notification,
candlesticks history). Rows of 7 fields are of the protocol before 2023: they do not say whether they are
final and are refused.
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
    ReconnectAsked,
    Said,
    StreamRules,
    requests,
)
from daemon.events import MINUTE_MS
from daemon.feed import BarClosed

RECONNECT_NOTICE: Final = "64008"

RECENT_MINUTES: Final = 1_400
"""How far back the endpoint of the newest rows is asked, a little less than it reaches."""

IGNORED: Final = frozenset(
    (
        *("bbo-tbt", "books", "books-l2-tbt", "books5", "books50-l2-tbt", "funding-rate", "index-tickers"),
        *("instruments", "mark-price", "open-interest", "price-limit", "status", "tickers", "trades"),
        "trades-all",
    )
)
"""Channels that OKX has and we do not ask for."""


class _Argument(msgspec.Struct):
    channel: str = ""
    instId: str = ""  # noqa: N815 - the wire's name


class _Frame(msgspec.Struct):
    arg: _Argument | None = None
    data: msgspec.Raw = ABSENT
    event: str | None = None
    code: str | None = None
    msg: str = ""
    table: str | None = None
    op: str | None = None


_FRAME = msgspec.json.Decoder(_Frame)
_ROWS = msgspec.json.Decoder(list[list[str]])


class _History(msgspec.Struct):
    code: str
    msg: str = ""
    data: list[list[str]] = []


_HISTORY = msgspec.json.Decoder(_History)
_PASSING: Final = frozenset(("50001", "50004", "50011", "50013", "50026", "50040", "50061"))
"""Codes of answers that may be others later: unavailable, timed out, too many requests, busy."""


def _bar(instrument: str, row: Sequence[str]) -> tuple[BarClosed, bool]:
    """Return a row's bar and whether it is final."""
    if len(row) != 9:
        raise RefusedError(f"a candle of {len(row)} fields instead of 9 does not say whether it is final")
    if row[8] not in {"0", "1"}:
        raise RefusedError(f"confirm is {row[8][:20]!r}, neither 0 nor 1")
    has_contracts = instrument.count("-") > 1
    ohlcv = (*row[1:5], row[6] if has_contracts else row[5])
    bar = bar_of_texts(instrument, minute_of_ms(whole(row[0])), ohlcv)
    return bar, row[8] == "1"


class OkxParser(FrameReader):
    """Reads candles; holds no state, for every row is whole in itself."""

    def read(self, frame: bytes, received_s: float) -> list[Said]:  # noqa: ARG002 - rows carry their time
        """Return what a frame says."""
        if frame == b"pong":
            return self.ignored("pong")
        outer = _FRAME.decode(frame)
        if outer.event is not None:
            return self._answer(outer, outer.event)
        if outer.arg is None or not outer.data:
            return self._foreign(outer)
        if outer.arg.channel != "candle1m":
            return self._other_channel(outer.arg.channel)
        instrument = self.instrument(outer.arg.instId)
        if instrument is None:
            return self.not_ours()
        rows = _ROWS.decode(outer.data)
        if not rows:
            raise RefusedError("a candle frame without a row")
        return self.each(rows, lambda row: [self._row(instrument, row)], frame)

    def _other_channel(self, channel: str) -> list[Said]:
        if channel in IGNORED:
            return self.ignored(channel)
        if channel.startswith(("candle", "mark-price-candle", "index-candle")):
            return self.ignored("candle of another interval or price")
        raise RefusedError(f"an unknown channel {channel[:40]!r}")

    def _answer(self, answer: _Frame, event: str) -> list[Said]:
        if event == "subscribe":
            return self.ignored("subscription confirmed")
        if event == "error":
            return self.not_sent(f"{answer.msg} (code {answer.code})")
        if event == "notice" and answer.code == RECONNECT_NOTICE:
            return [ReconnectAsked(answer.msg[:200])]
        if event in {"notice", "channel-conn-count", "channel-conn-count-error", "unsubscribe"}:
            return self.ignored(event)
        raise RefusedError(f"an unknown event {event[:40]!r}")

    def _foreign(self, frame: _Frame) -> list[Said]:
        """Return what frames are that belong to another protocol of OKX."""
        if frame.table is not None:
            return self.ignored("v3 table")
        if frame.code is not None:
            return self.ignored("answer of REST")
        if frame.op is not None:
            return self.ignored("request as a client sends it")
        raise RefusedError("neither a channel's data nor an answer")

    def _row(self, instrument: str, row: Sequence[str]) -> Said:
        bar, is_final = _bar(instrument, row)
        return bar if is_final else forming(bar)


def _stream() -> StreamRules:
    return StreamRules(
        url="wss://ws.okx.com:8443/ws/v5/business",
        instruments_per_connection=300,
        requests_per_s=1.0,
        connect_spacing_s=0.5,
        ping=b"ping",
        ping_every_s=20.0,
        silent_after_s=45.0,
        speaks_each_minute=False,
    )


def _history() -> HistoryRules:
    return HistoryRules(url="https://www.okx.com", minutes_per_page=100, requests_per_s=5.0)


@dataclass(frozen=True, slots=True)
class Okx:
    """OKX; an instrument's name (`BTC-USDT`, `BTC-USDT-SWAP`) says in which market it is."""

    name: str = "okx"
    stream: StreamRules = field(default_factory=_stream)
    history: HistoryRules = field(default_factory=_history)
    topics_per_request: int = 100

    def parser(self, symbols: Sequence[str]) -> OkxParser:
        """Make a parser (`Venue.parser`)."""
        return OkxParser(self.name, symbols)

    def subscribe(self, symbols: Sequence[str]) -> list[bytes]:
        """Return the subscribing frames (`Venue.subscribe`)."""
        topics = [{"channel": "candle1m", "instId": symbol} for symbol in symbols]
        return requests(topics, self.topics_per_request, lambda args: {"op": "subscribe", "args": args})

    def history_request(
        self, symbol: str, first_minute: int, last_minute: int, now_minute: int
    ) -> HistoryRequest:
        """Return the request for a span of minutes (`Venue.history_request`)."""
        is_recent = now_minute - first_minute < RECENT_MINUTES
        return HistoryRequest(
            "/api/v5/market/candles" if is_recent else "/api/v5/market/history-candles",
            {
                "instId": symbol,
                "bar": "1m",
                "before": str(first_minute * MINUTE_MS - 1),
                "after": str(last_minute * MINUTE_MS + 1),
                "limit": str(self.history.minutes_per_page),
            },
        )

    def read_history(self, symbol: str, body: bytes) -> HistoryPage:
        """Read an answer (`Venue.read_history`)."""
        answer = decode_history(_HISTORY, body)
        if answer.code != "0":
            raise HistoryRefusedError(
                f"{answer.msg[:200]} (code {answer.code[:20]})", passing=answer.code in _PASSING
            )
        instrument = f"{self.name}:{symbol}"

        def bar(row: list[str]) -> BarClosed | None:
            said, is_final = _bar(instrument, row)
            return said if is_final else None

        return read_rows(self.name, answer.data, bar)
