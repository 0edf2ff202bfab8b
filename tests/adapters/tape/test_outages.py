"""A real server goes away and comes back: nothing is lost, nothing doubled, nobody waits for ever."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from adapters.tape import outages
from adapters.tape.intact import check_intact
from adapters.tape.outages import Outage
from adapters.tape.place import ServerPlace
from adapters.tape.postgresql_lock import FIRST_KEY, second_key
from adapters.tape.postgresql_server import PostgresqlWriter
from adapters.tape.reader import TapeReader
from adapters.tape.writer import TapeWriter
from daemon.diagnostics import Diagnostics, StoredBar, Unapplied
from daemon.errors import TapeAwayError, TapeDamagedError, TapeError, TapeInUseError
from daemon.events import BatchRecord
from daemon.feed import BarClosed
from tests.adapters.tape import samples
from tests.postgresql import PostgresqlServer

PATIENCE_S = 30.0
NAME = samples.instruments()[0].name
LATE = StoredBar(Unapplied.LATE, BarClosed(NAME, samples.FIRST_MINUTE, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0), 1_000)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outages, "PAUSE_S", (0.01, 0.05))


@pytest.fixture
def place(postgresql: PostgresqlServer) -> ServerPlace:
    return postgresql.place()


@pytest.fixture
def writer(place: ServerPlace) -> Iterator[TapeWriter]:
    """A begun tape with two batches on it."""
    with TapeWriter(place) as writer:
        writer.append(batches(samples.begin(writer), 2))
        yield writer


def batches(previous: bytes, n: int, start: int = 0) -> list[BatchRecord]:
    return list(samples.batches(previous, n, start=start))


def following(writer: TapeWriter, n: int) -> list[BatchRecord]:
    number, digest = writer.tip
    return batches(digest, n, number)


def server_of(writer: TapeWriter) -> PostgresqlWriter:
    assert isinstance(writer.database, PostgresqlWriter)
    return writer.database


def reached(holds: Callable[[], bool]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end_s
        time.sleep(0.005)


@contextmanager
def beside(work: Callable[[], None]) -> Iterator[list[BaseException]]:
    """Run on another thread; yield what it raised, known when the block is left."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield raised
    finally:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def demand_whole(place: ServerPlace, n: int) -> None:
    """Every batch once, and everything beside them as it was written."""
    with TapeReader(place) as reader:
        assert [record.batch for record in reader.batches()] == list(range(1, n + 1))
        assert list(check_intact(reader)) == []


def test_a_server_that_is_killed_and_started_again_costs_nothing(
    writer: TapeWriter, place: ServerPlace, postgresql: PostgresqlServer
) -> None:
    told: list[Outage] = []
    writer.outages.tell = told.append
    group = following(writer, 5)
    postgresql.stop("immediate")
    try:
        with beside(lambda: writer.append(group, samples.snapshot(group[-1]))) as raised:
            reached(lambda: writer.outages.retries >= 5)
            waited = writer.outages.is_waiting
            postgresql.start()
    finally:
        postgresql.start_again()
    assert raised == []
    assert (waited, writer.outages.is_waiting) == (True, False)
    assert (told[0].is_over, told[0].retries, told[-1].is_over) == (False, 0, True)
    assert "went away" in told[0].reason
    assert told[-1].retries >= 5
    writer.append(following(writer, 1))
    demand_whole(place, 8)


@pytest.mark.parametrize("at", ["before the commit", "after the commit"])
def test_a_session_that_is_lost_at_the_commit_neither_loses_nor_doubles(
    writer: TapeWriter,
    place: ServerPlace,
    postgresql: PostgresqlServer,
    monkeypatch: pytest.MonkeyPatch,
    at: str,
) -> None:
    """After: the commit was made and its answer lost, which the writer cannot tell from the other."""
    database = server_of(writer)
    real = database.transaction
    losses = 0

    @contextmanager
    def losing() -> Iterator[None]:
        nonlocal losses
        losses += 1
        with real():
            yield
            if losses == 1 and at == "before the commit":
                (pid,) = database.fetch("SELECT pg_backend_pid()")[0]
                postgresql.execute("SELECT pg_terminate_backend(%s)", (pid,))
        if losses == 1 and at == "after the commit":
            database.interrupt()
            raise TapeAwayError("the answer to the commit was lost")

    monkeypatch.setattr(database, "transaction", losing)
    group = following(writer, 3)
    writer.append(group, samples.snapshot(group[-1]), Diagnostics((LATE,)))
    assert losses == (2 if at == "before the commit" else 1)
    demand_whole(place, 5)
    with TapeReader(place) as reader:
        assert reader.fetch("SELECT count(*) FROM revision") == [(1,)]
        snapshot = reader.snapshot()
    assert snapshot is not None
    assert snapshot.batch == 5


@pytest.mark.parametrize("at", ["before", "after"])
def test_the_last_snapshot_of_a_run_is_not_lost_either(
    writer: TapeWriter, place: ServerPlace, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    database = server_of(writer)
    group = following(writer, 2)
    writer.append(group)
    real = database.transaction
    calls = 0

    @contextmanager
    def losing() -> Iterator[None]:
        nonlocal calls
        calls += 1
        if calls == 1 and at == "before":
            raise TapeAwayError("lost")
        with real():
            yield
        if calls == 1:
            raise TapeAwayError("lost")

    monkeypatch.setattr(database, "transaction", losing)
    writer.append((), samples.snapshot(group[-1]))
    assert calls == (2 if at == "before" else 1)
    with TapeReader(place) as reader:
        snapshot = reader.snapshot()
    assert snapshot is not None
    assert snapshot.batch == 4


def test_somebody_who_took_the_tape_meanwhile_is_named_and_ends_the_run(
    writer: TapeWriter, place: ServerPlace, postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = server_of(writer)
    group = following(writer, 1)
    database.connection.close()
    with TapeWriter(place) as other:
        other.append(following(other, 1))
        with pytest.raises(TapeInUseError, match="is being written by session"):
            writer.append(group)
    demand_whole(place, 3)


def test_a_tape_that_came_back_as_another_is_not_written(
    writer: TapeWriter, place: ServerPlace, postgresql: PostgresqlServer
) -> None:
    """Restored from an older copy, say: two batches were committed, one is there."""
    database = server_of(writer)
    group = following(writer, 1)
    with TapeReader(place) as reader:
        first = next(reader.batches())
    database.connection.close()
    with TapeWriter(place) as other:
        other.database.change("DELETE FROM batch WHERE number = 2")
        other._insert_tip(1, first.digest)
    with pytest.raises(TapeDamagedError, match="came back with another tape, which ends with batch 1"):
        writer.append(group)


def test_a_lost_session_that_the_server_still_holds_is_ended(
    writer: TapeWriter, place: ServerPlace, postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a network that went dead: the client gave up, the server knows nothing of it."""
    database = server_of(writer)
    lost = database.connection
    (pid,) = database.fetch("SELECT pg_backend_pid()")[0]
    real = database.transaction
    monkeypatch.setattr(lost, "close", lambda: None)
    calls = 0

    @contextmanager
    def losing() -> Iterator[None]:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise TapeAwayError("the network is gone")
        with real():
            yield

    monkeypatch.setattr(database, "transaction", losing)
    writer.append(following(writer, 1))
    assert database.connection is not lost
    held = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND objid = %s"
    ((holder,),) = postgresql.execute(held, (FIRST_KEY, second_key(place.schema)))
    assert holder != pid
    monkeypatch.undo()
    lost.close()
    demand_whole(place, 3)


def test_a_run_that_is_to_end_waits_for_its_server_but_shortly(
    writer: TapeWriter, place: ServerPlace, postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outages, "HURRY_S", 0.2)
    group = following(writer, 1)
    postgresql.stop("fast")
    try:
        with beside(lambda: writer.append(group)) as raised:
            reached(lambda: writer.outages.retries >= 1)
            writer.outages.hurry()
        (error,) = raised
        assert isinstance(error, TapeError)
        assert "The last group is not on the tape, everything before it is" in str(error)
    finally:
        postgresql.start_again()
    with TapeWriter(place) as again:
        again.append(following(again, 1))
    demand_whole(place, 3)


def test_a_server_that_hangs_does_not_keep_a_run_from_ending(
    writer: TapeWriter, place: ServerPlace, postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process is stopped, so the line stands and nobody answers."""
    monkeypatch.setattr(outages, "HURRY_S", 0.2)
    database = server_of(writer)
    (pid,) = database.fetch("SELECT pg_backend_pid()")[0]
    os.kill(pid, signal.SIGSTOP)
    try:
        with beside(lambda: writer.append(following(writer, 1))) as raised:
            reached(lambda: writer.outages._busy_since_s is not None)
            writer.outages.hurry()
        (error,) = raised
        assert isinstance(error, TapeError)
    finally:
        os.kill(pid, signal.SIGCONT)
    with TapeWriter(place) as again:
        assert again.tip[0] == 2
