"""The only reader of the machine's time."""

import time


class SystemClock:
    """Implements `ports.Clock`."""

    def monotonic_s(self) -> float:
        """Seconds that never go back, from an unstated origin."""
        return time.monotonic()

    def epoch_s(self) -> float:
        """Seconds since 1970-01-01 UTC, as the machine has it."""
        return time.time()
