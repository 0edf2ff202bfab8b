"""The venues that papertape knows, by the name that stands before the colon in an instrument's name."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from adapters.exchanges.binance import BinanceSpot, binance_usd_m
from adapters.exchanges.bybit import Bybit, bybit_linear
from adapters.exchanges.coinbase import Coinbase
from adapters.exchanges.kraken import Kraken
from adapters.exchanges.okx import Okx
from adapters.exchanges.venue import Venue
from daemon.errors import UnknownVenueError

KnownVenue = BinanceSpot | Bybit | Coinbase | Kraken | Okx

VENUES: Final[Mapping[str, Callable[[], KnownVenue]]] = {
    "binance": BinanceSpot,
    "binance_um": binance_usd_m,
    "bybit": Bybit,
    "bybit_linear": bybit_linear,
    "coinbase": Coinbase,
    "kraken": Kraken,
    "okx": Okx,
}


def venue_of(name: str, stream_url: str | None = None, history_url: str | None = None) -> Venue:
    """Return a venue by name, at other addresses than its own where they are given.

    Args:
        name: One of `VENUES`.
        stream_url: Of its websocket.
        history_url: Scheme and host of its REST history.

    Raises:
        UnknownVenueError: There is no such venue; says which there are.
    """
    if name not in VENUES:
        raise UnknownVenueError(f"there is no venue {name!r}; there are {', '.join(VENUES)}")
    venue = VENUES[name]()
    return replace(
        venue,
        stream=replace(venue.stream, url=stream_url or venue.stream.url),
        history=replace(venue.history, url=history_url or venue.history.url),
    )
