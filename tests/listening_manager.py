"""In systemd's place: a real datagram socket that writes down what a daemon says."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

PATIENCE_S = 240.0


class ListeningManager:
    """Listens while inside.

    Args:
        place: A path, or a name of the abstract namespace that begins with `@`.
    """

    def __init__(self, place: Path | str) -> None:
        self.address = str(place)
        self._said: list[str] = []
        self._heard = threading.Condition()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def _listen(self) -> None:
        while datagram := self._socket.recv(65_536):
            with self._heard:
                self._said += datagram.decode().split("\n")
                self._heard.notify_all()

    @property
    def lines(self) -> list[str]:
        """All that was said so far."""
        with self._heard:
            return list(self._said)

    def wait(self, holds: Callable[[list[str]], bool]) -> None:
        """Wait until something holds of all that was said."""
        with self._heard:
            assert self._heard.wait_for(lambda: holds(self.lines), PATIENCE_S), self._said

    def wait_for(self, line: str, times: int = 1) -> None:
        """Wait until something that begins with `line` was said so often."""
        self.wait(lambda lines: sum(one.startswith(line) for one in lines) >= times)

    def __enter__(self) -> Self:
        self._socket.bind(self.address.replace("@", "\0", 1) if self.address[0] == "@" else self.address)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()
