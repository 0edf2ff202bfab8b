"""What else a venue is asked over REST, before a run: what time it is there, and what its instruments are.

Answers are read with the venue's own names (all without a key):

- Binance: `/api/v3/time` (`serverTime`, ms), `/api/v3/exchangeInfo?symbol=` (filters `PRICE_FILTER.tickSize`
  and `LOT_SIZE.stepSize`; error -1121 is an unknown symbol); USD-M the same below `/fapi/v1`, where
  `exchangeInfo` answers with everything.
- Bybit: `/v5/market/time` (`time`, ms), `/v5/market/instruments-info` (an unknown symbol is an empty list or
  code 10001).
- Coinbase Exchange: `/time` (`epoch`, s), `/products/ID` (404 is an unknown product).
- Kraken: `/0/public/Time` (`unixtime`, s), `/0/public/AssetPairs?pair=` (`EQuery:Unknown asset pair`).
- OKX: `/api/v5/public/time` (`ts`, ms), `/api/v5/public/instruments` (code 51001). Contracts count in `ctVal`
  base units, so their lot is `lotSz x ctVal`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, TypeVar

import msgspec

from adapters.exchanges.reading import UNREADABLE
from adapters.exchanges.venue import HistoryRequest


@dataclass(frozen=True, slots=True)
class Listed:
    """An instrument as its venue lists it.

    Attributes:
        is_known: The venue has it.
        tick: Smallest step of its price; None where the venue does not say. `lot` of its quantity in base
            units.
        is_trading: It can be traded now.
    """

    is_known: bool
    tick: Decimal | None = None
    lot: Decimal | None = None
    is_trading: bool = True


Answer = TypeVar("Answer")

_FOREIGN: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What reading an answer of another form raises; `InvalidOperation` of a Decimal is an ArithmeticError."""

UNKNOWN: Final = Listed(is_known=False)


class NoAnswerError(Exception):
    """The body is not what the venue documents."""


@dataclass(frozen=True, slots=True)
class Questions:
    """How one venue is asked.

    Attributes:
        time_path: Of its clock.
        read_time_s: Takes the decoded answer; seconds since 1970 UTC.
        listing: Takes a symbol; the request for what it is.
        read_listing: Takes the symbol and the decoded answer.
    """

    time_path: str
    read_time_s: Callable[[Any], float]
    listing: Callable[[str], HistoryRequest]
    read_listing: Callable[[str, Any], Listed]

    def time_s(self, body: bytes) -> float:
        """Return the venue's time of an answer, seconds since 1970 UTC.

        Raises:
            NoAnswerError: It says no time.
        """
        return _read(self.read_time_s, body)

    def listed(self, symbol: str, body: bytes) -> Listed:
        """Return what an answer says about a symbol.

        Raises:
            NoAnswerError: It says nothing about it.
        """
        return _read(lambda answer: self.read_listing(symbol, answer), body)


def _read(read: Callable[[Any], Answer], body: bytes) -> Answer:
    try:
        return read(msgspec.json.decode(body))
    except (*_FOREIGN, *UNREADABLE) as wrong:
        excerpt = body[:80].decode("utf-8", "replace")
        raise NoAnswerError(f"not the venue's answer ({type(wrong).__name__}): {excerpt}") from wrong


def _binance(symbol: str, answer: Any) -> Listed:
    if answer.get("code") == -1121:
        return UNKNOWN
    for one in answer["symbols"]:
        if one["symbol"] == symbol:
            steps = {step["filterType"]: step for step in one["filters"]}
            return Listed(
                is_known=True,
                tick=Decimal(steps["PRICE_FILTER"]["tickSize"]),
                lot=Decimal(steps["LOT_SIZE"]["stepSize"]),
                is_trading=one["status"] == "TRADING",
            )
    return UNKNOWN


def _bybit(symbol: str, answer: Any) -> Listed:
    if answer["retCode"] == 10001:
        return UNKNOWN
    for one in answer["result"]["list"]:
        if one["symbol"] == symbol:
            lots = one["lotSizeFilter"]
            return Listed(
                is_known=True,
                tick=Decimal(one["priceFilter"]["tickSize"]),
                lot=Decimal(lots.get("basePrecision") or lots["qtyStep"]),
                is_trading=one["status"] == "Trading",
            )
    return UNKNOWN


def _coinbase(symbol: str, answer: Any) -> Listed:
    if answer.get("message") == "NotFound":
        return UNKNOWN
    if answer["id"] != symbol:
        raise KeyError(symbol)
    return Listed(
        is_known=True,
        tick=Decimal(answer["quote_increment"]),
        lot=Decimal(answer["base_increment"]),
        is_trading=answer.get("status", "online") == "online" and not answer.get("trading_disabled", False),
    )


def _kraken(symbol: str, answer: Any) -> Listed:
    del symbol  # one was asked for, and Kraken answers by a name of its own (XXBTZUSD)
    if any("Unknown asset pair" in error for error in answer["error"]):
        return UNKNOWN
    (pair,) = answer["result"].values()
    tick = pair.get("tick_size")
    return Listed(
        is_known=True,
        tick=Decimal(tick) if tick else Decimal(1).scaleb(-pair["pair_decimals"]),
        lot=Decimal(1).scaleb(-pair["lot_decimals"]),
        is_trading=pair.get("status", "online") == "online",
    )


def _okx(symbol: str, answer: Any) -> Listed:
    if answer["code"] == "51001":
        return UNKNOWN
    for one in answer["data"]:
        if one["instId"] == symbol:
            return Listed(
                is_known=True,
                tick=Decimal(one["tickSz"]),
                lot=Decimal(one["lotSz"]) * Decimal(one.get("ctVal") or 1),
                is_trading=one["state"] == "live",
            )
    return UNKNOWN


def _okx_kind(symbol: str) -> str:
    if symbol.endswith("-SWAP"):
        return "SWAP"
    return "FUTURES" if symbol.count("-") == 2 else "SPOT"


def _of_binance(prefix: str, *, by_symbol: bool) -> Questions:
    return Questions(
        f"{prefix}/time",
        lambda answer: answer["serverTime"] / 1000.0,
        lambda symbol: HistoryRequest(f"{prefix}/exchangeInfo", {"symbol": symbol} if by_symbol else {}),
        _binance,
    )


def _of_bybit(category: str) -> Questions:
    return Questions(
        "/v5/market/time",
        lambda answer: answer["time"] / 1000.0,
        lambda symbol: HistoryRequest(
            "/v5/market/instruments-info", {"category": category, "symbol": symbol}
        ),
        _bybit,
    )


QUESTIONS: Final[Mapping[str, Questions]] = {
    "binance": _of_binance("/api/v3", by_symbol=True),
    "binance_um": _of_binance("/fapi/v1", by_symbol=False),
    "bybit": _of_bybit("spot"),
    "bybit_linear": _of_bybit("linear"),
    "coinbase": Questions(
        "/time",
        lambda answer: float(answer["epoch"]),
        lambda symbol: HistoryRequest(f"/products/{symbol}", {}),
        _coinbase,
    ),
    "kraken": Questions(
        "/0/public/Time",
        lambda answer: float(answer["result"]["unixtime"]),
        lambda symbol: HistoryRequest("/0/public/AssetPairs", {"pair": symbol.replace("/", "")}),
        _kraken,
    ),
    "okx": Questions(
        "/api/v5/public/time",
        lambda answer: int(answer["data"][0]["ts"]) / 1000.0,
        lambda symbol: HistoryRequest(
            "/api/v5/public/instruments", {"instType": _okx_kind(symbol), "instId": symbol}
        ),
        _okx,
    ),
}
"""By the names of `catalogue.VENUES`."""
