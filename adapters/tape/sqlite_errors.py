"""What SQLite's errors mean to a person."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from daemon.errors import (
    BrokenBoundError,
    PapertapeError,
    TapeDamagedError,
    TapeError,
    TapeInUseError,
    TapeVersionError,
)


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
