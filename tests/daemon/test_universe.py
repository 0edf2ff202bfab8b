"""A run whose instruments change: any chunking, any stop and start from its tape, always the same digests."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from adapters.tape.intact import check_intact
from adapters.tape.reader import TapeReader
from adapters.tape.writer import TapeWriter
from daemon.__main__ import main
from daemon.commands._pruning import prune
from daemon.commands._run import Run, begin, machine, resume
from daemon.engine import Engine
from daemon.events import (
    AnyEvent,
    Backfill,
    BatchRecord,
    FillKind,
    Instrument,
    Minutes,
    UniverseChanged,
)
from daemon.playback import inputs
from daemon.service import outcomes
from daemon.snapshot import encode_snapshot
from tests.runs import (
    SETTINGS,
    bundle,
    cut,
    decided,
    digests,
    first_traded,
    fresh_engine,
    market,
    model,
    traded,
)

N = 200
NAMES = tuple(one.name for one in market().instruments)
NEWCOMER = Instrument("simulator:AAAUSDT", "USDT", Decimal("0.01"), Decimal("0.001"))
LEAVER, LATE = NAMES[1], NAMES[2]
LEAVES, JOINS, RETURNS, SWAPS = 40, 70, 110, 150
HISTORY = 600
"""Minutes of a joining instrument's past: more than its windows look back."""
AS = {NEWCOMER.name: 1}
"""Whose prices it has: those of the market's column."""


def history_of(name: str, until: int) -> Backfill:
    """The past of an instrument that joins before the traded minute `until`."""
    minutes = traded(HISTORY, first=until - HISTORY)
    column = AS.get(name, NAMES.index(name) if name in NAMES else 0)
    values = (
        getattr(minutes, cell)[:, column].tolist() for cell in ("open", "high", "low", "close", "volume")
    )
    rows = zip(minutes.minute.tolist(), *values, strict=True)
    return Backfill(instrument=name, bars=tuple((*row, None, False) for row in rows))


def instrument(name: str) -> Instrument:
    return next(one for one in (*market().instruments, NEWCOMER) if one.name == name)


def changes() -> list[tuple[int, tuple[AnyEvent, ...]]]:
    """By the minute before which they come."""
    return [
        (LEAVES, (UniverseChanged(removed=(LEAVER,)),)),
        (JOINS, (UniverseChanged(added=(NEWCOMER,)), history_of(NEWCOMER.name, JOINS))),
        (RETURNS, (UniverseChanged(added=(instrument(LEAVER),)), history_of(LEAVER, RETURNS))),
        (
            SWAPS,
            (
                UniverseChanged(removed=(LATE, NEWCOMER.name), added=(instrument(LATE),)),
                history_of(LATE, SWAPS),
            ),
        ),
    ]


def of_names(minutes: Minutes, names: tuple[str, ...]) -> Minutes:
    columns = [AS.get(name, NAMES.index(name) if name in NAMES else 0) for name in names]
    cells = {
        name: getattr(minutes, name)[:, columns]
        if getattr(minutes, name).ndim == 2
        else getattr(minutes, name)
        for name in Minutes.__slots__
    }
    return Minutes(**cells)


def mixed(cuts: list[int], n_minutes: int = N) -> Iterator[AnyEvent | Minutes]:
    names, at = NAMES, 0
    by_minute = dict(changes())
    for part in cut(traded(n_minutes), [*cuts, *by_minute]):
        for event in by_minute.get(at, ()):
            yield event
            if isinstance(event, UniverseChanged):
                names = event.after(names)
        yield of_names(part, names)
        at += len(part)


@cache
def whole() -> list[BatchRecord]:
    return decided(fresh_engine(), mixed([]))[0]


def scored(record: BatchRecord) -> int:
    return len(record.decisions) // fresh_dtype().itemsize


@cache
def fresh_dtype() -> np.dtype[np.void]:
    return fresh_engine().dtype


def test_one_that_leaves_is_closed_at_once_and_one_that_joins_is_scored_at_once() -> None:
    records = whole()
    closed = [fill for fill in records[LEAVES].fills if fill.kind is FillKind.DELISTED]
    held = {fill.instrument for record in records[:LEAVES] for fill in record.fills}
    assert LEAVER in held
    assert [fill.instrument for fill in closed] in ([LEAVER], [])
    assert [scored(records[at]) for at in (LEAVES - 1, LEAVES, JOINS, RETURNS, SWAPS)] == [4, 3, 4, 5, 4]
    assert not any(record.refusals for record in records)
    traded_later = {fill.instrument for record in records[JOINS:] for fill in record.fills}
    assert {NEWCOMER.name, LEAVER} <= traded_later


@settings(max_examples=3, phases=(Phase.explicit, Phase.generate))
@given(st.lists(st.integers(1, N - 1), max_size=8))
def test_any_chunking_gives_the_same_digests(cuts: list[int]) -> None:
    assert digests(decided(fresh_engine(), mixed(cuts))[0]) == digests(whole())


class Tape:
    """The run on a tape, cut off after some minutes, with a snapshot or without."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run = Run(SETTINGS, market(), first_traded(), model(), bundle().to_files(), machine())

    def write(self, n_minutes: int, *, snapshot: bool) -> Engine:
        engine = self.run.engine()
        with TapeWriter(self.path) as tape:
            begin(self.run, engine, tape)
            records = decided(engine, self._until(n_minutes))[0]
            tape.append(records, engine.snapshot() if snapshot else None)
        return engine

    def write_whole(self, n_minutes: int) -> Engine:
        """With the snapshots that are due."""
        engine = self.run.engine()
        with TapeWriter(self.path) as tape, ThreadPoolExecutor(1) as trees:
            begin(self.run, engine, tape)
            for records, snapshot in outcomes(engine, mixed([], n_minutes), trees):
                tape.append(records, snapshot)
            tape.append((), engine.snapshot())
        return engine

    def taken_up(self) -> Engine:
        engine = self.run.engine()
        with TapeReader(self.path) as reader:
            resume(self.run, engine, reader)
        return engine

    def _until(self, n_minutes: int) -> Iterator[AnyEvent | Minutes]:
        at = 0
        for item in mixed([n_minutes]):
            if at == n_minutes:
                return
            yield item
            at += len(item) if isinstance(item, Minutes) else 0


def after(n_minutes: int) -> Iterator[AnyEvent | Minutes]:
    at = 0
    for item in mixed([n_minutes]):
        if at >= n_minutes:
            yield item
        at += len(item) if isinstance(item, Minutes) else 0


@pytest.mark.parametrize(
    ("stop", "snapshot"),
    [(LEAVES + 1, True), (JOINS, True), (RETURNS + 5, True), (SWAPS + 1, True), (SWAPS + 1, False)],
)
def test_a_run_is_taken_up_from_its_tape_at_any_minute(tmp_path: Path, stop: int, *, snapshot: bool) -> None:
    tape = Tape(tmp_path / "run.tape")
    before = tape.write(stop, snapshot=snapshot)
    again = tape.taken_up()
    ours, theirs = before.snapshot(), again.snapshot()
    assert ours is not None
    assert theirs is not None
    assert encode_snapshot(ours) == encode_snapshot(theirs)
    rest = decided(again, after(stop))[0]
    assert digests(rest) == digests(decided(before, after(stop))[0])


def test_a_tape_gives_every_batch_back_and_is_intact(tmp_path: Path) -> None:
    tape = Tape(tmp_path / "run.tape")
    engine = tape.write(N, snapshot=True)
    with TapeReader(tape.path) as reader:
        records = list(reader.batches())
        assert list(check_intact(reader)) == []
        assert reader.universe_after(N).names == engine.run.names
        ids = {key: name for key, name in reader.names().items() if name in (LEAVER, LATE)}
        assert sorted(ids.values()) == sorted((LEAVER, LEAVER, LATE, LATE))
        snapshot = reader.snapshot()
    assert snapshot is not None
    assert snapshot.batch == N
    again = tape.run.engine()
    for minutes in tape.run.warmup():
        again.warm(minutes)
    with TapeReader(tape.path) as reader:
        again.begin(reader.genesis(), 1)
    assert digests(decided(again, inputs(records, NAMES, 33))[0]) == digests(records)


def test_a_tape_is_pruned_of_its_changes_and_still_verifies_and_is_taken_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tape = Tape(tmp_path / "run.tape")
    engine = tape.write_whole(340)
    assert "pruned: batches 1 to" in prune(tape.path, None, 30 / 1440)
    with TapeReader(tape.path) as reader:
        pruned = reader.pruned()
        assert pruned is not None
        assert pruned.batch > SWAPS
        assert [record.batch for record in reader.batches()] == list(range(pruned.batch + 1, 341))
    assert main(["verify", str(tape.path)]) == 0
    assert "reproduced: 40 batches" in capsys.readouterr().out
    ours, theirs = engine.snapshot(), tape.taken_up().snapshot()
    assert ours is not None
    assert theirs is not None
    assert encode_snapshot(ours) == encode_snapshot(theirs)


def test_a_batch_that_is_there_though_it_was_pruned_is_found(tmp_path: Path) -> None:
    tape = Tape(tmp_path / "run.tape")
    tape.write_whole(340)
    prune(tape.path, None, 30 / 1440)
    connection = sqlite3.connect(tape.path)
    with connection:
        connection.execute("CREATE TEMP TABLE old AS SELECT * FROM batch WHERE number = 340")
        connection.execute("UPDATE old SET number = 1")
        connection.execute("INSERT INTO batch SELECT * FROM old")
    connection.close()
    with TapeReader(tape.path) as reader:
        assert any("though it was pruned" in str(finding) for finding in check_intact(reader))
