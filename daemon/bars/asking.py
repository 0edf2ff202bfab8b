"""Which history is asked for, and when again. At most one request of an instrument is under way."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from daemon.events import MINUTE_MS
from daemon.feed import BarClosed
from daemon.settings import SealingSettings

LONGEST_WAIT_MS: Final = 120_000

SOON_MS: Final = 20_000
"""Where one request of a feed is answered again, the others that failed are tried so soon."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A wish for the final bars of [first_minute, last_minute]."""

    feed: str
    instrument: str
    first_minute: int
    last_minute: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What history said to an `Ask`.

    Attributes:
        ask: The wish.
        bars: Its bars; a minute without one had no trade.
        failure: Why there is no answer.
        begins: The oldest minute that is to be had at all, where the wish was for older ones.
    """

    ask: Ask
    bars: Sequence[BarClosed] = ()
    failure: str | None = None
    begins: int | None = None


class Asking:
    """The asks of a sequencer.

    Args:
        rules: How long to wait after a failure.
    """

    def __init__(self, rules: SealingSettings) -> None:
        self.reconfigure(rules)
        self._under_way: set[str] = set()
        self._failures: dict[str, int] = {}
        self._failing: dict[str, set[str]] = {}
        self._due_ms: dict[str, int] = {}
        self._wanted: list[Ask] = []

    def reconfigure(self, rules: SealingSettings) -> None:
        """Wait by other rules after the next failure."""
        self._retry_ms = int(rules.retry_seconds * 1000)

    def want(self, ask: Ask, now_ms: int, *, urgent: bool = False) -> None:
        """Ask, unless this lane's last request is under way or it is too early for the next.

        An urgent wish waits only after a failure.
        """
        early = now_ms < self._due_ms.get(ask.instrument, now_ms)
        if ask.instrument in self._under_way or (
            early and not (urgent and not self.is_failing(ask.instrument))
        ):
            return
        self._under_way.add(ask.instrument)
        self._wanted.append(ask)

    def answered(self, ask: Ask, now_ms: int, *, wait_minutes: int) -> None:
        """Take note of an answer; the lane is not asked for again for so long."""
        self._under_way.discard(ask.instrument)
        self._failures.pop(ask.instrument, None)
        self._due_ms[ask.instrument] = now_ms + wait_minutes * MINUTE_MS
        failing = self._failing.setdefault(ask.feed, set())
        failing.discard(ask.instrument)
        for other in failing:
            self._due_ms[other] = min(self._due_ms[other], now_ms + SOON_MS)

    def failed(self, ask: Ask, now_ms: int) -> None:
        """Take note of a failure: wait, longer each time."""
        self._under_way.discard(ask.instrument)
        failures = self._failures.get(ask.instrument, 0)
        self._failures[ask.instrument] = failures + 1
        self._failing.setdefault(ask.feed, set()).add(ask.instrument)
        self._due_ms[ask.instrument] = now_ms + min(LONGEST_WAIT_MS, self._retry_ms << min(failures, 20))

    def forget(self, instrument: str) -> None:
        """Forget a lane that ended; what was asked for it is of no use."""
        self._under_way.discard(instrument)
        self._failures.pop(instrument, None)
        self._due_ms.pop(instrument, None)
        for failing in self._failing.values():
            failing.discard(instrument)
        self._wanted = [ask for ask in self._wanted if ask.instrument != instrument]

    def is_failing(self, instrument: str) -> bool:
        """Say whether the last request of this lane failed."""
        return instrument in self._failures

    def drain(self) -> tuple[Ask, ...]:
        """Hand over the new asks."""
        wanted, self._wanted = tuple(self._wanted), []
        return wanted
