"""A tape's schema in a PostgreSQL database: made, brought up to this version, or refused."""

from typing import Final

from psycopg import sql
from sqlalchemy import NullPool, create_engine

from adapters.tape import hypertables
from adapters.tape.migrate import migrate
from adapters.tape.place import ServerPlace
from adapters.tape.postgresql import Connection
from adapters.tape.postgresql_connecting import connect
from adapters.tape.schema import REVISION, demand_this_revision
from daemon.errors import TapePlaceError, TapeVersionError

_THERE: Final = "SELECT count(*) FROM pg_namespace WHERE nspname = %s"
_TABLES: Final = """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""
_REVISION: Final = "SELECT max(version_num) FROM alembic_version"


def prepare(connection: Connection, place: ServerPlace) -> bool:
    """Make the schema, or bring it up to this version; return whether it was made.

    Args:
        connection: Of the writer, which holds its lock.
        place: Where the tape is.

    Raises:
        TapePlaceError: The database cannot hold a tape.
        TapeVersionError: The schema holds something else, or a tape of another version.
        psycopg.Error: It may not be made (rights, ...).
    """
    ((encoding,),) = connection.execute("SHOW server_encoding").fetchall()
    if encoding != "UTF8":
        what = f"the database has the encoding {encoding}; make one with ENCODING 'UTF8'"
        raise TapePlaceError(f"the tape {place} cannot be made: {what}")
    ((there,),) = connection.execute(_THERE, (place.schema,)).fetchall()
    if not there:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(place.schema)))
    tables = _tables(connection, place)
    if tables:
        _demand_ours(tables, place)
    if not tables or _revision(connection) < REVISION:
        # Alembic gets a connection of its own: SQLAlchemy changes how one converts values.
        engine = create_engine(
            "postgresql+psycopg://",
            creator=lambda: connect(place, writes=True, autocommit=False),
            poolclass=NullPool,
        )
        migrate(engine)
    if not tables:
        hypertables.make(connection)
    demand_this_revision(_revision(connection), place)
    return not there


def demand_readable(connection: Connection, place: ServerPlace) -> None:
    """Check that a tape of this version is there.

    Raises:
        TapeVersionError: There is none, or one of another version.
    """
    tables = _tables(connection, place)
    if not tables:
        raise TapeVersionError(f"there is no tape at {place}")
    _demand_ours(tables, place)
    demand_this_revision(_revision(connection), place)


def drop(connection: Connection, place: ServerPlace) -> None:
    """Remove the schema with all that is in it."""
    connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(place.schema)))


def _tables(connection: Connection, place: ServerPlace) -> set[str]:
    return {name for (name,) in connection.execute(_TABLES, (place.schema,)).fetchall()}


def _demand_ours(tables: set[str], place: ServerPlace) -> None:
    if not tables >= {"alembic_version", "header", "tip"}:
        found = ", ".join(sorted(tables)[:3])
        message = f"the schema of {place} holds other tables ({found}, ...) and no papertape tape"
        raise TapeVersionError(f"{message}; name another one: ?schema=NAME")


def _revision(connection: Connection) -> str:
    ((found,),) = connection.execute(_REVISION).fetchall()
    return str(found or "")
