"""The feeds that settings name, and the clock that a live run goes by."""

from collections.abc import Callable, Iterable
from random import Random
from typing import Final

from adapters.clock import SystemClock
from adapters.exchanges.catalogue import venue_of
from adapters.exchanges.feed import ExchangeFeed, FeedRules, OnFrame
from adapters.exchanges.venue import Venue
from adapters.simulator.follower import FollowingClock
from daemon.bars.instruments import full_name
from daemon.errors import FeedError, SettingsError
from daemon.ports import Feed
from daemon.settings import Settings, VenueFeedSettings

MakeFeed = Callable[[str, tuple[str, ...]], Feed]
"""Returns the feed of a venue for instruments of it (`venue:SYMBOL`)."""

MQTT: Final = "mqtt"
"""The venue whose bars come by topic, from a broker."""

HISTORY_LAG_S = 3.0
"""How long after a minute's end its bar may take to stand in a venue's history."""


def clock_and_feeds(
    settings: Settings, on_frame: OnFrame | None = None
) -> tuple[SystemClock | FollowingClock, MakeFeed]:
    """Return the clock of a live run, and what makes its feeds.

    Args:
        settings: Addresses and rules.
        on_frame: Told of every frame as it came.
    """
    url = settings.feeds.clock_url
    clock = SystemClock() if url is None else FollowingClock(url)
    # A request that is answered for a shorter span than it asked for would pass for empty minutes.
    rules = FeedRules(
        history_lag_s=min(HISTORY_LAG_S, settings.sealing.grace_seconds),
        history_at_once=settings.sealing.history_requests,
    )

    def make_feed(venue: str, instruments: tuple[str, ...]) -> Feed:
        symbols = [name.partition(":")[2] for name in instruments]
        # Only waits are drawn from it: two daemons that lose a venue together come back apart.
        chance = Random()  # noqa: S311 - nothing is secret here
        return ExchangeFeed(venue_in(settings, venue), symbols, clock, chance, rules, on_frame)

    return clock, make_feed


def venue_in(settings: Settings, name: str) -> Venue:
    """Return a venue, at the addresses that the settings give it.

    Raises:
        SettingsError: There is no such venue.
    """
    at = settings.feeds.venues.get(name, VenueFeedSettings())
    try:
        return venue_of(name, at.stream_url, at.history_url)
    except FeedError as error:
        raise SettingsError([f"universe: {error}"]) from error


def by_venue(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Return the instruments that the settings name, sorted, by venue.

    Raises:
        SettingsError: They name none.
    """
    named = settings.universe.instruments
    if named == "all" or not named:
        raise SettingsError(
            ["universe.instruments: a live run needs its instruments by name, e.g. [BTCUSDT, ETHUSDT]"]
        )
    return grouped({full_name(symbol, settings.universe.venue) for symbol in named})


def names_of(settings: Settings) -> tuple[str, ...]:
    """Return the instruments that the settings name, sorted.

    Raises:
        SettingsError: They name none.
    """
    return tuple(sorted(name for of_venue in by_venue(settings).values() for name in of_venue))


def grouped(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return instruments, sorted, by venue."""
    found: dict[str, list[str]] = {}
    for name in sorted(names):
        found.setdefault(name.partition(":")[0], []).append(name)
    return {venue: tuple(of_venue) for venue, of_venue in sorted(found.items())}
