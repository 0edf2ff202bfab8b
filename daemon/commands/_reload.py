"""New settings while a run goes on: read whole, then applied between two batches, or refused whole.

A file that needs a restart anywhere is refused with all its problems and the old settings go on: half of a
file in force would be settings that nobody wrote.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import structlog

from adapters.files.settings_watch import PATIENCE_S, STILL_S, other_content, still
from daemon.commands._exchanges import names_of
from daemon.commands._settings import SettingsSource
from daemon.commands._task_beside import beside
from daemon.errors import FeedError, SettingsError
from daemon.events import SettingsChanged
from daemon.settings import OUTSIDE, OUTSIDE_TAPE, Settings, changes, in_words
from daemon.vitals.groups import demand_known

if TYPE_CHECKING:
    from adapters.files.settings_file import LoadedSettings
    from adapters.prometheus.server import MetricsServer, Series
    from daemon.commands._live_figures import LiveMeter
    from daemon.commands._universe import UniverseChanger
    from daemon.engine import Engine
    from daemon.live import LiveRun
    from daemon.ports import WallClock

LEVELS: Final = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What came of reading the settings again.

    Attributes:
        result: What was done.
        by: Who asked for it: file, SIGHUP, ...
        changed: Settings that are others now, as `section.field`.
        problems: Why the file was refused, each with its place.
    """

    result: Literal["applied", "rejected", "unchanged"]
    by: str
    changed: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


class Reloader:
    """Keeps a live run's settings as its file and the environment say.

    Args:
        source: Of the settings.
        engine: The run's.
        live: The run.
        universe: Changes its instruments.
        meter: Of its figures.
        clock: Tells moments.
        still_s: How long a file must not have changed to be read.
        patience_s: How long a file that is no YAML text is waited for.

    Attributes:
        settings: In force.
        counts: How often what came of it.
        rejected: Whether the file, as it was last read, is not what is in force.
        heard_by: Are told what came of each reload.
        announced: Makes the context in which each reload happens: who has to hear of it is told.
    """

    def __init__(
        self,
        source: SettingsSource,
        engine: "Engine",
        live: "LiveRun",
        universe: "UniverseChanger",
        meter: "LiveMeter",
        clock: "WallClock",
        still_s: float = STILL_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.settings = source.settings
        self.rejected = False
        self.heard_by: list[Callable[[Reloaded], None]] = []
        self.announced: Callable[[], AbstractContextManager[None]] = nullcontext
        self._source = source
        self._engine = engine
        self._live = live
        self._universe = universe
        self._meter = meter
        self._clock = clock
        self._waits = (still_s, patience_s)
        self._one_at_a_time = asyncio.Lock()
        self._reloading: set[asyncio.Task[Reloaded]] = set()
        self.counts = Counter(dict.fromkeys(("applied", "rejected", "unchanged"), 0))
        self._good_s = clock.epoch_s()

    async def reload(self, by: str) -> Reloaded:
        """Read the settings, and return what came of it when it is in force and durable.

        That may take until the next minute is sealed. Who asks may be cancelled meanwhile: what is begun is
        done to its end all the same.

        Args:
            by: Who asks.
        """
        reloading = asyncio.create_task(self._reload(by))
        self._reloading.add(reloading)
        reloading.add_done_callback(self._reloading.discard)
        return await asyncio.shield(reloading)

    async def _reload(self, by: str) -> Reloaded:
        async with self._one_at_a_time:
            with self.announced():
                done = await self._read(by)
            self._note(done)
            for hear in self.heard_by:
                hear(done)
        return done

    async def _read(self, by: str) -> Reloaded:
        if self._source.file is not None:
            await still(self._source.file, *self._waits)
        try:
            return await self._taken(by)
        except SettingsError as error:
            done = Reloaded("rejected", by, problems=error.problems)
            self._tell(done)
            return done
        except Exception as error:  # noqa: BLE001 - the run goes on and hears of later changes, whatever failed
            structlog.get_logger().exception("settings_reload_failed", by=by)
            return Reloaded("rejected", by, problems=(f"{type(error).__name__}: {error}",))

    @asynccontextmanager
    async def watching(self, hangup: asyncio.Event) -> AsyncIterator[None]:
        """Read the settings again whenever their file changes, or `hangup` is set, while the block runs."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._give_up)
            await stack.enter_async_context(beside(self._on_hangup(hangup)))
            if self._source.file is not None:
                await stack.enter_async_context(beside(self._on_change(self._source.file)))
            yield

    async def _give_up(self) -> None:
        """End reloads that are under way."""
        reloading = tuple(self._reloading)
        for task in reloading:
            task.cancel()
        await asyncio.gather(*reloading, return_exceptions=True)

    def shown_by(self, server: "MetricsServer") -> None:
        """Let scrapes see what came of reloads, as it is then."""
        counted: Series = {(result,): partial(self._counted, result) for result in self.counts}
        server.watch("settings_reloads_total", counted)
        server.watch("settings_rejected", {(): lambda: float(self.rejected)})
        server.watch("last_good_reload_timestamp_seconds", {(): lambda: self._good_s})

    def _counted(self, result: str) -> float:
        return float(self.counts[result])

    async def _on_change(self, file: Path) -> None:
        async for _ in other_content(file, self._source.content, self._tell_unwatched):
            await self.reload("file")

    def _tell_unwatched(self, reason: str) -> None:
        log = structlog.get_logger()
        log.debug("settings_folder_unwatched", reason=reason, hint="the file is looked at every few seconds")

    async def _on_hangup(self, hangup: asyncio.Event) -> None:
        while True:
            await hangup.wait()
            hangup.clear()
            await self.reload("SIGHUP")

    async def _taken(self, by: str) -> Reloaded:
        """Apply what the file says.

        Raises:
            SettingsError: It is not applied.
        """
        loaded = self._source.read()
        new, found = loaded.settings, changes(self.settings, loaded.settings)
        # A change of the universe that was refused at the start is tried again.
        if not found and not self._universe.is_asked_by(new):
            done = Reloaded("unchanged", by)
            self._tell(done)
            return done
        cold = [path for path, reload in found.items() if reload == "restart"]
        if cold:
            raise SettingsError([_needs_restart(path, self.settings, loaded) for path in cold])
        demand_known(new, names_of(new))
        if self._universe.is_asked_by(new) or "universe.overrides" in found:
            await self._universe.change(new)
        elif any(is_on_tape(path) for path in found):
            await self._decide_by(new)
        # The engine goes by these already; the rest of them is for those around it.
        self._engine.run.settings = new
        self._live.reconfigure(new)
        self._meter.reconfigure(new.metrics.max_instruments)
        before, self.settings = self.settings, new
        done = Reloaded("applied", by, tuple(in_words(path, before, new) for path in found))
        if LEVELS.index(new.log.level) > LEVELS.index(before.log.level):
            self._tell(done)  # while the log still shows it
            self._source.set_log(new)
        else:
            self._source.set_log(new)
            self._tell(done)
        return done

    async def _decide_by(self, new: Settings) -> None:
        """Put the change on the tape, before the next minute."""
        try:
            await self._live.submit(SettingsChanged(settings_json=new.identity_json()))
        except FeedError as error:
            raise SettingsError([str(error)]) from error
        now = self._engine.run.settings
        refused = changes(now, now.deciding_as(new.identity_json()))
        if refused:
            raise SettingsError([f"the run goes on under other {', '.join(refused)}; restart it"])

    def _note(self, done: Reloaded) -> None:
        self.counts[done.result] += 1
        self.rejected = done.result == "rejected"
        if not self.rejected:
            self._good_s = self._clock.epoch_s()

    def _tell(self, done: Reloaded) -> None:
        log = structlog.get_logger()
        if done.result == "rejected":
            hint = "the old settings go on; mend the file, or put the old one back"
            log.error("settings_rejected", by=done.by, problems=done.problems, hint=hint)
        elif done.result == "applied":
            log.info("settings_applied", by=done.by, changed=done.changed)
        else:
            log.info("settings_unchanged", by=done.by)


def is_on_tape(path: str) -> bool:
    """Say whether the tape keeps a setting: it takes part in what is decided, or in what a run is."""
    section, _, field = path.partition(".")
    return section not in OUTSIDE and (section != "tape" or field not in OUTSIDE_TAPE)


def _needs_restart(path: str, now: Settings, loaded: "LoadedSettings[Settings]") -> str:
    """Say what a change of a setting needs instead."""
    way = "restart with another --tape, as another run" if is_on_tape(path) else "restart"
    changed = f"{loaded.place(path)}: {in_words(path, now, loaded.settings)}"
    return f"{changed} needs a restart; put it back, or {way}"
