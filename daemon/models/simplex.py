"""Log-probabilities over (down, flat, up): the only thing that experts, calibrators and the blend exchange.

Everything is elementwise and in a fixed order, so a row's bits do not depend on the rows beside it.
"""

import math

import numpy as np

from daemon import kernels
from daemon.kernels import FloatArray
from daemon.labels.matured import N_CLASSES

LOG_FLOOR = math.log(1e-6)
"""No expert may be surer than this: one impossible outcome must not cost it its weight for good."""

UNIFORM = -math.log(N_CLASSES)
"""Log-probability of each class for one who knows nothing."""


def log_softmax(logits: FloatArray) -> FloatArray:
    """Return log-probabilities (..., 3) of logits (..., 3), `normalised`; a NaN row stays NaN."""
    down, flat, up = logits[..., 0], logits[..., 1], logits[..., 2]
    shifted = logits - np.maximum(np.maximum(down, flat), up)[..., None]
    # Far below the floor exp would underflow for nothing.
    return floored(shifted - _log_total(np.maximum(shifted, -700.0)))


def floored(logp: FloatArray) -> FloatArray:
    """Return log-probabilities (..., 3) that already sum to one, rows below `LOG_FLOOR` `normalised`."""
    low = (logp < LOG_FLOOR).any(axis=-1)
    if low.any():
        logp = logp.copy()
        logp[low] = normalised(logp[low])
    return logp


def normalised(logp: FloatArray) -> FloatArray:
    """Return log-probabilities (..., 3) of a distribution, none below `LOG_FLOOR` (but for normalising)."""
    floored = np.clip(logp, LOG_FLOOR, 0.0)
    return floored - _log_total(floored)


def direction_logits(score: FloatArray) -> FloatArray:
    """Return logits (n, 3) of a score (n,) that says nothing of flat: half the log-odds of up against down.

    Calibration does the rest: normalising puts log-probability on flat where the score is near zero, so a
    multinomial regression on the three sees both the score and its size.
    """
    half = 0.5 * score
    return np.stack([-half, np.zeros_like(half), half], axis=-1)


def log_loss(logp: FloatArray, label: np.ndarray[tuple[int], np.dtype[np.int8]]) -> FloatArray:
    """Return -log p(label) for each of logp (..., n, 3) and label (n,)."""
    return -np.take_along_axis(
        logp, np.broadcast_to(label[:, None], (*logp.shape[:-1], 1)).astype(np.int64), -1
    )[..., 0]


def _log_total(logp: FloatArray) -> FloatArray:
    p = kernels.exp(logp)
    return kernels.log(p[..., 0] + p[..., 1] + p[..., 2])[..., None]
