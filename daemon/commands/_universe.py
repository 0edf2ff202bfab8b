"""Instruments that join a live run or leave it while it goes on.

One that joins is fetched first, with as much of its past as the features look back on, while the run goes on;
then it enters between two minutes, warm. One that leaves is closed between two minutes, at the close of its
last traded bar less the worst costs. A change enters whole, together with the settings that say so, or is
refused whole: an unknown symbol, another quote currency, no history.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING

import numpy as np
import structlog

from daemon.bars.fetched import FetchedBars
from daemon.bars.instruments import told_of
from daemon.commands._exchanges import MakeFeed, grouped, names_of
from daemon.commands._past import fetched, history_end
from daemon.commands._task_beside import beside
from daemon.commands._warmth import tell_who_is_cold
from daemon.errors import BarsError, FeedError, SettingsError
from daemon.events import BackfillBar, Instrument, SettingsChanged
from daemon.feed import BarClosed
from daemon.live import UniverseChange

if TYPE_CHECKING:
    from daemon.engine import Engine
    from daemon.live import LiveRun
    from daemon.ports import Feed, LiveClock
    from daemon.settings import Settings

BLOCK_MINUTES = 4_096


class UniverseChanger:
    """Changes the instruments of a live run.

    Args:
        engine: The run's.
        live: The run.
        make_feed: Makes the feed of a venue that the run has none of.
        clock: The time.
    """

    def __init__(self, engine: "Engine", live: "LiveRun", make_feed: MakeFeed, clock: "LiveClock") -> None:
        self._engine = engine
        self._live = live
        self._make_feed = make_feed
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()

    def is_asked_by(self, new: "Settings") -> bool:
        """Say whether settings name other instruments than the run has."""
        return names_of(new) != self._engine.run.names

    async def change(self, new: "Settings") -> None:
        """Go on with the instruments that these settings name, and under these settings.

        Returns when that is durable: from the next minute on.

        Raises:
            SettingsError: It cannot be; nothing has changed.
        """
        async with self._one_at_a_time:
            change = await self._prepared(new)
            if not change.added and not change.removed:
                await self._submit(change.settings)
                return
            await self._live.regroup(change)
        joined, left = [one.name for one in change.event.added], list(change.removed)
        log = structlog.get_logger()
        log.info("universe_changed", joined=joined, left=left, instruments=len(self._engine.run.names))

    async def _submit(self, settings: SettingsChanged) -> None:
        try:
            await self._live.submit(settings)
        except FeedError as error:
            raise SettingsError([str(error)]) from error

    @asynccontextmanager
    async def settling(self, wanted: "Settings") -> AsyncIterator[None]:
        """While the block runs, see to it that a run that was taken up trades what its settings name now."""
        async with beside(self._settle(wanted)) if self.is_asked_by(wanted) else nullcontext():
            yield

    async def _settle(self, wanted: "Settings") -> None:
        try:
            await self.change(wanted)
        except SettingsError as error:
            structlog.get_logger().error(
                "universe_refused",
                problems=error.problems,
                hint="the run goes on with the instruments it had; mend the settings",
            )

    async def _prepared(self, new: "Settings") -> UniverseChange:
        """Fetch what has to be known of those that join.

        Raises:
            SettingsError: They cannot join.
        """
        now, wanted = self._engine.run.names, names_of(new)
        self._demand_as_described(new, [name for name in wanted if name in now])
        joining = [name for name in wanted if name not in now]
        feeds: dict[str, Feed] = {}
        for venue, of_venue in grouped(wanted).items():
            feeds[venue] = self._live.feeds.get(venue) or self._make_feed(venue, of_venue)
        past = await self._past(feeds, joining, new)
        event = SettingsChanged(settings_json=new.identity_json())
        return UniverseChange(
            added=past,
            removed=tuple(name for name in now if name not in wanted),
            feeds={venue: (feeds[venue], of_venue) for venue, of_venue in grouped(wanted).items()},
            settings=event,
        )

    def _demand_as_described(self, new: "Settings", staying: Sequence[str]) -> None:
        """Refuse other words about an instrument that stays: what it is was settled when it joined."""
        now = self._engine.run.settings
        changed = [name for name in staying if told_of(name, now) != told_of(name, new)]
        if changed:
            problem = (
                f"universe.overrides: nothing can change of {', '.join(changed)} while the run has it; take "
                "it out of universe.instruments, and put it in again later"
            )
            raise SettingsError([problem])

    async def _past(
        self, feeds: Mapping[str, "Feed"], joining: Sequence[str], new: "Settings"
    ) -> dict[Instrument, Sequence[BackfillBar]]:
        plan = self._engine.run.model.plan
        end = history_end(self._clock, new)
        span = end - plan.past_rows, end - 1
        try:
            bars = await fetched(feeds, grouped(joining), span, new.sealing.history_requests)
            sources = await asyncio.to_thread(_sources, bars, new)
        except (FeedError, BarsError) as error:
            raise SettingsError([f"universe.instruments: {error}"]) from error
        for source in sources:
            tell_who_is_cold(source, plan, end)
        return {source.instruments[0]: _rows(source) for source in sources}


def _sources(bars: Mapping[str, Sequence[BarClosed]], settings: "Settings") -> list[FetchedBars]:
    """Return a source for each, on its own sessions.

    Raises:
        BarsError: One is unknown, or quoted in another currency; names all of them that have no bars.
    """
    FetchedBars(bars, settings)
    return [FetchedBars({name: of_one}, settings) for name, of_one in bars.items()]


def _rows(source: FetchedBars) -> list[BackfillBar]:
    """Return the bars of a source of one instrument, flat ones where nobody traded for a while."""
    rows: list[BackfillBar] = []
    for block in source.blocks(source.first_minute, source.last_minute, BLOCK_MINUTES):
        there = block.present[:, 0]
        minute, synthetic = block.minute[there].tolist(), block.synthetic[there, 0].tolist()
        values = [
            getattr(block, name)[there, 0].tolist() for name in ("open", "high", "low", "close", "volume")
        ]
        taker = [None if np.isnan(one) else one for one in block.taker[there, 0].tolist()]
        rows += zip(minute, *values, taker, synthetic, strict=True)
    return rows
