"""The challenger: follows the run's tape on a thread of its own, as slowly as it must; the run never waits.

It begins a day back on the tape, and anew when the run is started again or the alias moves. What it shows
follows from the tape and from where it began; nothing of it is on the tape.
"""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from contextvars import copy_context
from itertools import islice
from typing import Final

import structlog

from adapters.registry import open_store
from adapters.tape.in_force import Models
from adapters.tape.place import Place
from adapters.tape.reader import TapeReader
from daemon.challenger import Challenger, ChallengerFigures
from daemon.commands._from_tape import CHUNK_ROWS, history_until
from daemon.commands._model import from_files
from daemon.commands._tape_models import TapeModels
from daemon.commands._task_beside import beside
from daemon.engine import Engine
from daemon.errors import PapertapeError, TapeAwayError, TapeInUseError
from daemon.ports import Files
from daemon.run_model import RunModel

BACK_MINUTES: Final = 1_440
"""So much of the tape is scored at once when a challenger comes: a day."""

NAP_S: Final = 1.0
TOLD_EVERY_MINUTES: Final = 1_440
"""A line in the log tells how it does."""

TAPE_WAITS: Final = (TapeAwayError, TapeInUseError)
"""The tape is not to be had now, which the run tells of."""


class ChallengerWatch:
    """Watches what `model.challenger` points to and scores it beside what trades.

    Args:
        engine: The run's; only its settings, instruments and model are looked at.
        place: The run's tape.

    Attributes:
        figures: What is known; None without a challenger.
    """

    def __init__(self, engine: Engine, place: Place) -> None:
        self.figures: ChallengerFigures | None = None
        self._engine = engine
        self._place = place
        self._stopped = False
        # Address and version as last heeded, what came of it, and the batch up to which it is scored.
        self._heeded: tuple[str | None, str | None] = (None, None)
        self._challenger: Challenger | None = None
        self._batch = 0
        self._told_minutes = 0
        self._away = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Score while inside."""
        with ThreadPoolExecutor(1, thread_name_prefix="challenger") as thread:
            async with beside(self._follow(thread)):
                try:
                    yield
                finally:
                    self._stopped = True

    async def _follow(self, thread: ThreadPoolExecutor) -> None:
        loop, slept_s = asyncio.get_running_loop(), float("inf")
        while True:
            told = self._engine.run.settings.model
            if told.challenger != self._heeded[0] or (told.watch_seconds and slept_s >= told.watch_seconds):
                await loop.run_in_executor(thread, copy_context().run, self.look)
                slept_s = 0.0
            if self._challenger is not None and self._engine.batch > self._batch:
                await loop.run_in_executor(thread, copy_context().run, self.score)
            await asyncio.sleep(NAP_S)
            slept_s += NAP_S

    def look(self) -> None:
        """Ask what the address points to; begin with that if it is new. Takes seconds."""
        told, log = self._engine.run.settings.model, structlog.get_logger()
        uri = told.challenger
        if uri is None:
            self._heeded, self._challenger, self.figures = (None, None), None, None
            return
        try:
            store = open_store(uri, told.registry)
            version = store.version_of(uri)
            loaded = None if (uri, version) == self._heeded else store.load(uri)
        except PapertapeError as error:
            # A registry that is away takes nobody's place.
            self._heeded = (uri, self._heeded[1] if self._heeded[0] == uri else None)
            if not self._away:
                self._away = True
                log.warning("challenger not scored", model=uri, reason=str(error))
            return
        self._away = False
        if loaded is None:
            return
        self._heeded, self._challenger, self.figures = (uri, version), None, None
        try:
            self._begin(*loaded)
        except TAPE_WAITS:
            self._heeded = (uri, None)
        except PapertapeError as error:
            # A bundle that is bad waits for the alias to move.
            log.warning("challenger not scored", model=uri, reason=str(error))
        except Exception as error:  # noqa: BLE001 - as in `score`
            self._give_up(error)

    def _begin(self, version: str, files: Files) -> None:
        run = self._engine.run
        with TapeReader(self._place) as reader:
            beside = TapeModels(reader, run.settings).run_files()
            model = from_files(version, {**files, **beside}, run.settings, run.instruments).model
            tip = reader.tip()
            self._batch = max(tip[0] - BACK_MINUTES if tip else 0, _first_batch(reader))
            self._told_minutes = 0
            self._challenger = self._warm(reader, model)
        structlog.get_logger().info("challenger scored beside", model=version, from_batch=self._batch + 1)

    def _warm(self, reader: TapeReader, model: RunModel) -> Challenger:
        champion = self._engine.run.model
        last = next(reader.batches(self._batch), None)
        minute = (last.minute if last else int(reader.header()["first_minute"])) - 1
        rows = model.plan.past_rows
        inputs, names = history_until(reader, reader.instruments(), self._batch, minute, rows)
        comparable = model.bundle.labels == champion.bundle.labels
        experts = Models(reader).experts_at(self._batch)
        challenger = Challenger(model, self._engine.run.settings, names, experts, comparable=comparable)
        challenger.warm(inputs)
        return challenger

    def score(self) -> None:
        """Score what the tape has gained; in parts, for a stop is heard between them."""
        challenger = self._challenger
        if challenger is None:
            return
        try:
            with TapeReader(self._place) as reader:
                n = max(1, CHUNK_ROWS // max(1, len(self._engine.run.names)))
                batches = reader.batches(self._batch)
                while not self._stopped and (records := list(islice(batches, n))):
                    challenger.take(records, n)
                    self._batch = records[-1].batch
                    self.figures = challenger.figures()
        except TAPE_WAITS:
            return  # what is not scored now is later
        except Exception as error:  # noqa: BLE001 - whatever a stranger's bundle does, the run goes on without it
            self._give_up(error)
            return
        self._tell()

    def _give_up(self, error: Exception) -> None:
        """Do without it until the alias moves."""
        self._challenger, self.figures = None, None
        structlog.get_logger().warning(
            "challenger given up", model=self._heeded[1], reason=f"{type(error).__name__}: {error}"
        )

    def _tell(self) -> None:
        found = self.figures
        if found is None or found.skill.minutes < self._told_minutes + TOLD_EVERY_MINUTES:
            return
        self._told_minutes = found.skill.minutes
        gain = found.gain
        structlog.get_logger().info(
            "challenger",
            model=found.version,
            minutes=found.skill.minutes,
            skill_nats=found.skill.skill,
            gain_nats=None if gain is None else gain.mean,
            gain_low_nats=None if gain is None else gain.low,
            gain_high_nats=None if gain is None else gain.high,
        )


def _first_batch(reader: TapeReader) -> int:
    """Return the batch after which the tape has all of them: 0, or where it was pruned."""
    pruned = reader.pruned()
    return 0 if pruned is None else pruned.batch
