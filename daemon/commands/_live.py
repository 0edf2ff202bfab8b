"""A live run from its start to its end: taken up or begun, caught up, and stopped by a signal."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
import structlog

from adapters.clock import SystemClock
from adapters.prometheus.live import LOOP_LAG
from adapters.simulator.follower import FollowingClock
from adapters.tape.place import Place
from adapters.tape.reader import TapeReader
from adapters.tape.writer import TapeWriter
from daemon import __version__, chain
from daemon.commands._control_start import control_of
from daemon.commands._exchanges import MQTT, MakeFeed
from daemon.commands._health import beating, committing, health_of, served
from daemon.commands._live_figures import LiveMeter
from daemon.commands._live_start import LiveStart, names_by_venue
from daemon.commands._notify import notifying
from daemon.commands._outages import outlasting
from daemon.commands._reload import Reloader
from daemon.commands._retention import Retention, retention_of
from daemon.commands._service import attended, status_of
from daemon.commands._serving import Feed as Shown
from daemon.commands._serving import feed_for
from daemon.commands._signals import on_hangup, on_signals
from daemon.commands._swap import ModelWatch
from daemon.commands._told import tell
from daemon.commands._universe import UniverseChanger
from daemon.commands._views import Watcher
from daemon.diagnostics import Diagnostics, Indication
from daemon.engine import Engine
from daemon.errors import SettingsError, UserError
from daemon.events import Backfill, BatchRecord, FeedLost, FeedRestored, Snapshot
from daemon.live import Health, LiveRun, Onlookers
from daemon.ports import Feed, LiveClock
from daemon.settings import Settings

if TYPE_CHECKING:
    from adapters.prometheus.server import MetricsServer
    from daemon.commands._mqtt import MqttLink
    from daemon.commands._settings import SettingsSource

HISTORY_PATIENCE_S: Final = 0.1
"""A simulated exchange waits so long for answers of its own history before its time goes on."""


async def run_live(
    settings: Settings,
    model_uri: str,
    make_feed: MakeFeed,
    clock: LiveClock,
    place: Place,
    server: "MetricsServer | None" = None,
    health: Health | None = None,
    source: "SettingsSource | None" = None,
) -> None:
    """Trade live until SIGTERM or SIGINT; then drain and leave.

    Args:
        settings: Of the run.
        model_uri: The model that trades.
        make_feed: Makes the feeds.
        clock: The time.
        place: Made where there is none; else the run on it is gone on with.
        server: Answers scrapes.
        health: Is told of it.
        source: Where the settings come from, to be read again.

    Raises:
        PapertapeError: It cannot start or go on; says why.
    """
    stop, hangup = asyncio.Event(), asyncio.Event()
    on_signals(stop.set)
    on_hangup(hangup.set, stop.set)
    health = health or health_of(settings, place)
    async with (
        attended(health) as attendant,
        notifying(settings, health, clock, server) as notifier,
        opened(
            settings,
            model_uri,
            make_feed,
            clock,
            place,
            stop=stop,
            onlookers=notifier.joined(LOGGED),
            server=server,
            health=health,
        ) as session,
    ):
        if session is not None:
            attendant.describe = partial(status_of, session, clock)
            async with session.reloading(source, hangup, server):
                if session.reloader is not None:
                    session.reloader.announced = attendant.reloading
                notifier.attend(session)
                await session.live.run(stop)
            log, engine = structlog.get_logger(), session.engine
            log.info("stopped", minute=engine.minute, batch=engine.batch, tasks=len(asyncio.all_tasks()))


@asynccontextmanager
async def opened(  # noqa: PLR0913 - what a live run is made of
    settings: Settings,
    model_uri: str,
    make_feed: MakeFeed,
    clock: LiveClock,
    place: Place,
    *,
    stop: asyncio.Event,
    end_minute: int | None = None,
    onlookers: Onlookers | None = None,
    server: "MetricsServer | None" = None,
    health: Health | None = None,
) -> AsyncIterator["Session | None"]:
    """Take a live run up, or begin one, and yield it ready to run; None if it is stopped before.

    Args:
        settings: Of the run.
        model_uri: The model that trades.
        make_feed: Makes the feeds.
        clock: The time.
        place: Made where there is none; else the run on it is gone on with.
        stop: Ends the beginning too.
        end_minute: The minute after the last, where the run has one.
        onlookers: See what is done; default: the log, line by line.
        server: Answers scrapes.
        health: Is told of it.
    """
    async with AsyncExitStack() as stack:
        control = stack.enter_context(control_of(settings))
        health = health or health_of(settings, place)
        await stack.enter_async_context(beating(health, clock, stop))
        stack.enter_context(served(health, server))
        tape = stack.enter_context(TapeWriter(place))
        await stack.enter_async_context(outlasting(tape, stop, server, health))
        if isinstance(clock, FollowingClock):
            await stack.enter_async_context(clock.following())
        link = _open_mqtt(settings)
        feeds = {
            venue: make_feed(venue, names) if venue != MQTT else _feed_by_topic(link, names)
            for venue, names in names_by_venue(settings, tape).items()
        }
        start = LiveStart(settings, model_uri, feeds, clock, tape)
        engine = await _unless(stop, start.engine())
        if engine is None:
            yield None
            return
        session = Session(engine, tape, end_minute, ModelWatch(engine, place, settings, model_uri))
        session.retention = stack.enter_context(retention_of(engine, tape, clock.now_ms))
        # Scrapes come by the machine's time, however fast a simulated exchange's passes.
        session.shown = None if server is None else feed_for(server, session.meter, SystemClock())
        watching = session.watched_by(onlookers or LOGGED)
        if link is not None:
            watching = session.heard_by(link, watching)
        if control is not None:
            watching = control.joined(session, clock, watching)
        session.live = start.live(engine, committing(health, session.commit), watching)
        health.attend(session.live, lambda: engine.run.model.version)
        session.meter.live = session.live
        if server is not None:
            server.watch(LOOP_LAG, {(): session.live.loop_lag.worst_s})
            session.retention.shown_by(server)
        if link is not None:
            await stack.enter_async_context(link.running())
        if control is not None:
            await stack.enter_async_context(control.serving())
        session.universe = UniverseChanger(engine, session.live, partial(_further_feed, make_feed), clock)
        await stack.enter_async_context(session.universe.settling(settings))
        await stack.enter_async_context(session.models.running(session.live.submit))
        await stack.enter_async_context(session.models.challenger.running())
        if isinstance(clock, FollowingClock):
            clock.settled = partial(session.live.settled, HISTORY_PATIENCE_S)
        yield session


class Session:
    """A live run, and what is done with its batches: made durable, counted, shown, served.

    Attributes:
        engine: At the tape's end.
        tape_place: Where it is written.
        live: The run.
        models: Watches which version is to trade.
        watcher: What it came to.
        retention: Keeps the tape within its limits.
        universe: Changes its instruments.
        reloader: Takes new settings over, where they have a source.
        shown: Serves its figures, where the settings say so.
    """

    live: LiveRun
    retention: Retention
    universe: UniverseChanger
    reloader: Reloader | None = None

    def __init__(self, engine: Engine, tape: TapeWriter, end_minute: int | None, models: ModelWatch) -> None:
        self.engine = engine
        self.tape_place = tape.place
        self.models = models
        self._tape = tape
        with TapeReader(tape.place) as reader:
            last = reader.last_batch()
            self.first_minute = int(reader.header()["first_minute"])
        book = last.book if last else None
        start = engine.minute + 1 if engine.batch else self.first_minute
        # A live run has no end to be on the way to, unless the bars have one.
        self.watcher = Watcher(engine, start, end_minute or start + 1, book)
        shown = engine.run.settings.metrics.max_instruments
        self.meter = LiveMeter(engine, self.watcher, shown, self.first_minute, book)
        self.meter.models = models
        self.shown: Shown | None = None

    def commit(
        self, batches: Sequence[BatchRecord], snapshot: Snapshot | None, diagnostics: Diagnostics
    ) -> None:
        """Write a group; on the engine's thread."""
        if batches or snapshot is not None or diagnostics:
            self._tape.append(batches, snapshot, diagnostics, self.models.offered)
            if self.shown is not None:
                self.shown.note_commit(snapshot)
            self.retention.after_commit(len(batches))

    def watched_by(self, onlookers: Onlookers) -> Onlookers:
        """Return onlookers that see batches after the figures have, and whose stages are measured."""
        sinks = (self.watcher.see, self.models.see, *onlookers.sinks)
        if self.shown is None:
            return replace(onlookers, sinks=sinks)
        return replace(onlookers, sinks=(*sinks, self.shown.see), timed=self.shown.timed)

    def heard_by(self, link: "MqttLink", onlookers: Onlookers) -> Onlookers:
        """Return onlookers that also publish; commands come in from now on."""
        self.meter.link = link
        publisher = link.publisher(self.engine, self.watcher, lambda event: self.live.submit(event))  # noqa: PLW0108 - `live` comes later
        if self.shown is not None:
            self.shown.show_drops_of(publisher.surviving)
        return replace(
            onlookers,
            sinks=(*onlookers.sinks, publisher.see),
            indicated=(*onlookers.indicated, publisher.indicate),
        )

    @asynccontextmanager
    async def reloading(
        self, source: "SettingsSource | None", hangup: asyncio.Event, server: "MetricsServer | None"
    ) -> AsyncIterator[None]:
        """Take new settings over while the block runs, where they have a source."""
        if source is None:
            yield
            return
        self.reloader = Reloader(source, self.engine, self.live, self.universe, self.meter, SystemClock())
        if server is not None:
            self.reloader.shown_by(server)
        async with self.reloader.watching(hangup):
            yield


def _open_mqtt(settings: Settings) -> "MqttLink | None":
    """Return the link to the broker, where the settings want one.

    Raises:
        UserError: What speaks MQTT is not installed.
    """
    if not settings.mqtt.enabled:
        return None
    try:
        from daemon.commands._mqtt import MqttLink  # the extra `mqtt`: most runs do without
    except ModuleNotFoundError as error:
        if error.name not in {"aiomqtt", "paho"}:
            raise
        raise UserError(
            "mqtt.enabled: this environment has no aiomqtt, which is the extra `mqtt`: "
            "pip install 'papertape[mqtt]', or in papertape's folder .venv/bin/python -m pip install aiomqtt"
        ) from error
    return MqttLink(settings, __version__)


def _feed_by_topic(link: "MqttLink | None", instruments: tuple[str, ...]) -> Feed:
    """Return the feed of the instruments of the venue `mqtt`.

    Raises:
        SettingsError: MQTT is not enabled.
    """
    if link is None:
        raise SettingsError(["mqtt.enabled: instruments of the venue mqtt need it to be true"])
    return link.feed(MQTT, instruments)


def _further_feed(make_feed: MakeFeed, venue: str, instruments: tuple[str, ...]) -> Feed:
    """Return the feed of a venue that the run had no instruments of until now.

    Raises:
        SettingsError: It cannot be had while a run goes on.
    """
    if venue == MQTT:
        raise SettingsError(["universe.instruments: the first instrument of the venue mqtt needs a restart"])
    return make_feed(venue, instruments)


async def _unless(stop: asyncio.Event, work: Coroutine[None, None, Engine]) -> Engine | None:
    """Return what the work returns, or None if it is stopped before."""
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, stopping):
            task.cancel()


def log_minutes(records: Sequence[BatchRecord]) -> None:
    """Write a line for every minute, and for what came of feeds before it and of alarms in it; a sink."""
    log = structlog.get_logger()
    for record in records:
        log_news((record,))
        log.info(
            "minute",
            minute=str(np.datetime64(record.minute, "m")),
            batch=record.batch,
            catch_up=record.catch_up,
            equity=str(record.book.equity),
            mode=record.book.mode.value,
            orders=len(record.orders),
            fills=len(record.fills),
        )


def log_news(records: Sequence[BatchRecord]) -> None:
    """Write a line for what came of feeds, of alarms and of the trading state; a sink."""
    log = structlog.get_logger()
    for record in records:
        for event in map(chain.read_event, record.events):
            match event:
                case FeedLost():
                    lost = len(event.instruments)
                    log.warning("feed lost", feed=event.feed, instruments=lost, reason=event.reason)
                case FeedRestored():
                    log.info("feed restored", feed=event.feed, instruments=len(event.instruments))
                case Backfill():
                    log.info("backfill", instrument=event.instrument, bars=len(event.bars))
                case _:
                    pass
    tell(records)


def log_indication(seen: Indication) -> None:
    """Write a line for the first price after a decision."""
    structlog.get_logger().info(
        "indication",
        order=seen.order_id,
        instrument=seen.instrument,
        price=seen.price,
        delay_ms=seen.received_ms - seen.committed_ms,
    )


LOGGED: Final = Onlookers((log_minutes,), (log_indication,))
"""A live run's onlookers, where nobody looks but the log."""
