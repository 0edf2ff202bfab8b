"""Drift of what the model sees and says: PSI in a rolling window of hourly histograms, judged every hour.

The long view over six windows is kept in steps of a seventh of a window, and judged as often.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from daemon.kernels import FloatArray, IntArray
from daemon.vitals.drift_reference import (
    MIN_ROWS_SHARE,
    MINUTES_PER_HOUR,
    STEPS_PER_WINDOW,
    DriftReference,
)
from daemon.vitals.drift_spans import Spans
from daemon.vitals.drift_threshold import LONG_WINDOWS, MIN_LONG_WINDOWS, MIN_WINDOWS
from daemon.vitals.psi import psi

RELEASE_SHARE: Final = 0.9
"""An episode ends when every feature is below this share of its thresholds."""


@dataclass(frozen=True, slots=True)
class FeatureDrift:
    """One feature in the newest full window.

    Attributes:
        name: The feature.
        psi: Its population stability index against training; NaN while no window is full.
        threshold: What it may reach; infinite where the reference is too short to tell, or the window cannot
            see.
        sees: Whether a window is long enough to show a shift of one standard deviation.
        long_psi: The index of the long view, over six windows; NaN while that is not full.
        long_threshold: What it may reach; infinite as above.
        blunt: Whether its threshold is so high that a shift of one standard deviation could pass.
        out_hours: How many hours it was above a threshold so far.
    """

    name: str
    psi: float
    threshold: float
    sees: bool
    long_psi: float = math.nan
    long_threshold: float = math.inf
    blunt: bool = False
    out_hours: int = 0

    @property
    def long(self) -> bool:
        """Whether the long view is nearer to its threshold than the window."""
        return self.long_psi / self.long_threshold > self.psi / self.threshold

    @property
    def nearest(self) -> tuple[float, float]:
        """PSI and threshold of the view that is nearer to its threshold."""
        return (self.long_psi, self.long_threshold) if self.long else (self.psi, self.threshold)

    @property
    def worst(self) -> float:
        """PSI over its threshold, of the view in which that is larger; 0 while nothing is judged."""
        shares = (self.psi / self.threshold, self.long_psi / self.long_threshold)
        return max((share for share in shares if not math.isnan(share)), default=0.0)

    @property
    def out(self) -> bool:
        """Whether it is above a threshold."""
        return self.worst > 1.0


@dataclass(frozen=True, slots=True)
class DriftFigures:
    """A panel of features; the promise is kept by all of them together.

    Attributes:
        features: Those above a threshold by the largest factor first.
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
    def long_hours(self) -> int:
        """Length of the long view; 0 where the reference is too short for one."""
        return LONG_WINDOWS * self.window_hours if self.n_windows >= MIN_LONG_WINDOWS else 0

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
        self._long_psi = self._psi.copy()
        step = max(1, reference.window_hours // STEPS_PER_WINDOW)
        self._long = Spans(step, reference.long_hours // step, reference.counts.shape)
        self._out_hours: IntArray = np.zeros(len(reference.names), dtype=np.int64)

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
        self.count(hour, self._histograms(place, values, len(hour)))

    def count(self, hour: IntArray, counts: np.ndarray) -> None:
        """Take histograms (n_hours, n_features, n_bins) of hours (n_hours,) since the epoch, ascending.

        The first may go on with the hour that came last before.
        """
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
        first, end = np.searchsorted(self._hour, [begin, hour + 1])
        self._lengthen(hour, self._counts[end - 1])
        if begin < self._first_hour:
            return
        window = self._counts[first:end].sum(axis=0, dtype=np.int64)
        if window[0].sum() < MIN_ROWS_SHARE * reference.window_rows:
            return
        self._psi = psi(window, reference.counts)
        shares = np.fmax(self._psi / reference.threshold, self._long_psi / reference.long_threshold)
        self._out_hours += shares > 1.0
        worst = float(shares.max())
        self._judged += 1
        if not self._in_alarm and worst > 1.0:
            self._in_alarm = True
            self._episodes += 1
        elif self._in_alarm and worst < RELEASE_SHARE:
            self._in_alarm = False
        self._alarmed += self._in_alarm

    def _lengthen(self, hour: int, counts: np.ndarray) -> None:
        """Add an hour to the long view, once what the hour closes has been judged."""
        if self._long.closed_by(hour):
            whole = self._long.whole()
            enough = LONG_WINDOWS * MIN_ROWS_SHARE * self.reference.window_rows
            if whole is None or whole[0].sum() < enough:
                self._long_psi = np.full(len(self.reference.names), np.nan)
            else:
                self._long_psi = psi(whole, self.reference.counts)
        self._long.add(hour, counts)

    def figures(self) -> DriftFigures:
        """Return the figures of the newest full window."""
        reference = self.reference
        columns = (
            reference.names,
            self._psi.tolist(),
            reference.threshold.tolist(),
            reference.sees.tolist(),
            self._long_psi.tolist(),
            reference.long_threshold.tolist(),
            reference.blunt.tolist(),
            self._out_hours.tolist(),
        )
        features = [FeatureDrift(*column) for column in zip(*columns, strict=True)]
        features.sort(key=lambda f: (-f.worst, f.name))
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
            "out_hours": self._out_hours.copy(),
            "long_psi": self._long_psi.copy(),
            "long": self._long.to_fields(),
        }

    def restored(self, fields: Mapping[str, Any]) -> Self:
        """Take the state of `to_fields` and return itself."""
        self._hour = np.array(fields["hour"], dtype=np.int64)
        self._counts = np.array(fields["counts"], dtype=np.int32).reshape(-1, *self.reference.counts.shape)
        self._first_hour, self._in_alarm = int(fields["first_hour"]), bool(fields["in_alarm"])
        self._episodes, self._judged = int(fields["episodes"]), int(fields["judged"])
        self._alarmed = int(fields["alarmed"])
        self._psi = np.array(fields["psi"], dtype=np.float64)
        self._out_hours = np.array(fields["out_hours"], dtype=np.int64)
        self._long_psi = np.array(fields["long_psi"], dtype=np.float64)
        self._long.restored(fields["long"])
        return self
