"""The shell around the engine: what is durable before what is seen, and how a run ends."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from daemon.errors import TapeError
from daemon.events import BatchRecord, Snapshot
from daemon.service import play
from tests.runs import cut, fresh_engine, traded


class Log:
    """Writes down what was committed and seen, in order."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, int]] = []
        self.snapshots: list[int] = []
        self.threads: set[str] = set()

    def commit(self, batches: Sequence[BatchRecord], snapshot: Snapshot | None) -> None:
        self.threads.add(threading.current_thread().name)
        self.steps += [("commit", batches[-1].batch)] if batches else []
        self.snapshots += [snapshot.batch] if snapshot else []

    def sink(self, batches: Sequence[BatchRecord]) -> None:
        assert threading.current_thread() is threading.main_thread()
        self.steps.append(("sink", batches[-1].batch))


async def test_a_sink_sees_a_batch_only_after_it_is_durable() -> None:
    log = Log()
    assert await play(fresh_engine(), iter(cut(traded(40), [10, 25])), log.commit, (log.sink,))
    assert log.steps == [
        ("commit", 10),
        ("sink", 10),
        ("commit", 25),
        ("sink", 25),
        ("commit", 40),
        ("sink", 40),
    ]
    assert all(name.startswith("engine") for name in log.threads)


async def test_a_finished_run_leaves_a_snapshot_of_its_last_batch() -> None:
    log = Log()
    await play(fresh_engine(), iter([traded(60)]), log.commit)
    assert log.snapshots == [50, 60]


async def test_a_stop_ends_the_run_between_two_batches_and_nothing_is_lost() -> None:
    log, stop = Log(), asyncio.Event()

    def stop_at_the_first(batches: Sequence[BatchRecord]) -> None:
        log.sink(batches)
        stop.set()

    parts = cut(traded(90), [10, 20, 30, 40])
    assert not await play(fresh_engine(), iter(parts), log.commit, (stop_at_the_first,), stop)
    committed = [batch for what, batch in log.steps if what == "commit"]
    assert committed[-1] < 90
    assert log.snapshots[-1] == committed[-1]


async def test_what_cannot_be_committed_ends_the_run_and_is_not_seen() -> None:
    log = Log()

    def full(batches: Sequence[BatchRecord], snapshot: Snapshot | None) -> None:
        del batches, snapshot
        raise TapeError("the disk is full")

    with pytest.raises(TapeError, match="disk is full"):
        await play(fresh_engine(), iter([traded(10)]), full, (log.sink,))
    assert log.steps == []


async def test_no_inputs_leave_nothing() -> None:
    log = Log()
    assert await play(fresh_engine(), iter([]), log.commit, (log.sink,))
    assert (log.steps, log.snapshots) == ([], [])
