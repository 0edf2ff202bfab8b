"""The journal of systemd: log lines as entries with fields, by its native protocol.

A datagram to a Unix socket, `NAME=value` a line; a value of several lines has its length before it, as 64
bits, little end first. What is too long for a datagram goes as a sealed file in memory, whose descriptor is
sent (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/).
"""

import errno
import fcntl
import logging
import os
import re
import socket
import sys
from array import array
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any, Final, TextIO

import msgspec

JOURNAL: Final = Path("/run/systemd/journal/socket")
IDENTIFIER: Final = "papertape"
PRIORITIES: Final = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
"""Of syslog, by the level of a line."""

PATIENCE_S: Final = 1.0
"""A journal that takes nothing for so long gets the line by stderr: a minute is not to wait for its log."""

SEALS: Final = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
NOT_FIELDS: Final = ("timestamp", "level")
"""The journal has its own."""


def leads_to_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Say whether a stream is the one that systemd connected with the journal (`JOURNAL_STREAM`)."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class JournalHandler(logging.Handler):
    """Writes records that `entry` has rendered into the journal.

    Args:
        place: Of the journal's socket.
    """

    def __init__(self, place: Path = JOURNAL) -> None:
        super().__init__()
        self._place = str(place)

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record; one that cannot be sent is written to stderr."""
        try:
            datagram = self.format(record).encode("latin-1")
            try:
                self._send(datagram)
            except OSError:
                sys.stderr.write(f"{_message_of(datagram)}\n")
        except Exception:  # noqa: BLE001 - as logging's own handlers: a log line never ends a run
            self.handleError(record)

    def _send(self, datagram: bytes) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.settimeout(PATIENCE_S)
            try:
                channel.sendto(datagram, self._place)
            except OSError as error:
                if error.errno not in {errno.EMSGSIZE, errno.ENOBUFS}:
                    raise
                _send_by_memory(channel, self._place, datagram)


def _send_by_memory(channel: socket.socket, place: str, datagram: bytes) -> None:
    descriptor = os.memfd_create("papertape-journal", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with os.fdopen(descriptor, "wb") as file:
        file.write(datagram)
        file.flush()
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, SEALS)
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [descriptor]))
        channel.sendmsg([b""], [rights], 0, place)


def entry(_logger: object, _method: str, line: MutableMapping[str, Any]) -> str:
    """Render a line as a datagram, one character a byte, for `JournalHandler`: structlog renders text.

    Its message is the event with its fields, for people; each field is one of the entry too, `PAPERTAPE_` and
    its name in capitals.
    """
    fields = {name: _text(value) for name, value in line.items() if name not in NOT_FIELDS}
    message = fields.get("event", "")
    told = [f"{name}={value}" for name, value in fields.items() if name not in {"event", "exception"}]
    trace = [fields["exception"]] if "exception" in fields else []
    content = {
        "MESSAGE": "\n".join((" ".join((message, *told)), *trace)),
        "PRIORITY": str(PRIORITIES.get(str(line.get("level")), PRIORITIES["info"])),
        "SYSLOG_IDENTIFIER": IDENTIFIER,
        **{_field_name(name): value for name, value in fields.items()},
    }
    return b"".join(_field(name, value.encode()) for name, value in content.items()).decode("latin-1")


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()


def _field_name(name: str) -> str:
    """Return a name that the journal takes: capitals, digits, underscores, at most 64 of them."""
    return ("PAPERTAPE_" + re.sub(r"[^A-Z0-9_]", "_", name.upper()))[:64]


def _field(name: str, value: bytes) -> bytes:
    if b"\n" not in value:
        return name.encode() + b"=" + value + b"\n"
    return name.encode() + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"


def _message_of(datagram: bytes) -> str:
    """Return what people read of a datagram."""
    head, _, rest = datagram.partition(b"\n")
    if head != b"MESSAGE":
        return head.removeprefix(b"MESSAGE=").decode()
    return rest[8 : 8 + int.from_bytes(rest[:8], "little")].decode()
