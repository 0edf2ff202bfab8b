"""Windows by the clock: the mean at the same minute of earlier periods, the mean over the universe."""

import numpy as np

from daemon.features.expression import Node
from daemon.features.rings import Column
from daemon.features.rows import Rows
from daemon.kernels import BoolArray, FloatArray, IntArray

_EMPTY = np.iinfo(np.int32).min
"""No minute: epoch minutes fit 32 bits until the year 6053."""


class ClockRing:
    """One value per lane and minute for as long as it is looked back on; each cell knows its minute.

    Args:
        n_lanes: How many lanes.
        reach_minutes: How far back is looked.
        span_minutes: Most minutes by the clock that a block spans, so that it never overwrites what it reads.
    """

    __slots__ = ("_minutes", "_values")

    def __init__(self, n_lanes: int, reach_minutes: int, span_minutes: int) -> None:
        capacity = 1 << (reach_minutes + span_minutes).bit_length()
        self._values = np.zeros((n_lanes, capacity), np.int64)
        self._minutes = np.full((n_lanes, capacity), _EMPTY, np.int32)

    def write(self, rows: Rows, whole: IntArray) -> None:
        """Note a block's values, (R,) in whole units."""
        cells = rows.lane * self._values.shape[1] + (rows.minute & (self._values.shape[1] - 1))
        self._values.reshape(-1)[cells] = whole
        self._minutes.reshape(-1)[cells] = rows.minute

    def sums(self, rows: Rows, n_periods: int, period_minutes: int) -> tuple[IntArray, IntArray]:
        """Return (R,) sums and counts of what stood at this minute of the n periods before."""
        total = np.zeros(len(rows), np.int64)
        count = np.zeros(len(rows), np.int64)
        capacity = self._values.shape[1]
        for back in range(1, n_periods + 1):
            minute = rows.minute - back * period_minutes
            cells = rows.lane * capacity + (minute & (capacity - 1))
            known = self._minutes.reshape(-1).take(cells) == minute
            total += np.where(known, self._values.reshape(-1).take(cells), 0)
            count += known
        return total, count

    def regroup(self, index: IntArray) -> None:
        """Reorder the lanes; -1 makes an empty one."""
        self._values = self._values[index]
        self._minutes = self._minutes[index]
        self._minutes[index < 0] = _EMPTY


def same_minute(node: Node, ring: ClockRing, rows: Rows, one: FloatArray | float) -> FloatArray:
    """Return the mean at this minute of the last n periods; the stated value if fewer than half have it."""
    total, count = ring.sums(rows, node.rows, int(node.parameters[1]))
    mean = total.astype(np.float64) / np.maximum(count, 1).astype(np.float64) * one
    return np.where(2 * count >= node.rows, mean, node.parameters[2])


def universe_mean(
    node: Node, values: dict[str, Column], key: str, rows: Rows, members: BoolArray, min_members: int
) -> FloatArray:
    """Return the mean over the reference list's members with a row this minute, for every row of the minute.

    It is the stated value where there are fewer than `min_members` of them, and in a backfill, which is one
    lane's.
    """
    otherwise = node.parameters[0]
    if rows.minute_index is None:
        return np.full(len(rows), otherwise)
    shape = (rows.n_minutes, rows.n_lanes)
    whole = np.zeros(shape, np.int64)
    counted = np.zeros(shape, np.int64)
    member = members[rows.lane]
    whole[rows.minute_index, rows.lane] = np.where(member, values[key].view(np.int64), 0)
    counted[rows.minute_index, rows.lane] = member
    total, count = whole.sum(axis=1), counted.sum(axis=1)
    mean = total.astype(np.float64) / np.maximum(count, 1).astype(np.float64) * 1e-9
    return np.where(count >= min_members, mean, otherwise)[rows.minute_index]
