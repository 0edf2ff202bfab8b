"""One websocket connection to a simulated exchange: what it subscribed to, and what it is sent."""

import asyncio
import contextlib
from collections import deque
from typing import Any, Final

import msgspec
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from adapters.simulator.faults import Faults
from adapters.simulator.wire import frame

REQUESTS_A_SECOND: Final = 5
STREAMS_MOST: Final = 1024
LIFETIME_MS: Final = 24 * 3600 * 1000
PING_EVERY_MS: Final = 20_000
PONG_WITHIN_REAL_S: Final = 5.0
"""At a high speed a pong may be late by the exchange's time and not late at all."""

_SUFFIX: Final = "@kline_1m"


class _Request(msgspec.Struct):
    method: str
    id: int | str | None = None
    params: list[str] = []


_REQUEST: Final = msgspec.json.Decoder(_Request)


class StreamConnection:
    """A client's connection.

    Args:
        socket: The accepted websocket.
        streams: Those named in its address.
        combined: Whether frames are wrapped with their stream's name.
        known: Every stream of this exchange.
        faults: In force.
        now_ms: When it was accepted, by the exchange's time.
    """

    def __init__(
        self,
        socket: ServerConnection,
        streams: list[str],
        known: frozenset[str],
        faults: Faults,
        now_ms: int,
        *,
        combined: bool,
    ) -> None:
        self.socket = socket
        self.born_ms = now_ms
        self._combined = combined
        self._known = known
        self._faults = faults
        self._streams: dict[str, bool] = {}
        self._requests: deque[int] = deque(maxlen=REQUESTS_A_SECOND + 1)
        self._pinged_ms = now_ms
        self._pong: asyncio.Task[None] | None = None
        self._add(streams)

    @property
    def subscribed(self) -> frozenset[str]:
        """The streams that this connection is sent."""
        return frozenset(stream for stream, delivers in self._streams.items() if delivers)

    async def answer(self, message: str | bytes, now_ms: int) -> None:
        """Answer a client's frame; closes the connection of one who sends too many."""
        self._requests.append(now_ms)
        if len(self._requests) > REQUESTS_A_SECOND and now_ms - self._requests[0] < 1000:
            await self.socket.close(1008, "Too many requests")
            return
        try:
            request = _REQUEST.decode(message)
        except msgspec.DecodeError as error:
            await self._say({"error": {"code": 3, "msg": f"Invalid JSON: {error}"}})
            return
        if request.method == "LIST_SUBSCRIPTIONS":
            await self._say({"result": sorted(self._streams), "id": request.id})
        elif request.method not in {"SUBSCRIBE", "UNSUBSCRIBE"}:
            await self._say(
                {"error": {"code": 2, "msg": "Invalid request: unknown method"}, "id": request.id}
            )
        elif len({*self._streams, *request.params}) > STREAMS_MOST:
            await self._say(
                {"error": {"code": 2, "msg": "Invalid request: too many streams"}, "id": request.id}
            )
        else:
            if request.method == "SUBSCRIBE":
                self._add(request.params)
            else:
                for stream in request.params:
                    self._streams.pop(stream, None)
            await self._say({"result": None, "id": request.id})

    async def send(self, stream: str, payload: dict[str, Any]) -> None:
        """Send a payload of a stream, if it is subscribed to."""
        if self._streams.get(stream):
            await self.send_raw(frame(stream, payload, combined=self._combined))

    async def send_raw(self, content: bytes) -> None:
        """Send a text frame as it is; a connection that is gone is no error here."""
        with contextlib.suppress(ConnectionClosed):
            await self.socket.send(content, text=True)

    async def keep(self, now_ms: int) -> None:
        """Ping when it is time, and close what is 24 hours old or does not answer."""
        if now_ms - self.born_ms >= LIFETIME_MS:
            await self.socket.close(1001, "24 hours")
            return
        if now_ms - self._pinged_ms < PING_EVERY_MS:
            return
        if self._pong is not None and not self._pong.done():
            return
        self._pinged_ms = now_ms
        with contextlib.suppress(ConnectionClosed):
            self._pong = asyncio.ensure_future(self._expect(await self.socket.ping(str(now_ms))))

    def cut(self) -> None:
        """Drop the connection as a failing network does: no closing handshake."""
        self.socket.transport.abort()

    async def truncate(self) -> None:
        """Send the beginning of a frame that promises more, and drop the connection."""
        self.socket.transport.write(b"\x81\x7e\x01\x00" + b'{"stream":"')
        await asyncio.sleep(0)
        self.socket.transport.close()

    def stop(self) -> None:
        """End what waits in the background."""
        if self._pong is not None:
            self._pong.cancel()

    async def _expect(self, pong: Any) -> None:
        """Wait for a pong, and cut who owes it for too long."""
        try:
            async with asyncio.timeout(PONG_WITHIN_REAL_S):
                await pong
        except TimeoutError:
            self.cut()
        except ConnectionClosed:
            return

    def _add(self, streams: list[str]) -> None:
        for stream in streams:
            if stream in self._known:
                symbol = stream.removesuffix(_SUFFIX).upper()
                self._streams[stream] = self._faults.of("ignored_subscription", symbol) is None
            else:
                # Binance confirms a stream it does not have, and never sends anything on it.
                self._streams[stream] = False

    async def _say(self, body: dict[str, Any]) -> None:
        await self.send_raw(msgspec.json.encode(body))
