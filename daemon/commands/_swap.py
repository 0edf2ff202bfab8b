"""The model's alias, watched while the run goes on: what it points to next is loaded and checked beside it.

A version that fits is swapped in between two batches by an event (`ModelChanged`); one that does not is
refused with its reason, and the old one goes on. Rollback is moving the alias back.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

import numpy as np
import structlog
from structlog.typing import FilteringBoundLogger

from adapters.registry import address_of, open_store
from adapters.tape.models import hashes_of
from adapters.tape.place import Place
from adapters.tape.reader import TapeReader
from daemon import chain
from daemon.commands._challenger import ChallengerWatch
from daemon.commands._model import RUN_FILES, from_files
from daemon.commands._tape_models import TapeModels
from daemon.commands._task_beside import beside
from daemon.commands._version_figures import version_series
from daemon.engine import Engine
from daemon.errors import FeedError, PapertapeError, TapeError
from daemon.events import BatchRecord, Instrument, ModelChanged, model_subject
from daemon.labels.matured import Void, in_order
from daemon.models.panel import PanelRows
from daemon.ports import Figures, Files, Submit
from daemon.run_model import RunModel
from daemon.settings import Settings

LABEL_DIGITS: Final = 8
"""Of a digest, to tell two bundles apart that registries gave the same number."""

NAP_S: Final = 1.0
"""Between two looks at how long to sleep: `model.watch_seconds` may change meanwhile."""


class ModelRefusedError(PapertapeError):
    """A version that cannot trade in this run; it is not tried again until the alias moves."""


class ModelWatch:
    """Watches what the model's address points to, and swaps.

    Args:
        engine: At the tape's end.
        place: The run's tape; it keeps every version that ever traded.
        settings: The run's at its start.
        uri: The model's address.

    Attributes:
        offered: Bundles by version, for the tape to keep with the event that brings them in.
        heard_by: Are told of each version that is refused, with the reason.
        challenger: Scores another model beside what trades.
        uri: What is watched.
    """

    def __init__(self, engine: Engine, place: Place, settings: Settings, uri: str) -> None:
        self.offered: Mapping[str, Files] = {}
        self.heard_by: list[Callable[[str, str], None]] = []
        self.challenger = ChallengerWatch(engine, place)
        self._engine = engine
        self._place = place
        self.uri = uri
        self._store = open_store(uri, settings.model.registry)
        # What the address pointed to when it was last heeded; None: nothing is known yet.
        self._heeded: str | None = None
        self._away = False
        self._failures = 0
        self._results = {"swapped": 0, "refused": 0}
        self._swapped_minute: int | None = None

    @asynccontextmanager
    async def running(self, submit: Submit) -> AsyncIterator[None]:
        """Watch while inside, beginning at once: the alias may have moved while nothing ran."""
        async with beside(self._watch(submit)):
            yield

    def see(self, records: Sequence[BatchRecord]) -> None:
        """Log and count what became of changes of the model; a sink."""
        for record in records:
            refused = {refusal.subject: refusal.reason for refusal in record.refusals}
            for event in (chain.read_event(e) for e in record.events if e.kind == ModelChanged.__name__):
                if not isinstance(event, ModelChanged):
                    continue
                reason = refused.get(model_subject(event.version))
                if reason is not None:
                    self._refuse(event.version, reason)
                    continue
                self._results["swapped"] += 1
                self._swapped_minute = record.minute
                _log().info("model swapped", model=event.version, batch=record.batch)

    def figures(self) -> Figures:
        """Return the figures of swaps and of the registry."""
        found: dict[str, dict[tuple[str, ...], float]] = {
            "model_swaps_total": {(result,): float(n) for result, n in self._results.items()},
            "model_registry_reachable": {(): float(not self._away)},
            "model_registry_failures_total": {(): float(self._failures)},
        }
        if self._swapped_minute is not None:
            found["model_swapped_timestamp_seconds"] = {(): 60.0 * self._swapped_minute}
        return {**found, **version_series(self._engine.run, self.challenger.figures)}

    async def _watch(self, submit: Submit) -> None:
        address = address_of(self.uri)
        if address is not None and address.version is not None:
            return  # it stays what it is
        slept_s = math.inf
        while True:
            every_s = self._engine.run.settings.model.watch_seconds
            if every_s and slept_s >= every_s:
                await self.poll(submit)
                slept_s = 0.0
            await asyncio.sleep(NAP_S)
            slept_s += NAP_S

    async def poll(self, submit: Submit) -> None:
        """Ask once what the address points to; if that is something new, load it, and swap or refuse it."""
        try:
            version = await asyncio.to_thread(self._store.version_of, self.uri)
            if version != self._heeded:
                await self._heed(version, submit)
        except (FeedError, TapeError) as error:
            # Too many events wait for their minute, or the tape's server is away; the next poll tries again.
            _log().warning("model waits", model=version, reason=str(error))
        except PapertapeError as error:
            self._failures += 1
            if not self._away:
                self._away = True
                trades = self._engine.run.model.version
                _log().warning("model registry away", model=self.uri, trades=trades, reason=str(error))
            return
        if self._away:
            self._away = False
            _log().info("model registry back", model=self.uri)

    async def _heed(self, version: str, submit: Submit) -> None:
        try:
            event = await asyncio.to_thread(self._prepared)
            if event is not None:
                await submit(event)
        except ModelRefusedError as error:
            self._refuse(version, str(error))
        finally:
            self.offered = {}
        self._heeded = version

    def _refuse(self, version: str, reason: str) -> None:
        self._results["refused"] += 1
        for hear in self.heard_by:
            hear(version, reason)
        _log().warning("model refused", model=version, trades=self._engine.run.model.version, reason=reason)

    def _prepared(self) -> ModelChanged | None:
        """Load what the address points to and rehearse it; None if it trades already. Takes seconds.

        Raises:
            ModelRefusedError: It cannot trade in this run.
            PapertapeError: It cannot be had now.
        """
        version, files = self._store.load(self.uri)
        hashes = hashes_of(files)
        run = self._engine.run
        with TapeReader(self._place) as reader:
            version = _label(reader, version, hashes)
            if version == run.model.version:
                return None
            beside = TapeModels(reader, run.settings).run_files()
        try:
            model = from_files(version, {**files, **beside}, run.settings, run.instruments).model
            differences = run.model.differences(model)
            if not differences:
                rehearse(model, run.settings, run.instruments)
        except Exception as error:  # a bundle that fails in any way must not take the run with it
            what = str(error) if isinstance(error, PapertapeError) else f"{type(error).__name__}: {error}"
            raise ModelRefusedError(what) from error
        if differences:
            raise ModelRefusedError("; ".join(differences))
        self._engine.library = {version: model}
        self.offered = {version: files}
        return ModelChanged(version=version, files=hashes, experts=model.bundle.experts)


def rehearse(model: RunModel, settings: Settings, instruments: Sequence[Instrument]) -> None:
    """Let a model do all that it will have to do in a run, once, and see whether it can."""
    engine = Engine(model, settings, instruments)
    values = np.zeros((1, len(model.plan.names)))
    row = np.zeros(1, dtype=np.int64)
    raw = model.raw(row, row, row, values, len(instruments))
    rows = PanelRows(n_minutes=1, ordinal=0, minute=row, instrument=row, values=values, raw=raw)
    engine.run.panel.score(rows, in_order((), np.zeros((1, len(Void)), dtype=np.int64)))
    model.edge.expected(np.full((1, 3), 1.0 / 3.0), np.ones(1), model.horizon_minutes)


def _label(reader: TapeReader, version: str, hashes: Mapping[str, str]) -> str:
    """Return the name of a version on this tape: another one where its own is that of another bundle."""
    stored = {name: of for name, of in reader.model_hashes(version).items() if name not in RUN_FILES}
    if not stored or stored == hashes:
        return version
    return f"{version}+{chain.content_digest(repr(sorted(hashes.items())).encode())[:LABEL_DIGITS]}"


def _log() -> FilteringBoundLogger:
    logger: FilteringBoundLogger = structlog.get_logger()
    return logger
