"""Whatever changes on a tape is found: any cell, missing, added and swapped rows, any byte of the file."""

# ruff: noqa: S608 - tables and columns come from our own schema

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from sqlalchemy import Table

from adapters.tape import schema
from adapters.tape.checksums import row_checksum
from adapters.tape.findings import Finding
from adapters.tape.intact import check_intact
from adapters.tape.reader import TapeReader
from adapters.tape.retention import Goal
from adapters.tape.sqlite import TEXTS
from adapters.tape.writer import TapeWriter
from daemon import chain
from daemon.errors import TapeDamagedError, TapeError
from daemon.events import ModelChanged
from tests.adapters.tape import samples

TABLES = sorted(schema.metadata.tables)
CELLS = [(table, column.name) for table in TABLES for column in schema.metadata.tables[table].columns]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> samples.Sample[Path]:
    """A tape with rows in every table, those of live feeds included."""
    sample = samples.write(tmp_path_factory.mktemp("intact") / "run.tape", n=35)
    with changing(sample.place) as connection:
        for table, row in (
            (schema.arrival, (samples.FIRST_MINUTE, 1, 12_345)),
            (schema.indication, (7, 1, samples.FIRST_MINUTE, 1.5, 12_000, 13_000)),
            (schema.revision, (samples.FIRST_MINUTE, 1, 0, "late", 12_345, 1.0, 2.0, 0.5, 1.5, 3.0, None)),
        ):
            connection.execute(TEXTS.insertion(table), (*row, row_checksum(table.name, row)))
    return sample


@pytest.fixture
def path(sample: samples.Sample[Path], tmp_path: Path) -> Path:
    return Path(shutil.copy(sample.place, tmp_path / "copy.tape"))


class changing:  # noqa: N801 - reads as a verb: with changing(path) as connection
    """Changes a tape behind its back: plain SQL, committed, nothing enforced."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> sqlite3.Connection:
        self._connection = sqlite3.connect(self._path)
        return self._connection

    def __exit__(self, *_: object) -> None:
        self._connection.commit()
        self._connection.close()


def findings(path: Path) -> list[Finding]:
    with TapeReader(path) as reader:
        return list(check_intact(reader))


def changed(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, str):
        return value[:-1] + ("x" if value[-1:] != "x" else "y")
    if isinstance(value, bytes):
        return bytes([value[0] ^ 1]) + value[1:] if value else b"\0"
    if isinstance(value, float):
        return float(np.nextafter(value, np.inf))
    if value is None:
        return 0.0
    return value + 1_000_003


def keys_of(connection: sqlite3.Connection, table: Table) -> list[tuple[Any, ...]]:
    names = ", ".join(f'"{column.name}"' for column in table.primary_key)
    return connection.execute(f"SELECT {names} FROM {table.name} ORDER BY {names}").fetchall()


def where(table: Table) -> str:
    return " AND ".join(f'"{column.name}" = ?' for column in table.primary_key)


def test_an_untouched_tape_is_intact(path: Path) -> None:
    assert findings(path) == []


@pytest.mark.parametrize(("table", "column"), CELLS, ids=str)
@pytest.mark.parametrize("place", [0, -1], ids=["first", "last"])
def test_one_changed_cell_is_found_and_its_table_or_batch_named(
    path: Path, table: str, column: str, place: int
) -> None:
    of = schema.metadata.tables[table]
    if table in {"pruned", "day_summary"}:
        samples.prune(path, Goal(20, 15))
        assert findings(path) == []
    with changing(path) as connection:
        key = keys_of(connection, of)[place]
        ((old,),) = connection.execute(f'SELECT "{column}" FROM {table} WHERE {where(of)}', key)
        new = old ^ 1 if column in {"catch_up", "flags"} else changed(old)
        connection.execute(f'UPDATE {table} SET "{column}" = ? WHERE {where(of)}', (new, *key))
    found = findings(path)
    assert found
    assert any(finding.table == table or finding.batch is not None for finding in found)


def insert_fill(connection: sqlite3.Connection) -> None:
    row = connection.execute("SELECT * FROM fill WHERE batch = 10").fetchone()
    connection.execute(TEXTS.insertion(schema.fill), (row[0], row[1] + 1, *row[2:]))


def swap_batches(connection: sqlite3.Connection) -> None:
    for old, new in ((12, -1), (13, 12), (-1, 13)):
        connection.execute("UPDATE batch SET number = ? WHERE number = ?", (new, old))


LAST_BAR = "DELETE FROM bar WHERE minute = (SELECT max(minute) FROM bar)"
FIRST_BAR = "DELETE FROM bar WHERE minute = (SELECT min(minute) FROM bar)"
TAMPERINGS: dict[str, tuple[str | Callable[[sqlite3.Connection], None], str]] = {
    "a batch is missing": ("DELETE FROM batch WHERE number = 17", "batches 17 to 17 are missing"),
    "the last batch is missing": ("DELETE FROM batch WHERE number = 35", "it was written up to batch 35"),
    "all batches are missing": ("DELETE FROM batch", "it was written up to batch 35"),
    "the tip is missing": ("DELETE FROM tip", "the end of the chain is missing"),
    "a bar is missing": (LAST_BAR, "bars changed"),
    "a warm-up bar is missing": (FIRST_BAR, "warm-up"),
    "an order is missing": ("DELETE FROM paper_order WHERE batch = 10 AND position = 1", "orders changed"),
    "an event is missing": ("DELETE FROM event WHERE batch = 7 AND kind = 'Command'", "events changed"),
    "an event from the beginning is missing": ("DELETE FROM event WHERE seq = 2", "before the first batch"),
    "a header entry is missing": ("DELETE FROM header WHERE key = 'bars'", "does not follow"),
    "an instrument is missing": ("DELETE FROM instrument WHERE id = 2", "does not follow"),
    "a model file is missing": ("DELETE FROM model_file WHERE content = x'7b7d'", "is missing"),
    "a model file is not named": (
        "DELETE FROM model_version WHERE name = 'trees.txt'",
        "belongs to no version",
    ),
    "a batch's rows are left over": ("UPDATE fill SET batch = 99 WHERE batch = 10", "rows of batch 99"),
    "an order moved within its batch": ("UPDATE paper_order SET position = 4 WHERE position = 1", "position"),
    "a fill of nothing is added": (insert_fill, "fills changed"),
    "two batches are swapped": (swap_batches, "batch 12"),
    "a flag is neither 0 nor 1": ("UPDATE batch SET catch_up = 2 WHERE number = 11", "catch_up holds 2"),
    "a number is written another way": ("UPDATE fill SET fee = ' 0.01' WHERE batch = 10", "not a decimal"),
    "a bar nobody sent is added": (
        f"INSERT INTO bar SELECT {samples.FIRST_MINUTE + 900}, 1, 3, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0",
        "no input admitted it",
    ),
    "a backfilled bar differs": ("UPDATE bar SET close = 9.0 WHERE flags & 4", "the bars of backfill"),
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_rows_that_are_missing_added_or_moved_are_found(path: Path, tampering: str) -> None:
    how, expected = TAMPERINGS[tampering]
    with changing(path) as connection:
        before = connection.total_changes
        if isinstance(how, str):
            connection.execute(how)
        else:
            how(connection)
        assert connection.total_changes > before
    assert any(expected in finding.text for finding in findings(path)), findings(path)


def test_one_damaged_digest_is_one_finding(path: Path) -> None:
    with changing(path) as connection:
        connection.execute("UPDATE batch SET digest = zeroblob(32) WHERE number = 20")
    (found,) = findings(path)
    assert found.batch == 20


def test_a_changed_part_of_a_batch_is_named(path: Path) -> None:
    with changing(path) as connection:
        connection.execute("UPDATE batch SET cash = '1.00' WHERE number = 20")
        connection.execute("UPDATE refusal SET reason = 'weather' WHERE batch = 30")
    assert [(found.batch, found.fields) for found in findings(path)] == [(20, ("book",)), (30, ("refusals",))]


@pytest.mark.parametrize("seed", range(60))
def test_damaged_bytes_of_the_file_are_found_or_were_not_in_use(
    sample: samples.Sample[Path], tmp_path: Path, seed: int
) -> None:
    random = np.random.default_rng(seed)
    content = bytearray(sample.place.read_bytes())
    n_bytes = int(random.integers(1, 65))
    start = int(random.integers(0, len(content) - n_bytes))
    content[start : start + n_bytes] = random.bytes(n_bytes)
    path = tmp_path / "run.tape"
    path.write_bytes(content)
    try:
        if findings(path):
            return
    except TapeError:
        return
    assert everything(path) == everything(sample.place)


def everything(path: Path) -> list[list[tuple[Any, ...]]]:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        rows = [connection.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES]
    connection.close()
    return rows


def test_reading_a_batch_that_cannot_be_read_says_which_and_why(path: Path) -> None:
    with changing(path) as connection:
        connection.execute("UPDATE bar SET close = 'much' WHERE minute = ?", (samples.FIRST_MINUTE + 9,))
    with TapeReader(path) as reader:
        with pytest.raises(TapeDamagedError, match=r"batch 9 \(.*\) .*bar.close holds 'much', not a float"):
            list(reader.batches())
        assert next(reader.batches(after=9)).batch == 10


def test_a_version_of_the_model_is_known_by_the_event_that_brought_it(tmp_path: Path) -> None:
    content = b"another tree"
    digest = chain.content_digest(content)
    path = tmp_path / "run.tape"
    with TapeWriter(path) as writer:
        genesis = samples.begin(writer)
        event = chain.record_event(5, ModelChanged(version="8", files={"trees.txt": digest}))
        record = msgspec.structs.replace(next(samples.batches(genesis, 1)), events=(event,))
        writer.append([chain.sealed(genesis, record)])
    row = ("8", "trees.txt", digest)
    with changing(path) as connection:
        connection.execute(TEXTS.insertion(schema.model_file), (digest, content))
        connection.execute(TEXTS.insertion(schema.model_version), (*row, row_checksum("model_version", row)))
    assert findings(path) == []
    row = ("8", "bundle.json", digest)
    with changing(path) as connection:
        connection.execute(TEXTS.insertion(schema.model_version), (*row, row_checksum("model_version", row)))
    (found,) = findings(path)
    assert "no event brought it in" in found.text


def test_progress_is_told_as_the_batches_are_hashed(tmp_path: Path) -> None:
    path = samples.write(tmp_path / "run.tape", n=600).place
    told: list[int] = []
    with TapeReader(path) as reader:
        assert list(check_intact(reader, told.append)) == []
    assert told == [256, 512]


def test_a_beginning_that_cannot_be_read_does_not_hide_damage_further_on(path: Path) -> None:
    with changing(path) as connection:
        connection.execute("UPDATE header SET value = 'x' WHERE key = 'name'")
        connection.execute("UPDATE event SET payload = x'c1' WHERE batch = 21 AND kind = 'Backfill'")
        connection.execute("UPDATE refusal SET reason = x'00' WHERE batch = 30")
        connection.execute("UPDATE batch SET digest = 'text' WHERE number = 33")
    found = findings(path)
    assert {finding.batch for finding in found} == {None, 21, 30, 33}
    assert all(str(finding) == finding.text for finding in found)


def test_an_index_that_lost_its_entry_is_found(path: Path) -> None:
    """Rows and indices are stored apart; a reader that goes by the index would miss the row."""
    with changing(path) as connection:
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'event_batch'"
        ).fetchone()
        (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(path.read_bytes())
    start = (root - 1) * page_bytes
    # The number of cells on the index's page, one less.
    content[start + 3 : start + 5] = (int.from_bytes(content[start + 3 : start + 5]) - 1).to_bytes(2)
    path.write_bytes(content)
    assert any("pages are damaged" in finding.text for finding in findings(path))
