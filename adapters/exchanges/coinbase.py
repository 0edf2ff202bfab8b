"""Coinbase Exchange: minutes built from its trades, for its streams have no candle of one minute.

**A bar is final** when a trade of a later minute has come, or a heartbeat `GRACE_S` past its end; and it is
given out only if no trade of it is missing (`trade_minutes`). The heartbeat comes every second for every
product and carries the venue's own clock, so the clock here plays no part.

Frames (ours, shortened):

    {"type":"match","trade_id":20001,"side":"sell","size":"0.5","price":"37000.10","product_id":"BTC-USD",
     "sequence":90001,"time":"2023-11-14T22:13:05.123456Z"}
    {"type":"heartbeat","last_trade_id":20001,"product_id":"BTC-USD","sequence":90002,
     "time":"2023-11-14T22:13:06.000000Z"}

`last_match`, sent once after subscribing, is the newest trade before it, and tells where the numbers stand: a
connection that is replaced in time loses no minute. `last_trade_id` has been 0 for months at a time (a defect
reported to Coinbase in 2021): 0 is taken for "not said". What the archive has (`/products/ID/candles`, as
documented): open and close are the first and last trade's prices, volume the sum of sizes in base units, and
a minute without a trade is absent. `side` is the maker's, so takers bought where it says `sell`; but the
archive does not say it, and a figure that half of all bars lack is worse than none: it is left out.

**Connection**: subscribe within 5 s or be closed; 8 requests a second from one address. The frames of one
product are in order, and some may be dropped when the reader is slow, which the trades' numbers show.

**History**: at most 300 rows a request, newest first, [time, low, high, open, close, volume]; the newest may
be the minute that runs, unmarked. 10 requests a second.

Sources: docs.cdp.coinbase.com/exchange (websocket channels and overview, Get product candles). Advanced
Trade, whose candles are of 5 minutes, is another protocol (`channel`): ignored by name.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import msgspec

from adapters.exchanges.reading import (
    FrameReader,
    RefusedError,
    UtcTime,
    checked,
    decode_history,
    excerpt,
    minute_holding,
    minute_of_s,
    number,
    read_rows,
)
from adapters.exchanges.trade_minutes import Part, TradeMinutes
from adapters.exchanges.venue import (
    HistoryPage,
    HistoryRefusedError,
    HistoryRequest,
    HistoryRules,
    InstrumentAlive,
    Said,
    StreamRules,
    requests,
)
from daemon.feed import BarClosed, FrameRefused, PriceSeen

GRACE_S: Final = 2
"""How long after a minute's end, by the venue's clock, a trade of it may still come."""
CLOCK_TOLERANCE_S: Final = 600.0
"""A frame from further ahead than any clock is wrong is refused: it would close minutes that still run."""
MAX_SIZE_DIGITS: Final = 40

IGNORED: Final = frozenset(
    (
        *(
            "activate",
            "auction",
            "change",
            "done",
            "l2update",
            "l3",
            "level2",
            "open",
            "received",
            "snapshot",
        ),
        *("status", "subscribe", "ticker"),
    )
)
"""Types that we do not ask for or that say nothing about trades."""
IGNORED_ADVANCED: Final = frozenset(
    ("candles", "heartbeats", "l2_data", "market_trades", "status", "subscriptions", "ticker", "ticker_batch")
)


class _Trade(msgspec.Struct):
    type: str
    product_id: str
    trade_id: int
    price: str
    size: str
    time: UtcTime


class _Heartbeat(msgspec.Struct):
    product_id: str
    last_trade_id: int
    time: UtcTime


class _Kind(msgspec.Struct):
    type: str | None = None
    channel: str | None = None
    message: str = ""
    reason: str = ""
    auction_mode: bool | None = None


class _Failure(msgspec.Struct):
    message: str


_KIND = msgspec.json.Decoder(_Kind)
_TRADE = msgspec.json.Decoder(_Trade)
_HEARTBEAT = msgspec.json.Decoder(_Heartbeat)
_FAILURE = msgspec.json.Decoder(_Failure)
_HistoryRow = tuple[int, float, float, float, float, float]
_HISTORY = msgspec.json.Decoder(list[_HistoryRow])


class CoinbaseParser(FrameReader):
    """Builds minutes from trades; holds one minute a product."""

    def __init__(self, feed: str, symbols: Sequence[str]) -> None:
        super().__init__(feed, symbols)
        self._minutes = {symbol: TradeMinutes(name) for symbol, name in self.instruments.items()}

    def follow(self, symbols: Sequence[str]) -> None:
        """Know these symbols from now on and no other (`Parser.follow`)."""
        super().follow(symbols)
        self._minutes = {
            symbol: self._minutes.get(symbol) or TradeMinutes(name)
            for symbol, name in self.instruments.items()
        }

    def read(self, frame: bytes, received_s: float) -> list[Said]:
        """Return what a frame says."""
        kind = _KIND.decode(frame)
        if kind.type in {"match", "last_match"}:
            return self._trade(_TRADE.decode(frame), received_s, frame)
        if kind.type == "heartbeat":
            return self._heartbeat(_HEARTBEAT.decode(frame), received_s, frame)
        if kind.type == "subscriptions":
            return self.ignored("subscription confirmed")
        if kind.type == "error":
            return self.not_sent(f"{kind.message}: {kind.reason}")
        return self._other(kind)

    def _other(self, kind: _Kind) -> list[Said]:
        """Return the name of what we did not ask for."""
        if kind.type in IGNORED:
            return self.ignored(kind.type)
        if kind.channel in IGNORED_ADVANCED:
            return self.ignored(f"advanced {kind.channel}")
        if kind.auction_mode is not None:
            return self.ignored("answer of REST")
        raise RefusedError(f"an unknown type {(kind.type or kind.channel or '')[:40]!r}")

    def _trade(self, trade: _Trade, received_s: float, frame: bytes) -> list[Said]:
        minutes = self._minutes.get(trade.product_id)
        if minutes is None:
            return self.not_ours()
        minute = self._minute(trade.time, received_s)
        price, size = number(trade.price), _size(trade.size)
        if price <= 0.0 or trade.trade_id <= 0:
            raise RefusedError("a trade without a price or a number")
        bar, part = minutes.trade(trade.trade_id, minute, price, size)
        if part is Part.KNOWN:
            return self.ignored("match known already")
        if part is Part.LATE:
            return [FrameRefused(self.feed, f"a trade that {part.value}", excerpt(frame))]
        # The last match before a subscription may be hours old: no price of now.
        is_new = trade.type == "match"
        news = PriceSeen(minutes.instrument, minute, price) if is_new else InstrumentAlive(minutes.instrument)
        return [*self._ended(bar, part, frame), news]

    def _heartbeat(self, beat: _Heartbeat, received_s: float, frame: bytes) -> list[Said]:
        minutes = self._minutes.get(beat.product_id)
        if minutes is None:
            return self.not_ours()
        minute = self._minute(beat.time, received_s)
        alive = InstrumentAlive(minutes.instrument)
        if beat.time.second < GRACE_S:
            return [alive]
        bar, part = minutes.over(minute, beat.last_trade_id)
        return [*self._ended(bar, part, frame), alive]

    def _minute(self, time: datetime, received_s: float) -> int:
        if time.timestamp() > received_s + CLOCK_TOLERANCE_S:
            raise RefusedError(f"a time {time.isoformat()} ahead of the clock of this machine")
        return minute_holding(time)

    def _ended(self, bar: BarClosed | None, part: Part, frame: bytes) -> list[Said]:
        """Return what is to be said of a minute that ended, if one did."""
        if bar is not None:
            try:
                return [checked(bar)]
            except RefusedError as problem:
                return [self.refused(problem, frame)]
        return self.ignored(part.value) if part is Part.IN_PART else []


def _size(text: str) -> Decimal:
    """Return a trade's size, exact: the archive's volume is a sum that must not depend on rounding."""
    if len(text) > MAX_SIZE_DIGITS or number(text) < 0.0:
        raise RefusedError(f"{text[:20]!r} is no size")
    return Decimal(text)


def _stream() -> StreamRules:
    return StreamRules(
        url="wss://ws-feed.exchange.coinbase.com",
        instruments_per_connection=100,
        requests_per_s=4.0,
        silent_after_s=20.0,
        quiet_after_s=30.0,
    )


def _history() -> HistoryRules:
    # The minute at both ends of a span counts, and 300 is the most.
    return HistoryRules(url="https://api.exchange.coinbase.com", minutes_per_page=299, requests_per_s=5.0)


@dataclass(frozen=True, slots=True)
class Coinbase:
    """Coinbase's spot market (`BTC-USD`)."""

    name: str = "coinbase"
    stream: StreamRules = field(default_factory=_stream)
    history: HistoryRules = field(default_factory=_history)
    products_per_request: int = 50

    def parser(self, symbols: Sequence[str]) -> CoinbaseParser:
        """Make a parser (`Venue.parser`)."""
        return CoinbaseParser(self.name, symbols)

    def subscribe(self, symbols: Sequence[str]) -> list[bytes]:
        """Return the subscribing frames (`Venue.subscribe`); later ones add to those before."""
        return requests(
            symbols,
            self.products_per_request,
            lambda some: {"type": "subscribe", "product_ids": some, "channels": ["matches", "heartbeat"]},
        )

    def history_request(
        self,
        symbol: str,
        first_minute: int,
        last_minute: int,
        now_minute: int,  # noqa: ARG002 - one endpoint
    ) -> HistoryRequest:
        """Return the request for a span of minutes (`Venue.history_request`); both times are inclusive."""
        return HistoryRequest(
            f"/products/{symbol}/candles",
            {"granularity": "60", "start": _iso(first_minute), "end": _iso(last_minute)},
        )

    def read_history(self, symbol: str, body: bytes) -> HistoryPage:
        """Read an answer (`Venue.read_history`)."""
        if body[:1] == b"{":
            reason = decode_history(_FAILURE, body).message[:200]
            raise HistoryRefusedError(reason, passing="rate limit" in reason.lower())
        instrument = f"{self.name}:{symbol}"
        rows = decode_history(_HISTORY, body)
        return read_rows(
            self.name,
            rows,
            lambda row: checked(
                BarClosed(instrument, minute_of_s(row[0]), row[3], row[2], row[1], row[4], row[5])
            ),
        )


def _iso(minute: int) -> str:
    return datetime.fromtimestamp(minute * 60, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
