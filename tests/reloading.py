"""A live run in this process, on bars from memory and a settings file on disk, that tests reload."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

from adapters.clock import SystemClock
from adapters.registry import FolderStore
from adapters.simulator.market import SimulatedMarket
from daemon.commands import Invocation
from daemon.commands._live import Session, opened
from daemon.commands._reload import Reloader
from daemon.commands._settings import SettingsSource
from daemon.events import BatchRecord
from daemon.live import Onlookers
from tests import runs
from tests.file_feed import FileFeed, all_bars
from tests.jump_clock import JumpClock

FIRST = runs.first_traded()
QUIET = Invocation(log_level="error")


@cache
def market() -> SimulatedMarket:
    """The market of `tests.runs` at a venue that a run may name."""
    return SimulatedMarket(**runs.MARKET, venue="binance")  # type: ignore[arg-type]


def words(**sections: Any) -> dict[str, Any]:
    """The settings of the run; of sections that are given, what they name."""
    told = runs.SETTINGS.model_dump(mode="json", exclude_unset=True)
    told["universe"]["instruments"] = [one.name for one in market().instruments]
    for name, fields in sections.items():
        told[name] = {**told.get(name, {}), **fields}
    return told


def write(file: Path, text: str) -> None:
    """Rename a new file over the old one, as editors do."""
    new = file.with_name(f".{file.name}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(file)


def settle(file: Path, **sections: Any) -> None:
    """Write the settings of the run."""
    write(file, json.dumps(words(**sections)))


class Reloaded:
    """A run whose settings are in a file of an empty folder."""

    def __init__(self, folder: Path, file: Path | None = None) -> None:
        self.folder = folder
        self.file = file or folder / "run.yaml"
        self.tape = folder / "run.tape"
        self.records: list[BatchRecord] = []
        self.in_force: list[Any] = []
        self._news = asyncio.Event()
        self.model = folder / "model"
        FolderStore(self.model).register("small", None, runs.bundle().to_files(), {})

    @asynccontextmanager
    async def running(
        self, first: int = FIRST, *, still_s: float = 0.0, patience_s: float = 0.0, told: Invocation = QUIET
    ) -> AsyncIterator[tuple[Session, Reloader]]:
        """Play minutes; after the block the run is stopped and the tape closed, in an orderly way."""
        source = SettingsSource(self.file, told)
        clock = JumpClock(first * 60_000 + 4_000)
        feed = FileFeed(all_bars(market()), clock, first, market().last_minute)
        stop = asyncio.Event()
        onlookers = Onlookers((self._see(lambda: session), feed.see))
        async with opened(
            source.settings,
            str(self.model),
            lambda _, __: feed,
            clock,
            self.tape,
            stop=stop,
            onlookers=onlookers,
        ) as session:
            assert session is not None
            reloader = Reloader(
                source,
                session.engine,
                session.live,
                session.universe,
                session.meter,
                SystemClock(),
                still_s,
                patience_s,
            )
            running = asyncio.ensure_future(session.live.run(stop))
            try:
                yield session, reloader
            finally:
                stop.set()
                await running

    def _see(self, session: Callable[[], Session | None]) -> Callable[[Sequence[BatchRecord]], None]:
        def see(records: Sequence[BatchRecord]) -> None:
            self.records += records
            self._news.set()
            now = session()
            assert now is not None
            self.in_force += [now.engine.run.settings] * len(records)

        return see

    async def minutes(self, n: int) -> None:
        """Wait until so many more minutes are durable."""
        wanted = len(self.records) + n
        while len(self.records) < wanted:
            self._news.clear()
            await self._news.wait()
