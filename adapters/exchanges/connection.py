"""One websocket: opened, subscribed, kept alive and read until it ends; why it ended is a value."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from adapters.exchanges.retry_after import retry_after_s
from adapters.exchanges.venue import StreamRules
from daemon.ports import LiveClock

OPEN_TIMEOUT_S: Final = 10.0
CLOSE_TIMEOUT_S: Final = 2.0
REASON_CHARACTERS: Final = 200

_ENDS: Final = (ConnectionClosed, OSError)
"""How reading or writing tells that the connection is gone."""

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
        clock: For pings and for silence.
    """

    def __init__(
        self,
        socket: ClientConnection,
        rules: StreamRules,
        subscribe: Sequence[bytes],
        on_frame: OnFrame,
        clock: LiveClock,
    ) -> None:
        self._socket = socket
        self._rules = rules
        self._subscribe = subscribe
        self._on_frame = on_frame
        self._clock = clock
        self._heard_s = clock.monotonic_s()
        self.over = asyncio.Event()
        self.settled = asyncio.Event()
        self.has_spoken = False
        self.has_ended = False
        self.reason = ""

    @classmethod
    async def open(
        cls, rules: StreamRules, subscribe: Sequence[bytes], on_frame: OnFrame, clock: LiveClock
    ) -> "Connection":
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
        return cls(socket, rules, subscribe, on_frame, clock)

    async def run(self) -> None:
        """Read until it ends; afterwards `has_ended` is set and `reason` says why."""
        tasks = [asyncio.create_task(work) for work in (self._listen(), self._speak(), self._find_silence())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            self.has_ended = True
            self.over.set()
            self.settled.set()
            await self._socket.close()
        for end in ends:
            if isinstance(end, _ENDS):
                self.reason = self.reason or described(end)
            elif isinstance(end, Exception):
                raise end  # a defect here is no loss of the venue's

    def ask_replacement(self, reason: str) -> None:
        """Say that another connection should take this one's place."""
        self.reason = reason
        self.over.set()

    async def close(self) -> None:
        """Close it; what came before is still read."""
        await self._socket.close()

    async def _listen(self) -> None:
        while True:
            self._heard_s = self._clock.monotonic_s()
            frame = await self._socket.recv(decode=False)
            # How long the frame takes to be taken is our slowness, not the venue's silence.
            self._heard_s = math.inf
            self.has_spoken = True
            self.settled.set()
            await self._on_frame(frame)

    async def _find_silence(self) -> None:
        """Return once nothing has come for too long, though the socket is open."""
        limit_s = self._rules.silent_after_s
        while (quiet_s := self._clock.monotonic_s() - self._heard_s) < limit_s:
            await self._clock.sleep(limit_s if math.isinf(quiet_s) else limit_s - quiet_s)
        self.reason = f"silent for {limit_s:g} s with an open socket"

    async def _speak(self) -> None:
        """Subscribe at the venue's pace, then ping for ever where the venue wants pings of its own kind."""
        for frame in self._subscribe:
            await self._socket.send(frame, text=True)
            await self._clock.sleep(1.0 / self._rules.requests_per_s)
        while self._rules.ping is not None:
            await self._socket.send(self._rules.ping, text=True)
            await self._clock.sleep(self._rules.ping_every_s)
        await self._socket.wait_closed()


def described(problem: Exception) -> str:
    """Return an exception as a reason."""
    return f"{type(problem).__name__}: {problem}"[:REASON_CHARACTERS].rstrip(": ")
