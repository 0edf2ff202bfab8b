"""The only reader of the machine's time."""

import time


class SystemClock:
    """Implements `ports.Clock`."""

    def now_us(self) -> int:
        """Microseconds since the Unix epoch, UTC."""
        return time.time_ns() // 1000

    def monotonic_s(self) -> float:
        """Seconds that never go back, from an unstated origin."""
        return time.monotonic()
