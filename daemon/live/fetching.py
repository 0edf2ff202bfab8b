"""Requests for history that are under way: so many of a feed at the same time, each with its time limit."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from daemon.bars.asking import Answer, Ask
from daemon.errors import FeedError, HistoryTooOldError
from daemon.ports import Feed, LiveClock

TIMEOUT_S: Final = 120.0
"""A request that takes longer has failed."""


class Fetching:
    """Fetches what a sequencer asks for.

    Args:
        feeds: By name; may change.
        clock: The time.
        at_once: Most requests of one feed under way; the others wait, at most one of an instrument.
    """

    def __init__(self, feeds: Mapping[str, Feed], clock: LiveClock, at_once: int) -> None:
        self._feeds = feeds
        self._clock = clock
        self._slots: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(at_once))

    async def answer(self, ask: Ask) -> Answer:
        """Return what history says, or why it says nothing."""
        async with self._slots[ask.feed]:
            feed = self._feeds.get(ask.feed)
            if feed is None:
                return Answer(ask, failure="its feed has left")
            history = feed.history(ask.instrument, ask.first_minute, ask.last_minute)
            fetching = asyncio.ensure_future(history)
            limit = asyncio.ensure_future(self._clock.sleep(TIMEOUT_S))
            try:
                await asyncio.wait((fetching, limit), return_when=asyncio.FIRST_COMPLETED)
                if fetching.done():
                    return Answer(ask, fetching.result())
                return Answer(ask, failure=f"no answer within {TIMEOUT_S:g} s")
            except HistoryTooOldError as error:
                return Answer(ask, begins=error.first_minute)
            except FeedError as error:
                return Answer(ask, failure=str(error))
            finally:
                limit.cancel()
                if fetching.cancel():
                    with suppress(asyncio.CancelledError, FeedError):
                        await fetching
