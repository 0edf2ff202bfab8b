"""What drift is measured against: the bundle's histograms, and thresholds that keep a promised alarm rate.

The reference is cut into contiguous windows as long as the live one, and each window's PSI is taken against
the rest of the reference; `daemon.vitals.drift_threshold` makes thresholds of them. Beside the window there
is a *long view* over the last six: a shift that is too small for one window to tell from an odd week is
plain when it stays. What it would reach without drift is known from windows dealt at random.

All instruments are counted together, here and live, and a shared move so counts once. Thresholds from
windows of single instruments, as if each were a sample of its own, break the promise where instruments move
together; averaging each instrument's own PSI keeps it too and finds sooner what moves in one instrument
alone, but needs every hour's histogram per instrument (250 MB for 500 instruments with 80 features). Measured
on four coins, by the share of time in which one window was in alarm where 1 % is promised:

    no drift                                   together   average   single
    real weeks dealt at random, 12 to learn     0.2 %      0.2 %     4.1 %
    real weeks dealt at random, 8 to learn      0.0 %      0.0 %     4.9 %
    AR(1) 0.99, correlated by 0.8               0.2 %      0.0 %     9.1 %
    one of four independent instruments
    shifted by one standard deviation            18 %      100 %     100 %
"""

import base64
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from daemon.kernels import BoolArray, FloatArray, IntArray
from daemon.vitals.drift_threshold import (
    LONG_SHARE,
    LONG_WINDOWS,
    MIN_LONG_WINDOWS,
    MIN_WINDOWS,
    WINDOW_SHARE,
    psi_of_draws,
    thresholds,
)
from daemon.vitals.psi import psi

MINUTES_PER_HOUR: Final = 60
MIN_TIMES: Final = 50
"""A window shows a shift of one standard deviation if it is as long as this many autocorrelation times."""

ONE_SD_PSI: Final = 0.95
"""About the PSI of a normal feature that moved by one standard deviation, in ten bins."""

ONE_IN_TEN: Final = 1.28
MIN_ROWS_SHARE: Final = 0.5
"""A window with fewer rows than this share of the usual says nothing."""

STEPS_PER_WINDOW: Final = 7
BLOCKS_PER_WINDOW: Final = 7


@dataclass(frozen=True, slots=True, eq=False)
class DriftReference:
    """Histograms of training, and what follows from them for windows of one length.

    Attributes:
        names: Features watched.
        edges: (n_features, n_bins - 1) inner edges of their bins.
        counts: (n_features, n_bins) rows of the reference.
        known: (n_run_instruments,) which instruments of the run are counted live.
        window_hours: Length of the live window.
        window_rows: Rows that a window usually holds.
        n_windows: How many such windows the reference holds, not overlapping.
        rate: Promised share of time in alarm, for all features together.
        threshold: (n_features,) PSI of a window above which a feature is out; infinite where the reference is
            too short to tell or the window cannot see.
        long_threshold: The same for the long view.
        times: (n_features,) how many autocorrelation times a window holds.
    """

    names: tuple[str, ...]
    edges: FloatArray
    counts: IntArray
    known: BoolArray
    window_hours: int
    window_rows: float
    n_windows: int
    rate: float
    threshold: FloatArray
    long_threshold: FloatArray
    times: FloatArray

    @classmethod
    def of(
        cls,
        fields: Mapping[str, Any],
        instruments: Sequence[str],
        window_minutes: int,
        rate: float,
        min_times: float = MIN_TIMES,
    ) -> "DriftReference":
        """Make it from what training kept (`daemon.training.reference`).

        Args:
            fields: One part of a bundle's `psi`.
            instruments: Of the run. Those that training saw are watched; if it saw none of them, all are,
                against all of training's.
            window_minutes: Of the live window; rounded up to whole spans of the reference.
            rate: Promised share of time in alarm.
            min_times: Features of which a window holds fewer autocorrelation times get no threshold.
        """
        packed = zlib.decompress(base64.b64decode(fields["counts"], validate=True))
        counts = np.frombuffer(packed, dtype="<u2").reshape(fields["shape"]).astype(np.int64)
        seen = [fields["instruments"].index(name) for name in instruments if name in fields["instruments"]]
        known = np.array([name in fields["instruments"] or not seen for name in instruments], dtype=np.bool_)
        if seen:
            counts = counts[seen]
        span_minutes = int(fields["span_minutes"])
        spans = -(-window_minutes // span_minutes)
        pooled = counts.sum(axis=0)
        total = pooled.sum(axis=0)
        windows = _windows(pooled, spans, max(1, spans // STEPS_PER_WINDOW))
        n_windows = len(pooled) // spans
        times = spans / autocorrelation_spans(counts, max(1, spans // BLOCKS_PER_WINDOW))
        limit = long_limit = np.full(len(total), np.inf)
        if n_windows >= MIN_WINDOWS:
            found = psi(windows, total - windows)
            limit = thresholds(found, n_windows, WINDOW_SHARE * rate, times >= min_times)
        apart = _windows(pooled, spans, spans)
        if len(apart) >= MIN_LONG_WINDOWS:
            drawn = psi_of_draws(apart)
            long_limit = thresholds(drawn, len(apart), LONG_SHARE * rate, times >= min_times)
        return cls(
            names=tuple(fields["features"]),
            edges=np.array(fields["edges"], dtype=np.float64),
            counts=total,
            known=known,
            window_hours=spans * span_minutes // MINUTES_PER_HOUR,
            window_rows=float(np.median(windows[:, 0].sum(axis=-1))) if len(windows) else np.inf,
            n_windows=n_windows,
            rate=rate,
            threshold=limit,
            long_threshold=long_limit,
            times=times,
        )

    @property
    def blunt(self) -> BoolArray:
        """(n_features,) whether more than one shift in ten by one standard deviation could pass the window.

        A window of T autocorrelation times shows a shift with a standard error of sqrt(2 / T).
        """
        shown = np.maximum(1.0 - ONE_IN_TEN * np.sqrt(2.0 / np.maximum(self.times, 1.0)), 0.0)
        return np.asarray(self.sees & (self.threshold > ONE_SD_PSI * shown * shown))

    @property
    def long_hours(self) -> int:
        """Length of the long view."""
        return LONG_WINDOWS * self.window_hours

    @property
    def sees(self) -> BoolArray:
        """(n_features,) whether a window is long enough to show a shift of one standard deviation."""
        return np.asarray(self.times >= MIN_TIMES)


def _windows(pooled: IntArray, spans: int, step: int) -> IntArray:
    """Return the histograms of windows (n_windows, n_features, n_bins), a step apart; thin ones left out."""
    total = np.concatenate([np.zeros_like(pooled[:1]), np.cumsum(pooled, axis=0)])
    starts = np.arange(0, len(pooled) - spans + 1, step)
    windows: IntArray = total[starts + spans] - total[starts]
    rows = windows[:, 0].sum(axis=-1)
    return windows[rows >= MIN_ROWS_SHARE * np.median(rows)] if len(windows) else windows


def autocorrelation_spans(counts: IntArray, block: int) -> FloatArray:
    """Return how long features remember, in spans: 1/2 + the sum of their autocorrelations, by batch means.

    The mean of n rows has the variance 2 tau / n of one row's; so the means of blocks tell tau, as long as
    the blocks are much longer than it. Values stand for their bin's middle rank.

    Args:
        counts: (n_instruments, n_spans, n_features, n_bins).
        block: Spans in a block.

    Returns:
        (n_features,) at least what independent rows would have, about.
    """
    n_blocks = counts.shape[1] // block
    if n_blocks < MIN_WINDOWS:
        return np.full(counts.shape[2], np.inf)
    cut = (
        counts[:, : n_blocks * block].reshape(counts.shape[0], n_blocks, block, *counts.shape[2:]).sum(axis=2)
    )
    rows = cut.sum(axis=-1)
    score = np.arange(counts.shape[-1], dtype=np.float64)
    total = np.maximum(rows.sum(axis=1), 1)
    centre = (cut * score).sum(axis=(1, 3)) / total
    one = (cut.sum(axis=1) * (score - centre[..., None]) ** 2).sum(axis=-1) / total
    means = (cut * score).sum(axis=-1) / np.maximum(rows, 1)
    many = (rows * (means - centre[:, None]) ** 2).sum(axis=1) / total * n_blocks / (n_blocks - 1)
    ratio = many.mean(axis=0) / np.maximum(one.mean(axis=0), 1e-12)
    return np.asarray(np.maximum(block * ratio / 2.0, 1e-9))
