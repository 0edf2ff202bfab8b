"""A tape's content in Parquet is what went onto the tape."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from adapters.tape.export import export
from adapters.tape.place import Place
from adapters.tape.reader import TapeReader
from adapters.tape.writer import TapeWriter
from daemon import chain
from daemon.errors import TapeDamagedError, TapeError
from daemon.events import BAR_RECORD, BatchRecord, UniverseChanged
from tests.adapters.tape import samples
from tests.adapters.tape.homes import Home

REASONS = {3: "no_edge"}
NAMES = [one.name for one in samples.instruments()]


@pytest.fixture(scope="module")
def frames(
    finished: samples.Sample[Place], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, pl.DataFrame]:
    folder = tmp_path_factory.mktemp("out")
    with TapeReader(finished.place) as reader:
        files = export(reader, folder, REASONS)
    assert sorted(file.name for file in folder.iterdir()) == sorted(file.name for file in files)
    return {file.stem: pl.read_parquet(file) for file in files}


def time_of(minute: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)


def test_every_bar_is_there_with_its_values_and_where_it_came_from(
    finished: samples.Sample[Place], frames: dict[str, pl.DataFrame]
) -> None:
    warmup = np.frombuffer(b"".join(samples.warmup_blocks(3)), BAR_RECORD)
    decided = np.frombuffer(b"".join(record.bars for record in finished.batches), BAR_RECORD)
    written = np.concatenate([warmup, decided])
    bars = frames["bars"].filter(~pl.col("backfill"))
    assert bars["time"].to_list() == [time_of(minute) for minute in written["minute"].tolist()]
    assert bars["symbol"].to_list() == [NAMES[at] for at in written["instrument"].tolist()]
    for name in ("open", "high", "low", "close", "volume"):
        np.testing.assert_array_equal(bars[name].to_numpy(), written[name])
    np.testing.assert_array_equal(bars["taker_volume"].fill_null(np.nan).to_numpy(), written["taker"])
    assert bars["warmup"].sum() == len(warmup)
    late = frames["bars"].filter("backfill")
    assert late["time"].to_list() == [time_of(samples.FIRST_MINUTE + at - 1) for at in (7, 14, 21, 28, 35)]
    assert late["synthetic"].all()


def test_decisions_are_one_row_per_scored_instrument(
    finished: samples.Sample[Place], frames: dict[str, pl.DataFrame]
) -> None:
    decisions = frames["decisions"]
    packed = np.frombuffer(b"".join(record.decisions for record in finished.batches), samples.DECISION)
    for name in (*samples.EXPERTS, "blend"):
        said = decisions.select(f"{name}_down", f"{name}_flat", f"{name}_up").to_numpy()
        np.testing.assert_array_equal(said, packed[name])
    assert decisions["instrument"].to_list() == [NAMES[at] for at in packed["instrument"].tolist()]
    assert set(decisions["reason"]) == {"no_edge"}
    counts = decisions.group_by("batch", maintain_order=True).len()
    assert counts.rows() == [
        (record.batch, len(record.decisions) // samples.DECISION.itemsize) for record in finished.batches
    ]


@pytest.mark.parametrize(("file", "field"), [("orders", "orders"), ("fills", "fills")])
def test_orders_and_fills_have_a_column_per_field(
    finished: samples.Sample[Place], frames: dict[str, pl.DataFrame], file: str, field: str
) -> None:
    expected: list[dict[str, Any]] = []
    for record in finished.batches:
        for item in getattr(record, field):
            row = {"batch": record.batch, **msgspec.structs.asdict(item)}
            row["time"] = time_of(row.pop("minute"))
            expected.append(
                {key: float(value) if _is_decimal(value) else value for key, value in row.items()}
            )
    assert frames[file].to_dicts() == [{key: row[key] for key in frames[file].columns} for row in expected]
    assert expected


def _is_decimal(value: object) -> bool:
    return type(value).__name__ == "Decimal"


def test_equity_and_events_are_there(
    finished: samples.Sample[Place], frames: dict[str, pl.DataFrame]
) -> None:
    equity = frames["equity"]
    assert equity["digest"].to_list() == [record.digest.hex() for record in finished.batches]
    assert equity["catch_up"].to_list() == [record.catch_up for record in finished.batches]
    assert equity.row(0, named=True)["equity"] == float(samples.BOOK.equity)
    assert equity["mode"].unique().to_list() == ["normal"]
    events = frames["events"]
    assert events.filter(kind="Backfill").height == 5
    content = json.loads(events.filter(seq=68)["content"].item())
    assert content == {"kind": "Command", "command": "pause", "by": "owner"}


def test_progress_reaches_the_number_of_rows_of_every_file(
    finished: samples.Sample[Place], tmp_path: Path
) -> None:
    told: dict[str, tuple[int, int]] = {}
    with TapeReader(finished.place) as reader:
        files = export(reader, tmp_path, REASONS, lambda name, done, of: told.update({name: (done, of)}))
    assert told == {
        file.name: (n := pl.scan_parquet(file).select(pl.len()).collect().item(), n) for file in files
    }


def test_a_tape_that_has_nothing_yet_gives_empty_files_of_the_same_columns(
    tmp_path: Path, frames: dict[str, pl.DataFrame]
) -> None:
    with TapeWriter(tmp_path / "run.tape") as writer:
        writer.begin(samples.HEADER, samples.instruments(), "1", {})
    with TapeReader(tmp_path / "run.tape") as reader:
        for file in export(reader, tmp_path / "out", REASONS):
            frame = pl.read_parquet(file)
            assert frame.height == 0
            assert frame.schema == frames[file.stem].schema


def test_decisions_follow_the_universe(tmp_path: Path) -> None:
    with TapeWriter(tmp_path / "run.tape") as writer:
        previous = writer.begin(samples.HEADER, samples.instruments(3), "1", {})
        for number in (1, 2):
            event = chain.record_event(10 * number - 5, UniverseChanged(removed=(NAMES[0],)))
            record = _with_decisions_of(next(samples.batches(previous, 1, start=number - 1)), 2)
            record = msgspec.structs.replace(record, events=(event,) if number == 2 else (), bars=b"")
            record = chain.sealed(previous, record)
            writer.append([record])
            previous = record.digest
    with TapeReader(tmp_path / "run.tape") as reader:
        export(reader, tmp_path / "out", {})
    decisions = pl.read_parquet(tmp_path / "out" / "decisions.parquet")
    assert decisions["instrument"].to_list() == [*NAMES[:2], *NAMES[1:]]
    assert decisions["reason"].unique().to_list() == ["0"]


def _with_decisions_of(record: BatchRecord, n: int) -> BatchRecord:
    rows = np.zeros(n, samples.DECISION)
    rows["instrument"] = np.arange(n)
    return msgspec.structs.replace(record, decisions=rows.tobytes())


def test_a_damaged_row_stops_the_export_and_leaves_no_half_file(
    home: Home, sample: samples.Sample[Place], tmp_path: Path
) -> None:
    home.execute(sample.place, "UPDATE fill SET fee = 'much' WHERE batch = 30")
    with TapeReader(sample.place) as reader, pytest.raises(TapeDamagedError, match=r"fill.fee holds 'much'"):
        export(reader, tmp_path / "out", REASONS)
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "bars.parquet",
        "decisions.parquet",
        "orders.parquet",
    ]


def test_a_folder_that_cannot_be_made_is_said(finished: samples.Sample[Place], tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with TapeReader(finished.place) as reader, pytest.raises(TapeError, match="cannot be exported to"):
        export(reader, tmp_path / "out", REASONS)


def test_alarms_and_moves_of_the_trading_state_are_there_with_their_cause(
    finished: samples.Sample[Place], frames: dict[str, pl.DataFrame]
) -> None:
    vitals = [change for record in finished.batches for change in record.vitals]
    assert frames["vitals"]["cause"].to_list() == [change.cause for change in vitals]
    assert frames["vitals"]["value"].to_list() == [change.value for change in vitals]
    assert frames["vitals"]["time"].to_list() == [time_of(change.minute) for change in vitals]
    assert set(frames["vitals"]["consequences"]) == {"blend,retrain"}
    moves = [change for record in finished.batches for change in record.changes]
    assert frames["states"]["after"].to_list() == [change.after.value for change in moves]
