"""Exponential averages: e + (x - e) * a, the one float that is carried from row to row.

Two ways to the same bits: step by step over rows with all lanes at once, or lane by lane through polars'
`ewm_mean` with the state as a first row. Which one is taken depends on the shape of the block alone and
changes nothing else.
"""

import numpy as np
import polars as pl

from daemon.features.rows import Rows
from daemon.kernels import FloatArray

_STEP_COST = 4.0
_LANE_COST = 120.0
_LANE_AVERAGE_COST = 25.0
"""Measured, in microseconds: a step for all lanes; a lane through polars, and each of its averages."""


def advance(
    columns: list[FloatArray], weights: list[float], state: FloatArray, rows: Rows, fresh: FloatArray
) -> FloatArray:
    """Carry K averages over a block.

    Args:
        columns: K inputs, (R,) each.
        weights: K weights of the newest row.
        state: (K, n_lanes), the averages after the rows so far; updated in place.
        rows: The block.
        fresh: (n_lanes,) 1.0 for lanes that have no row yet; their averages begin with their first row.

    Returns:
        (K, R) averages after each row.
    """
    inputs = np.stack(columns)
    entry = state[:, rows.lanes]
    new = fresh[rows.lanes] > 0.0
    if new.any():
        entry = np.where(new, inputs[:, rows.starts], entry)
    longest = int(rows.counts.max())
    if longest * _STEP_COST <= len(rows.lanes) * (_LANE_COST + len(columns) * _LANE_AVERAGE_COST):
        result = _stepwise(inputs, np.array(weights)[:, None], entry, rows, longest)
    else:
        result = _lanewise(inputs, weights, entry, rows)
    state[:, rows.lanes] = result[:, rows.starts + rows.counts - 1]
    return result


def _stepwise(
    inputs: FloatArray, weights: FloatArray, entry: FloatArray, rows: Rows, longest: int
) -> FloatArray:
    result = np.empty_like(inputs)
    if int(rows.counts.min()) == longest:
        # All lanes are equally long: a step is a strided view.
        shape = (len(inputs), len(rows.lanes), longest)
        ordered = inputs.reshape(shape).transpose(2, 0, 1).copy()
        for step in range(longest):
            entry = entry + (ordered[step] - entry) * weights
            ordered[step] = entry
        result.reshape(shape)[:] = ordered.transpose(1, 2, 0)
        return result
    for step in range(longest):
        alive = np.nonzero(rows.counts > step)[0]
        at = rows.starts[alive] + step
        before = entry[:, alive]
        after = before + (inputs[:, at] - before) * weights
        entry[:, alive] = after
        result[:, at] = after
    return result


def _lanewise(inputs: FloatArray, weights: list[float], entry: FloatArray, rows: Rows) -> FloatArray:
    result = np.empty_like(inputs)
    averages = [
        pl.col(str(k)).ewm_mean(alpha=weight, adjust=False, min_samples=1, ignore_nulls=False)
        for k, weight in enumerate(weights)
    ]
    for j, (start, count) in enumerate(zip(rows.starts.tolist(), rows.counts.tolist(), strict=True)):
        span = slice(start, start + count)
        frame = pl.DataFrame(
            {str(k): np.concatenate([entry[k, j : j + 1], inputs[k, span]]) for k in range(len(weights))}
        )
        after = frame.select(averages)
        for k in range(len(weights)):
            result[k, span] = after.to_series(k).to_numpy()[1:]
    return result
