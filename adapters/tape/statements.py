"""SQL text of the tape's statements, compiled once from the schema and run through the driver.

SQLAlchemy's own execution costs 8 to 35 us a row, the driver's 1 to 2. So the schema is SQLAlchemy's and
the hot path is not.
"""

from functools import cache

from sqlalchemy import ClauseElement, ColumnElement, Table, bindparam, insert, select
from sqlalchemy.dialects import sqlite

_DIALECT = sqlite.dialect(paramstyle="qmark")


def text(statement: ClauseElement) -> str:
    """Return the statement as SQLite's SQL, `?` for each parameter in order of appearance."""
    return str(statement.compile(dialect=_DIALECT))


@cache
def insertion(table: Table) -> str:
    """Return the INSERT of a whole row, cells in the order of the table's columns."""
    return text(insert(table))


@cache
def replacement(table: Table) -> str:
    """Return the INSERT of a whole row in place of the one with the same key."""
    return text(insert(table).prefix_with("OR REPLACE"))


@cache
def whole(table: Table) -> str:
    """Return the SELECT of all rows in the order of the key."""
    return text(select(table).order_by(*table.primary_key))


@cache
def between(table: Table, column: str) -> str:
    """Return the SELECT of rows whose `column` lies in [?, ?], in the order of that column and the key."""
    bounded: ColumnElement[object] = table.c[column]
    in_range = bounded.between(bindparam("first"), bindparam("last"))
    return text(select(table).where(in_range).order_by(bounded, *table.primary_key))
