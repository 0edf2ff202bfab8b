"""When to try again and how often to ask: waiting that a venue can live with."""

import asyncio
from random import Random
from typing import Final

from daemon.ports import LiveClock

DOUBLINGS: Final = 16
"""Enough to reach any longest wait; more would only make the numbers large."""


class Backoff:
    """Waits that double with every failure, half of each left to chance, so that clients do not come in step.

    Args:
        chance: Seeded by whoever starts the process.
        first_s: The longest that the first wait can be.
        longest_s: The longest that any wait can be.
    """

    def __init__(self, chance: Random, first_s: float = 1.0, longest_s: float = 60.0) -> None:
        self._chance = chance
        self._first_s = first_s
        self._longest_s = longest_s
        self._failures = 0

    def next_s(self) -> float:
        """Return how long to wait after one more failure."""
        longest_s = min(self._longest_s, self._first_s * 2.0 ** min(self._failures, DOUBLINGS))
        self._failures += 1
        return longest_s / 2 + self._chance.uniform(0.0, longest_s / 2)

    def succeeded(self) -> None:
        """Begin again with the shortest wait."""
        self._failures = 0


async def comes(event: asyncio.Event, within_s: float, clock: LiveClock) -> bool:
    """Wait for an event, for so many seconds of a clock at most; return whether it came."""
    coming, waiting = asyncio.ensure_future(event.wait()), asyncio.ensure_future(clock.sleep(within_s))
    try:
        await asyncio.wait((coming, waiting), return_when=asyncio.FIRST_COMPLETED)
        return event.is_set()
    finally:
        coming.cancel()
        waiting.cancel()


class Pacer:
    """Lets one pass every `spacing_s`, in the order in which they came."""

    def __init__(self, spacing_s: float, clock: LiveClock) -> None:
        self._spacing_s = spacing_s
        self._clock = clock
        self._next_s = clock.monotonic_s()
        self._held_until_s = self._next_s

    async def turn(self) -> None:
        """Wait until it is one's turn."""
        at_s = max(self._clock.monotonic_s(), self._next_s)
        self._next_s = at_s + self._spacing_s
        # A venue may ask everybody to wait (`hold`) while one waits.
        while (wait_s := at_s - self._clock.monotonic_s()) > 0.0:
            await self._clock.sleep(wait_s)
            at_s = max(at_s, self._held_until_s)

    def hold(self, seconds: float) -> None:
        """Let nobody pass for so long: the venue asked for it, and going on would mean a ban."""
        self._held_until_s = max(self._held_until_s, self._clock.monotonic_s() + seconds)
        self._next_s = max(self._next_s, self._held_until_s)
