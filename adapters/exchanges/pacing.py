"""When to try again and how often to ask: waiting that a venue can live with."""

import asyncio
from random import Random
from typing import Final

from daemon.ports import Clock

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


class Pacer:
    """Lets one pass every `spacing_s`, in the order in which they came."""

    def __init__(self, spacing_s: float, clock: Clock) -> None:
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
            await asyncio.sleep(wait_s)
            at_s = max(at_s, self._held_until_s)

    def hold(self, seconds: float) -> None:
        """Let nobody pass for so long: the venue asked for it, and going on would mean a ban."""
        self._held_until_s = max(self._held_until_s, self._clock.monotonic_s() + seconds)
        self._next_s = max(self._next_s, self._held_until_s)
