"""The past of instruments, fetched from their venues' history: what a run or a newcomer is warmed up with."""

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from daemon.errors import FeedError, HistoryTooOldError
from daemon.events import MINUTE_MS
from daemon.feed import BarClosed
from daemon.ports import Feed, LiveClock
from daemon.settings import Settings


def history_end(clock: LiveClock, settings: Settings) -> int:
    """Return the minute at which the past ends now: those before it are in every venue's history."""
    ended_ms = clock.now_ms() - int(settings.sealing.grace_seconds * 1000)
    return ended_ms // MINUTE_MS


async def fetched(
    feeds: Mapping[str, Feed],
    names: Mapping[str, Sequence[str]],
    span: tuple[int, int],
    at_once: int,
) -> dict[str, Sequence[BarClosed]]:
    """Fetch the bars of a span of minutes.

    Args:
        feeds: By venue.
        names: By venue, the instruments whose bars are wanted.
        span: First and last minute.
        at_once: Most requests of a venue under way.

    Returns:
        By instrument, from as far back as its venue keeps them.

    Raises:
        FeedError: A venue refuses, or does not answer.
    """
    found: dict[str, Sequence[BarClosed]] = {name: () for of_venue in names.values() for name in of_venue}
    if span[1] < span[0]:
        return found

    async def fetch(feed: Feed, slots: asyncio.Semaphore, name: str) -> None:
        """Fetch one of them."""
        async with slots:
            found[name] = await _as_far_back_as_it_goes(feed, name, *span)

    try:
        async with asyncio.TaskGroup() as group:
            for venue, of_venue in names.items():
                slots = asyncio.Semaphore(at_once)
                for name in of_venue:
                    group.create_task(fetch(feeds[venue], slots, name))
    except* FeedError as failed:
        raise failed.exceptions[0] from None
    return found


async def _as_far_back_as_it_goes(
    feed: Feed, instrument: str, first_minute: int, last_minute: int
) -> Sequence[BarClosed]:
    while first_minute <= last_minute:
        try:
            return await feed.history(instrument, first_minute, last_minute)
        except HistoryTooOldError as old:
            log = structlog.get_logger()
            log.warning(
                "history_begins_late", instrument=instrument, wanted=first_minute, first=old.first_minute
            )
            # What is oldest now may be gone when it is asked for.
            first_minute = old.first_minute + 1
    return ()
