"""What must hold after a storm, read from the tape, the logs and the exchange's own history."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np

from adapters.simulator.book import Book
from adapters.simulator.exchange import REVISION_DELAY_MS
from adapters.tape.reader import TapeReader
from daemon.events import BAR_FLAG_BACKFILL, BAR_FLAG_REFUSED, BAR_FLAG_SYNTHETIC, BAR_FLAG_WARMUP
from tests.soak.life import Life
from tests.soak.storm import Storm

_BARS: Final = "SELECT minute, instrument, flags, open, high, low, close, volume FROM bar WHERE minute >= ?"
COLUMNS: Final = ("open", "high", "low", "close", "volume")
EXPLAINED: Final = frozenset(
    {
        "alarm",
        "alarm_consequences_changed",
        "retraining_asked",
        "trading_state",
    }
)
"""Lines above `info` that the engine writes of the market and of the model: no error of anything."""

LOSS: Final = "feed lost"
EXPLAINED_LOSSES: Final = (
    "connected, and silent for",
    "is in its history and not in its stream",
    "bars in its history that the stream did not bring",
    "though connected",
    "not connected: silent for",
    "not connected: ConnectionClosed",
    "not connected: HTTP status 503",
)
"""Why a feed may be lost in this storm: each is what some of its faults look like from outside."""

STOPPED_WITHIN_S: Final = 10.0
SETTLED_AFTER: Final = 4
"""Samples of a life until memory has its size; the tape's page cache still fills as the tape grows."""

MEMORY_GROWTH_MB: Final = 60.0
"""Most growth after that, however long the life: 16 MB of the tape's page cache, 28 MB while a snapshot of
windows of thirty days is made, and what allocators keep."""


@dataclass(slots=True)
class Findings:
    """What was counted, and what must not be.

    Attributes:
        counts: By name.
        wrong: Sentences; empty is what is wanted.
    """

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def check_minutes(tape: Path, book: Book, storm: Storm, last_minute: int) -> Findings:
    """Hold the tape against the exchange's history, minute by minute and symbol by symbol.

    Batches must be consecutive minutes from the first decided one to the end. Every bar that the exchange's
    history has must be on the tape once, with its values, sealed or backfilled; where the stream revised it
    by command, with either version. What is missing must stand beside the tape as a bar that came late. A
    minute that the exchange never had must not have a real bar.
    """
    found = Findings()
    with TapeReader(tape) as reader:
        minutes = [row[0] for row in reader.rows("SELECT minute FROM batch ORDER BY number")]
        (catch_up,) = next(reader.rows("SELECT count(*) FROM batch WHERE catch_up"))
        names = {key: name.partition(":")[2] for name, key in reader.universe_after(0).known.items()}
        late = {
            (row[0], names[row[1]])
            for row in reader.rows("SELECT minute, instrument FROM revision WHERE kind = 'late'")
        }
        first = minutes[0]
        rows = [(row[0], names[row[1]], row[2:]) for row in reader.rows(_BARS, (first,))]
        bars = {(minute, symbol): values for minute, symbol, values in rows}
    if len(rows) != len(bars):
        found.wrong.append(f"{len(rows) - len(bars)} bars stand twice on the tape")
    found.wrong += [f"batch of minute {b} follows that of {a}" for a, b in pairwise(minutes) if b != a + 1]
    if minutes[-1] < last_minute - 1:
        found.wrong.append(f"the tape ends {last_minute - minutes[-1]} minutes before the exchange")
    found.counts["minutes decided"] = len(minutes)
    found.counts["minutes marked catch_up"] = catch_up
    for minute in range(first, minutes[-1] + 1):
        for symbol in book.symbols:
            _check_bar(found, book, storm, (minute, symbol), bars.get((minute, symbol)), late)
    return found


def _check_bar(
    found: Findings,
    book: Book,
    storm: Storm,
    cell: tuple[int, str],
    row: Sequence[float] | None,
    late: set[tuple[int, str]],
) -> None:
    minute, symbol = cell
    truth = book.candle(symbol, minute)
    flags = int(row[0]) if row else 0
    real = row is not None and not flags & BAR_FLAG_SYNTHETIC
    if flags & BAR_FLAG_WARMUP:
        found.wrong.append(f"{symbol} {minute} is a decided minute and marked as warm-up")
    if truth is None:
        found.counts["bars that the exchange never had"] += 1
        if real:
            found.wrong.append(f"{symbol} {minute} is on the tape and not in the exchange's history")
        return
    found.counts["bars of the exchange's history"] += 1
    if not real:
        found.counts["missing, stored beside as late"] += cell in late
        if cell not in late:
            found.wrong.append(f"{symbol} {minute} is lost: {'a flat row' if row else 'no row'} on the tape")
        return
    assert row is not None
    found.counts["sealed" if not flags & BAR_FLAG_BACKFILL else "backfilled"] += 1
    found.counts["refused by the engine"] += bool(flags & BAR_FLAG_REFUSED)
    values = np.array(row[1:], dtype=np.float64)
    told = np.array([getattr(truth, name) for name in COLUMNS])
    if not np.array_equal(values, told):
        other = told.copy()
        other[3:] = ((truth.high + truth.low) / 2.0, truth.volume * 1.01)
        if storm.in_force("revise", symbol, minute, REVISION_DELAY_MS) and np.array_equal(values, other):
            found.counts["of those in the revised version"] += 1
        else:
            found.wrong.append(f"{symbol} {minute} has other values: {values.tolist()} for {told.tolist()}")


def check_logs(lives: Sequence[Life]) -> Findings:
    """Every line above `info` must be of a kind that is explained, every line readable."""
    found = Findings()
    for life in lives:
        lines = life.log.read_text(encoding="utf-8", errors="replace").splitlines()
        if life.ended_by == "kill" and lines and not lines[-1].endswith("}"):
            lines.pop()
        for line in lines:
            try:
                said = json.loads(line)
            except json.JSONDecodeError:
                found.wrong.append(f"{life.log.name} has a line that is no log line: {line[:200]}")
                continue
            found.counts[said["level"]] += 1
            if said["level"] not in {"debug", "info"} and not _explained(said):
                found.wrong.append(f"{life.log.name}: {line[:300]}")
            if said["event"] == "stopped":
                found.counts["most tasks left at a stop"] = max(
                    found.counts["most tasks left at a stop"], said["tasks"]
                )
    return found


def _explained(said: dict[str, Any]) -> bool:
    if said["event"] == LOSS:
        return any(reason in said["reason"] for reason in EXPLAINED_LOSSES)
    return said["event"] in EXPLAINED


def check_stops(lives: Sequence[Life]) -> Findings:
    """Every SIGTERM must have ended its life with 0, soon."""
    found = Findings()
    for life in lives:
        if life.ended_by != "term":
            continue
        found.counts["stops by SIGTERM"] += 1
        code = life.process.returncode
        if code != 0 or life.stop_s > STOPPED_WITHIN_S:
            found.wrong.append(f"{life.log.name}: SIGTERM took {life.stop_s:.1f} s and ended with {code}")
    return found


def growth_mb(samples: Sequence[tuple[int, float]]) -> float:
    """Return by how much a life's memory grew after it had its size; 0 for a short life."""
    kept = [mb for _, mb in samples[SETTLED_AFTER:]]
    return max(kept[-SETTLED_AFTER:]) - kept[0] if kept else 0.0


def growth_mb_a_day(samples: Sequence[tuple[int, float]]) -> float | None:
    """Return the slope of the last third of a life's memory by least squares; None for a short life."""
    kept = samples[-len(samples) // 3 :]
    if len(kept) < 12:
        return None
    days = np.array([at_ms for at_ms, _ in kept]) / 86_400_000.0
    slope, _ = np.polyfit(days - days[0], np.array([mb for _, mb in kept]), 1)
    return float(slope)
