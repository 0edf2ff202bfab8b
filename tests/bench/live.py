"""The live minute: one sealed batch in, decisions committed, often enough to know the slowest of them."""

import os
import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from adapters.simulator.market import SimulatedMarket
from adapters.tape.writer import TapeWriter
from daemon.engine import Engine
from daemon.events import Instrument, Minutes
from daemon.models.bundle import Bundle
from daemon.ports import Files
from daemon.run_model import assemble
from daemon.settings import Settings
from daemon.training.train import train

TILE: Final = 100
TILE_SHIFT_MINUTES: Final = 7
SETTLE_MINUTES: Final = 70
"""Decided before anything is measured, so that labels mature in every measured minute."""

BLOCK_ROWS: Final = 65_536
STAGES: Final = ("prepare", "score", "process", "commit")
COLUMNS: Final = ("open", "high", "low", "close", "volume", "taker", "present", "synthetic")


class WideMarket:
    """Any number of instruments out of a simulated market of `TILE`: each tile is it some minutes later.

    Args:
        n_instruments: How many.
        n_minutes: How many minutes.
        venue: In the instruments' names.
    """

    def __init__(self, n_instruments: int, n_minutes: int, venue: str = "simulator") -> None:
        self._tiles = -(-n_instruments // TILE)
        base = SimulatedMarket(11, TILE, n_minutes + self._tiles * TILE_SHIFT_MINUTES)
        self._base = next(base.blocks(base.first_minute, base.last_minute, 1 << 40))
        self._n_instruments = n_instruments
        first = base.instruments
        self.instruments: tuple[Instrument, ...] = tuple(
            replace(first[i % TILE], name=f"{venue}:W{i:05d}USDT") for i in range(n_instruments)
        )

    def block(self, start: int, stop: int) -> Minutes:
        """Return the minutes [start, stop), counted from the first."""
        shifts = [tile * TILE_SHIFT_MINUTES for tile in range(self._tiles)]
        columns = {
            name: np.concatenate(
                [getattr(self._base, name)[start + shift : stop + shift] for shift in shifts], axis=1
            )[:, : self._n_instruments]
            for name in COLUMNS
        }
        return Minutes(
            minute=self._base.minute[start:stop], catch_up=self._base.catch_up[start:stop], **columns
        )

    def blocks(self, stop: int) -> Iterator[Minutes]:
        """Yield the first `stop` minutes in blocks."""
        size = max(1, BLOCK_ROWS // self._n_instruments)
        for start in range(0, stop, size):
            yield self.block(start, min(start + size, stop))


def trained(settings: Settings) -> Bundle:
    """Train a model with these settings on a small simulated market."""
    return train(SimulatedMarket(5, 4, 9_000), settings, name="bench").bundle


def warmed(
    n_instruments: int,
    n_minutes: int,
    settings: Settings,
    bundle: Bundle | None = None,
    venue: str = "simulator",
) -> tuple[Engine, WideMarket, int, Files]:
    """Return an engine before its first decided minute, its market, that minute's place, and the bundle."""
    bundle = bundle or trained(settings)
    n_warm = assemble("1", bundle, settings, bundle.reference).plan.warmup_bars
    source = WideMarket(n_instruments, n_warm + n_minutes, venue)
    names = tuple(one.name for one in source.instruments)
    bundle = replace(bundle, reference=names, quanta={})
    engine = Engine(assemble("1", bundle, settings, names), settings, source.instruments)
    for minutes in source.blocks(n_warm):
        engine.warm(minutes)
    return engine, source, n_warm, bundle.to_files()


def decided(engine: Engine, minutes: Minutes, tape: TapeWriter) -> dict[str, float]:
    """Decide and commit one minute; return the seconds that each stage took, and of the processors in all."""
    worked = time.process_time()
    at = [time.perf_counter()]
    prepared = engine.prepare(minutes)
    at.append(time.perf_counter())
    scored = engine.score(prepared)
    at.append(time.perf_counter())
    outcome = engine.process(scored)
    at.append(time.perf_counter())
    tape.append(*outcome)
    at.append(time.perf_counter())
    whole = {"minute": at[-1] - at[0], "processors": time.process_time() - worked}
    return dict(zip(STAGES, np.diff(at).tolist(), strict=True)) | whole


def live_minute(n_instruments: int, n_minutes: int, group: str, limit_ms: float) -> dict[str, object]:
    """Feed one sealed minute at a time to a warm engine with a tape on disk.

    Args:
        n_instruments: All with a bar in every minute.
        n_minutes: How many are measured, after `SETTLE_MINUTES`.
        group: Of the features.
        limit_ms: What 99 of 100 minutes may take.
    """
    settings = Settings.model_validate(
        {"run": {"name": "bench"}, "features": {"groups": [group]}, "training": {"folds": 0}}
    )
    engine, source, first, files = warmed(n_instruments, SETTLE_MINUTES + n_minutes, settings)
    with tempfile.TemporaryDirectory() as folder, TapeWriter(Path(folder) / "live.tape") as tape:
        header = {"format": "bench", "settings": settings.identity_json()}
        engine.begin(tape.begin(header, source.instruments, "1", files), 0)
        minutes = range(first, first + SETTLE_MINUTES + n_minutes)
        taken = [decided(engine, source.block(at, at + 1), tape) for at in minutes]
        started = time.perf_counter()
        tape.append((), engine.snapshot())
        snapshot_s = time.perf_counter() - started
    names = (*STAGES, "minute", "processors")
    ms = {name: np.array([one[name] for one in taken[SETTLE_MINUTES:]]) * 1e3 for name in names}
    median, slow = ({name: float(np.quantile(ms[name], q)) for name in names} for q in (0.5, 0.99))
    stages = ", ".join(f"{name} {median[name]:.0f}" for name in STAGES)
    rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "measured": (
            f"p50 {median['minute']:.0f} ms, p99 {slow['minute']:.0f} ms of {n_minutes} minutes ({stages}); "
            f"processor time p50 {median['processors']:.0f}, p99 {slow['processors']:.0f} ms; "
            f"peak {rss_mb:,.0f} MB; a snapshot {snapshot_s:.1f} s; load {os.getloadavg()[0]:.1f}"
        ),
        "must": f"p99 <= {limit_ms:,.0f} ms",
        "met": slow["minute"] <= limit_ms,
        "p50_ms": median,
        "p99_ms": slow,
        "peak_mb": rss_mb,
        "snapshot_s": snapshot_s,
    }
