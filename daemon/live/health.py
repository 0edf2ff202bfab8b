"""Whether a live run makes progress, and whether it is ready: what /healthz, /readyz and a watchdog ask.

*Progress* is made while two things hold. The event loop beats: a task of it writes down the time, about once
a second. And the engine is in no step longer than `health.stuck_seconds`: a step is what one call hands to
its thread (a minute, or a chunk of a catch-up, decided and committed), so a catch-up of months makes progress
step by step, and an engine that has nothing to do is not stuck.

*Ready* is what makes progress, is warm with a model, decides minutes as they end, hears at least one feed
while a market is open, and could write its tape when it last had to.

The loop writes, any thread reads: each reading is one attribute, replaced whole.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from daemon.live.run import LiveRun
from daemon.ports import Clock
from daemon.settings import HealthSettings

Checks = Mapping[str, "Check"]
"""What was found, by the name of what was looked at."""


@dataclass(frozen=True, slots=True)
class Check:
    """What was found of one thing.

    Attributes:
        ok: Whether it is as it should be.
        reason: Why not, or how it is; for people.
    """

    ok: bool
    reason: str


class Health:
    """The health of one process that runs live, from its first moment on.

    Args:
        rules: How long is too long.
        clock: The machine's own, however fast the run's time passes.
        tape_problem: Says why the tape could not be written now, or None.

    Attributes:
        stopping: Whether the run is about to end.
    """

    def __init__(
        self, rules: HealthSettings, clock: Clock, tape_problem: Callable[[], str | None] = lambda: None
    ) -> None:
        self._rules = rules
        self._clock = clock
        self._tape_problem = tape_problem
        self._beat_s = clock.monotonic_s()
        self._live: LiveRun | None = None
        self._model: Callable[[], str] | None = None
        self.stopping = False
        self._silent_from_ms: int | None = None
        self._feed = Check(ok=False, reason="not listened to yet")
        self._commit: Check = Check(ok=True, reason="writable")
        self._outage: str | None = None

    # --- what the run says of itself ---

    def beat(self, now_ms: int) -> None:
        """Take note that the event loop runs, and look at the feeds; on the loop.

        Args:
            now_ms: Epoch milliseconds by the run's clock.
        """
        self._beat_s = self._clock.monotonic_s()
        if self._live is not None:
            self._feed = self._look_at_feeds(self._live, now_ms)

    def attend(self, live: LiveRun, model: Callable[[], str]) -> None:
        """Take note that the run is warm.

        Args:
            live: It, about to begin.
            model: Returns the version that trades.
        """
        self._live, self._model = live, model

    def stop(self) -> None:
        """Take note that the run is about to end."""
        self.stopping = True

    def note_commit(self, failure: Exception | None = None) -> None:
        """Take note that the tape was written, or why not; any thread."""
        if failure is None:
            self._commit = Check(ok=True, reason="written")
        else:
            self._commit = Check(ok=False, reason=f"the last commit failed: {failure}")

    def note_outage(self, reason: str | None) -> None:
        """Take note that the tape's server is away and the engine waits for it, or that it is back."""
        self._outage = reason

    # --- what is asked ---

    @property
    def warm(self) -> bool:
        """Whether the run has begun to listen."""
        return self._live is not None

    def progress(self) -> Checks:
        """Return whether the process makes progress."""
        now_s = self._clock.monotonic_s()
        live = self._live
        began_s = None if live is None else live.step_since_s
        if self._outage is not None:
            # That is not to be stuck: to be killed for it would not bring the server back.
            engine = Check(ok=True, reason="waits for the tape's server")
        elif began_s is None:
            engine = Check(ok=True, reason="waits for work")
        else:
            engine = self._within(now_s - began_s, "in the same step for {} s")
        return {"loop": self._within(now_s - self._beat_s, "its last beat was {} s ago"), "engine": engine}

    def readiness(self) -> Checks:
        """Return whether the run does what it is there for; includes `progress`."""
        if self.stopping:
            warm = Check(ok=False, reason="stopping")
        elif self._live is None:
            warm = Check(ok=False, reason="warming up: no minute can be decided yet")
        else:
            warm = Check(ok=True, reason="warm")
        model = Check(ok=False, reason="none loaded yet")
        if self._model is not None:
            model = Check(ok=True, reason=self._model())
        tape = self._commit
        problem = self._outage or (self._tape_problem() if tape.ok else None)
        if problem is not None:
            tape = Check(ok=False, reason=problem)
        return {**self.progress(), "warm": warm, "model": model, "feed": self._feed, "tape": tape}

    def _within(self, seconds: float, text: str) -> Check:
        return Check(ok=seconds <= self._rules.stuck_seconds, reason=text.format(f"{seconds:.1f}"))

    def _look_at_feeds(self, live: LiveRun, now_ms: int) -> Check:
        sequencer = live.sequencer
        in_session = sequencer.in_session(now_ms).values()
        if sum(n for n, _ in in_session) == sum(lost for _, lost in in_session) > 0:
            self._silent_from_ms = now_ms if self._silent_from_ms is None else self._silent_from_ms
        else:
            self._silent_from_ms = None
        silent_s = 0.0 if self._silent_from_ms is None else (now_ms - self._silent_from_ms) / 1000
        overdue_s = sequencer.overdue_ms(now_ms) / 1000
        if silent_s > self._rules.stale_seconds:
            return Check(ok=False, reason=f"every stream is lost, for {silent_s:.0f} s")
        if overdue_s > self._rules.stale_seconds:
            return Check(ok=False, reason=f"behind: the next minute to decide ended {overdue_s:.0f} s ago")
        return Check(ok=True, reason="fresh" if silent_s == 0.0 else f"lost for {silent_s:.0f} s")


def all_well(checks: Checks) -> bool:
    """Return whether nothing is wrong."""
    return all(check.ok for check in checks.values())


def ills(checks: Checks) -> list[str]:
    """Return what is wrong, a sentence each."""
    return [f"{name}: {check.reason}" for name, check in checks.items() if not check.ok]
