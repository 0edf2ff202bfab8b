"""Drift of what the model sees and says: PSI in a rolling window of hourly histograms, judged every hour."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from daemon.kernels import FloatArray, IntArray
from daemon.vitals.drift_reference import MIN_ROWS_SHARE, MIN_WINDOWS, MINUTES_PER_HOUR, DriftReference
from daemon.vitals.psi import psi

RELEASE_SHARE: Final = 0.9
"""An episode ends when every feature is below this share of its threshold."""


@dataclass(frozen=True, slots=True)
class FeatureDrift:
    """One feature in the newest full window.

    Attributes:
        name: The feature.
        psi: Its population stability index against training; NaN while no window is full.
        threshold: What it may reach; infinite where the reference is too short to tell.
        sees: Whether a window is long enough to show a shift of one standard deviation.
    """

    name: str
    psi: float
    threshold: float
    sees: bool

    @property
    def out(self) -> bool:
        """Whether it is above its threshold."""
        return self.psi > self.threshold


@dataclass(frozen=True, slots=True)
class DriftFigures:
    """A panel of features; the promise is kept by all of them together.

    Attributes:
        features: Those above their threshold by the largest factor first.
        in_alarm: Whether an episode is under way.
        episodes: How many there have been.
        judged_hours: Hours that ended a full window.
        alarm_hours: Those of them in an episode.
        window_hours: Length of the window.
        n_windows: How many of that length the reference holds.
        rate: Promised share of time in alarm.
    """

    features: tuple[FeatureDrift, ...]
    in_alarm: bool
    episodes: int
    judged_hours: int
    alarm_hours: int
    window_hours: int
    n_windows: int
    rate: float

    @property
    def blind(self) -> str:
        """Why nothing can be said of any feature; empty if something can."""
        if self.n_windows < MIN_WINDOWS:
            return (
                f"the model's reference holds {self.n_windows} windows of {self.window_hours} hours, "
                f"{MIN_WINDOWS} are needed to know what is usual"
            )
        if not self.judged_hours:
            return f"the first window of {self.window_hours} hours is not full yet"
        return ""


class Drift:
    """Histograms of the newest hours and the panel's state of alarm.

    Any chunking of the same rows gives the same state.

    Args:
        reference: What is usual.
    """

    def __init__(self, reference: DriftReference) -> None:
        self.reference = reference
        shape = (0, *reference.counts.shape)
        self._hour: IntArray = np.zeros(0, dtype=np.int64)
        self._counts = np.zeros(shape, dtype=np.int32)
        self._first_hour = -1
        self._in_alarm = False
        self._episodes = self._judged = self._alarmed = 0
        self._psi: FloatArray = np.full(len(reference.names), np.nan)

    def update(self, minute: IntArray, instrument: IntArray, values: FloatArray) -> None:
        """Count rows; the hours that end before the last of them are judged.

        Args:
            minute: (n_rows,) epoch minutes, ascending.
            instrument: (n_rows,) columns of the run's instruments.
            values: (n_rows, n_features).
        """
        counted = self.reference.known[instrument]
        if not counted.any():
            return
        if not counted.all():
            minute, values = minute[counted], values[counted]
        hour, place = np.unique(minute // MINUTES_PER_HOUR, return_inverse=True)
        counts = self._histograms(place, values, len(hour))
        if self._first_hour < 0:
            self._first_hour = int(hour[0])
        if len(self._hour) and hour[0] == self._hour[-1]:
            self._counts[-1] += counts[0]
            hour, counts = hour[1:], counts[1:]
        closing = np.concatenate([self._hour[-1:], hour])[:-1] if len(hour) else hour
        self._hour = np.concatenate([self._hour, hour])
        self._counts = np.concatenate([self._counts, counts])
        for end in closing.tolist():
            self._judge(end)
        first = int(np.searchsorted(self._hour, self._hour[-1] - self.reference.window_hours, side="right"))
        if first:
            self._hour, self._counts = self._hour[first:].copy(), self._counts[first:].copy()

    def _histograms(self, place: IntArray, values: FloatArray, n_hours: int) -> np.ndarray:
        edges = self.reference.edges
        n_bins = edges.shape[1] + 1
        counts = np.empty((n_hours, len(edges), n_bins), dtype=np.int32)
        for feature in range(len(edges)):
            drawer = np.searchsorted(edges[feature], values[:, feature], side="right")
            cells = np.bincount(place * n_bins + drawer, minlength=n_hours * n_bins)
            counts[:, feature] = cells.reshape(n_hours, n_bins)
        return counts

    def _judge(self, hour: int) -> None:
        """Judge the window whose last hour is `hour`, if it is full."""
        reference = self.reference
        begin = hour - reference.window_hours + 1
        if begin < self._first_hour:
            return
        first, end = np.searchsorted(self._hour, [begin, hour + 1])
        window = self._counts[first:end].sum(axis=0, dtype=np.int64)
        if window[0].sum() < MIN_ROWS_SHARE * reference.window_rows:
            return
        self._psi = psi(window, reference.counts)
        worst = float((self._psi / reference.threshold).max())
        self._judged += 1
        if not self._in_alarm and worst > 1.0:
            self._in_alarm = True
            self._episodes += 1
        elif self._in_alarm and worst < RELEASE_SHARE:
            self._in_alarm = False
        self._alarmed += self._in_alarm

    def figures(self) -> DriftFigures:
        """Return the figures of the newest full window."""
        reference = self.reference
        columns = (reference.names, self._psi, reference.threshold, reference.sees)
        features = [
            FeatureDrift(name, float(value), float(limit), bool(sees))
            for name, value, limit, sees in zip(*columns, strict=True)
        ]
        features.sort(key=lambda f: (0.0 if math.isnan(f.psi) else -f.psi / f.threshold, f.name))
        return DriftFigures(
            features=tuple(features),
            in_alarm=self._in_alarm,
            episodes=self._episodes,
            judged_hours=self._judged,
            alarm_hours=self._alarmed,
            window_hours=reference.window_hours,
            n_windows=reference.n_windows,
            rate=reference.rate,
        )

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data."""
        return {
            "hour": self._hour.copy(),
            "counts": self._counts.copy(),
            "first_hour": self._first_hour,
            "in_alarm": self._in_alarm,
            "episodes": self._episodes,
            "judged": self._judged,
            "alarmed": self._alarmed,
            "psi": self._psi.copy(),
        }

    def restored(self, fields: Mapping[str, Any]) -> Self:
        """Take the state of `to_fields` and return itself."""
        self._hour = np.array(fields["hour"], dtype=np.int64)
        self._counts = np.array(fields["counts"], dtype=np.int32).reshape(-1, *self.reference.counts.shape)
        self._first_hour, self._in_alarm = int(fields["first_hour"]), bool(fields["in_alarm"])
        self._episodes, self._judged = int(fields["episodes"]), int(fields["judged"])
        self._alarmed = int(fields["alarmed"])
        self._psi = np.array(fields["psi"], dtype=np.float64)
        return self
