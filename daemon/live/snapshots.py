"""Snapshots that somebody asks for: made between two minutes, on the engine's thread."""

import asyncio
from collections.abc import Awaitable, Callable

from daemon.events import Snapshot

MakeSnapshot = Callable[[], Awaitable[Snapshot | None]]
"""Makes a snapshot and returns it when it is durable; None where there is nothing to make it of."""


class SnapshotsAsked:
    """Those who wait for a snapshot; one serves all."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[Snapshot | None]] = []

    async def ask(self, wake: Callable[[], None]) -> Snapshot | None:
        """Wait for a snapshot of now.

        Args:
            wake: Tells whoever calls `answer`.

        Raises:
            asyncio.CancelledError: The run ended before.
        """
        waiting: asyncio.Future[Snapshot | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        wake()
        return await waiting

    async def answer(self, make: MakeSnapshot) -> None:
        """Make a snapshot if anyone waits for one."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        try:
            made = await make()
        except BaseException:
            for one in waiting:
                one.cancel()
            raise
        for one in waiting:
            if not one.done():
                one.set_result(made)

    def forget(self) -> None:
        """Tell those who wait that there will be none."""
        for one in self._waiting:
            one.cancel()
