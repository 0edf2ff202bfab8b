"""A connection kept up for ever: made again when it breaks, replaced without a gap before it is cut."""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Final, Protocol

from adapters.exchanges.connection import ConnectError, Connection
from adapters.exchanges.pacing import Backoff, Pacer, comes
from adapters.exchanges.venue import StreamRules
from daemon.ports import LiveClock

HANDOVER_S: Final = 10.0
"""How long a new connection may take to say its first word before the old one is closed all the same."""
LIFETIME_SPREAD: Final = 0.05
"""Share of a connection's lifetime left to chance, so that many do not end together."""


class Listener(Protocol):
    """What a line tells."""

    async def frame(self, line: "Line", frame: bytes) -> None:
        """Take a frame."""

    async def up(self, line: "Line") -> None:
        """Take note that a connection is open and subscribing."""

    async def down(self, line: "Line", reason: str) -> None:
        """Take note that no connection is open; may come again and again while none comes about."""


class Line:
    """Keeps some instruments of a venue connected.

    Args:
        instruments: `venue:SYMBOL` of those that come over it.
        subscribe: Frames that subscribe to them.
        rules: How the venue wants its websocket used.
        listener: Whom to tell.
        pacer: Spaces the connection attempts of all lines to this venue.
        clock: For waits and lifetimes.
        chance: For both.
    """

    def __init__(
        self,
        instruments: tuple[str, ...],
        subscribe: Sequence[bytes],
        rules: StreamRules,
        listener: Listener,
        pacer: Pacer,
        clock: LiveClock,
        chance: Random,
    ) -> None:
        self.instruments = instruments
        self._subscribe = subscribe
        self._rules = rules
        self._listener = listener
        self._pacer = pacer
        self._clock = clock
        self._chance = chance
        self._backoff = Backoff(chance)
        self._current: Connection | None = None

    async def run(self) -> None:
        """Stay connected until cancelled."""
        async with asyncio.TaskGroup() as group:
            current = await self._open(group, None)
            await self._listener.up(self)
            while True:
                self._current = current
                await self._until_over(current)
                if current.has_ended:
                    await self._listener.down(self, current.reason)
                    await self._rest(current)
                    current = await self._open(group, None)
                    await self._listener.up(self)
                else:
                    current = await self._replace(group, current)

    def replace(self, reason: str) -> None:
        """Have another connection take the place of the open one, if one is open."""
        if self._current is not None:
            self._current.ask_replacement(reason)

    def narrow(self, instruments: tuple[str, ...], subscribe: Sequence[bytes]) -> None:
        """Bring these instruments alone, from the next connection on, which is asked for now."""
        self.instruments, self._subscribe = instruments, subscribe
        self.replace("an instrument left")

    async def _until_over(self, connection: Connection) -> None:
        """Wait until the connection has ended, is to be replaced, or is old."""
        lifetime_s = self._rules.lifetime_s * (1.0 - self._chance.uniform(0.0, LIFETIME_SPREAD))
        if not await comes(connection.over, lifetime_s, self._clock):
            connection.ask_replacement("old: the venue would cut it soon")

    async def _rest(self, ended: Connection) -> None:
        """Wait after an end. One that never said a word counts as a failed attempt: the next waits longer."""
        if ended.has_spoken:
            self._backoff.succeeded()
        await self._clock.sleep(self._backoff.next_s())

    async def _open(self, group: asyncio.TaskGroup, old: Connection | None) -> Connection:
        """Connect, however often it takes; say so as long as nothing is connected."""
        while True:
            await self._pacer.turn()
            try:
                connection = await Connection.open(self._rules, self._subscribe, self._frame, self._clock)
            except ConnectError as problem:
                if old is None or old.has_ended:
                    await self._listener.down(self, str(problem))
                await self._clock.sleep(max(self._backoff.next_s(), problem.wait_s))
            else:
                group.create_task(connection.run())
                return connection

    async def _replace(self, group: asyncio.TaskGroup, old: Connection) -> Connection:
        """Put a new connection in the place of one that still delivers: up first, then the old one down.

        Returns the old one where the new one ended at once.
        """
        new = await self._open(group, old)
        # It may have nothing to say; its silence has a watch of its own.
        await comes(new.settled, HANDOVER_S, self._clock)
        if new.has_ended:
            await self._rest(new)
            return old
        if old.has_ended:
            # The two did not overlap, so something may be missing in between.
            await self._listener.down(self, old.reason)
            await self._listener.up(self)
        await old.close()
        return new

    async def _frame(self, frame: bytes) -> None:
        await self._listener.frame(self, frame)
