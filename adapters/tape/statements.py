"""Statements of the tape, compiled once for each kind of database and run through its driver.

SQLAlchemy's own execution costs 8 to 35 us a row, the driver's 1 to 2. So the schema is SQLAlchemy's and
the hot path is not.
"""

from collections.abc import Callable
from functools import cache

from sqlalchemy import ClauseElement, ColumnElement, Dialect, Select, Table, bindparam, insert, select

Statement = ClauseElement | str
"""SQLAlchemy's, or text that every database takes; parameters are `?`, in order of appearance."""


class Texts:
    """Statements in the words of one kind of database, each put into them once.

    Args:
        dialect: SQLAlchemy's, with positional parameters.
        plain: Turns text that every database takes into text for the driver.
    """

    def __init__(self, dialect: Dialect, plain: Callable[[str], str] = str) -> None:
        self._dialect = dialect
        self._plain = plain
        self._known: dict[object, str] = {}

    def of(self, statement: Statement) -> str:
        """Return a statement's text."""
        known = self._known.get(statement)
        if known is None:
            known = self._plain(statement) if isinstance(statement, str) else self._compiled(statement)
            self._known[statement] = known
        return known

    def insertion(self, table: Table) -> str:
        """Return the INSERT of a whole row, cells in the order of the table's columns."""
        key = ("insert", table)
        if key not in self._known:
            self._known[key] = self._compiled(insert(table))
        return self._known[key]

    def replacement(self, table: Table) -> str:
        """Return the INSERT of a whole row in place of the one with the same key."""
        key = ("replace", table)
        if key not in self._known:
            quoted = self._dialect.identifier_preparer.quote
            keys = ", ".join(quoted(column.name) for column in table.primary_key)
            others = (quoted(column.name) for column in table.columns if not column.primary_key)
            values = ", ".join(f"{name} = excluded.{name}" for name in others)
            self._known[key] = f"{self.insertion(table)} ON CONFLICT ({keys}) DO UPDATE SET {values}"
        return self._known[key]

    def _compiled(self, statement: ClauseElement) -> str:
        return str(statement.compile(dialect=self._dialect))


@cache
def whole(table: Table) -> Select[tuple[object, ...]]:
    """Return the SELECT of all rows in the order of the key."""
    return select(table).order_by(*table.primary_key)


@cache
def between(table: Table, column: str) -> Select[tuple[object, ...]]:
    """Return the SELECT of rows whose `column` lies in [?, ?], in the order of that column and the key."""
    bounded: ColumnElement[object] = table.c[column]
    in_range = bounded.between(bindparam("first"), bindparam("last"))
    return select(table).where(in_range).order_by(bounded, *table.primary_key)
