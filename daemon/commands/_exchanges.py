"""The feeds that settings name, and the clock that a live run goes by."""

from random import Random
from typing import TYPE_CHECKING

from adapters.clock import SystemClock
from adapters.exchanges.catalogue import venue_of
from adapters.exchanges.feed import ExchangeFeed, FeedRules
from adapters.simulator.follower import FollowingClock
from daemon.errors import FeedError, SettingsError
from daemon.ports import Feed
from daemon.settings import Settings, VenueFeedSettings

if TYPE_CHECKING:
    from daemon.commands._live import MakeFeed

HISTORY_LAG_S = 3.0
"""How long after a minute's end its bar may take to stand in a venue's history."""


def clock_and_feeds(settings: Settings) -> tuple[SystemClock | FollowingClock, "MakeFeed"]:
    """Return the clock of a live run, and what makes its feeds."""
    url = settings.feeds.clock_url
    clock = SystemClock() if url is None else FollowingClock(url)
    # A request that is answered for a shorter span than it asked for would pass for empty minutes.
    rules = FeedRules(
        history_lag_s=min(HISTORY_LAG_S, settings.sealing.grace_seconds),
        history_at_once=settings.sealing.history_requests,
    )

    def make_feed(venue: str, instruments: tuple[str, ...]) -> Feed:
        at = settings.feeds.venues.get(venue, VenueFeedSettings())
        symbols = [name.partition(":")[2] for name in instruments]
        try:
            known = venue_of(venue, at.stream_url, at.history_url)
        except FeedError as error:
            raise SettingsError([f"universe: {error}"]) from error
        # Only waits are drawn from it: two daemons that lose a venue together come back apart.
        return ExchangeFeed(known, symbols, clock, Random(), rules)  # noqa: S311 - nothing is secret here

    return clock, make_feed
