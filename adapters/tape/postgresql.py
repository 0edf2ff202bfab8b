"""A tape in a schema of a PostgreSQL database, once it is open.

Cells travel in PostgreSQL's binary format, so a float keeps its bits: the sign of a zero, a NaN's payload.
"""

import contextlib
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow
from sqlalchemy import BigInteger, Boolean, Dialect, Double, Integer, LargeBinary, SmallInteger, Table, Text
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from adapters.tape.cells import Cell
from adapters.tape.database import Row
from adapters.tape.place import ServerPlace
from adapters.tape.postgresql_errors import explained
from adapters.tape.statements import Statement, Texts

Connection = psycopg.Connection[TupleRow]

_DIALECT: Final[Dialect] = PGDialect_psycopg(paramstyle="format")  # type: ignore[no-untyped-call] # SQLAlchemy's own

TEXTS: Final = Texts(_DIALECT, lambda text: text.replace("%", "%%").replace("?", "%s"))
"""The tape's statements as psycopg takes them."""

_FETCH_ROWS: Final = 1_024
_TYPES: Final[dict[type, str]] = {
    SmallInteger: "int2",
    Integer: "int4",
    BigInteger: "int8",
    Double: "float8",
    Text: "text",
    LargeBinary: "bytea",
    Boolean: "bool",
}
_SIZE: Final = """
    SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ? AND c.relkind = 'r'
"""
_USED: Final = """
    SELECT coalesce(sum(s.n_live_tup * (28 + 24 * i.n +
        CASE WHEN s.relid = c.reltoastrelid THEN 2000 ELSE coalesce(w.bytes, 100) END)), 0)::bigint
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_stat_all_tables s ON s.relid IN (c.oid, c.reltoastrelid)
    LEFT JOIN (SELECT schemaname, tablename, sum(avg_width) AS bytes FROM pg_stats GROUP BY 1, 2) w
      ON w.schemaname = s.schemaname AND w.tablename = s.relname
    CROSS JOIN LATERAL (SELECT count(*) AS n FROM pg_index WHERE indrelid = s.relid) i
    WHERE n.nspname = ? AND c.relkind = 'r'
"""
"""Rows with their heads and index entries; a value of more than 2 kB lies in pieces of that size elsewhere.

Of a table that the server has not looked at yet, a row counts as 100 bytes.
"""
_NAMES: Final = "SELECT tablename FROM pg_tables WHERE schemaname = ? ORDER BY 1"


class PostgresqlDatabase:
    """A connection to a tape's schema. To be used by one thread at a time.

    Args:
        place: Where the tape is.
        connection: In autocommit mode.
        another: Connects once more, to read in a transaction.
    """

    def __init__(self, place: ServerPlace, connection: Connection, another: Callable[[], Connection]) -> None:
        self._place = place
        self._connection = connection
        self._another = another

    @property
    def place(self) -> ServerPlace:
        """Where the tape is."""
        return self._place

    @property
    def connection(self) -> Connection:
        """The driver's."""
        return self._connection

    def fetch(self, statement: Statement, cells: Sequence[object] = ()) -> list[Row]:
        """Return all rows of a statement."""
        with explained(self._place), self._connection.cursor(binary=True) as cursor:
            return cursor.execute(_exact(TEXTS.of(statement)), cells).fetchall()

    def stream(self, statement: Statement, cells: Sequence[object] = ()) -> Iterator[Row]:
        """Yield the committed rows of a statement with bounded memory.

        On a connection of its own: a cursor on the server lives in a transaction, and streams may overlap.
        """
        connection = self._another()
        try:
            with explained(self._place), connection.cursor(name="rows", binary=True) as cursor:
                cursor.execute(_exact(TEXTS.of(statement)), cells)
                while rows := cursor.fetchmany(_FETCH_ROWS):
                    yield from rows
        finally:
            connection.close()

    def damages(self) -> Iterator[str]:
        """Yield nothing: the server checks its pages as it reads them, and has tools for its indices."""
        yield from ()

    def size_bytes(self) -> int:
        """Return the room of the tables with their indices."""
        ((size,),) = self.fetch(_SIZE, (self._place.schema,))
        return int(size)

    def used_bytes(self) -> int:
        """Return the size of the rows that are there, as the server's statistics estimate it."""
        ((size,),) = self.fetch(_USED, (self._place.schema,))
        return int(size)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block in one transaction: all of it or nothing is on the tape afterwards."""
        with explained(self._place), self._connection.transaction():
            yield

    def insert(self, table: Table, rows: Iterable[Sequence[Cell]]) -> None:
        """Insert whole rows, cells in the order of the table's columns, by COPY in binary format."""
        rows = iter(rows)
        first = next(rows, None)
        if first is None:
            return
        layout = _layout(table)
        with explained(self._place), self._connection.cursor() as cursor, cursor.copy(layout.copy) as copy:
            copy.set_types(layout.types)
            for row in chain((first,), rows):
                copy.write_row(layout.native(row))

    def replace(self, table: Table, rows: Iterable[Sequence[Cell]]) -> None:
        """Insert whole rows in place of those with the same keys."""
        layout = _layout(table)
        with explained(self._place), self._connection.cursor() as cursor:
            cursor.executemany(_exact(TEXTS.replacement(table)), [layout.native(row) for row in rows])

    def change(self, statement: Statement, cells: Sequence[object] = ()) -> None:
        """Run a statement that changes or deletes rows."""
        with explained(self._place):
            self._connection.execute(_exact(TEXTS.of(statement)), cells)

    def give_back(self, *, whole: bool = False) -> None:
        """Leave free room to the server, which fills it again; asked for all, write the tables anew."""
        if whole:
            for (name,) in self.fetch(_NAMES, (self._place.schema,)):
                with explained(self._place):
                    self._connection.execute(
                        sql.SQL("VACUUM (FULL, ANALYZE) {}").format(sql.Identifier(name))
                    )

    def close(self) -> None:
        """Let go of the tape. Harmless when called twice."""
        self._connection.close()


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the rows of a table travel.

    Attributes:
        copy: The statement that takes them.
        types: Of the columns, by PostgreSQL's names.
        floats: Which of them are floats.
    """

    copy: str
    types: tuple[str, ...]
    floats: tuple[int, ...]

    def native(self, cells: Sequence[Cell]) -> Sequence[Cell]:
        """Return the cells of a row as PostgreSQL keeps them.

        Of a float that SQLite would lose a cell holds the bytes (see `cells`), and the usual NaN stands for
        NULL.
        """
        if not self.floats:
            return cells
        row: list[Any] = list(cells)
        for at in self.floats:
            cell = row[at]
            if type(cell) is bytes:
                row[at] = struct.unpack("<d", cell)[0]
            elif cell != cell:  # noqa: PLR0124 - a NaN, in a tenth of the time of isnan, which takes no None
                row[at] = None
        return row


@cache
def _layout(table: Table) -> _Layout:
    types = tuple(_TYPES[_kind(column.type)] for column in table.columns)
    quoted = _DIALECT.identifier_preparer.quote
    names = ", ".join(quoted(column.name) for column in table.columns)
    floats = tuple(at for at, name in enumerate(types) if name == "float8")
    return _Layout(f"COPY {quoted(table.name)} ({names}) FROM STDIN (FORMAT BINARY)", types, floats)


def _kind(found: Any) -> type:
    # A type with variants for other databases is of its own class here: PostgreSQL has none.
    return next(kind for kind in type(found).__mro__ if kind in _TYPES)


def _exact(text: str) -> Any:
    """Return a statement whose parameters travel in binary format."""
    return text.replace("%s", "%b")
