"""Keeps a live run's tape within the size and age that the settings name."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import structlog

from adapters.tape.limits import Limits, goal_of, oldest_minute
from adapters.tape.reader import TapeReader
from adapters.tape.retention import Goal, Pruner
from daemon.commands._life import Life, chunks, summarising
from daemon.errors import TapeError
from daemon.events import BatchRecord
from daemon.vitals.day_summary import write_summary

if TYPE_CHECKING:
    from adapters.prometheus.server import MetricsServer
    from adapters.tape.writer import TapeWriter
    from daemon.engine import Engine
    from daemon.settings import TapeSettings

LOOK_EVERY_BATCHES: Final = 60
"""So often it is looked whether the tape has outgrown its limits."""


class LifeSummaries:
    """What a report needs of the batches that leave a tape (`adapters.tape.retention.Summaries`)."""

    def __init__(self, reader: TapeReader) -> None:
        self._life: Life = summarising(reader)

    def take(self, records: Sequence[BatchRecord]) -> None:
        """Take the next batches."""
        for run, names in chunks(records, self._life.names):
            self._life.take(run, names)

    def ended_days(self) -> Iterator[tuple[int, bytes]]:
        """Hand out, and forget, the days that have ended."""
        for summary in self._life.ended_days():
            yield summary.day.number, write_summary(summary)

    def to_bytes(self) -> bytes:
        """Return the state of the pass."""
        return self._life.to_bytes()


class Retention:
    """Prunes between a live run's commits, a step after each of them.

    What is to be pruned is found out beside the run; the steps are taken on the engine's thread, which alone
    writes the tape.

    Args:
        tape: The run's.
        settings: Returns the section in force.
        history_rows: Returns how many rows of each lane windows need.
        now_ms: The time.
    """

    def __init__(
        self,
        tape: "TapeWriter",
        settings: Callable[[], "TapeSettings"],
        history_rows: Callable[[], int],
        now_ms: Callable[[], int],
    ) -> None:
        self._place = tape.place
        self._settings = settings
        self._history_rows = history_rows
        self._now_ms = now_ms
        self._pruner = Pruner(tape, LifeSummaries)
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="retention")
        self._looking: Future[Goal | None] | None = None
        self._goal: Goal | None = None
        self._unlooked = LOOK_EVERY_BATCHES
        self._too_small: int | None = None
        self._reader = TapeReader(tape.place, tape.database)
        self._oldest: int | None = None
        self._gone = 0
        self._note()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let what is being found out end; what is not pruned is pruned by the next run."""
        self._beside.shutdown(cancel_futures=True)

    def shown_by(self, server: "MetricsServer") -> None:
        """Let scrapes see where the tape begins."""
        server.watch("tape_oldest_batch_timestamp_seconds", {(): lambda: 60.0 * (self._oldest or 0)})
        server.watch("tape_pruned_batches_total", {(): lambda: float(self._gone)})

    def after_commit(self, n_batches: int) -> None:
        """Take a step, or look whether one is due; on the engine's thread, after so many batches."""
        self._unlooked += n_batches
        if self._oldest is None:
            self._note()
        if self._goal is None:
            self._goal = self._found()
        if self._goal is not None:
            self._step(self._goal, n_batches)

    def _found(self) -> Goal | None:
        """Return what was found out beside the run, or begin to find it out where that is due."""
        if self._looking is None:
            section = self._settings()
            limits = Limits(section.max_bytes, section.keep_days)
            if limits.any and self._unlooked >= LOOK_EVERY_BATCHES:
                self._unlooked = 0
                self._looking = self._beside.submit(self._look, limits, self._history_rows())
            return None
        if not self._looking.done():
            return None
        looked, self._looking = self._looking, None
        try:
            return looked.result()
        except TapeError as error:
            structlog.get_logger().warning("not pruned", reason=str(error))
            return None

    def _look(self, limits: Limits, history_rows: int) -> Goal | None:
        with TapeReader(self._place) as reader:
            goal = goal_of(reader, limits, history_rows)
            used = reader.database.used_bytes()
        most = limits.max_bytes
        if goal is None and most is not None and used > most and self._too_small != most:
            self._too_small = most
            structlog.get_logger().warning(
                "tape.max_bytes is too small",
                max_bytes=most,
                used_bytes=used,
                reason="the windows of the newest snapshot need more",
            )
        return goal

    def _step(self, goal: Goal, n_batches: int) -> None:
        log = structlog.get_logger()
        try:
            # A catch-up commits many at once: the tape shrinks faster than it grows all the same.
            more = self._pruner.step(goal, self._now_ms(), at_least=2 * n_batches)
        except TapeError as error:
            log.warning("not pruned", reason=str(error))
            self._goal = None
            return
        self._note()
        if not more:
            self._goal = None
            log.info("pruned", batches=goal.last, oldest_snapshot=goal.snapshot)

    def _note(self) -> None:
        """Remember where the tape begins: scrapes must not ask the writer's own connection."""
        pruned = self._reader.pruned()
        self._gone = pruned.batch if pruned else 0
        self._oldest = oldest_minute(self._reader)


def retention_of(engine: "Engine", tape: "TapeWriter", now_ms: Callable[[], int]) -> Retention:
    """Return what keeps the tape of this engine's run within the limits of the settings in force."""
    return Retention(
        tape, lambda: engine.run.settings.tape, lambda: engine.run.model.plan.history_rows, now_ms
    )
