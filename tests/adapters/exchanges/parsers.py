"""One parser a venue for tests, and frames of every venue to feed it."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from adapters.exchanges.binance import BinanceSpot, binance_usd_m
from adapters.exchanges.bybit import Bybit, bybit_linear
from adapters.exchanges.coinbase import Coinbase
from adapters.exchanges.kraken import Kraken
from adapters.exchanges.okx import Okx
from adapters.exchanges.venue import Venue

LONG_AFTER: Final = datetime(2027, 1, 1, tzinfo=UTC).timestamp()
"""A clock that no recorded frame is ahead of."""

VENUES: Final[Mapping[str, Callable[[], Venue]]] = {
    "binance": BinanceSpot,
    "binance_um": binance_usd_m,
    "bybit": Bybit,
    "bybit_linear": bybit_linear,
    "coinbase": Coinbase,
    "kraken": Kraken,
    "okx": Okx,
}

SYMBOL_KEYS: Final = frozenset(("s", "instId", "product_id", "symbol"))


def symbols_in(frames: list[bytes]) -> list[str]:
    """Every symbol that recorded frames name, wherever in them."""

    def walk(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for key, inner in value.items():
                if key in SYMBOL_KEYS and isinstance(inner, str):
                    yield inner
                if key == "topic":
                    yield inner.rpartition(".")[2]
                yield from walk(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from walk(inner)

    found: set[str] = set()
    for frame in frames:
        found.update(walk(json.loads(frame)))
    return sorted(found)


def lines_of(path: Path) -> list[bytes]:
    """The frames of a recording."""
    return path.read_bytes().splitlines()
