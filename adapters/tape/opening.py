"""Opens a tape by where it is."""

from contextlib import contextmanager
from typing import TYPE_CHECKING

from adapters.tape import sqlite_file
from adapters.tape.database import Database, WritableDatabase
from adapters.tape.place import Place, ServerPlace
from daemon.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator


def open_for_reading(place: Place) -> Database:
    """Open a tape to read it, also beside its writer.

    Raises:
        TapeVersionError: There is no tape, or one of another version.
        TapeDamagedError: Its pages cannot be read.
        TapeError: It cannot be opened; says why.
        UserError: What speaks to its server is not installed.
    """
    if not isinstance(place, ServerPlace):
        return sqlite_file.open_for_reading(place)
    with _driver():
        from adapters.tape import postgresql_server  # noqa: PLC0415 - an extra: most tapes are files
    return postgresql_server.open_for_reading(place)


def open_for_writing(place: Place) -> WritableDatabase:
    """Open a tape, or make it, as its one writer; its schema is of this version then.

    Raises:
        TapeError: It cannot be; says why.
        UserError: What speaks to its server is not installed.
    """
    if not isinstance(place, ServerPlace):
        return sqlite_file.open_for_writing(place)
    with _driver():
        from adapters.tape import postgresql_server  # noqa: PLC0415 - as above
    return postgresql_server.PostgresqlWriter(place)


@contextmanager
def _driver() -> "Iterator[None]":
    try:
        yield
    except ImportError as error:
        if not (error.name or "").startswith("psycopg"):
            raise
        raise UserError(
            "a tape on PostgreSQL: this environment has no psycopg, which is the extra `postgresql`: "
            "pip install 'papertape[postgresql]', or in papertape's folder .venv/bin/python -m pip install "
            "'psycopg[binary]'"
        ) from error
