"""The time of a simulated exchange: as fast as asked, and never ahead of those who follow it.

A daemon that runs against a fast exchange cannot use its machine's clock: at 600 times the speed of life a
deadline of ten seconds is over in 17 ms, and a busy machine would miss bars that had come in time. So the
daemon follows the exchange's time, and the exchange takes its next step only when every follower has worked
off the last one. Who stops answering is left behind.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

Step = Callable[[int], Awaitable[None]]
"""Tells a follower the time (ms since 1970 UTC) and waits until it has taken it in; raises when it cannot."""

_REAL_MS_PER_STEP: Final = 20.0
_SHORTEST_MS: Final = 50
_LONGEST_MS: Final = 12_000


class Pace:
    """The exchange's time.

    Args:
        now_ms: Where it begins, ms since 1970 UTC.
        speed: Exchange's seconds per second, at most; infinity is as fast as followers follow.

    Raises:
        ValueError: The speed is not positive.
    """

    def __init__(self, now_ms: int, speed: float = 1.0) -> None:
        self.now_ms = now_ms
        self.go(speed)
        self._followers: list[Step] = []
        self._running = asyncio.Event()
        self._running.set()

    def go(self, speed: float) -> None:
        """Let time pass at another speed from the next step on.

        Raises:
            ValueError: The speed is not positive.
        """
        if not speed > 0.0:
            raise ValueError(f"a speed must be positive, not {speed}")
        self.speed = speed
        self._step_ms = int(min(max(_REAL_MS_PER_STEP * speed, _SHORTEST_MS), _LONGEST_MS))

    def pause(self) -> None:
        """Let no time pass."""
        self._running.clear()

    def resume(self) -> None:
        """Let time pass again."""
        self._running.set()

    @contextlib.contextmanager
    def following(self, step: Step) -> Iterator[None]:
        """Have `step` called at every step of time, until the block is left."""
        self._followers.append(step)
        try:
            yield
        finally:
            self._followers.remove(step)

    async def until(self, at_ms: int) -> None:
        """Let time pass up to `at_ms`; at once if that is over."""
        while self.now_ms < at_ms:
            await self._running.wait()
            began = time.monotonic()
            step_ms = min(at_ms - self.now_ms, self._step_ms)
            self.now_ms += step_ms
            for step in tuple(self._followers):
                # One that fails is gone; its connection's own task removes it.
                with contextlib.suppress(Exception):
                    await step(self.now_ms)
            await asyncio.sleep(max(0.0, step_ms / 1000.0 / self.speed - (time.monotonic() - began)))
