"""What feeds give, stored as it comes; what they did not give, asked of their history."""

import asyncio
import sys
from collections.abc import Mapping
from typing import Final

import structlog

from adapters.clock import SystemClock
from adapters.files.frame_log import FrameLog
from adapters.files.recording import Recording
from adapters.host.terminal import LiveTable, Panel
from daemon.errors import FeedError, HistoryTooOldError
from daemon.events import FeedLost, FeedRestored
from daemon.feed import BarClosed, FrameIgnored, FrameRefused
from daemon.ports import Feed, LiveClock
from daemon.vitals.moment import clock as said

FILL_EVERY_S: Final = 300.0
"""How often history is asked for what the streams did not bring."""
OVER_S: Final = 10.0
"""A minute that ended so long ago should have come."""
DAY_MINUTES: Final = 1_440
LAST_FILL_S: Final = 8.0
"""At the end history may take so long; what is missing then is asked for at the next start."""
TELL_S: Final = 60.0
DRAW_S: Final = 0.5


class Recorder:
    """Records the bars of feeds.

    Args:
        recording: Where to.
        feeds: By venue.
        names: `venue:SYMBOL` of all, by venue.
        clock: The time.
        history_requests: Requests under way together, per venue.
        frames: Counts frames where they are kept too.
    """

    def __init__(
        self,
        recording: Recording,
        feeds: Mapping[str, Feed],
        names: Mapping[str, tuple[str, ...]],
        clock: LiveClock,
        history_requests: int,
        frames: FrameLog | None,
    ) -> None:
        self._recording = recording
        self._feeds = feeds
        self._names = names
        self._clock = clock
        self._history_requests = history_requests
        self._frames = frames
        self._newest = dict.fromkeys((name for of_one in names.values() for name in of_one), 0)
        self._lost: dict[str, set[str]] = {venue: set(of_one) for venue, of_one in names.items()}
        self._n_bars = self._n_filled = self._n_refused = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Record until `stop` is set; then ask history once more, briefly."""
        now, log = int(self._clock.epoch_s() // 60), structlog.get_logger()
        for name in self._newest:
            first = self._recording.begin(name, now)
            if first < now:
                log.info("going on", instrument=name, first=said(first), minutes=now - first)
        tasks = [
            *(asyncio.create_task(self._listen(venue, feed)) for venue, feed in self._feeds.items()),
            asyncio.create_task(self._keep_filling()),
            asyncio.create_task(self._tell()),
        ]
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait((*tasks, stopping), return_when=asyncio.FIRST_COMPLETED)
            ended = [task for task in tasks if task.done()]
        finally:
            for task in (*tasks, stopping):
                task.cancel()
            await asyncio.gather(*tasks, stopping, return_exceptions=True)
        for task in ended:
            task.result()
        await self._fill_for_the_last_time()

    def missing(self) -> dict[str, tuple[int, int]]:
        """Return by instrument the span in which minutes are not accounted for."""
        last = int((self._clock.epoch_s() - OVER_S) // 60) - 1
        found = {name: self._recording.missing(name, last) for name in self._newest}
        return {name: span for name, span in found.items() if span is not None}

    def line(self) -> str:
        """Return how far it has come, in one line (`View.line`)."""
        return " ".join(f"{name} {value}" for name, value in self._figures())

    def panels(self) -> list[Panel]:
        """Return how far it has come, for a terminal (`View.panels`)."""
        return [("recording", (), tuple(self._figures()))]

    def _figures(self) -> list[tuple[str, str]]:
        newest = max(self._newest.values())
        lost = sum(map(len, self._lost.values()))
        figures = [
            ("bars", f"{self._n_bars:,}"),
            ("from history", f"{self._n_filled:,}"),
            ("newest", said(newest) if newest else "none yet"),
            ("instruments", f"{len(self._newest)}, {lost} silent"),
            ("frames refused", f"{self._n_refused:,}"),
        ]
        return figures if self._frames is None else [*figures, ("frames", f"{self._frames.n_frames:,}")]

    async def _listen(self, venue: str, feed: Feed) -> None:
        """Store what a feed says, for ever."""
        log, ignored = structlog.get_logger(), set[str]()
        async for message in feed.messages():
            match message:
                case BarClosed():
                    self._lost[venue].discard(message.instrument)
                    self._newest[message.instrument] = max(self._newest[message.instrument], message.minute)
                    self._n_bars += self._recording.keep([message])
                case FeedLost():
                    self._lost[venue].update(message.instruments or self._names[venue])
                    log.warning("feed lost", feed=venue, reason=message.reason)
                case FeedRestored():
                    self._lost[venue].difference_update(message.instruments or self._names[venue])
                    log.info("feed restored", feed=venue, instruments=len(message.instruments))
                case FrameRefused():
                    self._n_refused += 1
                    log.warning("refused", feed=venue, reason=message.reason, excerpt=message.excerpt)
                case FrameIgnored() if message.name not in ignored:
                    ignored.add(message.name)
                    log.debug("ignored", feed=venue, name=message.name)
                case _:
                    pass

    async def _keep_filling(self) -> None:
        while True:
            await self._fill()
            await self._clock.sleep(FILL_EVERY_S)

    async def _fill(self) -> None:
        """Ask history for everything that is not accounted for."""
        missing = self.missing()
        async with asyncio.TaskGroup() as group:
            for venue, names in self._names.items():
                slots = asyncio.Semaphore(self._history_requests)
                for name in names:
                    if name in missing:
                        group.create_task(self._fill_one(self._feeds[venue], name, missing[name], slots))
        self._recording.save(int(self._clock.epoch_s() // 60))

    async def _fill_one(self, feed: Feed, name: str, span: tuple[int, int], slots: asyncio.Semaphore) -> None:
        first, last = span
        while first <= last:
            until = min(last, first + DAY_MINUTES - 1)
            try:
                async with slots:
                    bars = await feed.history(name, first, until)
            except HistoryTooOldError as old:
                log = structlog.get_logger()
                log.warning("lost for good", instrument=name, first=said(first), end=said(old.first_minute))
                # What is oldest now may be gone when it is asked for.
                first = old.first_minute + 1
                continue
            except FeedError as problem:
                structlog.get_logger().warning("no history, asked for later", reason=str(problem))
                return
            kept = self._recording.keep(bars)
            self._n_filled += kept
            self._n_bars += kept
            first = until + 1
            self._recording.account(name, first)

    async def _fill_for_the_last_time(self) -> None:
        try:
            async with asyncio.timeout(LAST_FILL_S):
                await self._fill()
        except TimeoutError:
            structlog.get_logger().warning("not all of history came", instruments=len(self.missing()))

    async def _tell(self) -> None:
        """Draw on a terminal, log elsewhere."""
        if sys.stderr.isatty():
            with LiveTable(sys.stderr, SystemClock()) as table:
                while True:
                    table.show(self)
                    await asyncio.sleep(DRAW_S)
        while True:
            await self._clock.sleep(TELL_S)
            figures = {name.replace(" ", "_"): value for name, value in self._figures()}
            structlog.get_logger().info("recorded", **figures)
