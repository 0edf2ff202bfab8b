"""`papertape record` against a simulated exchange on loopback: silences and stops lose nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import numpy as np
import pytest

from adapters.exchanges.catalogue import venue_of
from adapters.exchanges.feed import ExchangeFeed
from adapters.files.frame_log import FrameLog
from adapters.files.recording import Recording
from adapters.simulator.book import Book
from adapters.simulator.exchange import SimulatedExchange
from adapters.simulator.faults import Fault
from adapters.simulator.follower import FollowingClock
from adapters.simulator.market import SimulatedMarket
from adapters.simulator.pace import Pace
from daemon.__main__ import main
from daemon.commands._bars import open_bars
from daemon.commands._record import Recorder
from daemon.settings import Settings

MARKET = SimulatedMarket(seed=3, n_instruments=2, n_minutes=3_000)
NOW = MARKET.first_minute + 1_500
SYMBOLS = tuple(Book(MARKET).symbols)
NAMES = tuple(f"binance:{symbol}" for symbol in SYMBOLS)


@asynccontextmanager
async def recording(
    exchange: SimulatedExchange, out: Path, frames: FrameLog | None = None
) -> AsyncIterator[None]:
    """Record an exchange while the block runs, then end it in order."""
    stop = asyncio.Event()
    async with exchange.serving() as port:
        clock = FollowingClock(f"ws://127.0.0.1:{port}/papertape/clock")
        async with clock.following():
            venue = venue_of("binance", f"ws://127.0.0.1:{port}/stream", f"http://127.0.0.1:{port}")
            feed = ExchangeFeed(venue, SYMBOLS, clock, Random(1), on_frame=frames.take if frames else None)
            kept = Recording(out)
            recorder = Recorder(kept, {"binance": feed}, {"binance": NAMES}, clock, 4, frames)
            running = asyncio.create_task(recorder.run(stop))
            try:
                yield
            finally:
                stop.set()
                passing = asyncio.create_task(exchange.run())
                await running
                passing.cancel()
                await asyncio.gather(passing, return_exceptions=True)
                kept.finish()


def minutes_and_closes(out: Path) -> tuple[list[int], np.ndarray]:
    source = open_bars([out], Settings.model_validate({"universe": {"venue": "binance"}}))
    (bars,) = source.blocks(source.first_minute, source.last_minute, 1 << 20)
    assert [one.name for one in source.instruments] == list(NAMES)
    return [source.first_minute, source.last_minute], bars.close


async def test_a_silence_and_a_stop_are_filled_from_history_and_no_bar_is_double(tmp_path: Path) -> None:
    exchange = SimulatedExchange(Book(MARKET), Pace(NOW * 60_000, 1_200.0), 20.0)
    frames = FrameLog(tmp_path / "frames")
    async with recording(exchange, tmp_path / "rec", frames):
        await exchange.run(NOW + 4)
        await exchange.strike(Fault("silence", for_s=240.0, symbols=(SYMBOLS[0],)))
        await exchange.run(NOW + 12)
    assert frames.n_frames > 20
    frames.close()
    lines = [len(file.read_bytes().splitlines()) for file in (tmp_path / "frames" / "binance").iterdir()]
    assert lines == [frames.n_frames] * 2
    away_until = exchange.pace.now_ms // 60_000 + 30
    exchange = SimulatedExchange(Book(MARKET), Pace(away_until * 60_000, 1_200.0), 20.0)
    async with recording(exchange, tmp_path / "rec"):
        await exchange.run(away_until + 7)
    (first, last), closes = minutes_and_closes(tmp_path / "rec")
    assert first == NOW
    assert last >= away_until + 6
    (truth,) = MARKET.blocks(first, last, 1 << 20)
    assert np.allclose(closes, truth.close, rtol=1e-6)


def test_nothing_is_recorded_without_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record", "--out", str(tmp_path / "rec")]) == 2
    assert "universe.instruments" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
