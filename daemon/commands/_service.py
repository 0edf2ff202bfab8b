"""A live run as a service of systemd: when it is ready, how it is, that it makes progress, that it ends."""

import asyncio
import faulthandler
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final

import numpy as np

from adapters.clock import SystemClock
from adapters.host.service_manager import USEC_PER_S, ServiceManager
from daemon.commands._task_beside import beside
from daemon.live import Health, all_well, ills
from daemon.ports import WallClock

if TYPE_CHECKING:
    from daemon.commands._live import Session

TURN_S: Final = 1.0
"""Between two looks at the run's health."""

STATUS_S: Final = 60.0
EXTENSION_S: Final = 60.0
"""So much longer may a start or a stop take that makes progress."""


class Attendant:
    """Tells the service manager of a run.

    READY once it is warm; while it warms up or stops and makes progress, more time for that;
    WATCHDOG only while it makes progress; STATUS each minute and when something else holds.

    Args:
        manager: Hears it.
        health: Of the run.

    Attributes:
        describe: Returns a line on the run, once there is one.
    """

    def __init__(self, manager: ServiceManager, health: Health) -> None:
        self._manager = manager
        self._health = health
        self._clock = SystemClock()
        self._ready = False
        self._stopping = False
        self._fed_s = self._told_s = self._extended_s = float("-inf")
        self._phase = ""
        self.describe: Callable[[], str] | None = None

    def turn(self) -> None:
        """Say what is to be said now."""
        if self._health.stopping:
            self.stop()
        if self._health.warm and not self._ready:
            self._ready = True
            self._manager.tell("READY=1")
        progress = self._health.progress()
        now_s = self._clock.monotonic_s()
        if all_well(progress):
            self._feed_watchdog(now_s)
            self._take_time(now_s)
        phase = "; ".join(ills(progress)) or self._phase_when_well()
        if phase != self._phase or now_s >= self._told_s + STATUS_S:
            self._phase, self._told_s = phase, now_s
            self._manager.tell(f"STATUS={self._described() if phase == 'running' else phase}")

    def stop(self) -> None:
        """Say that the run ends."""
        if not self._stopping:
            self._stopping = True
            self._manager.tell("STOPPING=1")

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Say that settings are being taken over while inside."""
        moment_usec = int(self._clock.monotonic_s() * USEC_PER_S)
        self._manager.tell("RELOADING=1", f"MONOTONIC_USEC={moment_usec}", "STATUS=taking settings over")
        try:
            yield
        finally:
            self._told_s = float("-inf")
            self._manager.tell("READY=1")

    def _described(self) -> str:
        try:
            return "running" if self.describe is None else self.describe()
        except Exception:  # noqa: BLE001 - for want of a line for people no watchdog may starve
            return "running"

    def _phase_when_well(self) -> str:
        if self._stopping:
            return "finishing the minute at hand"
        return "running" if self._ready else "warming up"

    def _feed_watchdog(self, now_s: float) -> None:
        patience_s = self._manager.watchdog_s
        if patience_s is not None and now_s >= self._fed_s + patience_s / 2:
            self._fed_s = now_s
            self._manager.tell("WATCHDOG=1")

    def _take_time(self, now_s: float) -> None:
        """Ask for time for what has an end: the start, the stop."""
        if (not self._ready or self._stopping) and now_s >= self._extended_s + EXTENSION_S / 3:
            self._extended_s = now_s
            self._manager.tell(f"EXTEND_TIMEOUT_USEC={int(EXTENSION_S * USEC_PER_S)}")


def status_of(session: "Session", clock: WallClock) -> str:
    """Return a line on a run: its equity, its trading state, how far it is, when each feed was last heard."""
    book, sequencer = session.watcher.book, session.live.sequencer
    if book is None:
        equity = "no minute decided yet"
    else:
        quote = session.engine.run.settings.run.quote
        minute = np.datetime64(session.watcher.minute, "m")
        equity = f"equity {book.equity:,.2f} {quote}, {book.mode.value}, decided {minute}Z"
    now_ms = clock.epoch_s() * 1000
    ages = (f"{name} heard {(now_ms - at) / 1000:.0f} s ago" for name, at in sequencer.heard_ms.items())
    return f"{equity}; {', '.join(ages)}"


@asynccontextmanager
async def attended(health: Health) -> AsyncIterator[Attendant]:
    """Tell the service manager, if one started this process, of the run inside."""
    manager = ServiceManager(os.environ)
    attendant = Attendant(manager, health)
    if not manager.listens:
        yield attendant
        return
    if manager.watchdog_s is not None and sys.__stderr__ is not None:
        # The watchdog ends a hung process by SIGABRT: then the log says where each thread stood.
        faulthandler.enable(sys.__stderr__)
    turn_s = min(TURN_S, (manager.watchdog_s or TURN_S) / 4)

    async def attend() -> None:
        """Take turn after turn."""
        while True:
            attendant.turn()
            await asyncio.sleep(turn_s)

    async with beside(attend()):
        try:
            yield attendant
        finally:
            attendant.stop()
