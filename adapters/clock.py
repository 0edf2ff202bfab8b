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
