"""Arithmetic modulo 2^128 on columns, for sums of products that 64 bits do not hold.

A wide column is a pair (low, high) of equally long arrays: low unsigned, high signed, value = high * 2^64 +
low. All operations wrap, so a difference of two running sums is exact whenever the true difference fits.
"""

import numpy as np
import numpy.typing as npt

from daemon.kernels import FloatArray, IntArray

UnsignedArray = npt.NDArray[np.uint64]
Wide = tuple[UnsignedArray, IntArray]

_HALF = np.int64(32)
_LOW_MASK = np.int64(0xFFFFFFFF)
_UNSIGNED_HALF = np.uint64(32)
_UNSIGNED_MASK = np.uint64(0xFFFFFFFF)
_TWO_TO_64 = 2.0**64


def product(left: IntArray, right: IntArray) -> Wide:
    """Multiply two (n,) signed columns exactly."""
    low = (left * right).view(np.uint64)
    left_low, left_high = left & _LOW_MASK, left >> _HALF
    right_low, right_high = right & _LOW_MASK, right >> _HALF
    # left_low * right_low may pass 2^63: its bits are right, and its upper half must be read unsigned.
    carried = ((left_low * right_low).view(np.uint64) >> _UNSIGNED_HALF).view(np.int64)
    middle = left_high * right_low + carried
    other = left_low * right_high + (middle & _LOW_MASK)
    return low, left_high * right_high + (middle >> _HALF) + (other >> _HALF)


def running_sum(values: Wide) -> Wide:
    """Add up a wide (n,) column from its first element on."""
    low = np.cumsum(values[0], dtype=np.uint64)
    # Unsigned addition wrapped exactly where the total is smaller than what was added.
    return low, np.cumsum(values[1] + (low < values[0]), dtype=np.int64)


def add(left: Wide, right: Wide) -> Wide:
    """Add two wide columns."""
    low = left[0] + right[0]
    return low, left[1] + right[1] + (low < left[0])


def subtract(left: Wide, right: Wide) -> Wide:
    """Subtract one wide column from another."""
    return left[0] - right[0], left[1] - right[1] - (left[0] < right[0])


def times(values: Wide, factor: int) -> Wide:
    """Multiply a wide column by a whole number from 0 to 2^31."""
    unsigned = np.uint64(factor)
    lower = (values[0] & _UNSIGNED_MASK) * unsigned
    upper = (values[0] >> _UNSIGNED_HALF) * unsigned + (lower >> _UNSIGNED_HALF)
    low = (upper << _UNSIGNED_HALF) | (lower & _UNSIGNED_MASK)
    return low, values[1] * np.int64(factor) + (upper >> _UNSIGNED_HALF).view(np.int64)


def to_float(values: Wide) -> FloatArray:
    """Convert to float64 with a relative error of at most a few roundings, also next to zero from below."""
    low, high = values
    negative = high < 0
    if negative.any():
        # The magnitude of -1 is 1, while -2^64 + (2^64 - 1) in floats would be 0.
        flipped = subtract((np.zeros_like(low), np.zeros_like(high)), values)
        low, high = np.where(negative, flipped[0], low), np.where(negative, flipped[1], high)
        magnitude = high.astype(np.float64) * _TWO_TO_64 + low.astype(np.float64)
        return np.where(negative, -magnitude, magnitude)
    return high.astype(np.float64) * _TWO_TO_64 + low.astype(np.float64)
