"""What is written comes back, exactly, whoever reads and whenever."""

import hashlib
from collections.abc import Callable
from dataclasses import replace as changed
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pytest

from adapters.tape.intact import check_intact
from adapters.tape.place import Place
from adapters.tape.reader import TapeReader
from adapters.tape.writer import TapeWriter
from daemon import chain
from daemon.errors import BrokenBoundError, TapeDamagedError, TapeVersionError
from daemon.events import (
    BAR_FLAG_WARMUP,
    BAR_RECORD,
    Backfill,
    BatchRecord,
    Event,
    Instrument,
    UniverseChanged,
)
from tests.adapters.tape import samples
from tests.adapters.tape.homes import Home


def test_every_batch_comes_back_exactly_and_its_digest_recomputes(sample: samples.Sample[Place]) -> None:
    with TapeReader(sample.place) as reader:
        read = tuple(reader.batches())
        previous = reader.genesis()
    assert previous == sample.genesis
    assert read == sample.batches
    for record in read:
        assert chain.digest(previous, record) == record.digest
        previous = record.digest


@pytest.mark.parametrize("after", [0, 1, 17, 39, 40, 99])
def test_reading_starts_after_any_batch(sample: samples.Sample[Place], after: int) -> None:
    with TapeReader(sample.place) as reader:
        assert tuple(reader.batches(after)) == sample.batches[after:]


def test_pages_of_any_size_hold_the_same_batches(
    sample: samples.Sample[Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    for bars in (3, 8, 21):
        monkeypatch.setattr("adapters.tape.reader.PAGE_BARS", bars)
        with TapeReader(sample.place) as reader:
            assert tuple(reader.batches()) == sample.batches


def test_header_instruments_and_model_come_back(sample: samples.Sample[Place]) -> None:
    with TapeReader(sample.place) as reader:
        header = reader.header()
        assert {key: header[key] for key in samples.HEADER} == samples.HEADER
        assert header["model_version"] == "7"
        assert reader.instruments() == samples.instruments()
        assert reader.model_files() == samples.FILES
        (one, content), *_ = samples.FILES.items()
        assert reader.model_files(only={one, "no such file"}) == {one: content}
        hashes = reader.model_hashes()
    assert hashes == {
        name: hashlib.blake2b(content, digest_size=32).hexdigest() for name, content in samples.FILES.items()
    }


@pytest.mark.parametrize("max_minutes", [1, 2, 1000])
def test_warm_up_bars_come_back_in_blocks_of_minutes(sample: samples.Sample[Place], max_minutes: int) -> None:
    with TapeReader(sample.place) as reader:
        blocks = list(reader.warmup(max_minutes))
    assert b"".join(blocks) == b"".join(samples.warmup_blocks(3))
    for block in blocks:
        minutes = np.frombuffer(block, BAR_RECORD)["minute"]
        assert minutes.max() - minutes.min() < max_minutes


def test_the_newest_snapshot_at_or_before_a_batch_is_found(sample: samples.Sample[Place]) -> None:
    with TapeReader(sample.place) as reader:
        found = [reader.snapshot(at_most) for at_most in (None, 40, 39, 20, 19)]
    assert [snapshot and snapshot.batch for snapshot in found] == [40, 40, 20, 20, None]
    assert found[0] is not None
    state, written = found[0].state, samples.snapshot(sample.batches[-1]).state
    assert state["cash"] == written["cash"]
    np.testing.assert_array_equal(np.asarray(state["levels"]), np.asarray(written["levels"]))


def test_a_damaged_snapshot_is_refused_when_it_is_asked_for(
    home: Home, sample: samples.Sample[Place]
) -> None:
    home.execute(sample.place, "UPDATE snapshot SET content = ? WHERE batch = 40", (bytes(99),))
    with TapeReader(sample.place) as reader:
        with pytest.raises(TapeDamagedError, match="snapshot after batch 40"):
            reader.snapshot()
        assert reader.snapshot(39) is not None


def test_a_tape_grows_where_it_ended(sample: samples.Sample[Place]) -> None:
    more = tuple(samples.batches(sample.batches[-1].digest, 9, start=40))
    with TapeWriter(sample.place) as writer:
        assert writer.begun
        assert writer.tip == (40, sample.batches[-1].digest)
        for group in (more[:4], more[4:]):
            writer.append(group)
        assert writer.tip == (49, more[-1].digest)
    with TapeReader(sample.place) as reader:
        assert tuple(reader.batches()) == sample.batches + more
        assert list(check_intact(reader)) == []


def test_a_reader_sees_what_is_committed_while_the_writer_writes(home: Home) -> None:
    place = home.place()
    with TapeWriter(place) as writer:
        records = tuple(samples.batches(samples.begin(writer), 10))
        with TapeReader(place) as reader:
            assert reader.last_batch() is None
            assert reader.tip() == (0, writer.tip[1])
            for before, record in enumerate(records):
                assert len(tuple(reader.batches())) == before
                writer.append([record])
            assert tuple(reader.batches()) == records


def test_a_tape_without_batches_or_warm_up_is_whole(home: Home) -> None:
    with TapeWriter(home.place()) as writer:
        genesis = writer.begin(samples.HEADER, samples.instruments(), "1", {})
        assert writer.tip == (0, genesis)
    with TapeReader(home.place()) as reader:
        assert list(reader.warmup(10)) == []
        assert reader.model_files() == {}
        assert list(check_intact(reader)) == []


def test_the_chain_starts_elsewhere_when_anything_of_the_beginning_differs(home: Home) -> None:
    blocks = samples.warmup_blocks(3)
    ways = {
        "as it is": (
            samples.HEADER,
            samples.instruments(),
            "7",
            samples.FILES,
            [samples.warmup_event(blocks)],
        ),
        "header": ({**samples.HEADER, "name": "x"}, samples.instruments(), "7", samples.FILES, []),
        "instruments": (samples.HEADER, samples.instruments(4), "7", samples.FILES, []),
        "version": (samples.HEADER, samples.instruments(), "8", samples.FILES, []),
        "files": (samples.HEADER, samples.instruments(), "7", {**samples.FILES, "trees.txt": b""}, []),
        "events": (samples.HEADER, samples.instruments(), "7", samples.FILES, []),
    }
    starts = []
    for name, (header, instruments, version, files, events) in ways.items():
        with TapeWriter(home.place(name)) as writer:
            warmup = blocks if events else []
            starts.append(writer.begin(header, instruments, version, files, warmup=warmup, events=events))
    assert len(set(starts)) == len(ways)


def make_older(home: Home, place: Place) -> None:
    """Take a tape back to the schema before vitals."""
    for table in ("vital_change", "indication", "pruned", "day_summary"):
        home.execute(place, f"DROP TABLE {table}")
    home.execute(place, "UPDATE alembic_version SET version_num = '0001'")


def test_a_tape_of_the_schema_before_vitals_is_brought_up_while_no_batch_is_on_it(home: Home) -> None:
    place = home.place()
    with TapeWriter(place) as writer:
        genesis = samples.begin(writer)
    make_older(home, place)
    batches = list(samples.batches(genesis, 5))
    with TapeWriter(place) as writer:
        writer.append(batches)
    with TapeReader(place) as reader:
        assert list(reader.batches()) == batches


def test_a_tape_with_batches_from_before_vitals_is_refused_and_left_as_it_is(
    home: Home, sample: samples.Sample[Place]
) -> None:
    make_older(home, sample.place)
    with pytest.raises(TapeVersionError, match="replay onto a new tape"):
        TapeWriter(sample.place)
    assert home.execute(sample.place, "SELECT version_num FROM alembic_version") == [("0001",)]


# --- groups that the tape could not give back are refused whole ----------------------------------------


def resealed(record: BatchRecord, **changes: Any) -> BatchRecord:
    return chain.sealed(b"", msgspec.structs.replace(record, **changes))


def two_bars(instruments: tuple[int, int], minute: int) -> bytes:
    rows = np.ones(2, BAR_RECORD)
    rows["instrument"], rows["minute"] = instruments, minute
    return rows.tobytes()


BAD: dict[str, dict[str, Any]] = {
    "a gap in the numbers": {"batch": 42},
    "a number twice": {"batch": 40},
    "a minute that is past": {"minute": samples.FIRST_MINUTE + 40},
    "bars of another minute": {"bars": two_bars((0, 1), samples.FIRST_MINUTE + 40)},
    "bars out of order": {"bars": two_bars((1, 0), samples.FIRST_MINUTE + 41)},
    "a bar twice": {"bars": two_bars((1, 1), samples.FIRST_MINUTE + 41)},
    "a bar cut off": {"bars": b"123"},
}


@pytest.mark.parametrize("what", BAD)
def test_a_group_that_could_not_be_given_back_is_refused_whole(
    sample: samples.Sample[Place], what: str
) -> None:
    good, record = tuple(samples.batches(sample.batches[-1].digest, 2, start=40))
    bad = resealed(good, **BAD[what])
    with TapeWriter(sample.place) as writer:
        with pytest.raises(BrokenBoundError):
            writer.append([bad])
        writer.append([good, record])
    with TapeReader(sample.place) as reader:
        assert tuple(reader.batches()) == (*sample.batches, good, record)


def test_a_batch_without_digest_and_a_snapshot_of_another_batch_are_refused(
    sample: samples.Sample[Place],
) -> None:
    good = next(samples.batches(sample.batches[-1].digest, 1, start=40))
    with TapeWriter(sample.place) as writer:
        with pytest.raises(BrokenBoundError, match="no digest"):
            writer.append([msgspec.structs.replace(good, digest=b"")])
        with pytest.raises(BrokenBoundError, match="snapshot after batch 41"):
            writer.append([], samples.snapshot(good))
        assert writer.tip[0] == 40


def test_an_event_that_is_there_already_is_refused_and_leaves_nothing(sample: samples.Sample[Place]) -> None:
    good = next(samples.batches(sample.batches[-1].digest, 1, start=40))
    twice = resealed(good, events=sample.batches[6].events)
    with TapeWriter(sample.place) as writer:
        with pytest.raises(BrokenBoundError, match="twice"):
            writer.append([twice])
        writer.append([good])


def test_a_tape_is_begun_once_and_before_it_grows(home: Home) -> None:
    with TapeWriter(home.place()) as writer:
        assert not writer.begun
        with pytest.raises(BrokenBoundError, match="before it was begun"):
            writer.append([])
        samples.begin(writer)
        with pytest.raises(BrokenBoundError, match="second time"):
            samples.begin(writer)


@pytest.mark.parametrize("what", ["unflagged", "unknown instrument", "other digest", "no event", "other seq"])
def test_warm_up_bars_that_do_not_agree_with_their_event_leave_a_tape_that_was_never_begun(
    home: Home, what: str
) -> None:
    blocks = samples.warmup_blocks(3)
    told, seq = [samples.warmup_event(blocks)], 1
    if what in {"unflagged", "unknown instrument"}:
        rows = np.frombuffer(blocks[1], BAR_RECORD).copy()
        rows["flags"][0] = 0 if what == "unflagged" else BAR_FLAG_WARMUP
        rows["instrument"][0] = 1 if what == "unflagged" else 3
        blocks = [blocks[0], rows.tobytes()]
        told = [samples.warmup_event(blocks)]
    elif what == "other digest":
        told = [samples.warmup_event(blocks[:1])]
    elif what == "no event":
        told = []
    else:
        seq = 2
    with TapeWriter(home.place()) as writer:
        with pytest.raises(BrokenBoundError):
            writer.begin(
                samples.HEADER, samples.instruments(), "7", {}, warmup=blocks, warmup_seq=seq, events=told
            )
        assert not writer.begun
        samples.begin(writer)
    with TapeReader(home.place()) as reader:
        assert list(check_intact(reader)) == []


def test_a_writer_refuses_a_tape_that_lost_its_end(home: Home, sample: samples.Sample[Place]) -> None:
    home.execute(sample.place, "DELETE FROM batch WHERE number = 40")
    with pytest.raises(TapeDamagedError, match="last batches are missing"):
        TapeWriter(sample.place)


# --- the universe changes ------------------------------------------------------------------------------


def test_instruments_keep_their_ids_while_the_universe_changes(home: Home) -> None:
    place = home.place()
    records, names = _changing_run(place)
    with TapeReader(place) as reader:
        assert tuple(reader.batches()) == records
        for after in range(len(records)):
            assert tuple(reader.batches(after)) == records[after:]
        assert [one.name for one in reader.instruments()] == names
        assert list(check_intact(reader)) == []
    ids = dict(home.execute(place, "SELECT name, id FROM instrument"))
    stored = home.execute(place, "SELECT minute, instrument, flags FROM bar ORDER BY 1, 2")
    first = samples.FIRST_MINUTE
    joined = ids["binance:AAAUSDT"]
    assert joined == 2
    assert [(minute - first, key) for minute, key, _ in stored] == [
        (-3, joined),
        (-2, joined),
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
        (1, joined),
        (2, 1),
        (2, joined),
    ]


@pytest.mark.parametrize(
    "change", ["UPDATE instrument SET tick = '0.5' WHERE id = 2", "DELETE FROM instrument WHERE id = 2"]
)
def test_an_instrument_that_joined_is_checked_against_its_event(home: Home, change: str) -> None:
    _changing_run(home.place())
    home.execute(home.place(), change)
    with TapeReader(home.place()) as reader:
        assert any(finding.table == "instrument" for finding in check_intact(reader))


def test_a_backfill_of_an_instrument_that_never_was_is_refused(sample: samples.Sample[Place]) -> None:
    good = next(samples.batches(sample.batches[-1].digest, 1, start=40))
    event = chain.record_event(409, Backfill(instrument="binance:NOUSDT", bars=()))
    with TapeWriter(sample.place) as writer, pytest.raises(BrokenBoundError, match="never had"):
        writer.append([resealed(good, events=(event,))])


def _changing_run(place: Place) -> tuple[tuple[BatchRecord, ...], list[str]]:
    """Write a run: one instrument joins in front of the others with its history, later one leaves."""
    first = samples.FIRST_MINUTE
    old = changed(samples.instruments(2)[0], name="binance:BBBUSDT"), samples.instruments(2)[1]
    new = Instrument("binance:AAAUSDT", "USDT", Decimal("0.1"), Decimal(1))
    history = (
        (first - 3, 1.0, 1.0, 1.0, 1.0, 2.0, 1.0, False),
        (first - 2, 1.0, 1.0, 1.0, 1.0, 0.0, None, True),
    )
    steps: list[tuple[list[Event], int]] = [
        ([], 2),
        ([UniverseChanged(added=(new,)), Backfill(instrument=new.name, bars=history)], 3),
        ([UniverseChanged(removed=(old[0].name,), added=(new,))], 2),
    ]
    records = []
    with TapeWriter(place) as writer:
        previous = writer.begin(samples.HEADER, old, "1", {})
        for at, (events, n_instruments) in enumerate(steps):
            rows = np.ones(n_instruments, BAR_RECORD)
            rows["instrument"], rows["minute"] = np.arange(n_instruments), first + at
            seen = tuple(chain.record_event(10 * at + place, event) for place, event in enumerate(events, 1))
            record = next(samples.batches(previous, 1))
            record = msgspec.structs.replace(
                record, batch=at + 1, seq=10 * at + 9, minute=first + at, bars=rows.tobytes(), events=seen
            )
            records.append(chain.sealed(previous, record))
            previous = records[-1].digest
        writer.append(records[:2])
        writer.append(records[2:])
    return tuple(records), [one.name for one in old]


def test_a_tape_of_another_version_is_refused_by_both(home: Home, sample: samples.Sample[Place]) -> None:
    home.execute(sample.place, "UPDATE alembic_version SET version_num = '9999'")
    for opened in (TapeReader, TapeWriter):
        with pytest.raises(TapeVersionError, match="schema version 9999"):
            opened(sample.place)


# --- damage is said where it is met ------------------------------------------------------------------------

# What, how, with which cells, who meets it, and what is said.
DAMAGES: dict[str, tuple[str, tuple[Any, ...], Callable[[TapeReader], object], str]] = {
    "a header value": ("UPDATE header SET value = 'x'", (), TapeReader.header, "header does not match"),
    "no model in the header": (
        "DELETE FROM header WHERE key = 'model_version'",
        (),
        TapeReader.model_hashes,
        "its header names no model",
    ),
    "an instrument is missing": (
        "DELETE FROM instrument WHERE id = 1",
        (),
        TapeReader.instruments,
        "ids do not count up",
    ),
    "a model file": (
        "UPDATE model_file SET content = ?",
        (b"\0",),
        TapeReader.model_files,
        "file .* of the model",
    ),
    "a model file is missing": (
        "DELETE FROM model_file",
        (),
        TapeReader.model_files,
        "file .* of the model",
    ),
    "what an event says": (
        "UPDATE event SET payload = ? WHERE seq = 1",
        (b"\0",),
        lambda reader: list(reader.warmup(10)),
        "event 1: ",
    ),
    "a change of the universe": (
        "UPDATE event SET kind = 'UniverseChanged', payload = ? WHERE seq = 68",
        (b"\0",),
        lambda reader: reader.universe_after(7),
        "change of the universe cannot be read",
    ),
    "a batch is missing": (
        "DELETE FROM batch WHERE number = 3",
        (),
        lambda reader: list(reader.batches()),
        "batch 3 is missing",
    ),
    "an amount": (
        "UPDATE fill SET fee = 'much' WHERE batch = 5",
        (),
        lambda reader: list(reader.batches()),
        "fill.fee holds 'much'",
    ),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_damage_is_said_by_whoever_meets_it(home: Home, sample: samples.Sample[Place], what: str) -> None:
    how, cells, ask, expected = DAMAGES[what]
    home.execute(sample.place, how, cells)
    with TapeReader(sample.place) as reader, pytest.raises(TapeDamagedError, match=expected):
        ask(reader)
