"""Until when a minute waits for its bars."""

from daemon.events import MINUTE_MS
from daemon.settings import SealingSettings


class Deadlines:
    """A minute's deadline, and that of minutes that were missed: these wait as long as history answers.

    Args:
        rules: How long.
        now_ms: Epoch milliseconds.
    """

    def __init__(self, rules: SealingSettings, now_ms: int) -> None:
        self.reconfigure(rules)
        self._progress_ms = now_ms
        self._behind = False

    def reconfigure(self, rules: SealingSettings) -> None:
        """Wait by other rules from now on."""
        self._deadline_ms = int(rules.deadline_seconds * 1000)
        self._catch_up_ms = int(rules.catch_up_seconds * 1000)

    def progress(self, now_ms: int) -> None:
        """Take note that history answered."""
        self._progress_ms = now_ms

    def is_missed(self, minute: int, now_ms: int) -> bool:
        """Say whether the minute behind `minute` is over too: an order made now could not be filled in it."""
        return now_ms >= (minute + 2) * MINUTE_MS

    def has_passed(self, minute: int, now_ms: int) -> bool:
        """Say whether `minute` waits no longer."""
        if not self.is_missed(minute, now_ms):
            self._behind = False
            return self.is_late(minute, now_ms)
        if not self._behind:
            # After a stop, or a jump of the clock: history gets its time.
            self._behind, self._progress_ms = True, now_ms
        return now_ms >= self._progress_ms + self._catch_up_ms

    def is_late(self, minute: int, now_ms: int) -> bool:
        """Say whether a minute that is not missed would wait no longer."""
        return now_ms >= (minute + 1) * MINUTE_MS + self._deadline_ms
