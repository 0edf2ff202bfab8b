"""Where a tape is: a file, or a schema of a PostgreSQL database that a URL names."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from daemon.errors import TapePlaceError

SCHEMES: Final = ("postgresql://", "postgres://")
SCHEMA: Final = "papertape"
"""The schema of a tape whose URL names none."""

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_SHOWN = ("host", "port", "user", "dbname", "service")


@dataclass(frozen=True, slots=True)
class ServerPlace:
    """A schema of a PostgreSQL database. Its text shows no password.

    Attributes:
        url: As libpq takes it, perhaps with a password.
        schema: The schema: one run, one schema.
        shown: The URL without password and options.
    """

    url: str = field(repr=False)
    schema: str
    shown: str

    def __str__(self) -> str:
        """Return what a person is told."""
        return self.shown


Place = Path | ServerPlace
"""Where a tape is; its text is what a person is told."""


def place_of(text: str) -> Place:
    """Return the place that `text` names.

    Args:
        text: A path, or `postgresql://[user@]host[:port]/database[?schema=NAME&...]`. All parameters but
            `schema` are libpq's (https://www.postgresql.org/docs/current/libpq-connect.html).

    Raises:
        TapePlaceError: A URL that cannot be read.
    """
    if not text.startswith(SCHEMES):
        return Path(text)
    try:
        parts = urlsplit(text)
        given = dict(parse_qsl(parts.query, keep_blank_values=True))
        port = parts.port
    except ValueError:
        port = -1
    if port == -1 or "@" in parts.path or parts.fragment:
        # Without a word of it, nor of who could not read it: it could be of the password.
        message = "the tape's URL cannot be read; write special characters of a password as %XX"
        raise TapePlaceError(message)
    schema = given.pop("schema", SCHEMA)
    if not _NAME.fullmatch(schema) or schema.startswith("pg_"):
        message = f"the tape's URL names the schema {schema!r}; use a-z, 0-9 and _, not beginning with pg_"
        raise TapePlaceError(message)
    rest = "&".join(part for part in parts.query.split("&") if part and not part.startswith("schema="))
    user = f"{parts.username}@" if parts.username else ""
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    shown = "&".join([f"{key}={given[key]}" for key in _SHOWN if key in given] + [f"schema={schema}"])
    return ServerPlace(
        url=parts._replace(query=rest).geturl() if parts.netloc else f"postgresql://{parts.path}?{rest}",
        schema=schema,
        shown=f"postgresql://{user}{host}{f':{port}' if port else ''}{parts.path}?{shown}",
    )
