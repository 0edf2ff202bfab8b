"""The float functions whose bits do not depend on where in an array a value stands.

numpy's `exp` and `log` take another path for the tail of an array than for its middle, so the same value can
get other bits when it is computed alone. These call the machine's scalar function for every element: one
value and a million agree (0.06 us an element). Whatever reaches a decision goes through them, or through
polars inside a feature formula; `+ - * /` and `sqrt` are exact in IEEE 754 and need no kernel.
"""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


def log(values: FloatArray) -> FloatArray:
    """Natural logarithm of every element, any shape. Raises ValueError for zero or less: clip first."""
    return _elementwise(math.log, values)


def exp(values: FloatArray) -> FloatArray:
    """Exponential of every element, any shape. Raises OverflowError above 709: clip first."""
    return _elementwise(math.exp, values)


def segment_sum(segments: IntArray, values: FloatArray, n_segments: int) -> FloatArray:
    """Sum `values` (n,) by `segments` (n,), adding strictly in order of position.

    numpy's own sums add in pairs, which makes the last bit depend on the length; this one does not.
    """
    return np.bincount(segments, weights=values, minlength=n_segments).astype(np.float64)


def _elementwise(function: Callable[[float], float], values: FloatArray) -> FloatArray:
    return np.fromiter(map(function, values.ravel().tolist()), np.float64, values.size).reshape(values.shape)
