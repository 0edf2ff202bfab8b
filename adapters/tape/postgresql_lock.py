"""One writer per tape: an advisory lock of the server, held by the session that writes.

The server gives it back when that session ends, and a session ends after its last transaction has. So who
holds the lock knows that nothing of an earlier writer is still on its way into the tape.
"""

from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Final

from psycopg.rows import class_row

from adapters.tape.place import ServerPlace
from adapters.tape.postgresql import Connection

FIRST_KEY: Final = 0x50545450
"""`PTTP`: whose locks these are, for who looks at pg_locks. The second key is the schema's."""

_TRY: Final = "SELECT pg_try_advisory_lock(%s::int4, %s::int4)"
_HOLDER: Final = """
    SELECT l.pid, a.application_name, a.usename AS role, a.client_addr::text AS client, a.backend_start
    FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND l.classid::bigint = %s AND l.objid::bigint = %s
"""
_OURSELVES: Final = """
    SELECT pid, application_name, usename AS role, client_addr::text AS client, backend_start
    FROM pg_stat_activity WHERE pid = pg_backend_pid()
"""


@dataclass(frozen=True, slots=True)
class Session:
    """A session of the server, which a user without rights sees only in part.

    Attributes:
        pid: The server's process.
        application_name: What the client calls itself.
        role: The user.
        client: The client's address; None on a socket of the same machine.
        backend_start: When it began.
    """

    pid: int
    application_name: str | None
    role: str | None
    client: str | None
    backend_start: datetime | None

    def __str__(self) -> str:
        """Return who it is."""
        name = self.application_name or "unnamed"
        since = f" since {self.backend_start:%Y-%m-%d %H:%M:%S %Z}" if self.backend_start else ""
        return f"session {self.pid} ({name}, user {self.role}, from {self.client or 'this machine'}){since}"


def take(connection: Connection, place: ServerPlace) -> Session | None:
    """Take the writer's lock of a schema for this connection; return who holds it, or None if it does now."""
    key = second_key(place.schema)
    while True:
        with connection.cursor() as cursor:
            ((taken,),) = cursor.execute(_TRY, (FIRST_KEY, key)).fetchall()
        if taken:
            return None
        with connection.cursor(row_factory=class_row(Session)) as cursor:
            holder = cursor.execute(_HOLDER, (FIRST_KEY, key)).fetchone()
        # None: it was given back in between.
        if holder is not None:
            return holder


def ourselves(connection: Connection) -> Session | None:
    """Return the session of this connection."""
    with connection.cursor(row_factory=class_row(Session)) as cursor:
        return cursor.execute(_OURSELVES).fetchone()


def second_key(schema: str) -> int:
    """Return the lock's key of a schema, 31 bits; the database is part of every advisory lock."""
    return int.from_bytes(blake2b(schema.encode(), digest_size=4).digest()) >> 1
