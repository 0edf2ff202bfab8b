"""The live service around the engine: the same ledger as a replay, an orderly end, nothing seen too early."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from daemon.bars.asking import Ask
from daemon.bars.sequencer import Sequencer
from daemon.diagnostics import Diagnostics, Indication
from daemon.engine import Engine
from daemon.errors import FeedError, HistoryTooOldError, TapeError
from daemon.events import BatchRecord, Command, CommandKind, Minutes, Snapshot, TradingMode
from daemon.feed import BarClosed
from daemon.live import LiveRun, Onlookers
from daemon.live.fetching import TIMEOUT_S, Fetching
from daemon.live.run import COMMANDS_MOST
from tests.file_feed import FileFeed, bars_of, played
from tests.jump_clock import JumpClock
from tests.runs import SETTINGS, decided, fresh_engine, market, traded

N = 90


@dataclass
class Played:
    """A live run of the test market, and all it left."""

    n_minutes: int = N
    mute: frozenset[int] = frozenset()
    lost: frozenset[int] = frozenset()
    engine: Engine = field(default_factory=fresh_engine)
    records: list[BatchRecord] = field(default_factory=list)
    committed: list[int] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    kept: list[Diagnostics] = field(default_factory=list)
    seen: list[Indication] = field(default_factory=list)
    fails_at: int | None = None

    def __post_init__(self) -> None:
        instruments = market().instruments
        truth = traded(self.n_minutes)
        first = int(truth.minute[0])
        self.clock = JumpClock(first * 60_000)
        self.feed = FileFeed(
            bars_of([truth], instruments),
            self.clock,
            first,
            first + self.n_minutes - 1,
            mute=lambda bar: bar.minute - first in self.mute,
            lost=frozenset(first + at for at in self.lost),
        )
        names = [instrument.name for instrument in instruments]
        sequencer = Sequencer(SETTINGS, instruments, {"file": names}, first, self.clock.now_ms())
        self.stop = asyncio.Event()
        self.live = LiveRun(
            self.engine,
            sequencer,
            {"file": self.feed},
            self.clock,
            SETTINGS.sealing,
            self.commit,
            Onlookers((self.sink, self.feed.see), (self.seen.append,)),
        )

    def commit(
        self, batches: Sequence[BatchRecord], snapshot: Snapshot | None, diagnostics: Diagnostics
    ) -> None:
        assert threading.current_thread() is not threading.main_thread()
        if self.fails_at is not None and batches and batches[-1].batch >= self.fails_at:
            raise TapeError("the disk is full")
        self.committed += [record.batch for record in batches]
        self.snapshots += [snapshot] if snapshot else []
        self.kept.append(diagnostics)

    def sink(self, records: Sequence[BatchRecord]) -> None:
        assert threading.current_thread() is threading.main_thread()
        assert {record.batch for record in records} <= set(self.committed)
        self.records += records

    async def play(self) -> "Played":
        async with asyncio.timeout(60):
            await played(self.live, self.feed, self.stop)
        return self


async def test_a_live_run_comes_to_the_digests_of_a_replay_of_the_same_minutes() -> None:
    live = await Played().play()
    replayed, _ = decided(fresh_engine(), [traded(N)])
    assert [record.digest for record in live.records] == [record.digest for record in replayed]
    assert sum(len(record.fills) for record in live.records) > 10
    assert live.feed.asked == []
    assert live.feed.closed


async def test_bars_that_only_history_has_give_the_same_ledger() -> None:
    live = await Played(mute=frozenset({3, 4, 30, 61})).play()
    replayed, _ = decided(fresh_engine(), [traded(N)])
    assert [record.digest for record in live.records] == [record.digest for record in replayed]
    assert len(live.feed.asked) == 4 * len(market().instruments)


async def test_a_lost_feed_is_on_the_tape_and_its_minute_comes_from_history() -> None:
    live = await Played(lost=frozenset({40}), mute=frozenset({40})).play()
    replayed, _ = decided(fresh_engine(), [traded(N)])
    assert [record.bars for record in live.records] == [record.bars for record in replayed]
    assert [record.fills for record in live.records[:41]] == [record.fills for record in replayed[:41]]
    events = {
        at: [event.kind for event in record.events] for at, record in enumerate(live.records) if record.events
    }
    assert events == {40: ["FeedLost"], 41: ["FeedRestored"]}
    assert live.live.sequencer.frames["file"].losses == 1


async def test_arrivals_and_indications_are_kept_and_compared_with_the_fills() -> None:
    live = await Played().play()
    arrivals = [one for kept in live.kept for one in kept.arrivals]
    assert len(arrivals) == N * len(market().instruments)
    assert all(one.received_ms == (one.minute + 1) * 60_000 + 5 for one in arrivals)
    orders = {order.id: order for record in live.records for order in record.orders}
    indications = [one for kept in live.kept for one in kept.indications]
    assert indications == live.seen
    assert {one.order_id for one in indications} >= {
        fill.order_id for record in live.records for fill in record.fills if fill.order_id
    }
    assert all(one.minute == orders[one.order_id].minute + 1 for one in indications)
    # The feed's first price of a minute is its open, which is what fills take.
    figures = live.live.indications.figures
    assert (figures.seen, figures.last, figures.total) == (len(indications), 0.0, 0.0)
    assert figures.filled > 10


async def test_a_stop_leaves_a_snapshot_from_which_the_run_goes_on() -> None:
    live = await Played(n_minutes=20).play()
    assert live.snapshots[-1].batch == 20
    assert live.committed == list(range(1, 21))


async def test_a_snapshot_that_is_asked_for_is_made_between_two_minutes_and_serves_all_who_ask() -> None:
    live = Played(n_minutes=20)
    asking: list[asyncio.Task[Snapshot | None]] = []

    def ask(records: Sequence[BatchRecord]) -> None:
        if records[-1].batch == 7:
            asking.extend(asyncio.ensure_future(live.live.snapshot()) for _ in range(2))

    live.live._onlookers = Onlookers((live.sink, ask, live.feed.see))
    early = asyncio.ensure_future(live.live.snapshot())
    await live.play()
    assert await early is None, "before the first minute there is nothing to make one of"
    first, second = await asyncio.gather(*asking)
    assert first is second
    assert live.snapshots[0] is first
    assert [snapshot.batch for snapshot in live.snapshots][1:] == [20]
    assert live.snapshots[0].batch in {7, 8}
    replayed, _ = decided(fresh_engine(), [traded(20)])
    assert [record.digest for record in live.records] == [record.digest for record in replayed]


async def test_whoever_waits_for_a_snapshot_hears_that_the_run_has_ended() -> None:
    live = Played(n_minutes=1)
    waiting = asyncio.ensure_future(live.live.snapshot())
    await asyncio.sleep(0)
    live.stop.set()
    await live.live.run(live.stop)
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_snapshot_that_cannot_be_committed_ends_the_run() -> None:
    live = Played(n_minutes=20)

    def commit(batches: Sequence[BatchRecord], snapshot: Snapshot | None, _diagnostics: Diagnostics) -> None:
        if snapshot is not None:
            raise TapeError("the disk is full")

    asking: list[asyncio.Task[Snapshot | None]] = []

    def ask(_records: Sequence[BatchRecord]) -> None:
        if not asking:
            asking.append(asyncio.ensure_future(live.live.snapshot()))

    live.live._commit = commit
    live.live._onlookers = Onlookers((ask, live.feed.see))
    with pytest.raises(TapeError, match="disk is full"):
        await live.play()
    with pytest.raises(asyncio.CancelledError):
        await asking[0]


async def test_a_command_is_answered_when_it_is_durable() -> None:
    live = Played(n_minutes=20)

    async def pause() -> int:
        await live.live.submit(Command(command=CommandKind.PAUSE, by="test"))
        return live.committed[-1]

    paused = asyncio.ensure_future(pause())
    await live.play()
    at = await paused
    with_it = [record for record in live.records if record.events]
    assert [record.events[0].kind for record in with_it] == ["Command"]
    assert with_it[0].batch == at
    assert live.records[-1].book.mode is TradingMode.NO_ENTRY


async def test_what_cannot_be_committed_ends_the_run_and_is_not_seen() -> None:
    live = Played(fails_at=8)
    with pytest.raises(TapeError, match="disk is full"):
        await live.play()
    assert [record.batch for record in live.records] == list(range(1, 8))
    assert live.feed.closed


async def test_missed_minutes_are_decided_as_catch_up_without_orders_and_then_trading_goes_on() -> None:
    live = Played()
    first = int(traded(1).minute[0])
    live.clock.set((first + 40) * 60_000)
    live.feed._span = (first + 40, first + N - 1)
    await live.play()
    assert [record.batch for record in live.records] == list(range(1, N + 1))
    late = [record for record in live.records if record.catch_up]
    assert [record.minute - first for record in late] == list(range(40))
    assert not any(record.orders for record in late)
    assert any(record.orders for record in live.records)
    replayed, _ = decided(fresh_engine(), [_marked(traded(N), 40)])
    assert [record.digest for record in live.records] == [record.digest for record in replayed]


async def test_a_feed_that_ends_is_lost_and_listened_to_again() -> None:
    live = Played(n_minutes=30)
    live.feed.ends_after = 10
    await live.play()
    assert [record.batch for record in live.records] == list(range(1, 31))
    assert [event.kind for event in live.records[10].events] == ["FeedLost", "FeedRestored"]
    assert sum(len(record.events) for record in live.records) == 2


async def test_whoever_moves_the_time_can_wait_until_all_is_decided() -> None:
    live = Played(n_minutes=10)
    settled: list[tuple[int, int]] = []

    async def watch() -> None:
        while True:
            await asyncio.wait_for(live.live.settled(0.05), 30)
            settled.append((live.live.queued, live.live.fetching))
            await asyncio.sleep(0.001)

    watching = asyncio.ensure_future(watch())
    await live.play()
    watching.cancel()
    assert settled
    assert {queued for queued, _ in settled} == {0}


async def test_no_more_events_wait_than_there_is_room_for() -> None:
    live = Played(n_minutes=1)
    pause = Command(command=CommandKind.PAUSE, by="test")
    waiting = [asyncio.ensure_future(live.live.submit(pause)) for _ in range(COMMANDS_MOST)]
    await asyncio.sleep(0)
    with pytest.raises(FeedError, match="wait for their minute"):
        await live.live.submit(pause)
    live.stop.set()
    await live.live.run(live.stop)
    ended, _ = await asyncio.wait(waiting)
    assert all(task.cancelled() for task in ended)


class Deaf(FileFeed):
    """Its history never answers."""

    async def history(self, instrument: str, first_minute: int, last_minute: int) -> Sequence[BarClosed]:
        await asyncio.Event().wait()
        return ()


async def test_a_history_that_never_answers_has_failed_after_its_time() -> None:
    clock = JumpClock(0)
    feed = Deaf((), clock, 0, 0)
    fetching = Fetching({"file": feed}, clock, 1)
    answering = asyncio.ensure_future(fetching.answer(Ask("file", "a", 0, 1)))
    for _ in range(5):
        await asyncio.sleep(0)
    assert clock.sleeping == 1
    clock.set(int(TIMEOUT_S * 1000))
    answer = await answering
    assert answer.failure is not None
    assert "no answer within 120 s" in answer.failure


class Refusing(FileFeed):
    """Its history says no."""

    refusal: Exception = FeedError("banned")

    async def history(self, instrument: str, first_minute: int, last_minute: int) -> Sequence[BarClosed]:
        raise self.refusal


async def test_what_a_history_refuses_is_an_answer_too() -> None:
    clock = JumpClock(0)
    feed = Refusing((), clock, 0, 0)
    fetching = Fetching({"file": feed}, clock, 1)
    ask = Ask("file", "a", 0, 1)
    assert (await fetching.answer(ask)).failure == "banned"
    feed.refusal = HistoryTooOldError("a", 77)
    assert (await fetching.answer(ask)).begins == 77


def _marked(minutes: Minutes, n: int) -> Minutes:
    # In its own array: the market's are everybody's.
    return replace(minutes, catch_up=np.arange(len(minutes)) < n)
