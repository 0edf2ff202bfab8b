"""Sums over short spans of time, kept for a rolling window: what every interval is computed from."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from daemon.kernels import FloatArray, IntArray, segment_sum


class Buckets:
    """Sums by bucket of `bucket_minutes` ordinals, of the newest `window_minutes`; empty ones cost nothing.

    Observations come ascending in time and are added one after the other, so that no chunking changes a bit.

    Args:
        n_columns: How many sums are kept.
        bucket_minutes: Ordinals in a bucket.
        window_minutes: How far back buckets are kept; whole buckets are dropped.
    """

    def __init__(self, n_columns: int, bucket_minutes: int, window_minutes: int) -> None:
        self._bucket_minutes = bucket_minutes
        self._n_kept = -(-window_minutes // bucket_minutes)
        self._number: IntArray = np.zeros(0, dtype=np.int64)
        self._sums: FloatArray = np.zeros((0, n_columns))

    def add(self, ordinals: IntArray, values: FloatArray) -> None:
        """Add `values` (n, n_columns) at ascending `ordinals` (n,)."""
        if not len(ordinals):
            return
        n_columns = self._sums.shape[1]
        # The newest bucket may still be open: what it holds goes first, as if its minutes came again.
        opened = slice(max(len(self._number) - 1, 0), None)
        numbers = np.concatenate([self._number[opened], ordinals // self._bucket_minutes])
        rows = np.concatenate([self._sums[opened], values])
        distinct, place = np.unique(numbers, return_inverse=True)
        cells = place[:, None] * n_columns + np.arange(n_columns)
        sums = segment_sum(cells.ravel(), rows.ravel(), len(distinct) * n_columns).reshape(-1, n_columns)
        self._number = np.concatenate([self._number[: opened.start], distinct])
        self._sums = np.concatenate([self._sums[: opened.start], sums])
        self._forget(int(self._number[-1]) - self._n_kept)

    def _forget(self, newest_dropped: int) -> None:
        first = int(np.searchsorted(self._number, newest_dropped, side="right"))
        if first:
            self._number, self._sums = self._number[first:].copy(), self._sums[first:].copy()

    def totals(self) -> FloatArray:
        """Return the sums over the window, (n_columns,)."""
        return np.asarray(self._sums.sum(axis=0), dtype=np.float64)

    def cells(self) -> FloatArray:
        """Return the buckets from first to last in time, (n_cells, n_columns); empty ones are zero."""
        if not len(self._number):
            return self._sums
        place = self._number - self._number[0]
        cells = np.zeros((int(place[-1]) + 1, self._sums.shape[1]))
        cells[place] = self._sums
        return cells

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data."""
        return {"number": self._number.copy(), "sums": self._sums.copy()}

    def restored(self, fields: Mapping[str, Any]) -> Self:
        """Take the state of `to_fields` and return itself."""
        self._number = np.array(fields["number"], dtype=np.int64)
        self._sums = np.array(fields["sums"], dtype=np.float64).reshape(-1, self._sums.shape[1])
        return self
