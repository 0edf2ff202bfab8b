"""The demo's trading: the true daemon against a simulated exchange in the same process."""

import asyncio
import math
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import structlog

from adapters.clock import SystemClock
from adapters.host.terminal import LiveTable, print_summary
from adapters.simulator.book import Book
from adapters.simulator.exchange import SimulatedExchange
from adapters.simulator.market import SimulatedMarket
from adapters.simulator.pace import Pace
from daemon.commands._exchanges import clock_and_feeds
from daemon.commands._live import Session, log_news, opened
from daemon.commands._serving import Feed as Shown
from daemon.commands._signals import on_signals
from daemon.commands._task_beside import beside
from daemon.events import MINUTE_MS, BatchRecord
from daemon.live import Onlookers
from daemon.settings import FeedsSettings, Settings, VenueFeedSettings

if TYPE_CHECKING:
    from adapters.prometheus.server import MetricsServer

AS_FAST_AS_FOLLOWED: Final = math.inf


def trade(
    settings: Settings,
    market: SimulatedMarket,
    first_minute: int,
    model: str,
    tape: Path,
    server: "MetricsServer | None" = None,
) -> None:
    """Trade a market's minutes from `first_minute` to its end, live, and print what it came to.

    Args:
        settings: Of the run; instruments and addresses are the exchange's.
        market: What the exchange trades; earlier bars are its history.
        first_minute: First decided minute.
        model: Folder of the model.
        tape: Of the run; there is none yet.
        server: Answers scrapes.

    Raises:
        click.exceptions.Exit: A signal ended it before; the code is 128 and the signal's number.
        PapertapeError: It cannot start or go on; says why.
    """
    demo = _Demo(settings, market, first_minute, server)
    asyncio.run(demo.trade(model, tape))
    if demo.caught:
        raise click.exceptions.Exit(128 + demo.caught[0])
    if demo.shown is not None:
        demo.shown.linger(settings.metrics.linger_seconds)


class _Demo:
    """An exchange, and the daemon that trades on it.

    Attributes:
        caught: Signals that came.
        shown: Serves the figures, once the run is over, where the settings say so.
    """

    def __init__(
        self,
        settings: Settings,
        market: SimulatedMarket,
        first_minute: int,
        server: "MetricsServer | None",
    ) -> None:
        self._server = server
        self._settings = settings
        self._names = tuple(instrument.name for instrument in market.instruments)
        self._end_minute = market.last_minute + 1
        # The minute before ended so long ago that it is in the history; the first to decide runs.
        now_ms = first_minute * MINUTE_MS + int(settings.sealing.grace_seconds * 1000)
        self._exchange = SimulatedExchange(Book(market), Pace(now_ms), forming_every_s=0.0)
        self._clock = SystemClock()
        self._stop = asyncio.Event()
        self.caught: list[signal.Signals] = []
        self.shown: Shown | None = None

    async def trade(self, model: str, tape: Path) -> None:
        """Trade to the end of the bars, or until a signal comes."""
        self.caught = on_signals(self._stop.set)
        async with self._exchange.serving() as port:
            settings = served_at(self._settings, self._names, port)
            async with beside(self._pass_time()):
                await self._run(settings, model, tape)

    async def _run(self, settings: Settings, model: str, tape: Path) -> None:
        clock, make_feed = clock_and_feeds(settings)
        table, began_s = LiveTable(sys.stderr, self._clock), self._clock.monotonic_s()
        seen: list[Session] = []

        def show(batches: Sequence[BatchRecord]) -> None:
            log_news(batches)
            if table.is_due():
                table.show(seen[0].watcher.live())

        async with opened(
            settings,
            model,
            make_feed,
            clock,
            tape,
            stop=self._stop,
            end_minute=self._end_minute,
            onlookers=Onlookers((show,)),
            server=self._server,
        ) as session:
            if session is None:
                return
            seen.append(session)
            with table:
                await session.live.run(self._stop)
            if self.caught:
                structlog.get_logger().warning(
                    "stopped", signal=self.caught[0].name, minute=session.engine.minute
                )
                return
            summary = session.watcher.summary(session.first_minute, self._clock.monotonic_s() - began_s)
            print_summary(sys.stdout, summary.panels(), summary.verdict)
            self.shown = session.shown

    async def _pass_time(self) -> None:
        """Pass time as in life until the daemon listens, then as fast as it follows; at the end stop it."""
        passing = asyncio.create_task(self._exchange.run())
        try:
            await self._exchange.all_subscribed.wait()
            self._exchange.pace.go(AS_FAST_AS_FOLLOWED)
            await passing
            self._stop.set()
        finally:
            passing.cancel()


def served_at(settings: Settings, names: tuple[str, ...], port: int) -> Settings:
    """Return the settings of a run on these instruments (`venue:SYMBOL`) of an exchange on this machine."""
    host = f"127.0.0.1:{port}"
    at = VenueFeedSettings(stream_url=f"ws://{host}/stream", history_url=f"http://{host}")
    venues = dict.fromkeys((name.partition(":")[0] for name in names), at)
    feeds = FeedsSettings(venues=venues, clock_url=f"ws://{host}/papertape/clock")
    universe = settings.universe.model_copy(update={"instruments": names})
    return settings.model_copy(update={"universe": universe, "feeds": feeds})
