"""Copies a tape while its run goes on writing it."""

import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from adapters.tape import sqlite_file
from adapters.tape.lock import WriterLock
from adapters.tape.sqlite_errors import explained
from daemon.errors import MACHINE_ERRNOS, TapeError, TapePlaceError

_PAGES: Final = 512
"""So many are copied between two reports of progress."""

Told = Callable[[int, int], None]
"""Told how many pages are copied, and how many there are."""


def backup(source: Path, target: Path, told: Told, *, force: bool = False) -> None:
    """Copy a tape as it stands at this moment; its writer is not held up.

    The whole copy is read in one transaction, so what is committed meanwhile is not in it and does not
    disturb it; until it ends, the writer's log grows by that. It appears under its name whole or not at all.

    Args:
        source: The tape.
        target: Where the copy goes.
        told: Progress.
        force: Replace what is there.

    Raises:
        TapeVersionError: There is no tape.
        TapePlaceError: Something is there already, or no file can be there.
        TapeInUseError: What is to be replaced is being written.
        TapeError: There is no room; nothing of the copy is left.
    """
    if target.exists() and not force:
        raise TapePlaceError(f"{target} is there already; name another file, or replace it with --force")
    if target.exists() and source.exists() and target.samefile(source):
        raise TapePlaceError(f"{target} is the tape itself; name another file")
    database = sqlite_file.open_for_reading(source, of_any_version=True)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with explained(source):
            _copied(database.connection, unfinished, told)
        _put_in_place(unfinished, target)
    except OSError as error:
        kind = TapeError if error.errno in MACHINE_ERRNOS else TapePlaceError
        message = f"the copy {target} cannot be written: {error.strerror or error}; name another file"
        raise kind(message) from error
    finally:
        database.close()
        for suffix in ("", "-wal", "-shm", "-journal"):
            with contextlib.suppress(OSError):
                unfinished.with_name(unfinished.name + suffix).unlink(missing_ok=True)


def _copied(source: sqlite3.Connection, target: Path, told: Told) -> None:
    """Copy all pages of one moment."""
    with contextlib.closing(sqlite3.connect(target, isolation_level=None)) as copy:
        # Without a transaction of its own the copy would begin anew with every commit of the writer.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        try:
            source.backup(copy, pages=_PAGES, progress=lambda _, left, total: told(total - left, total))
        finally:
            source.execute("ROLLBACK")


def _put_in_place(unfinished: Path, target: Path) -> None:
    """Give the copy its name; a log of what it replaces would be taken for its own."""
    lock = WriterLock(target)
    try:
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        for suffix in ("-wal", "-shm"):
            target.with_name(target.name + suffix).unlink(missing_ok=True)
        unfinished.replace(target)
    finally:
        lock.release()
