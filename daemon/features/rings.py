"""Rings: per-lane memory of columns, and the running sums and extrema kept in them.

Every ring has a key, names what it is computed from, and can write the rows of a block. Reading is a gather
at the row itself and at the row where the window begins.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daemon.features import wide
from daemon.features.rows import Rows
from daemon.kernels import FloatArray, IntArray

Column = npt.NDArray[np.generic]
Store = dict[str, Column]
"""Ring key -> (n_instruments, capacity)."""


@dataclass(frozen=True, slots=True)
class Ring:
    """What one ring holds.

    Attributes:
        key: Its name in the store; also that of the written rows among a block's values.
        kind: `value`, `whole` (an integer value), `sum`, `weighted`, `low`, `high` (limbs of a wide sum),
            `highest`, `lowest`.
        source: Key of the (R,) values it is made of.
        level: For extrema: a cell covers 2**level rows.
        other: For extrema, the ring one level below; for `high`, the ring of the lower limb.
        reach: How many rows before the newest are read.
    """

    key: str
    kind: str
    source: str
    level: int = 0
    other: str = ""
    reach: int = 0

    @property
    def dtype(self) -> type[np.generic]:
        """Cells' type."""
        if self.kind in {"value", "highest", "lowest"}:
            return np.float64
        return np.uint64 if self.kind == "low" else np.int64


def capacity_for(reach: int, block_rows: int) -> int:
    """Return the power of two that holds a block and all rows read before it."""
    return 1 << int(reach + block_rows + 1).bit_length()


def write(ring: Ring, rows: Rows, store: Store, values: dict[str, Column]) -> None:
    """Write a block's rows into a ring and leave them in `values` under its key."""
    if ring.kind == "high":
        return  # written with its lower limb
    if ring.kind == "low":
        _write_wide(ring, rows, store, values)
        return
    cells = store[ring.key]
    if ring.kind in {"sum", "weighted"}:
        source = _integers(values[ring.source])
        if ring.kind == "weighted":
            source = source * rows.position
        written: Column = _running(source, rows, cells)
    elif ring.level:
        below = store[ring.other]
        half = 1 << (ring.level - 1)
        earlier = below.reshape(-1).take(rows.cells(below.shape[1], half))
        pick = np.maximum if ring.kind == "highest" else np.minimum
        written = pick(values[ring.other], earlier)
    else:
        written = values[ring.source]
    cells.reshape(-1)[rows.cells(cells.shape[1])] = written
    values[ring.key] = written


def _integers(column: Column) -> IntArray:
    return column.view(np.int64)


def _running(source: IntArray, rows: Rows, cells: Column) -> IntArray:
    """Continue each lane's running sum; wrapping modulo 2^64 is part of the plan."""
    total = np.cumsum(source, dtype=np.int64)
    before = _integers(cells.reshape(-1).take(rows.last_cells(cells.shape[1])))
    if len(rows.lanes) == 1:
        return total + before
    base = np.where(rows.starts > 0, total[rows.starts - 1], 0)
    return total + _integers(rows.spread(before - base))


def _write_wide(ring: Ring, rows: Rows, store: Store, values: dict[str, Column]) -> None:
    """Continue a sum of products in two limbs; `source` is the key of the pair, `other` of the upper ring."""
    left, right = (_integers(values[name]) for name in ring.source.split(" | "))
    low, high = wide.running_sum(wide.product(left, right))
    low_cells, high_cells = store[ring.key], store[ring.other]
    at = rows.last_cells(low_cells.shape[1])
    before = (low_cells.reshape(-1).take(at).view(np.uint64), _integers(high_cells.reshape(-1).take(at)))
    inner = rows.starts > 0
    base = (np.where(inner, low[rows.starts - 1], np.uint64(0)), np.where(inner, high[rows.starts - 1], 0))
    gap = wide.subtract(before, base)
    total = wide.add((low, high), (rows.spread(gap[0]).view(np.uint64), _integers(rows.spread(gap[1]))))
    at = rows.cells(low_cells.shape[1])
    low_cells.reshape(-1)[at], high_cells.reshape(-1)[at] = total
    values[ring.key], values[ring.other] = total


def window_sum(key: str, n: int, rows: Rows, store: Store, values: dict[str, Column]) -> IntArray:
    """Return (R,) sums over the last n rows of each lane (over what there is in a younger lane)."""
    cells = store[key]
    return _integers(values[key]) - _integers(cells.reshape(-1).take(rows.cells(cells.shape[1], n, -1)))


def wide_window_sum(
    low: str, high: str, n: int, rows: Rows, store: Store, values: dict[str, Column]
) -> wide.Wide:
    """Return the same for a sum of products in two limbs."""
    at = rows.cells(store[low].shape[1], n, -1)
    before = (store[low].reshape(-1).take(at).view(np.uint64), _integers(store[high].reshape(-1).take(at)))
    return wide.subtract((values[low].view(np.uint64), _integers(values[high])), before)


def lagged(key: str, n: int, rows: Rows, store: Store) -> Column:
    """Return (R,) values n rows earlier (the lane's first row where there is none)."""
    cells = store[key]
    return cells.reshape(-1).take(rows.cells(cells.shape[1], n))


def extreme(key: str, n: int, rows: Rows, store: Store, values: dict[str, Column]) -> FloatArray:
    """Return the highest or lowest of the last n rows: two overlapping spans of 2**level rows.

    Args:
        key: The ring of the level whose span is the largest that n rows hold.
        n: Rows.
        rows: The block.
        store: The rings.
        values: The block's values.
    """
    newest = values[key].view(np.float64)
    span = 1 << (n.bit_length() - 1)
    if n == span:
        return newest
    older = lagged(key, n - span, rows, store).view(np.float64)
    return np.maximum(newest, older) if key.startswith("highest") else np.minimum(newest, older)
