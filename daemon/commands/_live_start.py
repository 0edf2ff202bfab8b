"""What a live run is put together from: its tape taken up again, or one begun with fetched history."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import structlog

from adapters.tape.reader import TapeReader
from adapters.tape.writer import TapeWriter
from daemon.bars.fetched import FetchedBars
from daemon.bars.lane import HELD_MINUTES, lane_starts
from daemon.bars.sequencer import Sequencer
from daemon.commands._exchanges import by_venue, grouped, names_of
from daemon.commands._from_tape import warmup_minutes
from daemon.commands._model import RUN_FILES, LoadedModel, open_model, with_run_files
from daemon.commands._past import fetched, history_end
from daemon.commands._run import Run, begin, machine, resume
from daemon.commands._settings_taken_up import demand_same_but_hot, go_on_under, settings_of
from daemon.commands._warmth import tell_who_is_cold
from daemon.engine import Engine
from daemon.events import BAR_FLAG_SYNTHETIC, Instrument, Minutes
from daemon.feed import BarClosed
from daemon.live import LiveCommit, LiveRun, Onlookers
from daemon.ports import Feed, LiveClock, RunSource
from daemon.settings import Settings
from daemon.vitals.groups import demand_known

FIRST_PAGE_MINUTES: Final = 1_000
"""So much recent history is fetched to learn what the instruments are."""


def names_by_venue(settings: Settings, tape: TapeWriter) -> dict[str, tuple[str, ...]]:
    """Return the instruments of a run by venue: those at the tape's end, or those it is to begin with.

    Raises:
        SettingsError: The settings name none.
    """
    if not tape.begun:
        return by_venue(settings)
    return grouped(tape.names)


class TapeSource:
    """The bars that a live run was begun with, from its own tape."""

    def __init__(self, reader: TapeReader) -> None:
        self._reader = reader
        self.instruments: Final[tuple[Instrument, ...]] = reader.instruments()
        self.fingerprint: Final = reader.header()["bars"]
        found = reader.warmup_event()
        self.first_minute: Final = found[1].first_minute if found else 0
        self.last_minute: Final = found[1].last_minute if found else 0

    def blocks(self, first_minute: int, last_minute: int, max_minutes: int) -> Iterator[Minutes]:
        """Yield the warm-up as it was; it is asked for as it was then."""
        del first_minute, last_minute, max_minutes
        return warmup_minutes(self._reader, self.instruments)

    def outside(self, first_minute: int, last_minute: int) -> Mapping[str, int]:
        """Return nothing: no bar outside its session enters a live run."""
        del first_minute, last_minute
        return {}


class LiveStart:
    """What a live run is put together from.

    Args:
        settings: Of the run.
        model_uri: The model that trades.
        feeds: By venue.
        clock: The time.
        tape: The run's, written by nobody else.
    """

    def __init__(
        self,
        settings: Settings,
        model_uri: str,
        feeds: Mapping[str, Feed],
        clock: LiveClock,
        tape: TapeWriter,
    ) -> None:
        self._settings = settings
        self._model_uri = model_uri
        self._feeds = feeds
        self._clock = clock
        self._tape = tape
        self._first_minute = 0

    async def engine(self) -> Engine:
        """Return the engine at the tape's end, or warmed up with fetched history on a tape begun now."""
        demand_known(self._settings, names_of(self._settings))
        if self._tape.begun:
            return await asyncio.to_thread(self._resumed)
        self._first_minute = history_end(self._clock, self._settings)
        recent = await self._fetched(self._first_minute - FIRST_PAGE_MINUTES, self._first_minute - 1)
        instruments = FetchedBars(recent, self._settings).instruments
        # The first word to MLflow takes seconds, on a busy machine longer than a peer waits for a pong.
        loaded = await asyncio.to_thread(open_model, self._model_uri, self._settings, instruments)
        plan = loaded.model.plan
        start = self._first_minute - plan.past_rows
        older = await self._fetched(start, self._first_minute - FIRST_PAGE_MINUTES - 1)
        source = FetchedBars({name: [*older[name], *bars] for name, bars in recent.items()}, self._settings)
        run = self._run(source, loaded, self._settings)
        engine = run.engine()
        await asyncio.to_thread(begin, run, engine, self._tape)
        log = structlog.get_logger()
        log.info("begun", tape=str(self._tape.place), minute=self._first_minute, instruments=len(instruments))
        tell_who_is_cold(source, plan, self._first_minute)
        return engine

    def live(self, engine: Engine, commit: LiveCommit, onlookers: Onlookers) -> LiveRun:
        """Return the run from the tape's end on."""
        run = engine.run
        with TapeReader(self._tape.place) as reader:
            first = engine.minute + 1 if engine.batch else self._first_minute
            newest = (
                (name, minute, close, taker, bool(flags & BAR_FLAG_SYNTHETIC))
                for name, minute, close, taker, flags in reader.newest_rows(first - HELD_MINUTES)
            )
            starts = lane_starts(newest, run.names)
        sequencer = Sequencer(
            self._settings,
            run.instruments,
            grouped(run.names),
            first,
            self._clock.now_ms(),
            starts=starts,
            lost={feed: [run.names[at] for at in lost] for feed, lost in run.trading.lost.items()},
        )
        rules = self._settings.sealing
        return LiveRun(engine, sequencer, self._feeds, self._clock, rules, commit, onlookers)

    def _resumed(self) -> Engine:
        with TapeReader(self._tape.place) as reader:
            source, begun = TapeSource(reader), settings_of(reader, self._settings)
            demand_same_but_hot(begun, self._settings, reader)
            # From the tape alone: the registry may be away, or point elsewhere by now, which is a swap.
            files = {name: content for name, content in reader.model_files().items() if name not in RUN_FILES}
            version = reader.header()["model_version"]
            loaded = with_run_files(version, files, self._settings, source.instruments)
            self._first_minute = int(reader.header()["first_minute"])
            run = self._run(source, loaded, begun)
            engine = run.engine()
            is_old = resume(run, engine, reader)
            snapshot = engine.snapshot() if is_old else None
            changed = go_on_under(engine, self._settings, reader)
        if snapshot is not None:
            self._tape.append((), snapshot)
        log = structlog.get_logger()
        if changed:
            log.info("settings_applied", by="start", changed=changed, minute=engine.minute)
        log.info("resumed", tape=str(self._tape.place), minute=engine.minute, batch=engine.batch)
        return engine

    def _run(self, source: RunSource, loaded: LoadedModel, settings: Settings) -> Run:
        first = self._first_minute
        return Run(settings, source, first, loaded.model, loaded.files, machine(), loaded.funding)

    async def _fetched(self, first_minute: int, last_minute: int) -> dict[str, Sequence[BarClosed]]:
        """Fetch [first_minute, last_minute] of every instrument."""
        at_once = self._settings.sealing.history_requests
        return await fetched(self._feeds, by_venue(self._settings), (first_minute, last_minute), at_once)
