"""The journal's native protocol, over a real datagram socket in journald's place."""

import array
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from adapters.host.journal import leads_to_journal
from adapters.host.log import bind, configure_log
from tests.conftest import REPOSITORY


def fields(datagram: bytes) -> dict[str, str]:
    """An entry as journald reads it (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/)."""
    found = {}
    while datagram:
        line, _, rest = datagram.partition(b"\n")
        if b"=" in line:
            name, _, value = line.partition(b"=")
            datagram = rest
        else:
            name, length = line, int.from_bytes(rest[:8], "little")
            value, datagram = rest[8 : 8 + length], rest[8 + length :].removeprefix(b"\n")
        found[name.decode()] = value.decode()
    return found


class Journald:
    """Takes entries, by datagram or by a file in memory."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(place))
        self.socket.settimeout(30)

    def take(self) -> dict[str, str]:
        room = socket.CMSG_SPACE(array.array("i", [0]).itemsize)
        datagram, beside, _, _ = self.socket.recvmsg(1 << 20, room)
        if not beside:
            return fields(datagram)
        descriptor = int.from_bytes(beside[0][2], sys.byteorder)
        with os.fdopen(descriptor, "rb") as file:
            # journald maps it only if nobody can change it any more.
            with pytest.raises(OSError, match="not permitted"):
                os.truncate(descriptor, 0)
            return fields(os.pread(descriptor, os.fstat(file.fileno()).st_size, 0))


@pytest.fixture
def journald(tmp_path: Path) -> Iterator[Journald]:
    taking = Journald(tmp_path / "journal")
    yield taking
    configure_log("info", "json")
    taking.socket.close()


def test_a_line_is_an_entry_with_fields_and_a_message_for_people(journald: Journald) -> None:
    configure_log("info", "journal", journal=journald.place)
    bind(run="eth")
    structlog.get_logger().warning(
        "alarm", minute=28_570_000, value=0.25, changed=["a", "b"], api_key="hunter2", **{"odd-name": "ä"}
    )
    assert journald.take() == {
        "MESSAGE": "alarm minute=2024-04-27T06:40:00Z value=0.25"
        ' changed=["a","b"] api_key=******** odd-name=ä run=eth',
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "papertape",
        "PAPERTAPE_EVENT": "alarm",
        "PAPERTAPE_MINUTE": "2024-04-27T06:40:00Z",
        "PAPERTAPE_VALUE": "0.25",
        "PAPERTAPE_CHANGED": '["a","b"]',
        "PAPERTAPE_API_KEY": "********",
        "PAPERTAPE_ODD_NAME": "ä",
        "PAPERTAPE_RUN": "eth",
    }


def test_a_traceback_is_one_value_of_several_lines(journald: Journald) -> None:
    configure_log("info", "journal", journal=journald.place)
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        structlog.get_logger().exception("failed")
    entry = journald.take()
    assert entry["PRIORITY"] == "3"
    assert entry["MESSAGE"].startswith("failed\nTraceback (most recent call last):\n")
    assert entry["PAPERTAPE_EXCEPTION"].endswith("ZeroDivisionError: division by zero")


def test_what_no_datagram_can_hold_comes_as_a_sealed_file(journald: Journald) -> None:
    configure_log("info", "journal", journal=journald.place)
    problems = [f"line {at}: \n what is wrong" for at in range(100_000)]
    structlog.get_logger().error("settings_rejected", problems=problems)
    entry = journald.take()
    assert len(entry["PAPERTAPE_PROBLEMS"]) > 1_000_000
    structlog.get_logger().info("short")
    assert journald.take()["MESSAGE"] == "short"


def test_without_a_journal_lines_go_to_stderr(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    configure_log("info", "journal", journal=tmp_path / "none")
    structlog.get_logger().info("sealed", bars=3)
    structlog.get_logger().info("two\nlines")
    assert capfd.readouterr().err == "sealed bars=3\ntwo\nlines\n"


def test_only_the_stream_that_systemd_named_leads_to_the_journal(tmp_path: Path) -> None:
    with (tmp_path / "stderr").open("w", encoding="utf-8") as stream:
        status = os.fstat(stream.fileno())
        named = f"{status.st_dev}:{status.st_ino}"
        assert leads_to_journal(stream, {"JOURNAL_STREAM": named})
        assert not leads_to_journal(stream, {"JOURNAL_STREAM": f"{status.st_dev}:1"})
        assert not leads_to_journal(stream, {})
    assert not leads_to_journal(stream, {"JOURNAL_STREAM": named})


def test_a_process_whose_stderr_is_the_journals_chooses_it_by_itself(tmp_path: Path) -> None:
    """Where there is no journald its lines come out readable on that stderr, not as JSON."""
    program = (
        "import structlog; from adapters.host.log import configure_log;"
        "configure_log('info', 'auto'); structlog.get_logger().info('sealed', bars=3)"
    )
    with (tmp_path / "stderr").open("w+", encoding="utf-8") as stream:
        status = os.fstat(stream.fileno())
        surroundings = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        surroundings["JOURNAL_STREAM"] = f"{status.st_dev}:{status.st_ino}"
        subprocess.run([sys.executable, "-c", program], stderr=stream, env=surroundings, check=True)
        stream.seek(0)
        said = stream.read()
    if not Path("/run/systemd/journal/socket").exists():
        assert said == "sealed bars=3\n"
    else:
        assert said == ""
