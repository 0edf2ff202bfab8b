"""What trades earn: gross, cost and net in basis points, with an interval that knows that trades overlap."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from daemon.positions.trips import RoundTrip
from daemon.vitals.buckets import Buckets
from daemon.vitals.intervals import Interval, rolling_interval
from daemon.vitals.track import BUCKETS_PER_HORIZON, LAG_HORIZONS

COLUMNS: Final = ("count", "gross_bps", "cost_bps", "net_bps", "best_bps", "worst_bps")


@dataclass(frozen=True, slots=True)
class TradeFigures:
    """Closed round trips in the window; means in basis points of what was opened, 0 while there are none.

    Attributes:
        count: How many.
        gross_bps: Profit at the reference prices.
        cost_bps: All costs; `net_bps` = `gross_bps` - `cost_bps`.
        net_bps: Profit after costs, at the expected prices.
        best_bps: The same at the best prices.
        worst_bps: The same at the worst.
        interval: Of `net_bps`; None while there is too little to tell.
    """

    count: int
    gross_bps: float
    cost_bps: float
    net_bps: float
    best_bps: float
    worst_bps: float
    interval: Interval | None


class Trades:
    """Sums of closed round trips by the time of their exit: minutes are clusters here too.

    Args:
        horizon_minutes: Of the labels; trades are held about as long.
        window_minutes: How far back trades are kept, by the clock.
    """

    def __init__(self, horizon_minutes: int, window_minutes: int) -> None:
        bucket_minutes = max(horizon_minutes // BUCKETS_PER_HORIZON, 1)
        self._lag = -(-LAG_HORIZONS * horizon_minutes // bucket_minutes)
        self._buckets = Buckets(len(COLUMNS), bucket_minutes, window_minutes)

    def add(self, trips: Iterable[RoundTrip]) -> None:
        """Take closed round trips, ascending by exit."""
        rows = [
            (t.exit_minute, 1.0, t.gross_bps, t.cost_bps, t.net_bps, t.best_bps, t.worst_bps) for t in trips
        ]
        if rows:
            table = np.array(rows, dtype=np.float64)
            self._buckets.add(table[:, 0].astype(np.int64), table[:, 1:])

    def figures(self) -> TradeFigures:
        """Return the figures of the window."""
        count, *sums = self._buckets.totals().tolist()
        means = {name: total / count if count else 0.0 for name, total in zip(COLUMNS[1:], sums, strict=True)}
        cells = self._buckets.cells()
        interval = rolling_interval(cells[:, COLUMNS.index("net_bps")], cells[:, 0], self._lag)
        return TradeFigures(count=int(count), interval=interval, **means)

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data."""
        return self._buckets.to_fields()

    def restored(self, fields: Mapping[str, Any]) -> "Trades":
        """Take the state of `to_fields` and return itself."""
        self._buckets.restored(fields)
        return self
