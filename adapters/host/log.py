"""The log: one line a fact, on stderr for people on a terminal and machines elsewhere, or in the journal.

Lines carry `run`, `minute` (the epoch minute of the batch, shown in ISO 8601 UTC) and `instrument` where they
apply; `bind` sets what stays the same. What libraries log comes out in the same form.
"""

import logging
import os
import re
import sys
from collections.abc import MutableMapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, TextIO

import msgspec
import structlog
from pydantic import SecretStr

from adapters.host.journal import JOURNAL, JournalHandler, entry, leads_to_journal

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "console", "json", "journal"]
EventDict = MutableMapping[str, Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECRET_NAME = re.compile(r"password|passwd|secret|token|api_?key|authorization|credential", re.IGNORECASE)
PASSWORD_IN_URL = re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]+@")
MASK = "********"

# Libraries that say at `info` what nobody who runs papertape asked for.
QUIET_BELOW_WARNING = (
    "mlflow",
    "alembic",
    "sqlalchemy",
    "git",
    "urllib3",
    "asyncio",
    "uvicorn",
    "watchfiles",
    "websockets",
)


def configure_log(level: Level, form: Format, stream: TextIO | None = None, journal: Path = JOURNAL) -> None:
    """Set up the process's log; a later call replaces an earlier one.

    Args:
        level: The lowest level that is shown.
        form: `auto` takes the journal where systemd connected the stream with it, the console form if the
            stream is a terminal, and JSON lines otherwise.
        stream: Where lines go; stderr by default.
        journal: The journal's socket.
    """
    stream = sys.stderr if stream is None else stream
    if form == "auto":
        in_journal = leads_to_journal(stream, os.environ)
        form = "journal" if in_journal else "console" if stream.isatty() else "json"
    renderer: structlog.typing.Processor
    if form == "journal":
        renderer = entry
    elif form == "console":
        renderer = structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=0)
    else:
        renderer = structlog.processors.JSONRenderer(serializer=_to_json)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        minute_in_iso,
        redact,
    ]
    if form != "console":
        shared.append(structlog.processors.format_exc_info)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = JournalHandler(journal) if form == "journal" else logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in QUIET_BELOW_WARNING:
        library = logging.getLogger(name)
        library.handlers = []
        library.propagate = True
        library.setLevel(max(logging.WARNING, root.level))


def bind(**context: object) -> None:
    """Put fields on every later line of this thread or task, such as `run="eth"`."""
    structlog.contextvars.bind_contextvars(**context)


def minute_in_iso(_logger: object, _method: str, line: EventDict) -> EventDict:
    """Turn `minute`, an epoch minute, into ISO 8601: 28_570_000 -> 2024-04-27T04:40:00Z."""
    minute = line.get("minute")
    if isinstance(minute, int):
        line["minute"] = (EPOCH + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return line


def redact(_logger: object, _method: str, line: EventDict) -> EventDict:
    """Mask what is secret by its type, by its name, or as the password of an address."""
    for key, value in line.items():
        if isinstance(value, SecretStr) or SECRET_NAME.search(key):
            line[key] = MASK
        elif isinstance(value, str):
            line[key] = without_passwords(value)
    return line


def without_passwords(text: str) -> str:
    """Return a text with the passwords in its addresses masked."""
    return PASSWORD_IN_URL.sub(rf"\1:{MASK}@", text)


def _to_json(line: object, **_options: object) -> str:
    """Encode a line; NaN becomes null, which JSON can say."""
    return msgspec.json.encode(line, enc_hook=str).decode()
