"""A tape as a file: what is beside it, what it says it is, what is refused, what only SQLite lets happen."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from adapters.tape.intact import check_intact
from adapters.tape.reader import TapeReader
from adapters.tape.schema import REVISION
from adapters.tape.writer import TapeWriter
from daemon.errors import TapeDamagedError, TapeVersionError
from tests.adapters.tape import samples


@pytest.fixture
def sample(tmp_path: Path) -> samples.Sample[Path]:
    return samples.write(tmp_path / "run.tape")


def test_reading_leaves_the_tape_and_its_folder_as_they_were(sample: samples.Sample[Path]) -> None:
    before = sample.place.read_bytes()
    with TapeReader(sample.place) as reader:
        assert list(check_intact(reader)) == []
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            samples.driver_of(reader).execute("DELETE FROM bar")
    assert [file.name for file in sample.place.parent.iterdir()] == ["run.tape"]
    assert sample.place.read_bytes() == before


def test_the_file_says_what_it_is(sample: samples.Sample[Path]) -> None:
    connection = sqlite3.connect(sample.place)
    assert connection.execute("PRAGMA application_id").fetchone() == (int.from_bytes(b"PTTP"),)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(REVISION,)]
    connection.close()
    assert sorted(file.name for file in sample.place.parent.iterdir()) == ["run.tape"]


# --- files that are no tape of ours --------------------------------------------------------------------


def test_files_that_are_no_tape_are_refused_and_left_alone(tmp_path: Path) -> None:
    text, other = tmp_path / "notes.txt", tmp_path / "other.db"
    text.write_text("these are notes, " * 100)
    with closing(sqlite3.connect(other)) as connection, connection:
        connection.execute("CREATE TABLE mine (a)")
    for path in (text, other):
        before = path.read_bytes()
        for opened in (TapeReader, TapeWriter):
            with pytest.raises(TapeVersionError, match="not a papertape tape"):
                opened(path)
        assert path.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["notes.txt", "other.db"]


def test_a_tape_that_is_not_there_empty_or_never_begun_is_named(tmp_path: Path) -> None:
    with pytest.raises(TapeVersionError, match="there is no tape at"):
        TapeReader(tmp_path / "run.tape")
    (tmp_path / "empty.tape").touch()
    with pytest.raises(TapeVersionError, match="empty file"):
        TapeReader(tmp_path / "empty.tape")
    with TapeWriter(tmp_path / "empty.tape") as writer:
        assert not writer.begun
    with TapeReader(tmp_path / "empty.tape") as reader:
        assert reader.tip() is None


def test_a_writer_that_refuses_a_tape_leaves_nothing_beside_it(sample: samples.Sample[Path]) -> None:
    with closing(sqlite3.connect(sample.place)) as connection, connection:
        connection.execute("DELETE FROM batch WHERE number = 40")
    with pytest.raises(TapeDamagedError, match="last batches are missing"):
        TapeWriter(sample.place)
    assert sorted(file.name for file in sample.place.parent.iterdir()) == ["run.tape"]


# --- SQLite keeps what it is given, whatever the column's type --------------------------------------------

DAMAGES: dict[str, tuple[str, Callable[[TapeReader], object], str]] = {
    "the kind of an event": (
        "UPDATE event SET kind = x'00' WHERE seq = 1",
        TapeReader.begin_events,
        "event.kind holds",
    ),
    "a bar's instrument": (
        "UPDATE OR IGNORE bar SET instrument = 'x' WHERE minute = (SELECT max(minute) FROM bar)",
        lambda reader: reader.first_needed(samples.FIRST_MINUTE + 99, 5),
        "no integer",
    ),
    "a bar of the warm-up": (
        "UPDATE bar SET close = 'x' WHERE minute = (SELECT min(minute) FROM bar)",
        lambda reader: list(reader.warmup(10)),
        "bar.close holds",
    ),
    "text that is no text": (
        "UPDATE refusal SET reason = CAST(x'ff' AS TEXT) WHERE batch = 5",
        lambda reader: list(reader.batches()),
        "UTF-8",
    ),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_damage_is_said_by_whoever_meets_it(sample: samples.Sample[Path], what: str) -> None:
    how, ask, expected = DAMAGES[what]
    with closing(sqlite3.connect(sample.place)) as connection, connection:
        connection.execute(how)
    with TapeReader(sample.place) as reader, pytest.raises(TapeDamagedError, match=expected):
        ask(reader)
