"""Batches that leave a tape: what stays is intact after every step, and is what was written."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from adapters.tape.intact import check_intact
from adapters.tape.limits import Limits, goal_of
from adapters.tape.reader import TapeReader
from adapters.tape.retention import Goal, Pruner
from adapters.tape.writer import TapeWriter
from daemon import chain
from daemon.errors import BrokenBoundError, TapeError
from daemon.events import (
    BatchRecord,
    EventRecord,
    SettingsChanged,
    UniverseChanged,
)
from tests.adapters.tape import samples

NOW_MS = 1_700_000_000_000
GOAL = Goal(snapshot=20, last=15)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> samples.Sample[Path]:
    return samples.write(tmp_path_factory.mktemp("sample") / "run.tape")


@pytest.fixture
def path(sample: samples.Sample[Path], tmp_path: Path) -> Path:
    return Path(shutil.copy(sample.place, tmp_path / "run.tape"))


def steps(path: Path, goal: Goal = GOAL, step_bars: int = 1) -> Iterator[TapeReader]:
    """Take the steps towards a goal, and give the tape to read after each."""
    more = True
    while more:
        with TapeWriter(path) as writer:
            more = Pruner(writer, samples.PlainSummaries, step_bars).step(goal, NOW_MS)
        with TapeReader(path) as reader:
            yield reader


def test_the_tape_is_intact_after_every_step_and_what_is_left_is_what_was_written(
    sample: samples.Sample[Path], path: Path
) -> None:
    left = []
    for reader in steps(path):
        assert list(check_intact(reader)) == []
        pruned = reader.pruned()
        assert pruned is not None
        assert tuple(reader.batches()) == sample.batches[pruned.batch :]
        assert tuple(reader.batches(30)) == sample.batches[30:]
        assert reader.tip() == (40, sample.batches[-1].digest)
        assert reader.oldest_snapshot().batch == 20 or pruned.batch == 0
        left.append(pruned.batch)
    assert left[0] == 0
    assert sorted(left) == left
    assert left[-1] == 15
    assert set(left) == set(range(16))


def test_steps_of_any_size_leave_the_same_tape(path: Path, tmp_path: Path) -> None:
    other = Path(shutil.copy(path, tmp_path / "other.tape"))
    for _ in steps(path):
        pass
    for _ in steps(other, step_bars=100_000):
        pass
    with TapeReader(path) as one, TapeReader(other) as two:
        for table in ("bar", "event", "batch", "snapshot", "pruned", "day_summary", "indication"):
            statement = f"SELECT * FROM {table}"  # noqa: S608 - our own names
            assert one.fetch(statement) == two.fetch(statement)


def test_what_leaves_is_summarised_once_whoever_takes_it_up_again(path: Path) -> None:
    for reader in steps(path):
        pruned = reader.pruned()
        assert pruned is not None
        assert list(pruned.life) == list(range(1, pruned.batch + 1))
    with TapeReader(path) as reader:
        assert list(reader.day_summaries()) == [bytes(range(1, 11))]


def test_a_step_that_fails_leaves_the_tape_and_is_taken_again(
    sample: samples.Sample[Path], path: Path
) -> None:
    with TapeWriter(path) as writer:
        pruner = Pruner(writer, samples.PlainSummaries, step_bars=8)
        for _ in range(8):
            pruner.step(GOAL, NOW_MS)
        before = TapeReader(path, writer.database).pruned()
        writer.database.change("CREATE TRIGGER no BEFORE DELETE ON bar BEGIN SELECT RAISE(ABORT, 'no'); END")
        with pytest.raises((TapeError, BrokenBoundError)):
            pruner.step(GOAL, NOW_MS)
        writer.database.change("DROP TRIGGER no")
        assert TapeReader(path, writer.database).pruned() == before
        while pruner.step(GOAL, NOW_MS):
            pass
    with TapeReader(path) as reader:
        assert list(check_intact(reader)) == []
        assert list(reader.pruned().life) == list(range(1, 16))  # type: ignore[union-attr]


def test_what_was_pruned_can_be_appended_to(sample: samples.Sample[Path], path: Path) -> None:
    for _ in steps(path):
        pass
    more = list(samples.batches(sample.batches[-1].digest, 5, start=40))
    with TapeWriter(path) as writer:
        writer.append(more, samples.snapshot(more[-1]))
    with TapeReader(path) as reader:
        assert list(reader.batches(40)) == more
        assert list(check_intact(reader)) == []


def changed(record: BatchRecord, *events: object) -> BatchRecord:
    """The record with events of these kinds before it."""
    made = tuple(
        chain.record_event(record.seq - len(events) + at, event)  # type: ignore[arg-type]
        for at, event in enumerate(events)
    )
    return _with(record, made)


def _with(record: BatchRecord, events: tuple[EventRecord, ...]) -> BatchRecord:
    return msgspec.structs.replace(record, events=events)


def test_changes_that_still_hold_stay_and_older_ones_leave(tmp_path: Path) -> None:
    path = tmp_path / "run.tape"
    joins = UniverseChanged(added=(samples.instruments(4)[3],))
    with TapeWriter(path) as writer:
        previous = samples.begin(writer)
        records = []
        for record in samples.batches(previous, 20):
            own = {
                2: (SettingsChanged(settings_json="{1}"), joins),
                3: (SettingsChanged(settings_json="{2}"),),
                12: (SettingsChanged(settings_json="{3}"),),
            }.get(record.batch)
            sealed = chain.sealed(previous, changed(record, *own) if own else record)
            previous = sealed.digest
            records.append(sealed)
        writer.append(records, samples.snapshot(records[-1]))
    for reader in steps(path, Goal(20, 10)):
        assert list(check_intact(reader)) == []
        assert "binance:C003USDT" in reader.universe_after(20).names
    with TapeReader(path) as reader:
        kept = [record.seq for record in reader.events_of("SettingsChanged")]
        assert kept == [29, 119]
        assert [record.seq for record in reader.events_of("UniverseChanged")] == [19]


def test_the_goal_is_the_oldest_snapshot_that_keeps_to_the_limits(path: Path) -> None:
    day = 1 / 1440
    with TapeReader(path) as reader:
        assert goal_of(reader, Limits(None, None), 3) is None
        assert goal_of(reader, Limits(None, 30 * day), 3) is None
        aged = goal_of(reader, Limits(None, 20 * day), 3)
        assert aged is not None
        assert (aged.snapshot, 10 < aged.last < 18) == (20, True)
        newest = goal_of(reader, Limits(1, None), 3)
        assert newest is not None
        assert (newest.snapshot, 30 < newest.last < 38) == (40, True)
        used = reader.database.used_bytes()
        assert goal_of(reader, Limits(int(used / 0.94), None), 3) is None
        least = goal_of(reader, Limits(int(used / 0.96), None), 3)
        assert least is not None
        assert least.snapshot == 20
        assert goal_of(reader, Limits(1, 1 * day), 60) is None, "the windows reach into the warm-up"
