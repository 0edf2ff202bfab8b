"""What systemd hears of a run, turn by turn, over a real socket."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.host.service_manager import ServiceManager
from daemon.commands._service import Attendant, attended
from daemon.live import Health
from daemon.ports import Clock
from daemon.settings import HealthSettings
from tests.listening_manager import ListeningManager


class Machine(Clock):
    """The machine's time, set by hand."""

    def __init__(self) -> None:
        self.at_s = 0.0

    def monotonic_s(self) -> float:
        return self.at_s


class Attended:
    """A run's health, and who tells of it."""

    def __init__(self, listening: ListeningManager) -> None:
        self.machine = Machine()
        self.health = Health(HealthSettings(stuck_seconds=60), self.machine)
        # A watchdog without patience is fed at every turn that is well.
        manager = ServiceManager({"NOTIFY_SOCKET": listening.address, "WATCHDOG_USEC": "1"})
        self.attendant = Attendant(manager, self.health)
        self._listening = listening
        self._heard = 0

    def turn(self) -> list[str]:
        """What is said in one turn."""
        self.attendant.turn()
        return self.heard()

    def heard(self) -> list[str]:
        """What was said since; a line of our own is the end of it."""
        self.attendant._manager.tell("END=1")
        self._listening.wait(lambda lines: "END=1" in lines[self._heard :])
        said = self._listening.lines[self._heard :]
        self._heard += len(said)
        return said[:-1]

    def warm_up(self) -> None:
        live: Any = SimpleNamespace(step_since_s=None)
        self.health.attend(live, lambda: "7")


def test_it_is_ready_once_it_is_warm_and_has_time_until_then(tmp_path: Path) -> None:
    with ListeningManager(tmp_path / "notify") as listening:
        run = Attended(listening)
        assert run.turn() == ["WATCHDOG=1", "EXTEND_TIMEOUT_USEC=60000000", "STATUS=warming up"]
        # No more time is asked for so soon, and nothing new to say.
        assert run.turn() == ["WATCHDOG=1"]
        run.warm_up()
        run.attendant.describe = lambda: "equity 1.00 USDT"
        assert run.turn() == ["READY=1", "WATCHDOG=1", "STATUS=equity 1.00 USDT"]
        assert run.turn() == ["WATCHDOG=1"]


def test_what_makes_no_progress_says_why_and_gets_neither_food_nor_time(tmp_path: Path) -> None:
    with ListeningManager(tmp_path / "notify") as listening:
        run = Attended(listening)
        run.machine.at_s = 61.0
        assert run.turn() == ["STATUS=loop: its last beat was 61.0 s ago"]
        run.health.beat(0)
        assert run.turn()[0] == "WATCHDOG=1"


def test_a_line_that_cannot_be_made_starves_no_watchdog(tmp_path: Path) -> None:
    def describe() -> str:
        raise ZeroDivisionError

    with ListeningManager(tmp_path / "notify") as listening:
        run = Attended(listening)
        run.warm_up()
        run.attendant.describe = describe
        assert run.turn() == ["READY=1", "WATCHDOG=1", "STATUS=running"]


def test_a_reload_and_the_end_are_told(tmp_path: Path) -> None:
    with ListeningManager(tmp_path / "notify") as listening:
        run = Attended(listening)
        run.warm_up()
        run.turn()
        with run.attendant.reloading():
            said = run.heard()
        assert said[0] == "RELOADING=1"
        assert int(said[1].removeprefix("MONOTONIC_USEC=")) > 0
        assert run.heard() == ["READY=1"]
        assert run.turn() == ["WATCHDOG=1", "STATUS=running"]
        run.health.stop()
        assert run.turn() == [
            "STOPPING=1",
            "WATCHDOG=1",
            "EXTEND_TIMEOUT_USEC=60000000",
            "STATUS=finishing the minute at hand",
        ]
        run.attendant.stop()
        assert run.heard() == []


async def test_turns_are_taken_while_a_run_goes_on_and_its_end_is_the_last_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    health = Health(HealthSettings(), Machine())
    with ListeningManager(tmp_path / "notify") as listening:
        monkeypatch.setenv("NOTIFY_SOCKET", listening.address)
        monkeypatch.delenv("WATCHDOG_USEC", raising=False)
        async with attended(health):
            await asyncio.to_thread(listening.wait_for, "STATUS=warming up")
        listening.wait_for("STOPPING=1")
    assert "WATCHDOG=1" not in listening.lines
    assert listening.lines[-1] == "STOPPING=1"
