"""Whatever changes on a tape is found: any cell of any table, missing, added and swapped rows, any byte of the file."""

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Table

from adapters.tape import schema
from adapters.tape.checksums import row_checksum
from adapters.tape.findings import Finding
from adapters.tape.intact import check_intact
from adapters.tape.reader import SqliteTapeReader
from adapters.tape.statements import insertion
from daemon.errors import TapeDamagedError, TapeError
from tests.adapters.tape import samples

TABLES = sorted(schema.metadata.tables)
CELLS = [(table, column.name) for table in TABLES for column in schema.metadata.tables[table].columns]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> samples.Sample:
    """A tape with rows in every table, those of live feeds included."""
    sample = samples.write(tmp_path_factory.mktemp("intact") / "run.tape", n=35)
    with changing(sample.path) as connection:
        for table, row in (
            (schema.arrival, (samples.FIRST_MINUTE, 1, 12_345)),
            (schema.revision, (samples.FIRST_MINUTE, 1, 0, "late", 12_345, 1.0, 2.0, 0.5, 1.5, 3.0, None)),
        ):
            connection.execute(insertion(table), (*row, row_checksum(table.name, row)))
    return sample


@pytest.fixture
def path(sample: samples.Sample, tmp_path: Path) -> Path:
    return Path(shutil.copy(sample.path, tmp_path / "copy.tape"))


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
    with SqliteTapeReader(path) as reader:
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


@pytest.mark.parametrize(("table", "column"), CELLS, ids=lambda name: str(name))
@pytest.mark.parametrize("place", [0, -1], ids=["first", "last"])
def test_one_changed_cell_is_found_and_its_table_or_batch_named(
    path: Path, table: str, column: str, place: int
) -> None:
    of = schema.metadata.tables[table]
    with changing(path) as connection:
        key = keys_of(connection, of)[place]
        ((old,),) = connection.execute(f'SELECT "{column}" FROM {table} WHERE {where(of)}', key)
        new = old ^ 1 if column in {"catch_up", "flags"} else changed(old)
        connection.execute(f'UPDATE {table} SET "{column}" = ? WHERE {where(of)}', (new, *key))
    found = findings(path)
    assert found
    assert any(finding.table == table or finding.batch is not None for finding in found)
