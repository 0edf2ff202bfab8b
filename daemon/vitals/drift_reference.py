"""What drift is measured against: the bundle's histograms, and thresholds that keep a promised alarm rate.

The reference is cut into contiguous windows as long as the live one, all instruments together (what they
share must not count twice), and each window's PSI is taken against the rest of the reference. A window is as
odd as its oddest feature, each feature on its own scale: the threshold is the value of that oddity that a
new window exceeds at the promised rate. So the promise holds for the whole panel of features, however they
depend on each other. Few windows know no rare quantile: it is extrapolated along a normal tail of log PSI,
as a prediction for one more window (Student's t; Hahn and Meeker, Statistical Intervals, 1991, chapter 4),
which grows more cautious the fewer they are; below `MIN_WINDOWS` there is no threshold at all.
"""

import base64
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from daemon.kernels import BoolArray, FloatArray, IntArray, log
from daemon.vitals.psi import psi

MINUTES_PER_HOUR: Final = 60
MIN_WINDOWS: Final = 4
MIN_TIMES: Final = 50
"""A window shows a shift of one standard deviation if it is as long as this many autocorrelation times."""

MIN_ROWS_SHARE: Final = 0.5
"""A window with fewer rows than this share of the usual says nothing."""

STEPS_PER_WINDOW: Final = 7
BLOCKS_PER_WINDOW: Final = 7
PSI_FLOOR: Final = 1e-3
"""Smaller values are all the same: nothing moved."""

PRIOR_WINDOWS: Final = 30
"""Every feature's spread is drawn towards the panel's, as if so many windows had said that."""

CROSSING_SHARE: Final = 0.35
"""Part of the promised rate that the quantile may use: the rest pays for alarms that end late, and for the
tail of the oddity, which as a maximum is heavier than normal."""


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
        threshold: (n_features,) PSI above which a feature is out; infinite where the reference is too short
            to tell.
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
    times: FloatArray

    @classmethod
    def of(
        cls, fields: Mapping[str, Any], instruments: Sequence[str], window_minutes: int, rate: float
    ) -> "DriftReference":
        """Make it from what training kept (`daemon.training.reference`).

        Args:
            fields: One part of a bundle's `psi`.
            instruments: Of the run. Those that training saw are watched; if it saw none of them, all are,
                against all of training's.
            window_minutes: Of the live window; rounded up to whole spans of the reference.
            rate: Promised share of time in alarm.
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
        windows = _windows(pooled, spans)
        n_windows = len(pooled) // spans
        return cls(
            names=tuple(fields["features"]),
            edges=np.array(fields["edges"], dtype=np.float64),
            counts=pooled.sum(axis=0),
            known=known,
            window_hours=spans * span_minutes // MINUTES_PER_HOUR,
            window_rows=float(np.median(windows[:, 0].sum(axis=-1))) if len(windows) else math.inf,
            n_windows=n_windows,
            rate=rate,
            threshold=_thresholds(windows, pooled.sum(axis=0), n_windows, rate),
            times=spans / autocorrelation_spans(counts, max(1, spans // BLOCKS_PER_WINDOW)),
        )

    @property
    def sees(self) -> BoolArray:
        """(n_features,) whether a window is long enough to show a shift of one standard deviation."""
        return np.asarray(self.times >= MIN_TIMES)


def _windows(pooled: IntArray, spans: int) -> IntArray:
    """Return the histograms of windows (n_windows, n_features, n_bins), a step apart; thin ones left out."""
    total = np.concatenate([np.zeros_like(pooled[:1]), np.cumsum(pooled, axis=0)])
    starts = np.arange(0, len(pooled) - spans + 1, max(1, spans // STEPS_PER_WINDOW))
    windows: IntArray = total[starts + spans] - total[starts]
    rows = windows[:, 0].sum(axis=-1)
    return windows[rows >= MIN_ROWS_SHARE * np.median(rows)] if len(windows) else windows


def _thresholds(windows: IntArray, total: IntArray, n_windows: int, rate: float) -> FloatArray:
    if n_windows < MIN_WINDOWS:
        return np.full(len(total), np.inf)
    from scipy.special import stdtrit  # noqa: PLC0415 - once a run; commands that need none start faster

    found = log(np.maximum(psi(windows, total - windows), PSI_FLOOR))
    mean, spread = found.mean(axis=0), found.var(axis=0, ddof=1)
    panel = spread.mean()
    spread = np.sqrt((n_windows * spread + PRIOR_WINDOWS * panel) / (n_windows + PRIOR_WINDOWS))
    spread = np.maximum(spread, PSI_FLOOR)
    # A window helped to make the mean it is held against; a new one will not have.
    oddity = ((found - mean) / spread * (n_windows / (n_windows - 1))).max(axis=1)
    quantile = float(stdtrit(n_windows - 1, 1.0 - CROSSING_SHARE * rate))
    reach = oddity.mean() + quantile * oddity.std(ddof=1) * math.sqrt(1.0 + 1.0 / n_windows)
    return np.array(
        [math.exp(min(m + reach * s, 700.0)) for m, s in zip(mean.tolist(), spread.tolist(), strict=True)]
    )


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
