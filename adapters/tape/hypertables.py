"""TimescaleDB: the table of bars cut into chunks of time, where its extension is in the database."""

from typing import Final

from psycopg import sql

from adapters.tape.postgresql import Connection

CHUNK_MINUTES: Final = 7 * 1440
"""A chunk holds a week: a few million bars of hundreds of instruments."""

_EXTENSION: Final = """
    SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname = 'timescaledb'
"""
_MAKE: Final = """
    SELECT {}.create_hypertable(
        'bar'::regclass, 'minute'::name, chunk_time_interval => {}::bigint, create_default_indexes => false
    )
"""


def make(connection: Connection) -> bool:
    """Turn the empty table of bars of a new tape into a hypertable; return whether there is the extension.

    Bars alone grow by instruments times minutes. Their key holds the minute, and no other table refers to
    them, as TimescaleDB wants it. Source: https://docs.timescale.com/api/latest/hypertable/create_hypertable/

    Args:
        connection: Finds the tape's tables first.
    """
    found = connection.execute(_EXTENSION).fetchone()
    if found is None:
        return False
    connection.execute(sql.SQL(_MAKE).format(sql.Identifier(found[0]), sql.Literal(CHUNK_MINUTES)))
    return True
