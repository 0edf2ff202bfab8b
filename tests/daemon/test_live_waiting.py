"""A tape that does not take a commit for a long time: memory stays bounded, and no bar is lost."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence

import numpy as np

from daemon.bars.sequencer import Sequencer
from daemon.diagnostics import Diagnostics
from daemon.events import BAR_RECORD, BatchRecord, Snapshot
from daemon.feed import BarClosed, FeedMessage
from daemon.live import LiveRun, Onlookers
from daemon.ports import Feed
from tests.file_feed import bars_of
from tests.jump_clock import JumpClock
from tests.runs import SETTINGS, fresh_engine, market, traded

N_MINUTES, WAITS_AT, QUEUE = 30, 5, 12
PATIENCE_S = 60
ROUNDS = 50
"""Of the event loop: more than a feed needs to give the bars of a minute."""


class Venue(Feed):
    """Gives each minute's bars when it is over, as fast as they are taken; its history has all of them."""

    name = "file"

    def __init__(self, bars: Sequence[BarClosed], clock: JumpClock) -> None:
        self.bars = bars
        self.given = 0
        self._clock = clock

    async def messages(self) -> AsyncIterator[FeedMessage]:
        for bar in self.bars:
            end_ms = (bar.minute + 1) * 60_000
            while self._clock.now_ms() < end_ms:
                await self._clock.sleep((end_ms - self._clock.now_ms()) / 1000)
            yield bar
            self.given += 1
        await asyncio.Event().wait()

    def regroup(self, instruments: Sequence[str]) -> None:
        raise NotImplementedError

    async def history(self, instrument: str, first_minute: int, last_minute: int) -> Sequence[BarClosed]:
        wanted = range(first_minute, last_minute + 1)
        known = self._clock.now_ms() // 60_000
        return [
            bar
            for bar in self.bars
            if bar.instrument == instrument and bar.minute in wanted and bar.minute < known
        ]


async def test_while_a_commit_waits_no_more_than_the_queue_is_held_and_no_bar_is_lost() -> None:
    truth, instruments = traded(N_MINUTES), market().instruments
    first, names = int(truth.minute[0]), [instrument.name for instrument in instruments]
    clock = JumpClock(first * 60_000)
    venue = Venue(list(bars_of([truth], instruments)), clock)
    let_go = threading.Event()
    waits, news = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    records: list[BatchRecord] = []

    def commit(batches: Sequence[BatchRecord], snapshot: Snapshot | None, diagnostics: Diagnostics) -> None:
        if batches and batches[0].batch == WAITS_AT:
            loop.call_soon_threadsafe(waits.set)
            assert let_go.wait(PATIENCE_S)

    def see(batches: Sequence[BatchRecord]) -> None:
        records.extend(batches)
        news.set()

    async def decided(n_minutes: int) -> None:
        while len(records) < n_minutes:
            news.clear()
            await news.wait()

    rules = SETTINGS.sealing.model_copy(update={"queue_messages": QUEUE})
    live = LiveRun(
        fresh_engine(),
        Sequencer(SETTINGS, instruments, {"file": names}, first, clock.now_ms()),
        {"file": venue},
        clock,
        rules,
        commit,
        Onlookers((see,), ()),
    )
    stop = asyncio.Event()
    async with asyncio.timeout(PATIENCE_S):
        running = asyncio.ensure_future(live.run(stop))
        for n_over in range(1, WAITS_AT):
            clock.set((first + n_over) * 60_000)
            await decided(n_over)
        clock.set((first + WAITS_AT) * 60_000)
        await waits.wait()
        taken = venue.given - live.queued
        for n_over in range(WAITS_AT + 1, N_MINUTES):
            clock.set((first + n_over) * 60_000)
            for _ in range(ROUNDS):
                await asyncio.sleep(0)  # a turn of the loop, not time
        assert live.queued == QUEUE
        # The bar that the queue has no room for is in the feed's hands.
        assert venue.given == taken + QUEUE
        let_go.set()
        await decided(N_MINUTES - 1)
        clock.set((first + N_MINUTES) * 60_000)
        await decided(N_MINUTES)
        stop.set()
        await running
    assert [record.batch for record in records] == list(range(1, len(records) + 1))
    assert [record.minute for record in records[:N_MINUTES]] == truth.minute.tolist()
    bars = np.frombuffer(b"".join(record.bars for record in records[:N_MINUTES]), BAR_RECORD)
    np.testing.assert_array_equal(bars["close"], truth.close.reshape(-1))
    # The queue held the first of them; those behind it came from history, and made no orders.
    missed = [record for record in records[:N_MINUTES] if record.catch_up]
    assert len(missed) >= N_MINUTES - WAITS_AT - QUEUE // len(names) - 3
    assert not any(record.orders for record in missed)
