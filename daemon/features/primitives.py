"""What each window needs in rings, and how its value is read from them."""

import numpy as np

from daemon.features import rings, wide
from daemon.features.expression import PRICE, VOLUME, Node, dimension
from daemon.features.language import OTHER_BOUND, PRICE_BOUND, UNITS_PER_ONE
from daemon.features.rings import Column, Ring, Store
from daemon.features.rows import Rows
from daemon.kernels import FloatArray, IntArray

_UNIT_COLUMNS = {"price": ("per_price", "price_quantum"), "volume": ("per_volume", "volume_quantum")}


def unit_of(node: Node, index: int) -> str:
    """Return the unit in which a window counts its argument: `price`, `volume`, or a number as text."""
    if node.name not in {"same_minute", "universe"} and len(node.parameters) > index + 1:
        return repr(node.parameters[index + 1])
    known = {PRICE: "price", VOLUME: "volume"}
    measure = dimension(node.args[index])
    return known.get(measure, repr(1.0 / UNITS_PER_ONE)) if measure is not None else repr(1.0 / UNITS_PER_ONE)


def whole_key(node: Node, index: int) -> str:
    """Return the key of a window's argument in whole units."""
    return f"[{unit_of(node, index)}] {node.args[index].text}"


def in_whole_units(series: FloatArray, unit: str, rows: Rows) -> IntArray:
    """Round (R,) values to whole units; they saturate at the bound that sums are stated for."""
    bound = PRICE_BOUND if unit == "price" else OTHER_BOUND
    per_unit = rows.columns[_UNIT_COLUMNS[unit][0]] if unit in _UNIT_COLUMNS else 1.0 / float(unit)
    scaled = np.rint(series * per_unit)
    return np.minimum(np.maximum(scaled, -bound), bound).astype(np.int64)


def quantum(unit: str, rows: Rows) -> FloatArray | float:
    """Return what one unit is worth, per row where it differs by instrument."""
    return rows.columns[_UNIT_COLUMNS[unit][1]] if unit in _UNIT_COLUMNS else float(unit)


def rings_for(node: Node) -> list[Ring]:  # noqa: PLR0911 - one return a kind of window
    """List the rings a window reads, in the order in which they are written."""
    source = node.args[0].text
    n = node.rows
    if node.name == "lag":
        return [Ring(f"value {source}", "value", source, reach=n)]
    if node.name in {"highest", "lowest"}:
        return _extreme_rings(node.name, source, n)
    whole = whole_key(node, 0)
    total = Ring(f"sum {whole}", "sum", whole, reach=n)
    if node.name == "weighted":
        return [total, Ring(f"weighted {whole}", "weighted", whole, reach=n)]
    if node.name == "meandev":
        return [total, Ring(f"whole {whole}", "whole", whole, reach=n)]
    if node.name == "dot":
        return _wide_rings(whole, whole_key(node, 1), n)
    if node.name == "variance":
        return [total, *_wide_rings(whole, whole, n)]
    return [total]


def _extreme_rings(name: str, source: str, n: int) -> list[Ring]:
    top = n.bit_length() - 1
    keys = [f"{name} {level} {source}" for level in range(top + 1)]
    # Each level reads the one below half its span ago; the window itself reads the top.
    reaches = [*(1 << level for level in range(top)), n - (1 << top)]
    return [
        Ring(key, name, source, level, keys[level - 1] if level else "", reaches[level])
        for level, key in enumerate(keys)
    ]


def _wide_rings(left: str, right: str, n: int) -> list[Ring]:
    source = " | ".join(sorted([left, right]))
    low, high = f"low {source}", f"high {source}"
    return [Ring(low, "low", source, other=high, reach=n), Ring(high, "high", source, other=low, reach=n)]


def read(  # noqa: PLR0911 - one return a kind of window
    node: Node, rows: Rows, store: Store, values: dict[str, Column]
) -> FloatArray:
    """Return a window's (R,) values; its rings hold the block already."""
    n = node.rows
    keys = [ring.key for ring in rings_for(node)]
    if node.name == "lag":
        return rings.lagged(keys[0], n, rows, store).view(np.float64)
    if node.name in {"highest", "lowest"}:
        return rings.extreme(keys[-1], n, rows, store, values)
    one = quantum(unit_of(node, 0), rows)
    if node.name == "dot":
        total = rings.wide_window_sum(keys[0], keys[1], n, rows, store, values)
        return wide.to_float(total) * one * quantum(unit_of(node, 1), rows)
    summed = rings.window_sum(keys[0], n, rows, store, values)
    if node.name == "variance":
        squares = rings.wide_window_sum(keys[1], keys[2], n, rows, store, values)
        spread = wide.subtract(wide.times(squares, n), wide.product(summed, summed))
        return wide.to_float(spread) * one * one * (1.0 / (n * n))
    if node.name == "weighted":
        # sum (j - (i - n)) x_j = (sum j x_j) - (i - n) (sum x_j), all modulo 2^64, the result within it.
        by_position = rings.window_sum(keys[1], n, rows, store, values)
        weighted = by_position - (rows.position - n) * summed
        return weighted.astype(np.float64) * one * (1.0 / (n * (n + 1) // 2))
    if node.name == "meandev":
        return _mean_deviation(keys[1], summed, n, rows, store).astype(np.float64) * one * (1.0 / (n * n))
    total_value = summed.astype(np.float64) * one
    return total_value if node.name == "sum" else total_value * (1.0 / n)


def _mean_deviation(key: str, summed: IntArray, n: int, rows: Rows, store: Store) -> IntArray:
    """Sum |n x - sum| over the window: n squared times the mean deviation, exactly."""
    result = np.zeros(len(rows), np.int64)
    for back in range(n):
        result += np.abs(rings.lagged(key, back, rows, store).view(np.int64) * n - summed)
    return result
