"""Batches that leave a tape: what stays is intact after every step, and is what was written."""

import collections
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import msgspec
import pytest

from adapters.tape import schema
from adapters.tape.in_force import Models
from adapters.tape.intact import check_intact
from adapters.tape.limits import Limits, goal_of
from adapters.tape.place import Place
from adapters.tape.reader import TapeReader
from adapters.tape.retention import Goal, Pruner
from adapters.tape.statements import whole
from adapters.tape.writer import TapeWriter
from daemon import chain
from daemon.errors import TapeError
from daemon.events import (
    BatchRecord,
    EventRecord,
    ModelChanged,
    Refusal,
    SettingsChanged,
    UniverseChanged,
    model_subject,
)
from tests.adapters.tape import samples
from tests.adapters.tape.homes import Home

NOW_MS = 1_700_000_000_000
GOAL = Goal(snapshot=20, last=15)


@pytest.fixture
def place(sample: samples.Sample[Place]) -> Place:
    return sample.place


def steps(place: Place, goal: Goal = GOAL, step_bars: int = 12) -> Iterator[TapeReader]:
    """Take the steps towards a goal, and give the tape to read after each."""
    more = True
    while more:
        with TapeWriter(place) as writer:
            more = Pruner(writer, samples.PlainSummaries, step_bars).step(goal, NOW_MS)
        with TapeReader(place) as reader:
            yield reader


def test_the_tape_is_intact_after_every_step_and_what_is_left_is_what_was_written(
    sample: samples.Sample[Place], place: Place
) -> None:
    left = []
    for reader in steps(place):
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
    assert max(two - one for one, two in pairwise(left)) == 4


def test_steps_of_any_size_leave_the_same_tape(home: Home, place: Place) -> None:
    other = samples.write(home.place("other")).place
    for _ in steps(place):
        pass
    for _ in steps(other, step_bars=100_000):
        pass
    with TapeReader(place) as one, TapeReader(other) as two:
        for name in ("bar", "event", "batch", "snapshot", "pruned", "day_summary", "indication"):
            table = schema.metadata.tables[name]
            assert one.fetch(whole(table)) == two.fetch(whole(table))


def test_what_leaves_is_summarised_once_whoever_takes_it_up_again(place: Place) -> None:
    for reader in steps(place):
        pruned = reader.pruned()
        assert pruned is not None
        assert list(pruned.life) == list(range(1, pruned.batch + 1))
    with TapeReader(place) as reader:
        assert list(reader.day_summaries()) == [bytes(range(1, 11))]


class Failing(samples.PlainSummaries):
    """Cannot say what it took, once it has taken nine batches."""

    def to_bytes(self) -> bytes:
        if len(self.taken) >= 9:
            raise TapeError("no room")
        return super().to_bytes()


def test_a_step_that_fails_leaves_the_tape_and_is_taken_again(place: Place) -> None:
    with TapeWriter(place) as writer:
        pruner = Pruner(writer, Failing, step_bars=1)
        with pytest.raises(TapeError, match="no room"):
            collections.deque(iter(lambda: pruner.step(GOAL, NOW_MS), False), maxlen=0)
        before = TapeReader(place, writer.database).pruned()
        assert before is not None
        assert before.batch == 8
        with pytest.raises(TapeError, match="no room"):
            pruner.step(GOAL, NOW_MS)
        assert TapeReader(place, writer.database).pruned() == before
    for reader in steps(place):
        assert list(check_intact(reader)) == []
    with TapeReader(place) as reader:
        assert list(reader.pruned().life) == list(range(1, 16))  # type: ignore[union-attr]


def test_what_was_pruned_can_be_appended_to(sample: samples.Sample[Place], place: Place) -> None:
    for _ in steps(place):
        pass
    more = list(samples.batches(sample.batches[-1].digest, 5, start=40))
    with TapeWriter(place) as writer:
        writer.append(more, samples.snapshot(more[-1]))
    with TapeReader(place) as reader:
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


def test_changes_that_still_hold_stay_and_older_ones_leave(home: Home) -> None:
    place = home.place()
    joins = UniverseChanged(added=(samples.instruments(4)[3],))
    with TapeWriter(place) as writer:
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
    for reader in steps(place, Goal(20, 10)):
        assert list(check_intact(reader)) == []
        assert "binance:C003USDT" in reader.universe_after(20).names
    with TapeReader(place) as reader:
        kept = [record.seq for record in reader.events_of("SettingsChanged")]
        assert kept == [29, 119]
        assert [record.seq for record in reader.events_of("UniverseChanged")] == [19]


def test_the_goal_is_the_oldest_snapshot_that_keeps_to_the_limits(place: Place) -> None:
    day = 1 / 1440
    with TapeReader(place) as reader:
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


def test_a_model_that_nothing_names_any_more_leaves_and_may_come_back(home: Home) -> None:
    place = home.place()
    bundles = {name: {"trees.txt": name.encode(), "edge.json": b"{}"} for name in ("5", "8", "9")}
    brought = {3: "8", 6: "9", 9: "5", 30: "8"}
    with TapeWriter(place) as writer:
        previous = samples.begin(writer)
        records: list[BatchRecord] = []
        for record in samples.batches(previous, 40):
            version = brought.get(record.batch)
            files = {
                name: chain.content_digest(content)
                for name, content in bundles.get(version or "", {}).items()
            }
            event = (ModelChanged(version=version, files=files),) if version else ()
            made = changed(record, *event) if event else record
            if version == "5":
                refusal = Refusal(minute=record.minute, subject=model_subject("5"), reason="other features")
                made = msgspec.structs.replace(made, refusals=(*made.refusals, refusal))
            records.append(chain.sealed(previous, made))
            previous = records[-1].digest
        for group, trading in ((records[:20], "9"), (records[20:], "8")):
            snapshot = replace(samples.snapshot(group[-1]), state={"model": trading})
            writer.append(group, snapshot, models=bundles)
    with TapeReader(place) as reader:
        first = reader.header()["model_version"]
        assert reader.model_files("5") == bundles["5"]
        assert Models(reader).changes == [(0, first), (3, "8"), (6, "9"), (30, "8")]
    for reader in steps(place, Goal(20, 12)):
        assert list(check_intact(reader)) == []
        assert [Models(reader).version_at(number) for number in range(13, 41)] == ["9"] * 17 + ["8"] * 11
    with TapeReader(place) as reader:
        assert reader.model_files("5") == {}, "it was refused, and the batch that said so is gone"
        assert reader.model_files("9") == bundles["9"], "it trades after the oldest snapshot"
        assert reader.model_files("8") == bundles["8"], "a batch that stays brings it back"
    for reader in steps(place, Goal(40, 35)):
        assert list(check_intact(reader)) == []
    with TapeReader(place) as reader:
        assert reader.model_files("9") == {}
        assert reader.model_files("8") == bundles["8"]
        assert reader.model_files(), "the first one stays: the chain starts from it"
