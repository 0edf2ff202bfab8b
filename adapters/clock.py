"""The only reader of the machine's time."""

import time


class SystemClock:
    """Implements `ports.Clock`."""

    def monotonic_s(self) -> float:
        """Seconds that never go back, from an unstated origin."""
        return time.monotonic()
