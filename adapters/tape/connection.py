"""Opening a tape's SQLite file, and what its errors mean to a person.

Decisions, with their reasons:

- WAL: readers read while the one writer writes, and a commit is one sequential write.
- `synchronous=FULL`: one fsync a commit. Live that is one a minute, in replay one a group of thousands of
  batches, so a power cut costs no committed minute and the time does not show.
- Autocommit mode of the driver: transactions are where this package says BEGIN, nowhere else.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

from daemon.errors import (
    BrokenBoundError,
    PapertapeError,
    TapeDamagedError,
    TapeError,
    TapeInUseError,
    TapeVersionError,
)

APPLICATION_ID: Final = 0x50545450
"""`PTTP` in the file's header says that the file is a papertape tape."""

REVISION: Final = "0003"
"""The newest migration: the schema this version writes and reads."""

PAGE_BYTES: Final = 8192
_CACHE_KIB = 16_384
_BUSY_MS = 5_000
_NEVER_STARTED = "it was never begun; start the run again, it will begin it"


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open or create the file; the caller holds the writer's lock."""
    with explained(path):
        connection = sqlite3.connect(
            _uri(path, "rwc"), uri=True, isolation_level=None, check_same_thread=False
        )
        try:
            # Only a new file takes these two; an existing one keeps what it has.
            connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
            connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
            connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("PRAGMA synchronous=FULL")
        except BaseException:
            connection.close()
            raise
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
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
    try:
        require_ours(connection, path)
        require_this_version(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _opened_for_reading(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
        connection.execute("PRAGMA query_only=ON")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def require_ours(connection: sqlite3.Connection, path: Path) -> None:
    """Check that the file is a papertape tape, of whatever version.

    Raises:
        TapeVersionError: It is not; says what it is.
    """
    with explained(path):
        if is_blank(connection):
            raise TapeVersionError(f"{path} is an empty file: {_NEVER_STARTED}")
        if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise TapeVersionError(f"{path} is a SQLite database but not a papertape tape")


def require_this_version(connection: sqlite3.Connection, path: Path) -> None:
    """Check that the tape has the schema that this version reads and writes.

    Raises:
        TapeVersionError: It has not; names both.
    """
    with explained(path):
        found = revision_of(connection)
        if found != REVISION:
            message = (
                f"{path} has schema version {found or 'none'}, this papertape reads {REVISION}; "
                "use the papertape that wrote it"
            )
            raise TapeVersionError(message)


def revision_of(connection: sqlite3.Connection) -> str:
    """Return the newest migration that the file has seen, or an empty text."""
    row = connection.execute("SELECT max(version_num) FROM alembic_version").fetchone()
    return str(row[0] or "")


def is_blank(connection: sqlite3.Connection) -> bool:
    """Whether nothing was ever written to the file."""
    (n_tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return int(n_tables) == 0


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Run the block in one transaction: all of it or nothing is on the tape afterwards."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A failed COMMIT may have rolled back by itself.
        if connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn the driver's errors into ours."""
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.InterfaceError):
        # A wrong call of the driver: a defect of ours, not a state of the tape.
        raise
    except (sqlite3.Error, UnicodeDecodeError) as error:
        # The second comes from SQLite's own message where it quotes a damaged page.
        raise _explanation(error, path) from error


def _explanation(error: Exception, path: Path) -> PapertapeError:
    # Errors that Python raises itself (text that is no UTF-8) carry no code.
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return TapeDamagedError(f"the tape {path} is damaged: {error}; restore a copy, or replay it anew")
    known: dict[int, PapertapeError] = {
        sqlite3.SQLITE_FULL: TapeError(
            f"the disk of {path} is full: the last group is not on the tape, everything before it is; "
            "free space and start again, it continues there"
        ),
        sqlite3.SQLITE_BUSY: TapeInUseError(f"another program holds the tape {path}; stop it first"),
        sqlite3.SQLITE_LOCKED: TapeInUseError(f"another program holds the tape {path}; stop it first"),
        sqlite3.SQLITE_NOTADB: TapeVersionError(
            f"{path} is not a papertape tape (or its first page is damaged)"
        ),
        sqlite3.SQLITE_CONSTRAINT: BrokenBoundError(
            f"something was to be written to the tape {path} twice or without what it belongs to: {error}"
        ),
    }
    damaged = TapeDamagedError(f"the tape {path} is damaged: {error}; restore a copy, or replay it anew")
    # A broken page shows as any of these: SQLite finds nonsense where a table or an offset should be.
    shows_damage = (
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_SCHEMA,
        sqlite3.SQLITE_TOOBIG,
    )
    if code & 0xFF in shows_damage or code == sqlite3.SQLITE_IOERR_SHORT_READ:
        return damaged
    other = TapeError(f"the tape {path} cannot be used: {error}")
    return known.get(code & 0xFF, other)


def _uri(path: Path, mode: str) -> str:
    return f"file:{quote(str(path.absolute()))}?mode={mode}"


def _has_log(path: Path) -> bool:
    log = path.with_name(path.name + "-wal")
    return log.exists() and log.stat().st_size > 0
