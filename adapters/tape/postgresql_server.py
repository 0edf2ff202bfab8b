"""Opening a tape on a PostgreSQL server, and opening it again after the server was away."""

import contextlib
import os
import socket
import time
from typing import Final

import psycopg

from adapters.tape import postgresql_lock, postgresql_schema
from adapters.tape.place import ServerPlace
from adapters.tape.postgresql import Connection, PostgresqlDatabase
from adapters.tape.postgresql_connecting import connect
from adapters.tape.postgresql_errors import explained
from adapters.tape.postgresql_lock import Session
from adapters.tape.undoing import undone_by
from daemon.errors import TapeAwayError, TapeInUseError, TapePlaceError

LOCK_PATIENCE_S: Final = 3.0
"""So long a new writer waits for the lock: the server may take a moment to see that a killed one is gone."""

_LOCK_PAUSE_S: Final = 0.1


class PostgresqlWriter(PostgresqlDatabase):
    """The one writing connection to a tape's schema, made with its schema where there is none.

    Raises:
        TapeInUseError: Another session writes it.
        TapeVersionError: The schema holds something else, or a tape of another version.
        TapePlaceError: User, password, database or rights are not as they must be.
        TapeAwayError: The server is not to be had.
    """

    def __init__(self, place: ServerPlace) -> None:
        connection = connect(place, writes=True)
        super().__init__(place, connection, lambda: connect(place, writes=False, autocommit=False))
        with undone_by(connection.close), explained(place):
            _lock(connection, place)
            self._session = postgresql_lock.ourselves(connection)
            self._is_new = postgresql_schema.prepare(connection, place)

    def reopen(self) -> None:
        """Connect again after the server was away, as the one writer again.

        Nothing of the lost session can reach the tape afterwards: the lock is had when that session is over.

        Raises:
            TapeAwayError: It is still away; says why.
            TapeInUseError: Somebody else writes the tape now.
        """
        self._connection.close()
        try:
            connection = connect(self._place, writes=True)
        except TapePlaceError as error:
            # A server that comes up, or is restored, may refuse for a while what it knew before.
            raise TapeAwayError(str(error)) from error
        with undone_by(connection.close), explained(self._place):
            holder = postgresql_lock.take(connection, self._place)
            if holder is not None:
                self._demand_ghost(connection, holder)
            self._session = postgresql_lock.ourselves(connection)
        self._connection = connection

    def interrupt(self) -> None:
        """Break the line, from whatever thread: a call that waits for an answer fails."""
        with contextlib.suppress(OSError, psycopg.Error):
            line = socket.socket(fileno=os.dup(self._connection.fileno()))
            with line:
                line.shutdown(socket.SHUT_RDWR)

    def abandon(self) -> None:
        """Let go of a tape that was never begun; a schema that was made for it is removed."""
        if self._is_new:
            with contextlib.suppress(psycopg.Error):
                postgresql_schema.drop(self._connection, self._place)
            self._is_new = False
        self.close()

    def _demand_ghost(self, connection: Connection, holder: Session) -> None:
        """End the session that was lost where the server has not noticed yet.

        Raises:
            TapeAwayError: That is so.
            TapeInUseError: The lock is somebody else's.
        """
        lost = self._session
        if lost is None or (holder.pid, holder.backend_start) != (lost.pid, lost.backend_start):
            raise _in_use(self._place, holder)
        connection.execute("SELECT pg_terminate_backend(%s)", (holder.pid,))
        raise TapeAwayError(f"the server of the tape {self._place} still holds the session that was lost")


def open_for_reading(place: ServerPlace) -> PostgresqlDatabase:
    """Open a tape to read it, also beside its writer.

    Raises:
        TapeVersionError: There is no tape, or one of another version.
        TapePlaceError: User, password or database are not right.
        TapeAwayError: The server is not to be had.
    """
    connection = connect(place, writes=False)
    with undone_by(connection.close), explained(place):
        postgresql_schema.demand_readable(connection, place)
    return PostgresqlDatabase(place, connection, lambda: connect(place, writes=False, autocommit=False))


def _lock(connection: Connection, place: ServerPlace) -> None:
    until = time.monotonic() + LOCK_PATIENCE_S
    while (holder := postgresql_lock.take(connection, place)) is not None:
        if time.monotonic() >= until:
            raise _in_use(place, holder)
        time.sleep(_LOCK_PAUSE_S)  # the server tells nobody when a lock is free


def _in_use(place: ServerPlace, holder: Session) -> TapeInUseError:
    return TapeInUseError(
        f"the tape {place} is being written by {holder}; stop it first or name another tape"
    )
