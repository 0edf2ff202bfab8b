"""A clock that stands still until a test moves it."""

import asyncio

from daemon.ports import LiveClock


class JumpClock(LiveClock):
    """Shows what it was set to; who sleeps wakes when it has passed."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms
        self._sleepers: list[tuple[int, asyncio.Future[None]]] = []

    def monotonic_s(self) -> float:
        return self._now_ms / 1000

    def epoch_s(self) -> float:
        return self._now_ms / 1000

    def now_ms(self) -> int:
        return self._now_ms

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0.0:
            await asyncio.sleep(0)
            return
        waker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._now_ms + max(1, int(seconds * 1000)), waker))
        await waker

    @property
    def sleeping(self) -> int:
        """How many sleep."""
        return len(self._sleepers)

    def set(self, now_ms: int) -> None:
        """Move on, never back."""
        self._now_ms = max(self._now_ms, now_ms)
        due = [waker for at, waker in self._sleepers if at <= self._now_ms]
        self._sleepers = [(at, waker) for at, waker in self._sleepers if at > self._now_ms]
        for waker in due:
            if not waker.done():
                waker.set_result(None)
