"""Traded value per day and instrument, for the liquidity filter.

Kept in whole hundredths of the quote currency: integers, so that no chunking changes a bit.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Self, cast

import numpy as np

from daemon.events import MINUTES_PER_DAY, Minutes
from daemon.kernels import FloatArray, IntArray

HUNDREDTHS = 100.0
MAX_VALUE_PER_MINUTE = 1e13
"""Quote currency; more is taken for this much, so that a day's sum stays far inside 64 bits."""


class Turnover:
    """The larger of the last whole UTC day's traded value and that of the running day so far.

    A day here is a UTC date in which the run had minutes, so that a Monday looks back at the Friday of a
    market that closes at week ends.
    """

    __slots__ = ("_before", "_day", "_today")

    def __init__(self, n_instruments: int) -> None:
        self._day = -1
        self._today: IntArray = np.zeros(n_instruments, dtype=np.int64)
        self._before: IntArray = np.zeros(n_instruments, dtype=np.int64)

    def advance(self, minutes: Minutes) -> FloatArray:
        """Take in sealed minutes and return the turnover after each.

        Returns:
            (n_minutes, n_instruments) traded value per day, quote currency.
        """
        value = np.nan_to_num(minutes.close * minutes.volume, nan=0.0)
        units = np.rint(np.minimum(value, MAX_VALUE_PER_MINUTE) * HUNDREDTHS).astype(np.int64)
        turnover = np.empty(units.shape, dtype=np.int64)
        days = minutes.minute // MINUTES_PER_DAY
        starts = np.flatnonzero(np.diff(days, prepend=self._day))
        for first, end in _spans(starts, len(days)):
            if days[first] != self._day:
                if self._day >= 0:
                    self._before = self._today
                self._today = np.zeros_like(self._today)
                self._day = int(days[first])
            so_far = np.cumsum(units[first:end], axis=0) + self._today
            self._today = so_far[-1].copy()
            turnover[first:end] = np.maximum(so_far, self._before)
        return turnover / HUNDREDTHS

    def regrouped(self, index: IntArray) -> Self:
        """Return the state of other instruments: column j is the old column index[j], or empty for -1."""
        known = index >= 0
        columns = [np.where(known, column[index], 0) for column in (self._today, self._before)]
        return self.from_fields({"day": self._day, "today": columns[0], "before": columns[1]})

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data."""
        return {"day": self._day, "today": self._today.copy(), "before": self._before.copy()}

    @classmethod
    def from_fields(cls, fields: Mapping[str, object]) -> Self:
        """Rebuild from `to_fields`."""
        today = np.array(cast("IntArray", fields["today"]), dtype=np.int64)
        new = cls(len(today))
        new._day = int(cast("int", fields["day"]))
        new._today = today
        new._before = np.array(cast("IntArray", fields["before"]), dtype=np.int64)
        return new


def _spans(starts: IntArray, n_minutes: int) -> list[tuple[int, int]]:
    """Cut [0, n_minutes) at `starts`."""
    return list(pairwise(sorted({0, *starts.tolist(), n_minutes})))
