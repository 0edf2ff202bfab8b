"""A soak from its market to its table."""

import json
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from adapters.simulator.book import Book
from adapters.simulator.exchange import SimulatedExchange
from adapters.simulator.market import SimulatedMarket
from adapters.simulator.pace import Pace
from daemon.events import MINUTE_MS
from daemon.training.train import train
from tests import runs
from tests.integration.command_line import TRAINED_AT, papertape
from tests.integration.live_exchange import feeds_at
from tests.soak.checks import (
    MEMORY_GROWTH_MB,
    STOPPED_WITHIN_S,
    check_logs,
    check_minutes,
    check_stops,
    growth_mb,
    growth_mb_a_day,
)
from tests.soak.director import FAST, Director
from tests.soak.life import Life
from tests.soak.storm import Storm, drawn

LEARNED: Final = 2_400
HISTORY: Final = 3_000
"""Minutes of the market before the run begins."""

CALM_BEFORE: Final = 20
CALM_AFTER: Final = 0.25, 240
"""Share of the minutes, and most minutes, without faults at the end: what was lost has to be back by then."""


@dataclass(frozen=True, slots=True)
class Soak:
    """What became of a soak: the rows of its table, and what was wrong."""

    rows: list[tuple[str, str]]
    wrong: list[str]


async def soak(folder: Path, days: float, n_kills: int, seed: int) -> Soak:
    """Run a storm of so many days in an empty folder."""
    n_minutes = int(days * 1440)
    calm = min(int(CALM_AFTER[0] * n_minutes), CALM_AFTER[1])
    market = SimulatedMarket(seed, 4, HISTORY + n_minutes)
    first = market.first_minute + HISTORY
    exchange = SimulatedExchange(Book(market), Pace(first * MINUTE_MS, FAST), forming_every_s=30.0)
    storm = drawn(
        seed,
        exchange.book.symbols,
        (first + CALM_BEFORE) * MINUTE_MS,
        (market.last_minute - calm) * MINUTE_MS,
        n_kills,
    )
    began = time.monotonic()
    async with exchange.serving() as port:
        words = _words(folder, market, exchange.book.symbols, port)
        director = Director(exchange, storm, words, folder)
        stormed = time.monotonic()
        await director.run(market.last_minute)
    took_s = time.monotonic() - stormed
    minutes = check_minutes(folder / "soak.tape", exchange.book, storm, market.last_minute)
    verified = papertape(["verify", str(folder / "soak.tape")], folder)
    logs, stops = check_logs(director.lives), check_stops(director.lives)
    wrong = [*minutes.wrong, *logs.wrong, *stops.wrong]
    if verified.returncode or "reproduced" not in verified.stdout:
        wrong.append(f"papertape verify: {verified.stdout} {verified.stderr[-2000:]}")
    memory = _memory(director.lives, wrong)
    whole_s = time.monotonic() - began
    rows = [
        ("simulated", f"{days:g} days ({n_minutes:,} minutes) of 4 instruments, seed {seed}"),
        (
            "took",
            f"{took_s:,.0f} s, {n_minutes / took_s:.1f} minutes a second; in all {whole_s:,.0f} s",
        ),
        ("faults", _faults(storm)),
        ("lives", _lives(director.lives)),
        *[(name, f"{count:,}") for name, count in minutes.counts.items()],
        ("papertape verify", _verdict(verified.stdout)),
        ("stopped by SIGTERM", _stopped(director.lives)),
        ("log lines", ", ".join(f"{count:,} {name}" for name, count in logs.counts.items())),
        ("memory", memory),
    ]
    return Soak(rows, wrong)


def _words(folder: Path, market: SimulatedMarket, symbols: tuple[str, ...], port: int) -> list[str]:
    """Write model and settings; return the daemon's words."""
    trained = train(market, runs.SETTINGS, name="soak", span=(None, market.first_minute + LEARNED - 1))
    runs.write_bundle(folder / "model", replace(trained.bundle, trained_at=TRAINED_AT).to_files())
    settings = runs.SETTINGS.model_dump(mode="json", exclude_unset=True)
    settings["universe"] = {"venue": "binance", "instruments": list(symbols)}
    settings["tape"] = {"snapshot_batches": 720}
    settings["feeds"] = feeds_at(f"127.0.0.1:{port}")
    (folder / "soak.yaml").write_text(json.dumps(settings), encoding="utf-8")
    named = {"config": "soak.yaml", "model": "model", "tape": "soak.tape"}
    return ["run", *(word for option, name in named.items() for word in (f"--{option}", str(folder / name)))]


def _faults(storm: Storm) -> str:
    kinds = Counter(strike.fault.fault for strike in storm.strikes)
    return f"{len(storm.strikes):,} of {len(kinds)} kinds"


def _lives(lives: list[Life]) -> str:
    ends = Counter(life.ended_by for life in lives)
    return f"{len(lives)}: {ends['kill']} ended by kill -9, {ends['term']} by SIGTERM"


def _verdict(told: str) -> str:
    lines = [line for line in told.splitlines() if line.startswith(("intact", "reproduced", "not "))]
    return "; ".join(lines)


def _stopped(lives: list[Life]) -> str:
    longest = max((life.stop_s for life in lives if life.ended_by == "term"), default=0.0)
    return f"the slowest ended after {longest:.1f} s (must: {STOPPED_WITHIN_S:.0f} s, exit 0)"


def _memory(lives: list[Life], wrong: list[str]) -> str:
    """Say how memory went; what is not flat is added to `wrong`."""
    longest = max(lives, key=lambda life: len(life.rss_mb))
    peak = max((mb for life in lives for _, mb in life.rss_mb), default=0.0)
    grown = max(growth_mb(life.rss_mb) for life in lives)
    if grown > MEMORY_GROWTH_MB:
        wrong.append(f"memory grew by {grown:.1f} MB in a life")
    said = f"peak {peak:.0f} MB, most growth in a life {grown:.1f} MB (must: {MEMORY_GROWTH_MB:.0f})"
    slope = growth_mb_a_day(longest.rss_mb)
    if slope is None:
        return said
    days = (longest.rss_mb[-1][0] - longest.rss_mb[0][0]) / 86_400_000.0
    return f"{said}; {slope:+.2f} MB a day in the last third of a life of {days:.1f} days"
