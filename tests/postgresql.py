"""A real PostgreSQL server for tests, on a socket in a folder of its own."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from adapters.tape.place import ServerPlace, place_of

PATH = os.pathsep.join((os.environ.get("PATH", ""), *map(str, Path("/usr/lib/postgresql").glob("*/bin"))))
"""Debian keeps the server's programs out of everybody's way."""

INITDB, PG_CTL = shutil.which("initdb", path=PATH), shutil.which("pg_ctl", path=PATH)
OWNER = "postgres"
"""Whose server it is, and its superuser. Root may not run one."""

PATIENCE_S = 60
OPTIONS = {
    "listen_addresses": "",
    # The machine does not go down in a test: what a killed server wrote stays.
    "fsync": "off",
    "max_connections": "40",
    "shared_buffers": "16MB",
    # In its own folder, where nobody tidies up.
    "dynamic_shared_memory_type": "mmap",
}


def url_of(place: ServerPlace) -> str:
    """The URL of a tape's place, as it is said on the command line."""
    return f"{place.url}&schema={place.schema}"


@dataclass
class PostgresqlServer:
    """A server that can be stopped, killed and started again.

    Attributes:
        folder: Its data, its socket, its log.
    """

    folder: Path
    _numbers: Iterator[int] = field(default_factory=count)

    def make(self) -> None:
        """Make its data."""
        assert INITDB is not None
        words = ["-A", "trust", "-U", OWNER, "-E", "UTF8", "--locale=C", "--no-sync"]
        self._run(INITDB, "-D", str(self.folder / "data"), *words)

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        options = " ".join(f"-c {name}='{value}'" for name, value in OPTIONS.items())
        log = str(self.folder / "log")
        self._control("start", "-w", "-l", log, "-o", f"{options} -k {self.folder}")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it: `immediate` as a crash does, `fast` as its owner does."""
        self._control("stop", "-w", "-m", mode)

    def start_again(self) -> None:
        """Start it if it is stopped, for the next test."""
        if not (self.folder / "data" / "postmaster.pid").exists():
            self.start()

    def url(self, schema: str, database: str = OWNER, user: str = OWNER) -> str:
        """The URL of a tape."""
        return f"postgresql://{user}@/{database}?host={self.folder}&schema={schema}"

    def place(self) -> ServerPlace:
        """Where no tape is yet."""
        place = place_of(self.url(f"run_{next(self._numbers)}"))
        assert isinstance(place, ServerPlace)
        return place

    def execute(
        self,
        statement: str | sql.Composed,
        cells: tuple[Any, ...] = (),
        schema: str = "public",
        *,
        triggers: bool = True,
    ) -> list[Any]:
        """Run a statement as the superuser; return its rows."""
        with psycopg.connect(host=str(self.folder), user=OWNER, dbname=OWNER, autocommit=True) as connection:
            connection.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(schema)))
            if not triggers:
                connection.execute("SET session_replication_role TO replica")
            text = sql.SQL(statement) if isinstance(statement, str) else statement
            cursor = connection.execute(text, cells)
            return cursor.fetchall() if cursor.description else []

    def _control(self, *words: str) -> None:
        assert PG_CTL is not None
        self._run(PG_CTL, "-D", str(self.folder / "data"), "-t", str(PATIENCE_S), *words)

    def _run(self, *words: str) -> None:
        # A server that is started keeps the pipes of who starts it: it is given a file.
        with (self.folder / "out").open("ab") as out:
            done = subprocess.run(
                words,
                cwd=self.folder,
                user=OWNER if os.geteuid() == 0 else None,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                check=False,
            )
        assert done.returncode == 0, (self.folder / "out").read_text()


@contextmanager
def postgresql_server() -> Iterator[PostgresqlServer]:
    """A server while the block runs."""
    # A socket's path may have 107 characters: pytest's own folders can be longer.
    folder = Path(tempfile.mkdtemp(prefix="pt-pg-"))
    if os.geteuid() == 0:
        owner = pwd.getpwnam(OWNER)
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    server = PostgresqlServer(folder)
    try:
        server.make()
        server.start()
        yield server
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
