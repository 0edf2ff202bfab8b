"""Listening to feeds: one task each puts what it says into one bounded queue, for ever."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Final

from daemon.errors import FeedError
from daemon.events import FeedLost, FeedRestored
from daemon.feed import FeedMessage
from daemon.ports import Feed, LiveClock

REOPEN_S: Final = (5.0, 300.0)
"""Pause before a feed that ended is listened to again: the first, doubling up to the last."""

Start = Callable[[Coroutine[None, None, None]], asyncio.Task[None]]
"""Runs something beside the run, until it or the run ends."""


class Listening:
    """The run's ears.

    Args:
        feeds: By name.
        clock: The time.
        most: Messages that wait; a full queue holds the feeds' sockets back.
        wake: Called when something has come.

    Attributes:
        feeds: That are listened to.
        inbox: (feed, message, when it came, epoch milliseconds).
    """

    def __init__(
        self, feeds: Mapping[str, Feed], clock: LiveClock, most: int, wake: Callable[[], None]
    ) -> None:
        self.feeds: dict[str, Feed] = dict(feeds)
        self.inbox: asyncio.Queue[tuple[str, FeedMessage, int]] = asyncio.Queue(most)
        self._clock = clock
        self._wake = wake
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, start: Start) -> None:
        """Listen to all feeds."""
        self._tasks = {name: start(self._listen(name, feed)) for name, feed in self.feeds.items()}

    def regroup(self, feeds: Mapping[str, Feed], start: Start) -> None:
        """Listen to these feeds from now on; one that is not among them is closed."""
        for name in self.feeds.keys() - feeds.keys():
            del self.feeds[name]
            self._tasks.pop(name).cancel()
        for name in feeds.keys() - self.feeds.keys():
            self.feeds[name] = feeds[name]
            self._tasks[name] = start(self._listen(name, feeds[name]))

    async def _listen(self, name: str, feed: Feed) -> None:
        pause_s, longest_s = REOPEN_S
        while True:
            try:
                async for message in feed.messages():
                    if pause_s > REOPEN_S[0]:
                        # It ended and was lost whole; what it says from now on is true again.
                        await self._put(name, FeedRestored(feed=name, instruments=()))
                        pause_s = REOPEN_S[0]
                    await self._put(name, message)
                reason = "its messages ended"
            except FeedError as error:
                reason = str(error)
            await self._put(name, FeedLost(feed=name, instruments=(), reason=reason))
            await self._clock.sleep(pause_s)
            pause_s = min(2 * pause_s, longest_s)

    async def _put(self, name: str, message: FeedMessage) -> None:
        await self.inbox.put((name, message, self._clock.now_ms()))
        self._wake()
