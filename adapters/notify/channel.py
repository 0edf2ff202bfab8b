"""One way to people: a thread that sends what a bounded queue holds, so that nobody ever waits for it."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import apprise
from apprise.plugins import NotifyBase

from daemon.errors import SettingsError

MOST_WAITING: Final = 100
"""Messages that wait for a channel; further ones are dropped."""

PAUSES_S: Final = (0.0, 5.0, 30.0)
"""Before each attempt at a message; then it is dropped."""

Failed = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent.

    Attributes:
        title: In a few words.
        text: The rest.
        is_bad: Shown as a warning.
    """

    title: str
    text: str
    is_bad: bool


class Channel:
    """Sends messages to one address, in order, on a thread of its own that no end of the process waits for.

    Args:
        number: Names it in logs: an address holds secrets.
        service: What apprise made of the address.
        failed: Told by the channel's thread of its first failure after a success: its name, how long it took.

    Attributes:
        name: Its number and the kind of service.
        drops: Messages that were not delivered.
    """

    def __init__(self, number: int, service: NotifyBase, failed: Failed) -> None:
        self.name = f"{number} ({service.service_name})"
        self.drops = 0
        self._service = service
        self._failed = failed
        self._waiting: queue.Queue[Message | None] = queue.Queue(MOST_WAITING)
        self._closing = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._work, name=f"notify-{number}", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def put(self, message: Message) -> None:
        """Let a message wait for its turn; it is dropped if too many wait. For any thread."""
        try:
            self._waiting.put_nowait(message)
        except queue.Full:
            self.drops += 1

    def close(self, patience_s: float) -> None:
        """Give what waits so long to be sent, without another attempt; what is left then is dropped."""
        self._closing.set()
        with self._waiting.all_tasks_done:
            self._waiting.all_tasks_done.wait_for(lambda: not self._waiting.unfinished_tasks, patience_s)
        with suppress(queue.Full):
            self._waiting.put_nowait(None)

    def send(self, message: Message) -> bool:
        """Send a message now, once, and return whether it was taken."""
        kind = apprise.NotifyType.WARNING if message.is_bad else apprise.NotifyType.INFO
        try:
            return bool(self._service.notify(title=message.title, body=message.text, notify_type=kind))
        except Exception:  # noqa: BLE001 - a hundred services' code: none of it may end a run or show its address
            return False

    def _work(self) -> None:
        while (message := self._waiting.get()) is not None:
            if not self._delivered(message):
                self.drops += 1
            self._waiting.task_done()

    def _delivered(self, message: Message) -> bool:
        for pause_s in PAUSES_S:
            if pause_s and self._closing.wait(pause_s):
                return False
            began_s = time.monotonic()
            if self.send(message):
                self._failing = False
                return True
            if not self._failing:
                self._failing = True
                self._failed(self.name, time.monotonic() - began_s)
        return False


def channels_of(addresses: str, failed: Failed) -> Sequence[Channel]:
    """Return a channel for each address, not begun yet.

    Args:
        addresses: As apprise takes them, parted by white space.
        failed: As of `Channel`.

    Raises:
        SettingsError: Apprise knows nothing of an address; says which by its number, never what it is.
    """
    # It writes addresses, or parts of them, at every level.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    asset = apprise.AppriseAsset(app_id="papertape", app_desc="papertape", secure_logging=True)
    services = [apprise.Apprise.instantiate(address, asset=asset) for address in addresses.split()]
    problems = [
        f"notify.urls: address {number} is none that apprise knows, or lacks a part of it"
        for number, service in enumerate(services, 1)
        if service is None
    ]
    if problems:
        raise SettingsError(problems)
    return [Channel(number, one, failed) for number, one in enumerate(services, 1) if one is not None]
