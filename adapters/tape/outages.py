"""A tape's server goes away and comes back: its writer waits, and loses and doubles nothing.

While it waits, the thread of the engine stands still; so nothing is decided, a live run's queue fills to its
bound and holds the feeds back. What the wait costs comes from history afterwards.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from adapters.tape.database import WritableDatabase
from daemon.errors import TapeAwayError, TapeError

PAUSE_S: Final = (0.1, 5.0)
"""Pause before the server is tried again: the first, doubling up to the last."""

TELL_EVERY_S: Final = 30.0
HURRY_S: Final = 10.0
"""When a run is to end, its writer waits no longer than this for its server."""


@dataclass(frozen=True, slots=True)
class Outage:
    """An outage, as it is told.

    Attributes:
        reason: What the server, or the way to it, says.
        waited_s: Since it began.
        retries: How often the server was tried again.
        is_over: It came back, and what was waiting stands on the tape.
    """

    reason: str
    waited_s: float
    retries: int
    is_over: bool


class Outages:
    """Makes writes durable in spite of outages.

    `tell` and `hurry` may be called, and the figures read, from another thread than that of the writes.

    Args:
        database: What is written.

    Attributes:
        tell: Told of an outage at its beginning, its end, and every half minute in between.
        count: Outages so far.
        retries: How often a server was tried again.
        is_waiting: One lasts.
    """

    def __init__(self, database: WritableDatabase) -> None:
        self.tell: Callable[[Outage], None] = _to_nobody
        self.count = 0
        self.retries = 0
        self.is_waiting = False
        self._database = database
        self._busy_since_s: float | None = None
        self._hurried, self._closed = threading.Event(), threading.Event()
        self._end_s = float("inf")

    def durably(self, write: Callable[[], None], stands: Callable[[], bool]) -> None:
        """Write, and in an outage wait and write again unless it stands already.

        Args:
            write: One transaction.
            stands: Whether that transaction was committed; asked of a server that came back, because the
                answer to a commit can be lost.

        Raises:
            TapeError: It is not on the tape: not because of an outage, or the run is to end meanwhile.
        """
        try:
            self._try(write)
        except TapeAwayError as lost:
            self._wait_out(lost, lambda: None if stands() else write())
        finally:
            self._busy_since_s = None

    def hurry(self) -> None:
        """Say that the run is to end: nothing waits longer than `HURRY_S` from now on. For any thread."""
        if not self._hurried.is_set():
            self._end_s = time.monotonic() + HURRY_S
            self._hurried.set()
            threading.Thread(target=self._watch, name="tape-hurry", daemon=True).start()

    def close(self) -> None:
        """End what `hurry` began."""
        self._closed.set()

    def _try(self, work: Callable[[], object]) -> None:
        self._busy_since_s = time.monotonic()
        work()

    def _wait_out(self, lost: TapeAwayError, again: Callable[[], object]) -> None:
        began_s, before, told_s = time.monotonic(), self.retries, 0.0
        pause_s, longest_s = PAUSE_S
        self.count += 1
        self.is_waiting = True
        try:
            self.tell(Outage(str(lost), 0.0, 0, is_over=False))
            while True:
                self._pause(pause_s, lost)
                pause_s = min(2 * pause_s, longest_s)
                self.retries += 1
                try:
                    self._try(self._database.reopen)
                    self._try(again)
                    break
                except TapeAwayError as still:
                    lost = still
                waited_s = time.monotonic() - began_s
                if waited_s >= told_s + TELL_EVERY_S:
                    told_s = waited_s
                    self.tell(Outage(str(lost), waited_s, self.retries - before, is_over=False))
        finally:
            self.is_waiting = False
        waited_s = time.monotonic() - began_s
        self.tell(Outage(str(lost), waited_s, self.retries - before, is_over=True))

    def _pause(self, pause_s: float, lost: TapeAwayError) -> None:
        if not self._hurried.wait(pause_s):
            return
        left_s = self._end_s - time.monotonic()
        if left_s <= 0.0:
            message = f"{lost}; the run was to end, so nobody waits for it any more. "
            raise TapeError(f"{message}The last group is not on the tape, everything before it is") from lost
        time.sleep(min(pause_s, left_s))  # on the engine's thread: nothing goes on before the tape does

    def _watch(self) -> None:
        """Break a line on which an answer has been awaited for too long: a server that hangs, not gone."""
        while not self._closed.wait(0.25):
            since_s = self._busy_since_s
            if since_s is not None and time.monotonic() >= since_s + HURRY_S:
                self._database.interrupt()


def _to_nobody(outage: Outage) -> None:
    """Tell nobody."""
