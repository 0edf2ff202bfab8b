"""A feed that plays given bars to a live run, minute by minute, and moves the test's clock."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache

import numpy as np

from adapters.simulator.market import SimulatedMarket
from daemon.errors import FeedError
from daemon.events import MINUTE_MS, BatchRecord, FeedLost, FeedRestored, Instrument, Minutes
from daemon.feed import BarClosed, FeedMessage, PriceSeen
from daemon.live import LiveRun
from daemon.ports import Feed
from tests.jump_clock import JumpClock

GRACE_MS, DEADLINE_MS = 4_000, 15_000
"""As the settings have them by default."""


def bars_of(blocks: Iterable[Minutes], instruments: Sequence[Instrument]) -> Iterator[BarClosed]:
    """The real bars of minutes, by minute and instrument."""
    for block in blocks:
        real = block.present & ~block.synthetic
        for row, column in np.argwhere(real).tolist():
            values = (
                float(getattr(block, name)[row, column])
                for name in ("open", "high", "low", "close", "volume", "taker")
            )
            yield BarClosed(instruments[column].name, int(block.minute[row]), *values)


@cache
def all_bars(market: SimulatedMarket) -> tuple[BarClosed, ...]:
    """All bars of a market."""
    return tuple(bars_of(market.blocks(market.first_minute, market.last_minute, 1 << 20), market.instruments))


class FileFeed(Feed):
    """Every minute's bars five milliseconds after its end, then a price of the next one.

    Args:
        bars: What the venue has.
        clock: Moved to each minute's end, and to the grace if a bar is missing.
        first: First minute it plays.
        last: Last one; then it stands still.
        mute: Says which bars never come by the stream.
        lost: Minutes in which the stream goes and comes back.
    """

    name = "file"

    def __init__(
        self,
        bars: Iterable[BarClosed],
        clock: JumpClock,
        first: int,
        last: int,
        *,
        mute: Callable[[BarClosed], bool] = lambda _: False,
        lost: frozenset[int] = frozenset(),
    ) -> None:
        self.bars: dict[int, list[BarClosed]] = {}
        for bar in bars:
            self.bars.setdefault(bar.minute, []).append(bar)
        self._clock = clock
        self._span = (first, last)
        self._mute = mute
        self._lost = lost
        self._sealed = first - 1
        self._news = asyncio.Event()
        self.played = asyncio.Event()
        self.closed = False
        self.down: dict[str, range] = {}
        self.ends_after: int | None = None
        self._next = first
        self.asked: list[tuple[str, int, int]] = []
        self.groups: list[tuple[str, ...]] = []

    def see(self, records: Sequence[BatchRecord]) -> None:
        """A sink: says how far the run is."""
        self._sealed = records[-1].minute
        self._news.set()

    async def messages(self) -> AsyncIterator[FeedMessage]:
        try:
            for minute in range(max(self._next, self._span[0]), self._span[1] + 1):
                if self.ends_after == minute - self._span[0]:
                    self.ends_after = None
                    # It is listened to again after a pause.
                    asyncio.get_running_loop().call_soon(self._clock.set, self._clock.now_ms() + 60_000)
                    return
                async for message in self._minute(minute):
                    yield message
                self._next = minute + 1
            self.played.set()
            await asyncio.Event().wait()
        finally:
            self.closed = True

    async def _minute(self, minute: int) -> AsyncIterator[FeedMessage]:
        if minute in self._lost:
            yield FeedLost(feed=self.name, instruments=(), reason="cut")
        self._clock.set((minute + 1) * MINUTE_MS + 5)
        brought = [bar for bar in self.bars.get(minute, []) if not self._mute(bar)]
        for bar in brought:
            yield bar
        for bar in brought:
            yield PriceSeen(bar.instrument, minute, bar.close)
        while self._sealed < minute:
            self._news.clear()
            if brought != self.bars.get(minute) or not brought:
                # The grace at first, then the deadline.
                end_ms = (minute + 1) * MINUTE_MS
                early = self._clock.now_ms() < end_ms + GRACE_MS
                self._clock.set(end_ms + (GRACE_MS if early else DEADLINE_MS))
            await self._news.wait()
        if minute in self._lost:
            yield FeedRestored(feed=self.name, instruments=())
        self._clock.set((minute + 1) * MINUTE_MS + GRACE_MS + 500)
        for bar in self.bars.get(minute + 1, []):
            yield PriceSeen(bar.instrument, minute + 1, bar.open)

    def regroup(self, instruments: Sequence[str]) -> None:
        self.groups.append(tuple(instruments))

    async def history(self, instrument: str, first_minute: int, last_minute: int) -> Sequence[BarClosed]:
        self.asked.append((instrument, first_minute, last_minute))
        await asyncio.sleep(0)
        if self._clock.now_ms() // MINUTE_MS - 1 in self.down.get(instrument, ()):
            self._news.set()
            raise FeedError("the venue is away")
        minutes = (self.bars.get(minute, []) for minute in range(first_minute, last_minute + 1))
        return [bar for of_minute in minutes for bar in of_minute if bar.instrument == instrument]


async def played(live: LiveRun, feed: FileFeed, stop: asyncio.Event, *, killed: bool = False) -> None:
    """Let a run have all that a feed plays, then end it in order or kill it."""
    running = asyncio.ensure_future(live.run(stop))
    done = asyncio.ensure_future(feed.played.wait())
    await asyncio.wait((running, done), return_when=asyncio.FIRST_COMPLETED)
    done.cancel()
    if killed:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    else:
        stop.set()
        await running
