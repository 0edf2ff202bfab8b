"""What a tape asks of the database that holds it. Each kind of database has a file of its own."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from sqlalchemy import Table

from adapters.tape.cells import Cell
from adapters.tape.place import Place
from adapters.tape.statements import Statement

Row = tuple[Any, ...]
"""Cells as the driver gives them back."""


class Database(Protocol):
    """A connection to a tape. The driver's errors come out as those of `daemon.errors`."""

    @property
    def place(self) -> Place:
        """Where the tape is."""

    def fetch(self, statement: Statement, cells: Sequence[object] = ()) -> list[Row]:
        """Return all rows of a statement."""

    def stream(self, statement: Statement, cells: Sequence[object] = ()) -> Iterator[Row]:
        """Yield the rows of a statement with bounded memory; other statements may come between them."""

    def damages(self) -> Iterator[str]:
        """Yield what is wrong beneath the rows: pages, keys, indices."""

    def size_bytes(self) -> int:
        """Return the room that the tape takes."""

    def used_bytes(self) -> int:
        """Return the size of what is on the tape: its room less what is free in it for new rows."""

    def close(self) -> None:
        """Let go of it. Harmless when called twice."""


class WritableDatabase(Database, Protocol):
    """A connection that nobody else writes beside, to a tape of this version's schema."""

    def transaction(self) -> AbstractContextManager[None]:
        """Run the block in one transaction: all of it or nothing is on the tape afterwards."""

    def insert(self, table: Table, rows: Iterable[Sequence[Cell]]) -> None:
        """Insert whole rows, cells in the order of the table's columns."""

    def replace(self, table: Table, rows: Iterable[Sequence[Cell]]) -> None:
        """Insert whole rows in place of those with the same keys."""

    def change(self, statement: Statement, cells: Sequence[object] = ()) -> None:
        """Run a statement that changes or deletes rows."""

    def give_back(self, *, whole: bool = False) -> None:
        """Return some of the room that is free to the system, or all of it however long that takes.

        Outside a transaction.
        """

    def reopen(self) -> None:
        """Connect again after a server was away, as the one writer again.

        Raises:
            TapeAwayError: It is still away.
            TapeInUseError: Somebody else writes the tape now.
        """

    def interrupt(self) -> None:
        """Let a call that waits for a server's answer fail; for any thread."""

    def abandon(self) -> None:
        """Let go of a tape that was never begun: what this connection made for it goes again."""
