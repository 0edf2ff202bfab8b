"""A tape on a real PostgreSQL server: what is kept, who may write, what goes wrong."""

import struct
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Double, LargeBinary, Text, select

from adapters.tape import diagnostics, hypertables, schema
from adapters.tape.intact import check_intact
from adapters.tape.place import ServerPlace, place_of
from adapters.tape.postgresql import PostgresqlDatabase
from adapters.tape.postgresql_connecting import connect
from adapters.tape.postgresql_errors import explanation
from adapters.tape.reader import TapeReader
from adapters.tape.retention import Goal
from adapters.tape.writer import TapeWriter
from daemon import chain
from daemon.diagnostics import Diagnostics, StoredBar, Unapplied
from daemon.errors import (
    BrokenBoundError,
    TapeAwayError,
    TapeDamagedError,
    TapeError,
    TapeInUseError,
    TapePlaceError,
    TapeVersionError,
)
from daemon.events import BAR_RECORD
from daemon.feed import BarClosed
from tests.adapters.tape import samples
from tests.postgresql import PostgresqlServer

ODD = (
    -0.0,
    struct.unpack("<d", bytes.fromhex("010000000000f87f"))[0],
    struct.unpack("<d", bytes.fromhex("2a0000000000f8ff"))[0],
    float("nan"),
    float("inf"),
    5e-324,
)
"""Floats that a database can lose: the sign of a zero, what a NaN carries, the smallest."""


@pytest.fixture
def place(postgresql: PostgresqlServer) -> ServerPlace:
    return postgresql.place()


# --- what is kept


def test_a_tape_of_either_kind_has_the_same_digests_and_checksums(place: ServerPlace, tmp_path: Path) -> None:
    samples.write(tmp_path / "run.tape")
    samples.write(place)
    with TapeReader(tmp_path / "run.tape") as file, TapeReader(place) as server:
        assert server.tip() == file.tip()
        assert server.genesis() == file.genesis()
        for table in ("header", "instrument", "model_version", "snapshot", "tip", "batch"):
            column = "parts" if table == "batch" else "checksum"
            statement = select(schema.metadata.tables[table].c[column])
            assert sorted(server.fetch(statement)) == sorted(file.fetch(statement)), table


def test_every_bit_of_a_float_comes_back(place: ServerPlace) -> None:
    with TapeWriter(place) as writer:
        genesis = samples.begin(writer)
        record = next(samples.batches(genesis, 1))
        rows = np.frombuffer(record.bars, BAR_RECORD).copy()
        for name, value in zip(("open", "high", "low", "close", "volume", "taker"), ODD, strict=True):
            rows[name] = value
        record = chain.sealed(genesis, msgspec.structs.replace(record, bars=rows.tobytes(), events=()))
        late = BarClosed(samples.instruments()[0].name, record.minute, *ODD)
        writer.append([record], None, Diagnostics((StoredBar(Unapplied.LATE, late, 1_700_000_000_000),)))
    with TapeReader(place) as reader:
        (read,) = reader.batches()
        assert read == record
        assert chain.digest(genesis, read) == record.digest
        (stored,) = diagnostics.stored_bars(reader)
        kept = [getattr(stored.bar, name) for name in ("open", "high", "low", "close", "volume", "taker")]
        assert struct.pack("<6d", *kept) == struct.pack("<6d", *ODD)
        assert list(check_intact(reader)) == []


def test_a_changed_cell_of_any_table_is_found(place: ServerPlace, postgresql: PostgresqlServer) -> None:
    """One column in four: that each is covered on both kinds of database is the same code's doing."""
    samples.write(place, n=5)
    columns = [
        column
        for table in schema.metadata.sorted_tables
        for column in table.columns
        if not column.foreign_keys and not column.primary_key
    ]
    missed = []
    for column in columns[::4]:
        at = {"table": sql.Identifier(column.table.name), "name": sql.Identifier(column.name)}
        change = sql.SQL("UPDATE {table} SET {name} = %s WHERE {name} = %s").format(**at)
        first = sql.SQL("SELECT {name} FROM {table} WHERE {name} IS NOT NULL LIMIT 1").format(**at)
        for (before,) in postgresql.execute(first, schema=place.schema):
            after = another(column.type, before)
            postgresql.execute(change, (after, before), place.schema)
            with TapeReader(place) as reader:
                if not any(True for _ in check_intact(reader)):
                    missed.append(str(column))
            postgresql.execute(change, (before, after), place.schema)
    assert missed == []


def another(kind: Any, value: Any) -> Any:
    if isinstance(kind, Text):
        return f"{value} "
    if isinstance(kind, LargeBinary):
        return bytes(value) + b"\0"
    if isinstance(kind, Double):
        return value + 0.5
    return (not value) if isinstance(value, bool) else value + 1


def test_rows_come_a_few_at_a_time_and_streams_may_overlap(
    place: ServerPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = samples.write(place)
    monkeypatch.setattr("adapters.tape.postgresql._FETCH_ROWS", 7)
    numbers = [record.batch for record in sample.batches]
    with TapeReader(place) as reader:
        one, two = reader.rows("SELECT number FROM batch ORDER BY 1"), reader.rows("SELECT minute FROM bar")
        assert [next(one)[0] for _ in range(10)] == numbers[:10]
        next(two)
        sessions = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'FETCH FORWARD 7 FROM%'"
        assert reader.fetch(sessions) == [(2,)]
        two.close()  # type: ignore[attr-defined] # a generator, to be left half-way
        assert [number for (number,) in one] == numbers[10:]


def test_the_oldest_batches_can_be_taken_away(place: ServerPlace) -> None:
    sample = samples.write(place)
    with TapeReader(place) as reader:
        before = reader.database.size_bytes()
        assert before > 0
    samples.prune(place, Goal(snapshot=20, last=15))
    with TapeWriter(place) as writer:
        writer.database.give_back(whole=True)
        assert 0 < writer.database.used_bytes() <= writer.database.size_bytes() < before
    with TapeReader(place) as reader:
        assert tuple(reader.batches(15)) == sample.batches[15:]
        assert list(check_intact(reader)) == []


# --- who may write


def test_a_second_writer_is_told_who_writes_and_two_runs_share_a_database(
    place: ServerPlace, postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.tape.postgresql_server.LOCK_PATIENCE_S", 0.2)
    with TapeWriter(place) as writer:
        samples.begin(writer)
        with pytest.raises(TapeInUseError, match=r"written by session \d+ \(papertape .*user postgres"):
            TapeWriter(place)
        with TapeWriter(postgresql.place()) as other:
            samples.begin(other)
        with TapeReader(place) as reader:
            assert reader.tip() == writer.tip
    with TapeWriter(place) as writer:
        assert writer.begun


def test_a_tape_that_was_never_begun_leaves_no_schema(
    place: ServerPlace, postgresql: PostgresqlServer
) -> None:
    TapeWriter(place).close()
    with pytest.raises(TapeVersionError, match="there is no tape at"):
        TapeReader(place)
    count = "SELECT count(*) FROM pg_namespace WHERE nspname = %s"
    assert postgresql.execute(count, (place.schema,)) == [(0,)]


def test_a_reader_cannot_write(place: ServerPlace) -> None:
    samples.write(place, n=3)
    with TapeReader(place) as reader:
        database = reader.database
        assert isinstance(database, PostgresqlDatabase)
        with pytest.raises(TapeError, match="read-only"):
            database.change("DELETE FROM bar")


# --- what goes wrong


def test_a_schema_that_holds_something_else_is_refused_and_left_alone(
    place: ServerPlace, postgresql: PostgresqlServer
) -> None:
    postgresql.execute(f"CREATE SCHEMA {place.schema} CREATE TABLE mine (a int)")
    for opened in (TapeReader, TapeWriter):
        with pytest.raises(TapeVersionError, match="holds other tables"):
            opened(place)
    assert postgresql.execute("SELECT count(*) FROM mine", schema=place.schema) == [(0,)]


def test_what_the_user_can_mend_is_said(postgresql: PostgresqlServer) -> None:
    postgresql.execute("CREATE ROLE visitor LOGIN")
    refused = {
        postgresql.url("a", database="nowhere"): 'database "nowhere" does not exist',
        postgresql.url("a", user="nobody"): 'role "nobody" does not exist',
        postgresql.url("a", user="visitor"): "permission denied",
        f"{postgresql.url('a')}&sslmodus=on": "cannot be read",
    }
    for url, words in refused.items():
        with pytest.raises(TapePlaceError, match=words):
            TapeWriter(place_of(url))
    with pytest.raises(TapeAwayError, match="cannot be reached"):
        TapeReader(place_of(f"postgresql://me:secret@/x?host={postgresql.folder}/nowhere"))


def test_a_database_that_cannot_hold_every_text_is_refused(postgresql: PostgresqlServer) -> None:
    postgresql.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    with pytest.raises(TapePlaceError, match="encoding LATIN1"):
        TapeWriter(place_of(postgresql.url("a", database="latin")))


@pytest.mark.parametrize(
    ("raised", "kind", "words"),
    [
        (psycopg.errors.DiskFull("no space left"), TapeError, "is full: the last group is not on the tape"),
        (psycopg.errors.DataCorrupted("invalid page"), TapeDamagedError, "is damaged: invalid page"),
        (psycopg.errors.UndefinedTable("no relation bar"), TapeDamagedError, "is damaged"),
        (psycopg.errors.UniqueViolation("twice"), BrokenBoundError, "twice"),
        (psycopg.errors.InsufficientPrivilege("no"), TapePlaceError, "GRANT"),
        (psycopg.errors.AdminShutdown("shutting down"), TapeAwayError, "went away"),
        (psycopg.errors.ReadOnlySqlTransaction("a standby"), TapeAwayError, "went away"),
        (psycopg.OperationalError("the connection is lost"), TapeAwayError, "went away"),
        (psycopg.errors.FeatureNotSupported("what"), TapeError, "cannot be used: what"),
    ],
)
def test_each_error_of_the_driver_means_something(
    raised: psycopg.Error, kind: type[Exception], words: str
) -> None:
    place = place_of("postgresql://me:secret@db/runs?schema=btc")
    assert isinstance(place, ServerPlace)
    found = explanation(raised, place)
    assert type(found) is kind
    assert words in str(found)
    assert "postgresql://me@db/runs?schema=btc" in str(found)
    assert "secret" not in str(found)


# --- TimescaleDB


def test_without_timescaledb_bars_are_a_plain_table(place: ServerPlace) -> None:
    with connect(place, writes=True) as connection:
        assert not hypertables.make(connection)


def test_with_timescaledb_the_bars_of_a_new_tape_become_a_hypertable(postgresql: PostgresqlServer) -> None:
    """No package of it is to be had: an entry in the catalogue and a function stand for the extension.

    So the call is checked: where it is looked for, its arguments by name and type, and that the table is made
    then. What TimescaleDB makes of it is not.
    """
    postgresql.execute("CREATE DATABASE timescale")
    with psycopg.connect(host=str(postgresql.folder), user="postgres", dbname="timescale") as connection:
        connection.execute(
            """
            CREATE SCHEMA extensions;
            CREATE TABLE extensions.made (relation text, by_column text, minutes bigint, indices boolean);
            CREATE FUNCTION extensions.create_hypertable(
                relation regclass, time_column_name name, chunk_time_interval anyelement,
                create_default_indexes boolean
            ) RETURNS void LANGUAGE sql AS
            'INSERT INTO extensions.made VALUES (relation::text, time_column_name, chunk_time_interval, $4)';
            SET allow_system_table_mods = on;
            INSERT INTO pg_extension
            SELECT 99999, 'timescaledb', 10, oid, false, '2.99', NULL, NULL
            FROM pg_namespace WHERE nspname = 'extensions';
            """
        )
        connection.commit()
        place = place_of(postgresql.url("chunked", database="timescale"))
        samples.write(place, n=3)
        TapeWriter(place).close()
        made = connection.execute("SELECT * FROM extensions.made").fetchall()
    assert made == [("bar", "minute", hypertables.CHUNK_MINUTES, False)]
