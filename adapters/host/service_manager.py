"""What a daemon says to the service manager that started it: systemd's notification protocol.

A datagram of `NAME=value` lines to the socket that `NOTIFY_SOCKET` names: a path or, with `@` in front, a
name in the abstract namespace (sd_notify(3),
https://www.freedesktop.org/software/systemd/man/sd_notify.html).
"""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

USEC_PER_S: Final = 1_000_000


class ServiceManager:
    """The service manager of this process, or nobody. Telling it never waits and never fails.

    Args:
        environment: As systemd set it: `NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID`.

    Attributes:
        watchdog_s: It ends the process if it hears no `WATCHDOG=1` for so long; None: it does not watch.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # Other kinds of address (vsock:, for virtual machines) are not those of a service.
        self._address = address if address.startswith(("/", "@")) else None
        self.watchdog_s = _watchdog_s(environment) if self._address is not None else None

    @property
    def listens(self) -> bool:
        """Whether there is one."""
        return self._address is not None

    def tell(self, *assignments: str) -> None:
        """Say these (`READY=1`, `STATUS=...`), all at once; a manager that does not listen loses them."""
        if self._address is None:
            return
        name = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        # Nothing can be done about a manager that is gone or busy, and a run must not end because of it.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.setblocking(False)
            channel.sendto("\n".join(one.replace("\n", " ") for one in assignments).encode(), name)


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    """Return the watchdog's patience, where it is this process that it watches."""
    text, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not text.isdecimal() or int(text) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(text) / USEC_PER_S
