"""Per-minute sums of everything skill is made of, for each series."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from daemon.kernels import BoolArray, FloatArray, IntArray, exp, log, segment_sum
from daemon.labels import Matured, Move
from daemon.vitals.baselines import BaselineRows
from daemon.vitals.buckets import Buckets
from daemon.vitals.intervals import Interval, rolling_interval
from daemon.vitals.rank_ic import RankIc

COLUMNS: Final = (
    *("minutes", "rows", "skill", "move", "accuracy", "majority", "base_rate", "last"),
    *("moving_minutes", "hits", "ic_count", "ic"),
)
LAG_HORIZONS: Final = 2
"""How many horizons of lag the intervals allow for. A Bartlett kernel whose lag is one horizon gives the
overlap of labels only two thirds of its weight: a stated 95 % then covers 89 %; with two horizons it covers
93 %. A longer window takes a longer lag: `daemon.vitals.intervals`."""
MIN_DIFFERENT: Final = 10
"""In so many stretches of `LAG_HORIZONS` two forecasts must differ before their difference has an interval.
On real days it covered 95 % of the time with ten to twenty of them, 85 % with five to ten, 72 % below."""
BUCKETS_PER_HORIZON: Final = 4


class Track:
    """Sums of one kind of minutes (live, or catch-up), in buckets of a quarter of the horizon.

    Args:
        names: The expert of each series that is judged.
        n_instruments: Width of the universe.
        horizon_minutes: Of the labels.
        window_minutes: How far back sums are kept.
    """

    def __init__(
        self, names: Sequence[str], n_instruments: int, horizon_minutes: int, window_minutes: int
    ) -> None:
        bucket_minutes = max(horizon_minutes // BUCKETS_PER_HORIZON, 1)
        self._lag = -(-LAG_HORIZONS * horizon_minutes // bucket_minutes)
        self._n_series = len(names)
        self._buckets = Buckets(len(names) * len(COLUMNS), bucket_minutes, window_minutes)
        self._ic = RankIc(names, n_instruments, horizon_minutes)

    def update(
        self,
        ordinal: int,
        n_minutes: int,
        matured: Matured,
        said: FloatArray,
        baseline: BaselineRows,
        chosen: BoolArray,
    ) -> None:
        """Add the `chosen` (n_labels,) among the labels that matured in the next minutes."""
        at, label, said = matured.at[chosen], matured.label[chosen].astype(np.int64), said[chosen]
        # Of the three probabilities only two are needed, and an exponential is what costs most here.
        down, up = (exp(np.nan_to_num(said[..., move])) for move in (Move.DOWN, Move.UP))
        scores = np.where(np.isnan(said[..., 0]), np.nan, up - down)
        ic = self._ic.update(ordinal, n_minutes, at, scores, matured.ret[chosen])
        judged = _Labels(at, label, n_minutes, baseline, chosen)
        table = np.zeros((n_minutes, self._n_series, len(COLUMNS)))
        for series in range(self._n_series):
            heard = ~np.isnan(said[:, series, 0])
            moving = down[heard, series] + up[heard, series]
            table[:, series, :-2] = judged.minutes_of(heard, said[heard, series], moving)
        table[..., -2] = ~np.isnan(ic)
        table[..., -1] = np.nan_to_num(ic)
        used = np.nonzero(np.any(table[..., 0] + table[..., -2] > 0.0, axis=1))[0]
        self._buckets.add(used + ordinal, table[used].reshape(len(used), self._n_series * len(COLUMNS)))

    def totals(self, series: int) -> dict[str, float]:
        """Return the window's sums of one series, by column."""
        sums = self._buckets.totals().reshape(self._n_series, len(COLUMNS))[series]
        return dict(zip(COLUMNS, sums.tolist(), strict=True))

    def interval(self, series: int, column: str, less: str | None, per: str) -> Interval | None:
        """Return the mean of a column, less another where one is named, per count in column `per`."""
        cells = self._buckets.cells().reshape(-1, self._n_series, len(COLUMNS))[:, series]
        total = cells[:, COLUMNS.index(column)]
        if less is not None:
            total = total - cells[:, COLUMNS.index(less)]
        return rolling_interval(total, cells[:, COLUMNS.index(per)], self._lag)

    def paired_interval(self, series: int, column: str, less: str, per: str) -> Interval | None:
        """Return `interval`, but None while the two columns have hardly ever differed."""
        cells = self._buckets.cells().reshape(-1, self._n_series, len(COLUMNS))[:, series]
        differ = cells[:, COLUMNS.index(column)] != cells[:, COLUMNS.index(less)]
        if len(np.unique(np.nonzero(differ)[0] // self._lag)) < MIN_DIFFERENT:
            return None
        return self.interval(series, column, less, per)

    def gain(self, series: int, over: int, column: str, per: str) -> Interval | None:
        """Return the mean of a column of one series less that of another that spoke in the same minutes."""
        cells = self._buckets.cells().reshape(-1, self._n_series, len(COLUMNS))
        place = COLUMNS.index(column)
        more = cells[:, series, place] - cells[:, over, place]
        return rolling_interval(more, cells[:, series, COLUMNS.index(per)], self._lag)

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data."""
        return {"buckets": self._buckets.to_fields(), "ic": self._ic.to_fields()}

    def restored(self, fields: Mapping[str, Any]) -> "Track":
        """Take the state of `to_fields` and return itself."""
        self._buckets.restored(fields["buckets"])
        self._ic.restored(fields["ic"])
        return self


class _Labels:
    """The labels of a chunk beside what the baselines said of them."""

    def __init__(
        self, at: IntArray, label: IntArray, n_minutes: int, baseline: BaselineRows, chosen: BoolArray
    ) -> None:
        self._at, self._label, self._n_minutes = at, label, n_minutes
        logp = baseline.logp[chosen]
        self._base_total = -_picked(logp, label)
        self._base_move = np.where(label == Move.FLAT, self._base_total, -baseline.moving_logp[chosen])
        self._share, self._majority = baseline.share[chosen], baseline.majority[chosen]
        self._last = baseline.last[chosen]

    def minutes_of(self, heard: BoolArray, logp: FloatArray, moving: FloatArray) -> FloatArray:
        """Return the columns up to `hits` of one series, (n_minutes, n_columns - 2).

        Args:
            heard: (n_labels,) whether the expert had spoken.
            logp: (n_heard, 3) what it had said.
            moving: (n_heard,) probability of down and up together.
        """
        at, label = self._at[heard], self._label[heard]
        moved = label != Move.FLAT
        total = -_picked(logp, label)
        move = total.copy()
        move[moved] = -log(moving[moved])
        ahead = logp[:, Move.UP] - logp[:, Move.DOWN]
        hits = ((label == Move.UP) & (ahead > 0.0)) | ((label == Move.DOWN) & (ahead < 0.0))
        columns = (
            self._base_total[heard] - total,
            self._base_move[heard] - move,
            np.argmax(logp, axis=1) == label,
            self._majority[heard],
            self._share[heard],
            self._last[heard],
        )
        rows = np.bincount(at, minlength=self._n_minutes).astype(np.float64)
        moves = np.bincount(at[moved], minlength=self._n_minutes).astype(np.float64)
        means = [self._mean(at, column.astype(np.float64), rows) for column in columns]
        hit_rate = self._mean(at, hits.astype(np.float64), moves)
        return np.column_stack([rows > 0.0, rows, *means, moves > 0.0, hit_rate])

    def _mean(self, at: IntArray, values: FloatArray, count: FloatArray) -> FloatArray:
        """Return the mean of each minute; 0 where it has none."""
        return segment_sum(at, values, self._n_minutes) / np.maximum(count, 1.0)


def _picked(values: FloatArray, label: IntArray) -> FloatArray:
    return np.asarray(values[np.arange(len(label)), label], dtype=np.float64)
