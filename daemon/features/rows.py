"""The rows of a block in lane order, and where they stand in the lanes' rings.

A ring is an array (n_instruments, capacity), capacity a power of two: row p of a lane stands at p modulo
capacity. No history is ever moved, and a block of one minute touches one cell per lane and ring.
"""

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from daemon.events import MINUTES_PER_DAY
from daemon.kernels import BoolArray, FloatArray, IntArray

MINUTES_PER_WEEK = 7 * MINUTES_PER_DAY
_SINCE_MONDAY = 3 * MINUTES_PER_DAY
"""1970-01-01 was a Thursday."""

_DAY_SIN = np.array([math.sin(2.0 * math.pi * m / MINUTES_PER_DAY) for m in range(MINUTES_PER_DAY)])
_DAY_COS = np.array([math.cos(2.0 * math.pi * m / MINUTES_PER_DAY) for m in range(MINUTES_PER_DAY)])
_WEEK_SIN = np.array([math.sin(2.0 * math.pi * m / MINUTES_PER_WEEK) for m in range(MINUTES_PER_WEEK)])
_WEEK_COS = np.array([math.cos(2.0 * math.pi * m / MINUTES_PER_WEEK) for m in range(MINUTES_PER_WEEK)])


@dataclass(slots=True)
class Rows:
    """R rows sorted by (lane, minute), of one block.

    Attributes:
        n_lanes: Instruments of the run.
        minute: (R,) epoch minutes.
        lane: (R,) instrument of each row.
        lanes: (m,) the instruments that have rows, ascending.
        starts: (m,) where each of them begins.
        counts: (m,) how many rows each has.
        position: (R,) number of the row within its lane, from 0, as the rings count.
        columns: Base columns, (R,) float64 each.
        minute_index: (R,) row of the block's minutes; None for a backfill, which has no cross-section.
        n_minutes: Minutes of the block.
    """

    n_lanes: int
    minute: IntArray
    lane: IntArray
    lanes: IntArray
    starts: IntArray
    counts: IntArray
    position: IntArray
    columns: dict[str, FloatArray]
    minute_index: IntArray | None
    n_minutes: int
    _offsets: dict[int, IntArray] = field(default_factory=dict)
    _cells: dict[tuple[int, int, int], IntArray] = field(default_factory=dict)
    _oldest: int = 0

    def __post_init__(self) -> None:
        """Note the youngest lane's first row: while no lane is that young, nothing needs clipping."""
        self._oldest = int(self.position[self.starts].min())

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.minute)

    def cells(self, capacity: int, back: int = 0, floor: int = 0) -> IntArray:
        """Return (R,) flat indices of the cells `back` rows before each row.

        Args:
            capacity: The ring's.
            back: How many rows before.
            floor: Position to stop at in a young lane: 0 its first row, -1 the empty cell before it.
        """
        key = (capacity, back, floor)
        if key not in self._cells:
            position = self.position - back if back else self.position
            if self._oldest < back + floor:
                position = np.maximum(position, floor)
            cells = position & (capacity - 1)
            if self.n_lanes > 1:
                cells += self._offset(capacity)
            self._cells[key] = cells
        return self._cells[key]

    def last_cells(self, capacity: int) -> IntArray:
        """Return (m,) flat indices of the cell before the first row of each lane in this block."""
        return ((self.position[self.starts] - 1) & (capacity - 1)) + self.lanes * capacity

    def spread(self, per_lane: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """Repeat a value per present lane (m,) for each of its rows (R,)."""
        return np.repeat(per_lane, self.counts)

    def _offset(self, capacity: int) -> IntArray:
        if capacity not in self._offsets:
            self._offsets[capacity] = self.lane * capacity
        return self._offsets[capacity]


def lane_order(present: BoolArray) -> tuple[IntArray, IntArray, IntArray]:
    """Return (lane, minute index) of present cells in lane order, and where each minute-major row stands.

    Args:
        present: (n_minutes, n_instruments).
    """
    n_minutes, n_lanes = present.shape
    lane, index = np.nonzero(present.T)
    if len(lane) == present.size:
        return lane, index, np.arange(present.size).reshape(n_lanes, n_minutes).T.reshape(-1)
    # Sorting by minute and then lane is a stable sort by minute of what stands in lane order.
    return lane, index, np.argsort(index, kind="stable")


def calendar_columns(minute: IntArray, names: frozenset[str]) -> dict[str, FloatArray]:
    """Return the calendar's base columns that are asked for; day_of_week is 0 on Monday, times are UTC."""
    result: dict[str, FloatArray] = {}
    of_day = minute % MINUTES_PER_DAY
    of_week = (minute + _SINCE_MONDAY) % MINUTES_PER_WEEK
    if "minute_of_day" in names:
        result["minute_of_day"] = of_day.astype(np.float64)
    if "day_of_week" in names:
        result["day_of_week"] = (of_week // MINUTES_PER_DAY).astype(np.float64)
    for name, table, at in (
        ("day_sin", _DAY_SIN, of_day),
        ("day_cos", _DAY_COS, of_day),
        ("week_sin", _WEEK_SIN, of_week),
        ("week_cos", _WEEK_COS, of_week),
    ):
        if name in names:
            result[name] = table[at]
    return result
