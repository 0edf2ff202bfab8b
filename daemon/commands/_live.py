"""A live run from its start to its end: taken up or begun, caught up, and stopped by a signal."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import structlog

from adapters.simulator.follower import FollowingClock
from adapters.tape.reader import SqliteTapeReader
from adapters.tape.writer import SqliteTapeWriter
from daemon import chain
from daemon.commands._live_figures import LiveMeter
from daemon.commands._live_start import LiveStart, by_venue
from daemon.commands._serving import Feed as Shown
from daemon.commands._serving import metrics
from daemon.commands._views import Watcher
from daemon.diagnostics import Diagnostics, Indication
from daemon.engine import Engine
from daemon.events import Backfill, BatchRecord, FeedLost, FeedRestored, Snapshot
from daemon.live import Onlookers
from daemon.ports import Feed, LiveClock
from daemon.service import untimed
from daemon.settings import Settings

MakeFeed = Callable[[str, tuple[str, ...]], Feed]
"""Returns the feed of a venue for instruments of it (`venue:SYMBOL`)."""

HISTORY_PATIENCE_S: Final = 0.25
"""A simulated exchange waits so long for answers of its own history before its time goes on."""


async def run_live(
    settings: Settings, model_uri: str, make_feed: MakeFeed, clock: LiveClock, tape_file: Path
) -> None:
    """Trade live until SIGTERM or SIGINT; then drain and leave.

    Args:
        settings: Of the run.
        model_uri: The model that trades.
        make_feed: Makes the feeds.
        clock: The time.
        tape_file: Made where there is none; else the run on it is gone on with.

    Raises:
        PapertapeError: It cannot start or go on; says why.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        tape = stack.enter_context(SqliteTapeWriter(tape_file))
        if isinstance(clock, FollowingClock):
            await stack.enter_async_context(clock.following())
        feeds = {venue: make_feed(venue, names) for venue, names in by_venue(settings).items()}
        start = LiveStart(settings, model_uri, feeds, clock, tape, tape_file)
        engine = await _unless(stop, start.engine())
        if engine is None:
            return
        watch = _Watch(engine, tape)
        shown = stack.enter_context(metrics(settings.metrics, watch.meter, clock, tape_file))
        watch.shown = shown
        timed = untimed if shown is None else shown.timed
        live = start.live(engine, watch.commit, Onlookers((watch.see,), (log_indication,), timed))
        watch.meter.live = live
        if isinstance(clock, FollowingClock):
            clock.settled = partial(live.settled, HISTORY_PATIENCE_S)
        await live.run(stop)
        log = structlog.get_logger()
        log.info("stopped", minute=engine.minute, batch=engine.batch, tasks=len(asyncio.all_tasks()))


class _Watch:
    """What is done with batches: made durable, counted, logged, served."""

    def __init__(self, engine: Engine, tape: SqliteTapeWriter) -> None:
        self._tape = tape
        with SqliteTapeReader(tape.path) as reader:
            last = reader.last_batch()
            first_minute = int(reader.header()["first_minute"])
        book = last.book if last else None
        # A live run has no end to be on the way to.
        self._watcher = Watcher(engine, engine.minute + 1, engine.minute + 2, book)
        shown = engine.run.settings.metrics.max_instruments
        self.meter = LiveMeter(engine, self._watcher, shown, first_minute, book)
        self.shown: Shown | None = None

    def commit(
        self, batches: Sequence[BatchRecord], snapshot: Snapshot | None, diagnostics: Diagnostics
    ) -> None:
        """Write a group; on the engine's thread."""
        if batches or snapshot is not None or diagnostics:
            self._tape.append(batches, snapshot, diagnostics)
            if self.shown is not None:
                self.shown.note_commit(snapshot)

    def see(self, batches: Sequence[BatchRecord]) -> None:
        """Take batches that are durable."""
        self._watcher.see(batches)
        log_minutes(batches)
        if self.shown is not None:
            self.shown.see(batches)


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
    """Write a line for every minute, and for what came of feeds before it; a sink."""
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


def log_indication(seen: Indication) -> None:
    """Write a line for the first price after a decision."""
    structlog.get_logger().info(
        "indication",
        order=seen.order_id,
        instrument=seen.instrument,
        price=seen.price,
        delay_ms=seen.received_ms - seen.committed_ms,
    )
