"""A tape in a SQLite file, once it is open."""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from sqlalchemy import Table
from sqlalchemy.dialects import sqlite

from adapters.tape.cells import Cell
from adapters.tape.database import Row
from adapters.tape.lock import WriterLock
from adapters.tape.sqlite_errors import explained
from adapters.tape.statements import Statement, Texts

_FETCH_ROWS = 1_024
_GIVEN_PAGES: Final = 256
"""So many free pages are given back at a time: some milliseconds."""

_INCREMENTAL: Final = 2
"""SQLite's number of the mode in which free pages can be cut off."""

TEXTS: Final = Texts(sqlite.dialect(paramstyle="qmark"))
"""The tape's statements as SQLite takes them."""


class SqliteDatabase:
    """A connection to a tape's file. To be used by one thread at a time.

    Args:
        path: The file.
        connection: To it.
        lock: The writer's; given back on closing.
        is_new: The file was made for this connection.
    """

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        lock: WriterLock | None = None,
        *,
        is_new: bool = False,
    ) -> None:
        self._path = path
        self._connection = connection
        self._lock = lock
        self._is_new = is_new

    @property
    def place(self) -> Path:
        """The file."""
        return self._path

    @property
    def connection(self) -> sqlite3.Connection:
        """The driver's."""
        return self._connection

    def fetch(self, statement: Statement, cells: Sequence[object] = ()) -> list[Row]:
        """Return all rows of a statement."""
        with explained(self._path):
            return self._connection.execute(TEXTS.of(statement), cells).fetchall()

    def stream(self, statement: Statement, cells: Sequence[object] = ()) -> Iterator[Row]:
        """Yield the rows of a statement with bounded memory; other statements may come between them."""
        with explained(self._path):
            cursor = self._connection.execute(TEXTS.of(statement), cells)
        while True:
            with explained(self._path):
                rows = cursor.fetchmany(_FETCH_ROWS)
            if not rows:
                return
            yield from rows

    def damages(self) -> Iterator[str]:
        """Yield what is wrong with the file's own structure: pages, keys, indices."""
        for (message,) in self.fetch("PRAGMA integrity_check(20)"):
            if message != "ok":
                yield f"the file's pages are damaged: {message}"

    def size_bytes(self) -> int:
        """Return the size of the file and of the log beside it."""
        log = self._path.with_name(self._path.name + "-wal")
        return sum(file.stat().st_size for file in (self._path, log) if file.exists())

    def used_bytes(self) -> int:
        """Return the size of the pages that are not free."""
        (((pages,),), ((free,),), ((size,),)) = (
            self.fetch(f"PRAGMA {name}") for name in ("page_count", "freelist_count", "page_size")
        )
        return int(pages - free) * int(size)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block in one transaction: all of it or nothing is on the tape afterwards."""
        with explained(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                # A failed COMMIT may have rolled back by itself.
                if self._connection.in_transaction:
                    with contextlib.suppress(sqlite3.Error):
                        self._connection.execute("ROLLBACK")
                raise

    def insert(self, table: Table, rows: Iterable[Sequence[Cell]]) -> None:
        """Insert whole rows, cells in the order of the table's columns."""
        with explained(self._path):
            self._connection.executemany(TEXTS.insertion(table), rows)

    def replace(self, table: Table, rows: Iterable[Sequence[Cell]]) -> None:
        """Insert whole rows in place of those with the same keys."""
        with explained(self._path):
            self._connection.executemany(TEXTS.replacement(table), rows)

    def change(self, statement: Statement, cells: Sequence[object] = ()) -> None:
        """Run a statement that changes or deletes rows."""
        with explained(self._path):
            self._connection.execute(TEXTS.of(statement), cells)

    def give_back(self, *, whole: bool = False) -> None:
        """Cut free pages off the file's end, moving others into gaps.

        A tape that was made before retention keeps its free pages for new rows; asked to give back all, it is
        written anew once, which wants as much room again, and gives pages back from then on.
        """
        ((mode,),) = self.fetch("PRAGMA auto_vacuum")
        if mode == _INCREMENTAL:
            with explained(self._path):
                # Each page is a step without a row, of which `execute` takes the first alone.
                most = "" if whole else f"({_GIVEN_PAGES})"
                self._connection.executescript(f"PRAGMA incremental_vacuum{most}")
        elif whole:
            self.change("PRAGMA auto_vacuum=INCREMENTAL")
            self.change("VACUUM")
        if whole:
            self.fetch("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Let go of the file; a writer folds the log into it. Harmless when called twice."""
        if self._lock is not None:
            # A reader may hold the log; then the last one to close folds it.
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()
        if self._lock is not None:
            self._lock.release()

    def reopen(self) -> None:
        """Do nothing: a file is never away."""

    def interrupt(self) -> None:
        """Do nothing: nobody else's answer is waited for."""

    def abandon(self) -> None:
        """Let go of a tape that was never begun; a file that was made for it is removed."""
        self._connection.close()
        if self._is_new:
            for suffix in ("", "-wal", "-shm"):
                with contextlib.suppress(OSError):
                    self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        self.close()
