"""How large a PSI may be: thresholds that keep a promised alarm rate, from what the reference did by itself.

A window is as odd as its oddest feature, each feature on its own scale. The scale is the cube root of PSI
over its mean: PSI is a weighted sum of squares, and the cube root of such a sum is about normal (Wilson and
Hilferty, PNAS 17, 1931). The oddity that the promised part of windows exceeds gives all thresholds at once,
so that the promise holds for the whole panel, however its features depend on each other.

All that supposes known means, and a mean over few windows is not known. So a threshold is widened as the
square of a normal grows into the square of Student's t where a variance is estimated from n windows; at the
tail probability that one feature of the panel has, because the feature whose mean came out lowest is the one
that will alarm. 12 windows widen it by about 2, 5 windows by about 10.

The constants were chosen on seeds that no test uses. There, with a promise of 1 %, weeks of Bitcoin dealt at
random were in alarm 0.1 to 0.9 % of the time (20 and 76 features, 8 and 12 weeks to learn from).
"""

from typing import Final

import numpy as np

from daemon.kernels import BoolArray, FloatArray, IntArray, exp, log
from daemon.vitals.psi import psi

MIN_WINDOWS: Final = 4
LONG_WINDOWS: Final = 6
"""Windows that the long view joins."""

MIN_LONG_WINDOWS: Final = 2 * LONG_WINDOWS
"""A draw of the long view leaves as many windows to compare it with."""

DRAWS: Final = 200
PSI_FLOOR: Final = 1e-3
"""Smaller values are all the same: nothing moved."""

PRIOR_WINDOWS: Final = 100
"""Every feature's spread is drawn towards the panel's, as if so many windows had said that."""

WINDOW_SHARE: Final = 0.2
"""Part of the promised rate that a window's quantile may use: there is a long view too, alarms end late, and
the tail of the oddity, which as a maximum is heavier than normal, is not wholly known."""

LONG_SHARE: Final = 0.15
"""The same for the long view: an alarm of it lasts longer."""

MAX_REACH: Final = 8.0
_SEED: Final = 1
_LEAST: Final = 1e-9


def thresholds(found: FloatArray, n_windows: int, exceeded: float, sees: BoolArray) -> FloatArray:
    """Return what PSI may reach (n_features,): infinite for features that cannot be seen.

    Args:
        found: (n_found, n_features) PSI of windows of the reference; they may overlap.
        n_windows: How many of them do not.
        exceeded: Share of windows in which some feature may be above its threshold.
        sees: (n_features,) which features count.
    """
    from scipy.special import ndtr, ndtri, stdtrit  # noqa: PLC0415 - once a run; other commands start faster

    limit = np.full(found.shape[1], np.inf)
    if not sees.any():
        return limit
    level = np.maximum(found[:, sees].mean(axis=0), PSI_FLOOR)
    root = exp(log(np.maximum(found[:, sees] / level, _LEAST)) / 3.0)
    mean, variance = root.mean(axis=0), root.var(axis=0, ddof=1)
    variance = (n_windows * variance + PRIOR_WINDOWS * variance.mean()) / (n_windows + PRIOR_WINDOWS)
    spread = np.maximum(np.sqrt(variance), PSI_FLOOR)
    oddity = ((root - mean) / spread).max(axis=1)
    reach = float(oddity.mean() + ndtri(1.0 - exceeded) * oddity.std(ddof=1))
    reach = min(reach, MAX_REACH)
    widened = float(-stdtrit(n_windows - 1, ndtr(-reach))) / reach
    limit[sees] = level * (mean + reach * spread) ** 3 * widened**2
    return limit


def psi_of_draws(windows: IntArray) -> FloatArray:
    """Return the PSI that `LONG_WINDOWS` new windows would have (DRAWS, n_features), if nothing drifts.

    Windows are dealt at random to the draw and the rest: what changes more slowly than a window is drift. As
    few windows are left to compare with, the draw's distance is scaled to what it is against all of them.

    Args:
        windows: (n_windows, n_features, n_bins), not overlapping, at least `MIN_LONG_WINDOWS`.
    """
    n_windows = len(windows)
    # Bits of a bit generator are the same for ever; numpy promises no such thing of a shuffle.
    generator = np.random.PCG64(_SEED)
    dice = generator.random_raw(DRAWS * n_windows).reshape(DRAWS, n_windows)
    total = windows.sum(axis=0)
    part = windows[np.argsort(dice, axis=1)[:, :LONG_WINDOWS]].sum(axis=1)
    scale = (1.0 / LONG_WINDOWS + 1.0 / n_windows) / (1.0 / LONG_WINDOWS + 1.0 / (n_windows - LONG_WINDOWS))
    return psi(part, total - part) * scale
