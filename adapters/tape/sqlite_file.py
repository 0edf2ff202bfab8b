"""Opening a tape's SQLite file.

Decisions, with their reasons:

- WAL: readers read while the one writer writes, and a commit is one sequential write.
- `synchronous=FULL`: one fsync a commit. Live that is one a minute, in replay one a group of thousands of
  batches, so a power cut costs no committed minute and the time does not show.
- Autocommit mode of the driver: transactions are where this package says BEGIN, nowhere else.
"""

import contextlib
import sqlite3
from pathlib import Path
from typing import Final
from urllib.parse import quote

from sqlalchemy import StaticPool, create_engine

from adapters.tape.lock import WriterLock
from adapters.tape.migrate import migrate
from adapters.tape.schema import REVISION, demand_this_revision
from adapters.tape.sqlite import SqliteDatabase
from adapters.tape.sqlite_errors import explained
from adapters.tape.undoing import undone_by
from daemon.errors import MACHINE_ERRNOS, TapeError, TapePlaceError, TapeVersionError

APPLICATION_ID: Final = 0x50545450
"""`PTTP` in the file's header says that the file is a papertape tape."""

PAGE_BYTES: Final = 8192
_CACHE_KIB = 16_384
_BUSY_MS = 5_000
_NEVER_STARTED = "it was never begun; start the run again, it will begin it"


def open_for_writing(path: Path) -> SqliteDatabase:
    """Open the file, or make it; its schema is of this version then.

    Raises:
        TapeInUseError: Another process writes it.
        TapeVersionError: The file is no tape or one of another version.
        TapeDamagedError: Its pages cannot be read.
        TapePlaceError: No file can be there.
        TapeError: The folder cannot be written.
    """
    _make_folder(path)
    lock = WriterLock(path)
    with undone_by(lock.release):
        is_new = not path.exists()
        database = SqliteDatabase(path, _opened_for_writing(path), lock, is_new=is_new)
    with undone_by(database.abandon):
        _prepare_schema(database.connection, path)
    return database


def open_for_reading(path: Path, *, of_any_version: bool = False) -> SqliteDatabase:
    """Open the file to read it, also beside a writer or on read-only media.

    SQLite is let write where it may, statements are not: so the last one to leave a tape folds its log into
    the file and removes it, and reading a tape leaves nothing beside it.

    Raises:
        TapeVersionError: It is not there, no tape, never begun, or of another version.
        TapeDamagedError: Its pages cannot be read.
    """
    if not path.is_file():
        raise TapeVersionError(f"there is no tape at {path}")
    with explained(path):
        try:
            connection = _opened_for_reading(_uri(path, "rw"))
        except sqlite3.OperationalError as error:
            cannot_write = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
            if error.sqlite_errorcode & 0xFF not in cannot_write or _has_log(path):
                raise
            # A log wants a shared-memory file beside the tape. In a read-only folder nobody writes.
            connection = _opened_for_reading(_uri(path, "ro") + "&immutable=1")
    with undone_by(connection.close):
        _demand_ours(connection, path)
        if not of_any_version:
            with explained(path):
                demand_this_revision(_revision_of(connection), path)
    return SqliteDatabase(path, connection)


def revision_of(path: Path) -> str:
    """Return the newest migration that a tape has seen.

    Raises:
        TapeVersionError: There is no tape.
    """
    with contextlib.closing(open_for_reading(path, of_any_version=True)) as database, explained(path):
        return _revision_of(database.connection)


def _opened_for_writing(path: Path) -> sqlite3.Connection:
    with explained(path):
        connection = sqlite3.connect(
            _uri(path, "rwc"), uri=True, isolation_level=None, check_same_thread=False
        )
        with undone_by(connection.close):
            # Only a new file takes these two; an existing one keeps what it has.
            connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
            connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
            connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("PRAGMA synchronous=FULL")
    return connection


def _opened_for_reading(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    with undone_by(connection.close):
        connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
        connection.execute("PRAGMA query_only=ON")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return connection


def _prepare_schema(connection: sqlite3.Connection, path: Path) -> None:
    with explained(path):
        blank = _is_blank(connection)
        if blank:
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            connection.execute("PRAGMA journal_mode=WAL")
        else:
            _demand_ours(connection, path)
        if blank or _revision_of(connection) < REVISION:
            engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
            migrate(engine, "BEGIN IMMEDIATE", f"PRAGMA application_id={APPLICATION_ID}")
        demand_this_revision(_revision_of(connection), path)


def _demand_ours(connection: sqlite3.Connection, path: Path) -> None:
    """Check that the file is a papertape tape, of whatever version.

    Raises:
        TapeVersionError: It is not; says what it is.
    """
    with explained(path):
        if _is_blank(connection):
            raise TapeVersionError(f"{path} is an empty file: {_NEVER_STARTED}")
        if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise TapeVersionError(f"{path} is a SQLite database but not a papertape tape")


def _revision_of(connection: sqlite3.Connection) -> str:
    """Return the newest migration that the file has seen, or an empty text."""
    row = connection.execute("SELECT max(version_num) FROM alembic_version").fetchone()
    return str(row[0] or "")


def _is_blank(connection: sqlite3.Connection) -> bool:
    """Whether nothing was ever written to the file."""
    (n_tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return int(n_tables) == 0


def _make_folder(path: Path) -> None:
    if path.is_dir():
        message = f"{path} is a folder; name a file for the tape"
        raise TapeVersionError(message)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        kind = TapeError if error.errno in MACHINE_ERRNOS else TapePlaceError
        message = f"the folder {path.parent} of the tape cannot be made: {error.strerror}; name another tape"
        raise kind(message) from error


def _uri(path: Path, mode: str) -> str:
    return f"file:{quote(str(path.absolute()))}?mode={mode}"


def _has_log(path: Path) -> bool:
    log = path.with_name(path.name + "-wal")
    return log.exists() and log.stat().st_size > 0
