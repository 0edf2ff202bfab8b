"""Connections to a tape's server, with what every session of ours is told.

Decisions, with their reasons:

- No timeout of statements or of idling: between two minutes a writer idles, a first commit may take long.
- A lock that somebody else's statement holds (`lock_timeout`), and a line that went dead without a word
  (keepalives on both sides, `tcp_user_timeout`), come to light within half a minute or so.
- `synchronous_commit` is on if the server has it off: what is committed survives the server's crash.
"""

import os
import socket
from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from adapters.tape.place import ServerPlace
from adapters.tape.postgresql import Connection
from adapters.tape.postgresql_errors import refusal
from adapters.tape.undoing import undone_by
from daemon.errors import TapePlaceError

_LINE: Final = {
    "connect_timeout": "5",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
"""Unless the URL says otherwise."""

_SESSION: Final = {
    "statement_timeout": "0",
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "lock_timeout": "30s",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "client_connection_check_interval": "10s",
    "default_transaction_isolation": "read committed",
}

_TELL: Final = """
    SELECT set_config(s.name, v.value, false)
    FROM unnest(%s::text[], %s::text[]) AS v (name, value) JOIN pg_settings s ON s.name = v.name
    WHERE s.name <> 'synchronous_commit' OR s.setting = 'off'
"""
"""Joined with what the server knows: older ones lack some of them."""


def connect(place: ServerPlace, *, writes: bool, autocommit: bool = True) -> Connection:
    """Connect to the database of a tape.

    Args:
        place: Where the tape is; the session looks for its tables in that schema alone.
        writes: Whether it may write; then a server that only reads is none.
        autocommit: The driver's mode.

    Raises:
        TapePlaceError: User, password, database or an option is not right.
        TapeAwayError: The server is not to be had.
    """
    parameters = {**_LINE, "application_name": f"papertape {socket.gethostname()}:{os.getpid()}"}
    if writes:
        parameters["target_session_attrs"] = "read-write"
    session = {
        **_SESSION,
        "search_path": place.schema,
        "synchronous_commit": "on",
        "default_transaction_read_only": "off" if writes else "on",
    }
    try:
        parameters |= {key: str(value) for key, value in conninfo_to_dict(place.url).items()}
    except psycopg.ProgrammingError as error:
        raise TapePlaceError(f"the URL of the tape {place} cannot be read: {error}") from error
    try:
        connection = psycopg.connect(**parameters, client_encoding="utf8", autocommit=True)  # type: ignore[arg-type] # libpq's own parameters
        with undone_by(connection.close):
            connection.execute(_TELL, (list(session), list(session.values())))
            connection.autocommit = autocommit
    except psycopg.Error as error:
        raise refusal(error, place) from error
    return connection
