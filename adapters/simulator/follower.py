"""The clock of a daemon that runs against a simulated exchange: it shows the exchange's time."""

import asyncio
import contextlib
import heapq
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from daemon.errors import FeedError

_TURNS: Final = 4
"""Turns of the event loop in which what came over other sockets before a step of time is taken in."""


class _Told(msgspec.Struct):
    now_ms: int


_TOLD: Final = msgspec.json.Decoder(_Told)


async def _nothing() -> None:
    return


class FollowingClock:
    """Implements `ports.LiveClock` by the time that `/papertape/clock` of a simulated exchange tells.

    Every step of time is answered when what came before it has been worked off, so that the exchange never
    runs ahead (`adapters.simulator.pace`).

    Args:
        url: Of the clock, e.g. `ws://127.0.0.1:9000/papertape/clock`.
        settled: Waits until everything received so far has been worked off.
    """

    def __init__(self, url: str, settled: Callable[[], Awaitable[None]] = _nothing) -> None:
        self._url = url
        self.settled = settled
        self._now_ms = 0
        self._count = itertools.count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []

    def monotonic_s(self) -> float:
        """Seconds that never go back, from an unstated origin."""
        return self._now_ms / 1000.0

    def epoch_s(self) -> float:
        """Seconds since the Unix epoch, UTC, by the exchange's time."""
        return self._now_ms / 1000.0

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch, UTC, by the exchange's time."""
        return self._now_ms

    async def sleep(self, seconds: float) -> None:
        """Wait until the exchange's time has gone on by so much."""
        if seconds <= 0.0:
            await asyncio.sleep(0)
            return
        waking = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now_ms + round(1000 * seconds), next(self._count), waking))
        await waking

    @contextlib.asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Follow while the block runs; the time is right from its beginning on.

        Raises:
            FeedError: There is no clock at this address, or it stopped.
        """
        try:
            socket = await connect(self._url, compression=None, ping_interval=None, close_timeout=1)
            await self._take(_TOLD.decode(await socket.recv()).now_ms)
            await self._answer(socket)
        except (OSError, WebSocketException, msgspec.DecodeError) as error:
            raise FeedError(f"no simulated exchange tells its time at {self._url}: {error}") from error
        try:
            async with asyncio.TaskGroup() as tasks, socket:
                following = tasks.create_task(self._follow(socket))
                try:
                    yield
                finally:
                    following.cancel()
        except ExceptionGroup as failed:
            # The first is the cause, of the block's own failures too; what came with it followed from it.
            raise failed.exceptions[0] from None

    async def _follow(self, socket: ClientConnection) -> None:
        try:
            async for message in socket:
                await self._take(_TOLD.decode(message).now_ms)
                await self._answer(socket)
        except WebSocketException:
            pass
        raise FeedError(f"the simulated exchange at {self._url} is gone, and its time with it")

    async def _answer(self, socket: ClientConnection) -> None:
        await self._work_off()
        await socket.send(f'{{"now_ms":{self._now_ms}}}')

    async def _take(self, now_ms: int) -> None:
        """Work off what came before, then let it be `now_ms`."""
        await self._work_off()
        self._now_ms = max(self._now_ms, now_ms)
        while self._sleepers and self._sleepers[0][0] <= self._now_ms:
            _, _, waking = heapq.heappop(self._sleepers)
            if not waking.done():
                waking.set_result(None)

    async def _work_off(self) -> None:
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        await self.settled()
