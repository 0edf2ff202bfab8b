"""Where tests keep tapes: files of SQLite, or schemas of a PostgreSQL server."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from adapters.tape.place import Place, ServerPlace
from tests.postgresql import PostgresqlServer


class Home(Protocol):
    """A kind of database."""

    def place(self, name: str = "run") -> Place:
        """Where the tape of this name is, or will be."""

    def execute(self, place: Place, statement: str, cells: tuple[Any, ...] = ()) -> list[Any]:
        """Do with a tape what no tape of ours would; parameters are `?`."""


@dataclass(frozen=True)
class SqliteHome:
    """Files in a folder."""

    folder: Path

    def place(self, name: str = "run") -> Path:
        return self.folder / f"{name}.tape"

    def execute(self, place: Place, statement: str, cells: tuple[Any, ...] = ()) -> list[Any]:
        assert isinstance(place, Path)
        with closing(sqlite3.connect(place)) as connection, connection:
            return connection.execute(statement, cells).fetchall()


@dataclass(frozen=True)
class PostgresqlHome:
    """Schemas of a server."""

    server: PostgresqlServer
    places: dict[str, ServerPlace] = field(default_factory=dict)

    def place(self, name: str = "run") -> ServerPlace:
        return self.places.setdefault(name, self.server.place())

    def execute(self, place: Place, statement: str, cells: tuple[Any, ...] = ()) -> list[Any]:
        assert isinstance(place, ServerPlace)
        # The constraints stand in the way of damage: triggers check them, and these are turned off.
        return self.server.execute(statement.replace("?", "%s"), cells, place.schema, triggers=False)
