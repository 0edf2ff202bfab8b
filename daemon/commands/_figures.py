"""A run in numbers for whoever watches it from outside: read from the engine between two chunks."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import get_args

import numpy as np

import daemon
from daemon.commands._bar_figures import BarMeter, closed_s
from daemon.commands._expert_figures import edge_series, gain_series, skill_series
from daemon.commands._group_figures import group_series
from daemon.commands._health_figures import alarm_series, health_series
from daemon.commands._trading_figures import (
    funnel_series,
    last_trades_series,
    one,
    positions_series,
    trades_series,
)
from daemon.commands._views import Watcher
from daemon.engine import Engine
from daemon.events import (
    BAR_FLAG_REFUSED,
    BAR_RECORD,
    AnyEvent,
    BatchRecord,
    Book,
    FillKind,
    TradingMode,
    VitalState,
)
from daemon.models.bundle import Bundle
from daemon.policy.reasons import ENTRIES
from daemon.ports import Figures
from daemon.vitals.judging import Vital
from daemon.vitals.summary import LiveView

ENTRY_WORDS = frozenset(reason.label for reason in ENTRIES)
Series = dict[str, dict[tuple[str, ...], float]]


class Meter:
    """Counts what a run's batches bring, and reads everything else from the engine and its watcher.

    Args:
        engine: The run's; read between two chunks.
        watcher: Of the same run; it must see batches before the meter does.
        max_instruments: Most instruments with series of their own.
        first_minute: The run's first decided minute, which may lie before what is played now.
        book: The account before, where the run is taken up again.
    """

    def __init__(
        self,
        engine: Engine,
        watcher: Watcher,
        max_instruments: int,
        first_minute: int,
        book: Book | None = None,
    ) -> None:
        self._engine = engine
        self._first_minute = first_minute
        self._shown = max_instruments
        self._watcher = watcher
        self._book = book
        self._counts: Counter[str] = Counter()
        # Known labels are there from the start: a counter that appears with 1 hides its first step.
        self._by_label: dict[str, Counter[str]] = {
            "events": Counter(dict.fromkeys((kind.__name__ for kind in get_args(AnyEvent)), 0)),
            "orders": Counter(dict.fromkeys(ENTRY_WORDS, 0)),
            "fills": Counter(dict.fromkeys((kind.value for kind in FillKind), 0)),
        }
        self._bars = BarMeter(engine, watcher)
        self._vital_changes: Counter[tuple[str, ...]] = Counter(
            {(vital.value, state.value): 0 for vital in Vital for state in VitalState}
        )
        self._not_ready = 0
        self._scored: deque[int] = deque(maxlen=engine.run.model.horizon_minutes + 1)

    def reconfigure(self, max_instruments: int) -> None:
        """Go on with so many instruments that have series of their own."""
        self._shown = max_instruments

    # --- what batches bring ---

    def see(self, batches: Sequence[BatchRecord]) -> None:
        """Take batches that are durable; no universe changes within them but before the first."""
        if not batches:
            return
        self._bars.see(batches)
        dtype = self._engine.dtype
        for record in batches:
            self._counts["batches"] += 1
            self._counts["catch_up_batches"] += record.catch_up
            self._scored.append(len(record.decisions) // dtype.itemsize)
            self._by_label["events"].update(event.kind for event in record.events)
            self._by_label["orders"].update(order.reason for order in record.orders)
            self._by_label["fills"].update(fill.kind.value for fill in record.fills)
            self._vital_changes.update((c.vital, c.after.value) for c in record.vitals)
        newest = batches[-1]
        flags = np.frombuffer(newest.bars, BAR_RECORD)["flags"]
        self._not_ready = int(np.count_nonzero((flags & BAR_FLAG_REFUSED) == 0)) - self._scored[-1]
        self._book = newest.book

    def note_outside(self, outside: Mapping[str, int]) -> None:
        """Say how many bars of the files lie outside sessions, by instrument."""
        self._bars.note_outside(outside)

    # --- figures ---

    def figures(self) -> Figures:
        """Return all figures as of the batches seen; a figure that does not exist yet is not there."""
        run, live, shown = self._engine.run, self._watcher.live(), self._shown
        found: Series = {
            "build_info": {(daemon.__version__,): 1.0},
            "run_info": {(run.settings.run.name, run.settings.run.quote): 1.0},
            "model_info": {(run.model.version,): 1.0},
            **_model_moments(run.model.bundle),
            "first_decided_bar_timestamp_seconds": one(60 * self._first_minute),
            "instruments": one(len(run.names)),
            "instruments_without_series": one(max(0, len(run.names) - shown)),
            "trading_state": {(mode.value,): float(mode is live.mode) for mode in TradingMode},
            "costs": {(name,): float(paid) for name, paid in run.costs.totals().items()},
            "drawdown_worst_ratio": one(run.drawdown.figures.worst),
            "drawdown_longest_seconds": one(60 * run.drawdown.figures.longest_minutes_below),
            "blend_weight_ratio": {(name,): weight for name, weight in self._engine.weights.items()},
            **self._account(live),
            **positions_series(live.positions, shown),
            **trades_series(run.trades.figures()),
            **last_trades_series(run.last_trips, run.names, shown),
            **funnel_series(run.funnel.counts()),
            **skill_series("expert", live.skill),
            **gain_series(live.skill),
            **edge_series(run.edges.figures()),
            **group_series(run.groups.figures()),
            **skill_series("catch_up", [f for f in run.skill.catch_up_figures() if f.rows]),
            **health_series(run.health.figures()),
            **alarm_series(run.alarms),
            "vital_changes_total": {key: float(n) for key, n in sorted(self._vital_changes.items())},
            **self._inputs(),
            **self._bars.series(shown),
        }
        if live.done is not None:
            found["replay_done_ratio"] = one(live.done)
        return found

    def _account(self, live: LiveView) -> Series:
        equity, book = live.equity, self._book
        settings = self._engine.run.settings
        capital, limit = settings.run.capital, settings.risk.max_drawdown
        return {
            "capital": one(capital),
            "books_imbalance": one(self._engine.run.desk.account.ledger.imbalance),
            "equity": {
                ("expected",): float(equity.expected),
                ("best",): float(equity.best),
                ("worst",): float(equity.worst),
            },
            "pnl_day": one(live.day),
            "cash": one(capital if book is None else book.cash),
            "pnl_realised": one(0.0 if book is None else book.realised),
            "drawdown_limit_ratio": {} if limit is None else one(limit),
            "drawdown_ratio": one(0.0 if book is None else book.drawdown),
            "exposure_ratio": {
                ("gross",): 0.0 if book is None else book.gross,
                ("net",): 0.0 if book is None else book.net,
            },
        }

    def _inputs(self) -> Series:
        found: Series = {"bars_decided_total": one(self._watcher.bars)}
        for name in ("batches", "catch_up_batches"):
            found[f"{name}_total"] = one(self._counts[name])
        for name, counter in self._by_label.items():
            found[f"{name}_total"] = {(label,): float(count) for label, count in sorted(counter.items())}
        found["features_not_ready"] = one(self._not_ready)
        found["labels_pending"] = one(sum(self._scored))
        if self._engine.batch:
            found["last_closed_bar_timestamp_seconds"] = one(closed_s(self._engine.minute))
        return found


def _model_moments(bundle: Bundle) -> Series:
    moments = {
        "model_trained": bundle.trained_at,
        "model_data_end": 60 * bundle.ranges["end"] if "end" in bundle.ranges else None,
    }
    return {f"{name}_timestamp_seconds": one(at) for name, at in moments.items() if at is not None}
