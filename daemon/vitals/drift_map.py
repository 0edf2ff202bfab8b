"""Drift day by day: the PSI of each feature on each UTC day against training, for a map of both.

The rolling vital (`daemon.vitals.drift`) answers whether the present window is odd; the map shows when
which features moved. A day is held against what single days of the reference do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from daemon.events import MINUTES_PER_DAY
from daemon.kernels import BoolArray, FloatArray, IntArray
from daemon.vitals.drift_reference import MIN_ROWS_SHARE, DriftReference
from daemon.vitals.psi import psi

NO_LIMIT: Final = "the model's reference is too short to know what single days do"


@dataclass(frozen=True, slots=True, eq=False)
class DriftMapFigures:
    """The map.

    Attributes:
        features: Names, in the reference's order.
        day: (n_days,) days since the epoch, ascending; days without a row are left out.
        rows: (n_days,) rows counted.
        psi: (n_features, n_days); NaN on a day with fewer than `MIN_ROWS_SHARE` of the usual rows.
        threshold: (n_features,) what a day may reach; infinite where the reference is too short to tell.
        sees: (n_features,) whether a day is long enough to show a shift of one standard deviation.
        rate: Promised share of days on which any feature is above its threshold while nothing drifts.
        n_days: Of the reference.
    """

    features: tuple[str, ...]
    day: IntArray
    rows: IntArray
    psi: FloatArray
    threshold: FloatArray
    sees: tuple[bool, ...]
    rate: float
    n_days: int

    @property
    def odd_days(self) -> IntArray:
        """(n_features,) days above the threshold."""
        with np.errstate(invalid="ignore"):
            return np.asarray((self.psi > self.threshold[:, None]).sum(axis=1))

    @property
    def limit_note(self) -> str:
        """Why days cannot be held against a threshold; empty if they can."""
        return "" if np.isfinite(self.threshold).any() else NO_LIMIT

    @property
    def judged_days(self) -> int:
        """Days with rows enough to judge."""
        return int((~np.isnan(self.psi)).any(axis=0).sum())

    def order(self) -> list[int]:
        """Return the features by how odd they were: days above the threshold, then the largest value."""
        limit = self.threshold if not self.limit_note else np.ones(len(self.features))
        most = np.nan_to_num(self.psi).max(axis=1, initial=0.0) / limit
        odd = self.odd_days
        return sorted(
            range(len(self.features)), key=lambda i: (-int(odd[i]), -float(most[i]), self.features[i])
        )

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain data, the oddest feature first; what is unknown is None."""
        odd = self.odd_days.tolist()
        return {
            "note": self.limit_note,
            "promised_share": self.rate,
            "reference_days": self.n_days,
            "days": [str(np.datetime64(day, "D")) for day in self.day.tolist()],
            "rows": self.rows.tolist(),
            "features": [
                {
                    "feature": self.features[i],
                    "threshold": _known(float(self.threshold[i])),
                    "sees": self.sees[i],
                    "odd_days": odd[i],
                    "psi": [_known(value) for value in self.psi[i].tolist()],
                }
                for i in self.order()
            ],
        }


class DriftMap:
    """Histograms of feature values by day. Any chunking of the same rows gives the same map.

    Args:
        fields: One part of a bundle's `psi`.
        instruments: Of the run at its start, sorted; see `DriftReference.of`.
        rate: Promised share of days in alarm.

    Attributes:
        reference: What single days usually are.
    """

    def __init__(self, fields: Mapping[str, Any], instruments: Sequence[str], rate: float) -> None:
        # A day sees little; what it can be held against is shown all the same, beside whether it sees.
        self.reference = DriftReference.of(fields, instruments, MINUTES_PER_DAY, rate, min_times=0.0)
        self._trained = frozenset(fields["instruments"])
        self._all = self._trained.isdisjoint(instruments)
        self._counts: dict[int, IntArray] = {}
        self.regroup(instruments)

    def regroup(self, instruments: Sequence[str]) -> None:
        """Go on with other instruments."""
        known = [self._all or name in self._trained for name in instruments]
        self._known: BoolArray = np.array(known, dtype=np.bool_)

    def add(self, minute: IntArray, instrument: IntArray, values: FloatArray) -> None:
        """Count rows.

        Args:
            minute: (n_rows,) epoch minutes, ascending.
            instrument: (n_rows,) columns of the run's instruments.
            values: (n_rows, n_features), in the reference's order.
        """
        counted = self._known[instrument]
        day = minute[counted] // MINUTES_PER_DAY
        cuts = np.flatnonzero(np.diff(day)) + 1
        for rows in np.split(np.flatnonzero(counted), cuts) if len(day) else ():
            number = int(minute[rows[0]]) // MINUTES_PER_DAY
            found = self._histograms(values[rows])
            self._counts[number] = self._counts[number] + found if number in self._counts else found

    def figures(self) -> DriftMapFigures:
        """Return the map of what was counted."""
        reference = self.reference
        days = sorted(self._counts)
        counts = np.array([self._counts[day] for day in days], dtype=np.int64)
        counts = counts.reshape(len(days), *reference.counts.shape)
        rows = counts[:, 0].sum(axis=-1)
        found = psi(counts, reference.counts[None]) if days else np.empty((0, len(reference.names)))
        usual = reference.window_rows if np.isfinite(reference.window_rows) else 0.0
        found[rows < MIN_ROWS_SHARE * usual] = np.nan
        return DriftMapFigures(
            features=reference.names,
            day=np.array(days, dtype=np.int64),
            rows=rows,
            psi=np.ascontiguousarray(found.T),
            threshold=reference.threshold,
            sees=tuple(reference.sees.tolist()),
            rate=reference.rate,
            n_days=reference.n_windows,
        )

    def _histograms(self, values: FloatArray) -> IntArray:
        edges = self.reference.edges
        n_bins = edges.shape[1] + 1
        return np.stack(
            [
                np.bincount(np.searchsorted(edge, column, side="right"), minlength=n_bins)
                for edge, column in zip(edges, values.T, strict=True)
            ]
        )


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
