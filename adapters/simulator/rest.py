"""Binance's REST endpoints at a simulated exchange: questions and answers, without a socket."""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import msgspec

from adapters.simulator.book import Book, forming
from adapters.simulator.wire import exchange_info, failure, kline_row
from daemon.events import MINUTE_MS

WEIGHT_A_MINUTE: Final = 6000
KLINES_DEFAULT: Final = 500
KLINES_MOST: Final = 1000
_PATIENCE: Final = 20
"""Answers of 429 within a minute after which the address is banned."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body as JSON, and the headers that matter."""

    status: HTTPStatus
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class Rest:
    """Answers questions about history; counts their weight.

    Args:
        book: The exchange's bars.
    """

    def __init__(self, book: Book) -> None:
        self._book = book
        self._minute = 0
        self._weight = 0
        self._refused = 0
        self._banned_until_ms = 0

    def answer(self, target: str, now_ms: int) -> Answer:
        """Answer a GET.

        Args:
            target: Path and query.
            now_ms: The exchange's time.
        """
        parts = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        limited = self._limited(now_ms, _WEIGHTS.get(parts.path, 1))
        if limited is not None:
            return limited
        if parts.path == "/api/v3/ping":
            return self._said(HTTPStatus.OK, {})
        if parts.path == "/api/v3/time":
            return self._said(HTTPStatus.OK, {"serverTime": now_ms})
        if parts.path == "/api/v3/exchangeInfo":
            return self._exchange_info(query, now_ms)
        if parts.path == "/api/v3/klines":
            return self._klines(query, now_ms)
        return self._said(HTTPStatus.NOT_FOUND, failure(-1, f"no endpoint {parts.path}"))

    def _said(self, status: HTTPStatus, body: Any, **headers: str) -> Answer:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return Answer(status, msgspec.json.encode(body), {"X-MBX-USED-WEIGHT-1M": str(self._weight), **names})

    def _limited(self, now_ms: int, weight: int) -> Answer | None:
        """Count a question; return the refusal where there were too many."""
        if now_ms // MINUTE_MS != self._minute:
            self._minute, self._weight, self._refused = now_ms // MINUTE_MS, 0, 0
        wait_s = (MINUTE_MS - now_ms % MINUTE_MS + 999) // 1000
        if now_ms < self._banned_until_ms:
            wait_s = (self._banned_until_ms - now_ms + 999) // 1000
            return self._said(
                HTTPStatus(418),
                failure(-1003, "Way too much request weight used; IP banned."),
                Retry_After=str(wait_s),
            )
        if self._weight + weight > WEIGHT_A_MINUTE:
            self._refused += 1
            if self._refused > _PATIENCE:
                self._banned_until_ms = now_ms + 2 * MINUTE_MS
            return self._said(
                HTTPStatus.TOO_MANY_REQUESTS,
                failure(-1003, "Too much request weight used."),
                Retry_After=str(wait_s),
            )
        self._weight += weight
        return None

    def _exchange_info(self, query: dict[str, str], now_ms: int) -> Answer:
        asked = query.get("symbol")
        symbols = (
            {asked} if asked else set(msgspec.json.decode(query["symbols"])) if "symbols" in query else None
        )
        known = set(self._book.symbols)
        if symbols is not None and symbols - known:
            return self._said(HTTPStatus.BAD_REQUEST, failure(-1121, "Invalid symbol."))
        wanted = known if symbols is None else symbols
        listed = [one for one in self._book.instruments if one.name.partition(":")[2] in wanted]
        return self._said(HTTPStatus.OK, exchange_info(listed, now_ms))

    def _klines(self, query: dict[str, str], now_ms: int) -> Answer:
        symbol = query.get("symbol", "")
        if symbol not in self._book.symbols:
            return self._said(HTTPStatus.BAD_REQUEST, failure(-1121, "Invalid symbol."))
        if query.get("interval") != "1m":
            return self._said(HTTPStatus.BAD_REQUEST, failure(-1120, "Invalid interval."))
        try:
            limit = min(int(query.get("limit", KLINES_DEFAULT)), KLINES_MOST)
            end_ms = min(int(query.get("endTime", now_ms)), now_ms)
            end = end_ms // MINUTE_MS
            start_ms = int(query.get("startTime", (end - limit + 1) * MINUTE_MS))
        except ValueError:
            return self._said(
                HTTPStatus.BAD_REQUEST, failure(-1100, "Illegal characters found in parameter.")
            )
        running = now_ms // MINUTE_MS
        first = -(-start_ms // MINUTE_MS)
        rows = [
            candle if candle.minute < running else forming(candle, now_ms % MINUTE_MS / MINUTE_MS)
            for candle in self._book.candles(symbol, first, end, limit)
        ]
        return self._said(HTTPStatus.OK, [kline_row(candle) for candle in rows])


_WEIGHTS: Final = {"/api/v3/klines": 2, "/api/v3/exchangeInfo": 20}
