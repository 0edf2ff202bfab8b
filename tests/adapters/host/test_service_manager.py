"""What is said to systemd, over real sockets."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.host.service_manager import ServiceManager
from tests.listening_manager import ListeningManager

PLACES: dict[str, Callable[[Path], str]] = {
    "a path": lambda folder: str(folder / "notify"),
    "an abstract name": lambda _: f"@papertape-test-{os.getpid()}",
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_what_is_said_arrives_a_line_each(place: Callable[[Path], str], tmp_path: Path) -> None:
    with ListeningManager(place(tmp_path)) as listening:
        manager = ServiceManager({"NOTIFY_SOCKET": listening.address})
        manager.tell("READY=1", "STATUS=two\nlines")
        listening.wait(lambda lines: lines == ["READY=1", "STATUS=two lines"])
    assert manager.listens


@pytest.mark.parametrize("address", [None, "", "vsock:2:1234", "relative"])
def test_without_a_socket_of_a_service_nothing_is_said(address: str | None) -> None:
    manager = ServiceManager({} if address is None else {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000"})
    manager.tell("READY=1")
    assert not manager.listens
    assert manager.watchdog_s is None


def test_a_manager_that_is_gone_costs_nothing(tmp_path: Path) -> None:
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).tell("READY=1")
    ServiceManager({"NOTIFY_SOCKET": f"/{'x' * 200}"}).tell("READY=1")


@pytest.mark.parametrize(
    ("said", "patience_s"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_a_watchdog_counts_where_it_watches_this_process(
    said: dict[str, str], patience_s: float | None
) -> None:
    assert ServiceManager({"NOTIFY_SOCKET": "/run/x", **said}).watchdog_s == patience_s
