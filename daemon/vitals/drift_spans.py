"""Hourly histograms joined into longer spans: what the long view of drift is made of."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from daemon.kernels import IntArray


class Spans:
    """The newest whole spans of hours; hours come in order, and some may never come.

    Args:
        span_hours: Length of a span; spans begin at multiples of it since the epoch.
        n_kept: How many are kept.
        shape: (n_features, n_bins) of an hour's histogram.
    """

    def __init__(self, span_hours: int, n_kept: int, shape: tuple[int, ...]) -> None:
        self._hours, self._n_kept = span_hours, n_kept
        self._first = -1
        self._number: IntArray = np.zeros(0, dtype=np.int64)
        self._counts = np.zeros((0, *shape), dtype=np.int32)

    def closed_by(self, hour: int) -> bool:
        """Return whether the newest span is over when this hour comes."""
        return bool(len(self._number)) and hour // self._hours != self._number[-1]

    def add(self, hour: int, counts: np.ndarray) -> None:
        """Take an hour's histogram (n_features, n_bins)."""
        number = hour // self._hours
        if self._first < 0:
            self._first = -(-hour // self._hours)
        if len(self._number) and self._number[-1] == number:
            self._counts[-1] += counts
            return
        kept = self._number > number - self._n_kept
        self._number = np.append(self._number[kept], number)
        self._counts = np.concatenate([self._counts[kept], counts[None].astype(np.int32)])

    def whole(self) -> IntArray | None:
        """Return the histogram (n_features, n_bins) of all that is kept; None before there was enough."""
        if not len(self._number) or self._number[-1] - self._n_kept + 1 < self._first:
            return None
        return np.asarray(self._counts.sum(axis=0, dtype=np.int64))

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data."""
        return {"first": self._first, "number": self._number.copy(), "counts": self._counts.copy()}

    def restored(self, fields: Mapping[str, Any]) -> Self:
        """Take the state of `to_fields` and return itself."""
        self._first = int(fields["first"])
        self._number = np.array(fields["number"], dtype=np.int64)
        self._counts = np.array(fields["counts"], dtype=np.int32).reshape(-1, *self._counts.shape[1:])
        return self
