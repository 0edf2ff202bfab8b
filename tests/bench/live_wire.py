"""The live minute over the wire: an exchange in another process, one websocket, all bars at once."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

import numpy as np

from adapters.exchanges.catalogue import venue_of
from adapters.exchanges.feed import ExchangeFeed, FeedRules
from adapters.exchanges.line import Line
from adapters.host.log import configure_log
from adapters.simulator.follower import FollowingClock
from adapters.tape.writer import TapeWriter
from daemon.bars.sequencer import Sequencer
from daemon.commands._live import HISTORY_PATIENCE_S, LOGGED, Session
from daemon.commands._retention import retention_of
from daemon.commands._swap import ModelWatch
from daemon.engine import Engine
from daemon.events import BAR_RECORD, BatchRecord, Instrument
from daemon.live import LiveRun
from daemon.models.bundle import Bundle
from daemon.settings import Settings
from tests.bench.live import SETTLE_MINUTES, warmed

SPEED: Final = 60.0
"""A minute in a second: several times what one takes, so that none waits for another."""

LAG_EVERY_S: Final = 0.005
SPARE_MINUTES: Final = 10


class TimedFeed(ExchangeFeed):
    """A feed that notes when it was handed its newest frame, before anything is made of it.

    Attributes:
        handed_s: Of the newest frame, by `time.perf_counter`.
    """

    handed_s = 0.0

    async def frame(self, line: Line, frame: bytes) -> None:
        """Take a frame of a line."""
        self.handed_s = time.perf_counter()
        await super().frame(line, frame)


class Stopwatch:
    """Times minutes and the event loop.

    Args:
        feed: Of the run.
        n_minutes: Measured after `SETTLE_MINUTES`; then the run is stopped.
        stop: Of the run.
    """

    def __init__(self, feed: TimedFeed, n_minutes: int, stop: asyncio.Event) -> None:
        self._feed = feed
        self._n_minutes = n_minutes
        self._stop = stop
        self.records: list[BatchRecord] = []
        self.taken_s: list[float] = []
        self.lags_s: list[float] = []
        self.worst_s: list[float] = []
        self.stages_s: dict[str, list[float]] = {}
        self._worst_s = 0.0

    def see(self, batches: Sequence[BatchRecord]) -> None:
        """Note that batches are durable and seen; a sink."""
        self.records += batches
        self.taken_s.append(time.perf_counter() - self._feed.handed_s)
        self.worst_s.append(self._worst_s)
        self._worst_s = 0.0
        if len(self.records) >= SETTLE_MINUTES + self._n_minutes:
            self._stop.set()

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Measure a stage, on the engine's thread."""
        began = time.perf_counter()
        yield
        self.stages_s.setdefault(stage, []).append(time.perf_counter() - began)

    async def watch_loop(self) -> None:
        """Note, for ever, how much later than asked the loop comes back."""
        while True:
            began = time.perf_counter()
            await asyncio.sleep(LAG_EVERY_S)
            lag_s = time.perf_counter() - began - LAG_EVERY_S
            self._worst_s = max(self._worst_s, lag_s)
            if len(self.records) >= SETTLE_MINUTES:
                self.lags_s.append(lag_s)


@contextmanager
def exchange_process(n_instruments: int, n_minutes: int, first: int) -> Iterator[int]:
    """Serve an exchange in another process; yields its port."""
    words = [str(word) for word in (n_instruments, n_minutes, first, SPEED)]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bench.wire_exchange", *words], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


async def _run(
    engine: Engine, instruments: Sequence[Instrument], first: int, port: int, tape: TapeWriter, n_minutes: int
) -> Stopwatch:
    settings, address = engine.run.settings, f"127.0.0.1:{port}"
    names = tuple(instrument.name for instrument in instruments)
    clock, stop = FollowingClock(f"ws://{address}/papertape/clock"), asyncio.Event()
    async with clock.following():
        venue = venue_of("binance", f"ws://{address}/stream", f"http://{address}")
        symbols = [name.partition(":")[2] for name in names]
        feed = TimedFeed(venue, symbols, clock, Random(1), FeedRules())
        session, stopwatch = (
            Session(engine, tape, None, ModelWatch(engine, tape.place, settings, "model")),
            Stopwatch(feed, n_minutes, stop),
        )
        session.retention = retention_of(engine, tape, clock.now_ms)
        sequencer = Sequencer(settings, instruments, {"binance": names}, first, clock.now_ms())
        seeing = session.watched_by(LOGGED)
        onlookers = replace(seeing, sinks=(*seeing.sinks, stopwatch.see), timed=stopwatch.timed)
        live = LiveRun(
            engine, sequencer, {"binance": feed}, clock, settings.sealing, session.commit, onlookers
        )
        session.live = session.meter.live = live
        clock.settled = partial(live.settled, HISTORY_PATIENCE_S)
        watching = asyncio.create_task(stopwatch.watch_loop())
        try:
            await live.run(stop)
        finally:
            watching.cancel()
    return stopwatch


def live_wire(
    bundle: Bundle, n_instruments: int, n_minutes: int, limit_ms: float, lag_ms: float
) -> dict[str, object]:
    """Trade an exchange in another process over one websocket connection.

    Args:
        bundle: The model.
        n_instruments: All with a bar in every minute, all of which come at once.
        n_minutes: How many are measured, after `SETTLE_MINUTES`.
        limit_ms: What 99 of 100 minutes may take from the last frame to durable decisions.
        lag_ms: How late the event loop may come back, 99 times of 100.
    """
    configure_log("info", "json")
    settings = Settings.model_validate({"run": {"name": "bench"}})
    n_all = SETTLE_MINUTES + n_minutes + SPARE_MINUTES
    engine, source, n_warm, files = warmed(n_instruments, n_all, settings, bundle, "binance")
    first = int(source.block(n_warm, n_warm + 1).minute[0])
    with tempfile.TemporaryDirectory() as folder, TapeWriter(Path(folder) / "live.tape") as tape:
        header = {"format": "bench", "settings": settings.identity_json(), "first_minute": str(first)}
        engine.begin(tape.begin(header, source.instruments, "1", files), 0)
        with exchange_process(n_instruments, n_warm + n_all, n_warm) as port:
            watched = asyncio.run(_run(engine, source.instruments, first, port, tape, n_minutes))
    return _figures(watched, n_instruments, limit_ms, lag_ms)


def _figures(watched: Stopwatch, n_instruments: int, limit_ms: float, lag_ms: float) -> dict[str, object]:
    records, taken = watched.records[SETTLE_MINUTES:], watched.taken_s[SETTLE_MINUTES:]
    ms, lags = 1e3 * np.array(taken), 1e3 * np.array(watched.lags_s)
    worst = 1e3 * np.array(watched.worst_s[SETTLE_MINUTES:])
    stages = {name: 1e3 * float(np.median(took[-len(taken) :])) for name, took in watched.stages_s.items()}
    whole = all(len(record.bars) == n_instruments * BAR_RECORD.itemsize for record in records)
    p50, p99, lag = float(np.median(ms)), float(np.quantile(ms, 0.99)), float(np.quantile(lags, 0.99))
    told = ", ".join(f"{name} {took:.0f}" for name, took in stages.items())
    return {
        "measured": (
            f"last frame to commit p50 {p50:.0f} ms, p99 {p99:.0f} ms of {len(records)} minutes ({told}); "
            f"loop lag p99 {lag:.1f} ms, worst of a minute p50 {np.median(worst):.0f} ms, p99 "
            f"{np.quantile(worst, 0.99):.0f} ms; load {os.getloadavg()[0]:.1f}"
        ),
        "must": f"p99 <= {limit_ms:,.0f} ms, loop lag p99 <= {lag_ms:,.0f} ms",
        "met": whole and len(records) == len(taken) and p99 <= limit_ms and lag <= lag_ms,
        "p50_ms": p50,
        "p99_ms": p99,
        "lag_p99_ms": lag,
        "worst_lag_p99_ms": float(np.quantile(worst, 0.99)),
    }
