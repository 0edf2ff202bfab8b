"""Which bars came and which were missing, as series: totals that never fall, and each instrument's own."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from daemon.bars.coverage import CoverageFigures
from daemon.bars.grid import Grid
from daemon.commands._views import Watcher
from daemon.engine import Engine
from daemon.events import BAR_FLAG_REFUSED, BAR_FLAG_SYNTHETIC, BAR_RECORD, BatchRecord

Series = dict[str, dict[tuple[str, ...], float]]
COUNTS = {
    "bars_expected_total": "expected",
    "bars_received_total": "received",
    "bars_untraded_total": "untraded",
    "bars_synthetic_total": "synthetic",
    "bars_refused_total": "refused",
    "bars_absent_total": "absent",
    "bar_gaps_total": "gaps",
}
"""Family -> attribute of `CoverageFigures`; `instrument_` before the family is that of one instrument."""

SECONDS_PER_MINUTE = 60.0


class BarMeter:
    """Follows the bars of a run's batches.

    Args:
        engine: The run's; read between two chunks.
        watcher: Of the same run.
    """

    def __init__(self, engine: Engine, watcher: Watcher) -> None:
        self._engine = engine
        self._newest: dict[str, Counter[str]] = {}
        self._departed: Counter[str] = Counter()
        self._outside: Mapping[str, int] = {}
        self._last_bar: dict[str, int] = {}
        # Where a run is taken up again, no batch has yet told when what is held was last traded.
        grid = Grid([instrument.calendar for instrument in engine.run.instruments])
        self._last_traded = {
            position.instrument: _minute_before(grid, watcher.minute, position.mark_age_minutes)
            for position in watcher.live().positions
        }

    def see(self, batches: Sequence[BatchRecord]) -> None:
        """Take batches that are durable; no universe changes within them but before the first."""
        rows = np.frombuffer(b"".join(record.bars for record in batches), BAR_RECORD)
        admitted = rows[(rows["flags"] & BAR_FLAG_REFUSED) == 0]
        real = admitted[(admitted["flags"] & BAR_FLAG_SYNTHETIC) == 0]
        self._last_bar = self._later(self._last_bar, real)
        self._last_traded = self._later(self._last_traded, real[real["volume"] > 0.0])

    def note_outside(self, outside: Mapping[str, int]) -> None:
        """Say how many bars of the files lie outside sessions, by instrument."""
        self._outside = outside

    def series(self, max_instruments: int) -> Series:
        """Return the series of all families of bars; so many instruments at most have some of their own."""
        coverage = self._engine.run.coverage.figures()
        self._note_departed(coverage)
        shown = coverage[:max_instruments]
        found: Series = {
            family: {(): float(self._departed[family] + sum(getattr(f, what) for f in coverage))}
            for family, what in COUNTS.items()
        }
        for family, what in COUNTS.items():
            found[f"instrument_{family}"] = {(f.instrument,): float(getattr(f, what)) for f in shown}
        found["instrument_bar_gap_longest_seconds"] = {
            (f.instrument,): SECONDS_PER_MINUTE * f.longest_gap for f in shown
        }
        found["instrument_late_start_seconds"] = {
            (f.instrument,): SECONDS_PER_MINUTE * f.early for f in shown
        }
        found["instrument_bars_outside_sessions"] = {
            (f.instrument,): float(self._outside[f.instrument])
            for f in shown
            if f.instrument in self._outside
        }
        for family, moments in (
            ("instrument_last_bar_timestamp_seconds", self._last_bar),
            ("instrument_last_traded_bar_timestamp_seconds", self._last_traded),
        ):
            found[family] = {
                (f.instrument,): closed_s(moments[f.instrument]) for f in shown if f.instrument in moments
            }
        return found

    def _later(self, before: Mapping[str, int], rows: np.ndarray) -> dict[str, int]:
        """Return the newest minute of each instrument that is still of the run."""
        names = self._engine.run.names
        # The rows ascend by minute: the last one of an instrument stays.
        newest = np.full(len(names), -1, dtype=np.int64)
        newest[rows["instrument"]] = rows["minute"]
        seen = {name: minute for name, minute in zip(names, newest.tolist(), strict=True) if minute >= 0}
        known = {**before, **seen}
        return {name: known[name] for name in names if name in known}

    def _note_departed(self, coverage: Sequence[CoverageFigures]) -> None:
        """Keep what instruments had that have left: a counter that falls looks like a restart."""
        now = {f.instrument: Counter({n: getattr(f, w) for n, w in COUNTS.items()}) for f in coverage}
        for name in self._newest.keys() - now.keys():
            self._departed.update(self._newest[name])
        self._newest = now


def closed_s(minute: int) -> float:
    """Return when a bar closed, seconds since 1970, by the minute of its open."""
    return (minute + 1) * SECONDS_PER_MINUTE


def _minute_before(grid: Grid, minute: int, age: int) -> int:
    """Return the session minute that lies `age` session minutes before one."""
    span = age
    while len(found := grid.minutes(minute - span, minute)) <= age:
        span = 2 * span + 1
    return int(found[-1 - age])
