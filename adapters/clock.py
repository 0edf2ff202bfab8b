"""The only reader of the machine's time, and the only one to wait for it."""

import asyncio
import time

from daemon.ports import LiveClock


class SystemClock(LiveClock):
    """The machine's own time."""

    def monotonic_s(self) -> float:
        """Seconds that never go back, from an unstated origin."""
        return time.monotonic()

    def epoch_s(self) -> float:
        """Seconds since 1970-01-01 UTC, as the machine has it."""
        return time.time()

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC, as the machine has it."""
        return time.time_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class ScaledClock(SystemClock):
    """Time that begins at a chosen moment and passes faster: for a simulated exchange.

    Args:
        start_ms: What it shows when it is made, epoch milliseconds.
        speed: Its seconds for one of the machine's.
    """

    def __init__(self, start_ms: int, speed: float) -> None:
        self._start_ms = start_ms
        self._speed = speed
        self._origin_s = time.monotonic()

    def monotonic_s(self) -> float:
        """Seconds of this clock since it was made."""
        return (time.monotonic() - self._origin_s) * self._speed

    def epoch_s(self) -> float:
        """Seconds since 1970-01-01 UTC, by this clock."""
        return self._start_ms / 1000 + self.monotonic_s()

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC, by this clock."""
        return self._start_ms + int(self.monotonic_s() * 1000)

    async def sleep(self, seconds: float) -> None:
        """Wait for so many seconds of this clock."""
        await asyncio.sleep(seconds / self._speed)
