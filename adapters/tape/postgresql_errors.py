"""What PostgreSQL's errors mean to a person.

The five characters are SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

import contextlib
from collections.abc import Iterator
from typing import Final

import psycopg

from adapters.tape.place import ServerPlace
from daemon.errors import (
    BrokenBoundError,
    PapertapeError,
    TapeAwayError,
    TapeDamagedError,
    TapeError,
    TapePlaceError,
)

_AWAY: Final = ("08", "40", "57P01", "57P02", "57P03", "57P05", "57014", "25006", "53200", "53300")
"""Passes by itself: no connection, shutting down, starting up, cancelled, read-only, no memory, too many."""

_DAMAGED: Final = ("XX", "58", "42P01", "42703", "3F000")
"""Broken pages and files; tables, columns or the schema gone."""

_DEFECTS: Final = ("22", "23")
"""Values that do not fit, rows twice or without what they belong to."""

_MENDED_BY_USER: Final = (
    "password authentication failed",
    "no password supplied",
    "does not exist",
    "no pg_hba.conf entry",
    "permission denied for database",
    "invalid connection option",
    "invalid URI query parameter",
    "could not translate host name",
)
"""libpq gives no SQLSTATE of a connection that it did not get, only the server's words."""


@contextlib.contextmanager
def explained(place: ServerPlace) -> Iterator[None]:
    """Turn the driver's errors into ours."""
    try:
        yield
    except psycopg.Error as error:
        raise explanation(error, place) from error


def refusal(error: psycopg.Error, place: ServerPlace) -> PapertapeError:
    """Return the error for a connection that was not had."""
    said = " ".join(str(error).split())
    if any(words in said for words in _MENDED_BY_USER):
        hint = "check user, password (PGPASSWORD or ~/.pgpass) and database, or name another tape"
        return TapePlaceError(f"the tape {place} cannot be opened: {said}; {hint}")
    return TapeAwayError(f"the server of the tape {place} cannot be reached: {said}")


def explanation(error: psycopg.Error, place: ServerPlace) -> PapertapeError:
    """Return the error for what went wrong on a connection."""
    state, said = error.sqlstate or "", " ".join(str(error).split())
    if state.startswith(_AWAY) or (not state and isinstance(error, psycopg.OperationalError)):
        return TapeAwayError(f"the server of the tape {place} went away: {said}")
    if state == "53100":
        return TapeError(
            f"the disk of the server of {place} is full: the last group is not on the tape, everything "
            "before it is; free space and start again, it continues there"
        )
    if state == "42501":
        hint = "GRANT the user that right, or name another schema"
        return TapePlaceError(f"the tape {place} may not be used so: {said}; {hint}")
    if state.startswith(_DAMAGED):
        return TapeDamagedError(f"the tape {place} is damaged: {said}; restore a copy, or replay it anew")
    if state.startswith(_DEFECTS) or isinstance(error, psycopg.DataError):
        return BrokenBoundError(
            f"something was to be written to the tape {place} twice, without what it belongs to, or that "
            f"does not fit: {said}"
        )
    return TapeError(f"the tape {place} cannot be used: {said}")
