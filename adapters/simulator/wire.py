"""Binance's wire format, as its spot market speaks it: what the simulated exchange says.

Written from Binance's documentation (developers.binance.com, spot: WebSocket Streams, Market Data endpoints,
LIMITS), apart from the adapter that reads it, so that one cannot share the other's mistakes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from daemon.events import MINUTE_MS, Instrument


@dataclass(frozen=True, slots=True)
class Candle:
    """One minute of one symbol, as far as it has come.

    Attributes:
        symbol: In upper case, e.g. `BTCUSDT`.
        minute: Epoch minute of its open.
        open: Price in the quote currency; `high`, `low`, `close` alike.
        volume: Base units.
        taker: Of those, bought by takers.
        final: Whether the minute is over.
    """

    symbol: str
    minute: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    taker: float
    final: bool

    @property
    def open_ms(self) -> int:
        """First millisecond."""
        return self.minute * MINUTE_MS

    @property
    def close_ms(self) -> int:
        """Last millisecond."""
        return self.open_ms + MINUTE_MS - 1

    @property
    def trades(self) -> int:
        """A number of trades that goes with the volume: none without any."""
        return max(1, round(self.volume) % 1000) if self.volume > 0.0 else 0

    @property
    def quote_volume(self) -> float:
        """Volume in the quote currency, at the mean of open and close."""
        return self.volume * (self.open + self.close) / 2.0


def text(number: float) -> str:
    """Return a number in plain decimal text, the shortest that reads back to the same float."""
    return f"{Decimal(repr(number)):f}"


def stream_of(symbol: str) -> str:
    """Return the name of a symbol's stream of minute bars."""
    return f"{symbol.lower()}@kline_1m"


def kline_event(candle: Candle, event_ms: int) -> dict[str, Any]:
    """Return the payload of a kline stream."""
    return {
        "e": "kline",
        "E": event_ms,
        "s": candle.symbol,
        "k": {
            "t": candle.open_ms,
            "T": candle.close_ms,
            "s": candle.symbol,
            "i": "1m",
            "f": 100 if candle.trades else -1,
            "L": 99 + candle.trades if candle.trades else -1,
            "o": text(candle.open),
            "c": text(candle.close),
            "h": text(candle.high),
            "l": text(candle.low),
            "v": text(candle.volume),
            "n": candle.trades,
            "x": candle.final,
            "q": text(candle.quote_volume),
            "V": text(candle.taker),
            "Q": text(candle.quote_volume * (candle.taker / candle.volume if candle.volume else 0.0)),
            "B": "0",
        },
    }


def frame(stream: str, payload: Mapping[str, Any], *, combined: bool) -> bytes:
    """Return a frame: the payload alone, or wrapped with its stream's name on a combined connection."""
    return msgspec.json.encode({"stream": stream, "data": payload} if combined else payload)


def kline_row(candle: Candle) -> list[Any]:
    """Return a row of `/api/v3/klines`."""
    k = kline_event(candle, candle.close_ms)["k"]
    return [k["t"], k["o"], k["h"], k["l"], k["c"], k["v"], k["T"], k["q"], k["n"], k["V"], k["Q"], "0"]


def exchange_info(instruments: Sequence[Instrument], server_ms: int) -> dict[str, Any]:
    """Return `/api/v3/exchangeInfo` for these instruments."""
    return {
        "timezone": "UTC",
        "serverTime": server_ms,
        "rateLimits": [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}
        ],
        "exchangeFilters": [],
        "symbols": [_symbol(instrument) for instrument in instruments],
    }


def failure(code: int, message: str) -> dict[str, Any]:
    """Return the body of an error."""
    return {"code": code, "msg": message}


def _symbol(instrument: Instrument) -> dict[str, Any]:
    symbol = instrument.name.partition(":")[2]
    return {
        "symbol": symbol,
        "status": "TRADING",
        "baseAsset": symbol.removesuffix(instrument.quote),
        "quoteAsset": instrument.quote,
        "isSpotTradingAllowed": True,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": str(instrument.tick),
                "tickSize": str(instrument.tick),
            },
            {"filterType": "LOT_SIZE", "minQty": str(instrument.lot), "stepSize": str(instrument.lot)},
        ],
    }
