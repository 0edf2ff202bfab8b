"""The population stability index: how far two histograms of the same bins are apart."""

import numpy as np

from daemon.kernels import FloatArray, IntArray, log


def smoothed(counts: IntArray) -> FloatArray:
    """Return (n + 1/2) / (N + B/2) for counts (..., n_bins): shares in which no bin is empty."""
    return np.asarray((counts + 0.5) / (counts.sum(axis=-1, keepdims=True) + 0.5 * counts.shape[-1]))


def psi(counts: IntArray, reference: IntArray) -> FloatArray:
    """Return the sum over bins of (p - q) log(p / q), with p and q the smoothed shares.

    Args:
        counts: (..., n_bins), what is judged.
        reference: The same shape, what it is held against.

    Returns:
        (...) zero where the shares agree; the index of Lewis, An Introduction to Credit Scoring, 1992.
    """
    p, q = smoothed(counts), smoothed(reference)
    return np.asarray(((p - q) * log(p / q)).sum(axis=-1))
