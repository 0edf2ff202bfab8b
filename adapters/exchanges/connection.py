"""One websocket: opened, subscribed, kept alive and read until it ends; why it ended is a value."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from adapters.exchanges.retry_after import retry_after_s
from adapters.exchanges.venue import StreamRules

OPEN_TIMEOUT_S: Final = 10.0
CLOSE_TIMEOUT_S: Final = 2.0
REASON_CHARACTERS: Final = 200

OnFrame = Callable[[bytes], Awaitable[None]]


class ConnectError(Exception):
    """No connection came about; `wait_s` is what the venue asks to wait, 0 where it does not say."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        """Keep why."""
        super().__init__(reason)
        self.wait_s = wait_s


class Connection:
    """An open websocket, read by `run`.

    `settled` is set when it has said its first word or ended without one, `over` when it has ended or is to
    be replaced.

    Args:
        socket: The open websocket.
        rules: How the venue wants it used.
        subscribe: Frames to send first.
        on_frame: Takes every frame; while it waits nothing is read, and the venue's patience is what bounds
            it.
    """

    def __init__(
        self, socket: ClientConnection, rules: StreamRules, subscribe: Sequence[bytes], on_frame: OnFrame
    ) -> None:
        self._socket = socket
        self._rules = rules
        self._subscribe = subscribe
        self._on_frame = on_frame
        self.over = asyncio.Event()
        self.settled = asyncio.Event()
        self.has_spoken = False
        self.has_ended = False
        self.reason = ""

    @classmethod
    async def open(cls, rules: StreamRules, subscribe: Sequence[bytes], on_frame: OnFrame) -> "Connection":
        """Connect.

        Raises:
            ConnectError: It did not come about; says why.
        """
        try:
            socket = await connect(
                rules.url,
                open_timeout=OPEN_TIMEOUT_S,
                close_timeout=CLOSE_TIMEOUT_S,
                max_size=rules.max_frame_bytes,
            )
        except InvalidStatus as refusal:
            headers = refusal.response.headers
            wait_s = retry_after_s(headers.get("Retry-After"), headers.get("Date"))
            raise ConnectError(f"HTTP status {refusal.response.status_code}", wait_s) from refusal
        except (OSError, TimeoutError, WebSocketException) as problem:
            raise ConnectError(described(problem)) from problem
        return cls(socket, rules, subscribe, on_frame)

    async def run(self) -> None:
        """Read until it ends; afterwards `has_ended` is set and `reason` says why."""
        speaking = asyncio.create_task(self._speak())
        try:
            await self._listen()
        except TimeoutError:
            self.reason = f"silent for {self._rules.silent_after_s:g} s with an open socket"
        except (ConnectionClosed, OSError) as problem:
            self.reason = described(problem)
        finally:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)
            self.has_ended = True
            self.over.set()
            self.settled.set()
            await self._socket.close()

    def ask_replacement(self, reason: str) -> None:
        """Say that another connection should take this one's place."""
        self.reason = reason
        self.over.set()

    async def close(self) -> None:
        """Close it; what came before is still read."""
        await self._socket.close()

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(None) as limit:
            while True:
                limit.reschedule(loop.time() + self._rules.silent_after_s)
                frame = await self._socket.recv(decode=False)
                # How long the frame takes to be taken is our slowness, not the venue's silence.
                limit.reschedule(None)
                self.has_spoken = True
                self.settled.set()
                await self._on_frame(frame)

    async def _speak(self) -> None:
        """Subscribe at the venue's pace, then ping for ever where the venue wants pings of its own kind."""
        for frame in self._subscribe:
            await self._socket.send(frame, text=True)
            await asyncio.sleep(1.0 / self._rules.requests_per_s)
        while self._rules.ping is not None:
            await self._socket.send(self._rules.ping, text=True)
            await asyncio.sleep(self._rules.ping_every_s)


def described(problem: Exception) -> str:
    """Return an exception as a reason."""
    return f"{type(problem).__name__}: {problem}"[:REASON_CHARACTERS].rstrip(": ")
