"""From sealed minutes or a backfill to rows in lane order, with the base columns that formulas name."""

from collections.abc import Sequence

import numpy as np

from daemon.events import BackfillBar, Minutes
from daemon.features.quanta import Quanta
from daemon.features.rows import Rows, calendar_columns, lane_order
from daemon.features.state import FeatureState
from daemon.kernels import FloatArray, IntArray


def from_minutes(
    state: FeatureState, minutes: Minutes, base: frozenset[str], benchmark: int | None
) -> tuple[Rows | None, IntArray]:
    """Return the rows of a block (None if nothing came), and the lane-order rank of each minute-major row.

    Args:
        state: Sets the quanta of instruments whose first row is here.
        minutes: The block.
        base: Base columns wanted.
        benchmark: Column of the benchmark.
    """
    lane, index, rank = lane_order(minutes.present)
    if len(lane) == 0:
        return None, rank
    columns = {
        name: getattr(minutes, name)[index, lane]
        for name in ("open", "high", "low", "close", "volume", "taker")
    }
    if "benchmark" in base:
        there = np.zeros(len(minutes)) if benchmark is None else np.nan_to_num(minutes.close[:, benchmark])
        columns["benchmark"] = there[index]
    return _rows(state, minutes.minute[index], lane, columns, base, (index, len(minutes))), rank


def from_backfill(
    state: FeatureState, column: int, bars: Sequence[BackfillBar], base: frozenset[str]
) -> Rows:
    """Return the rows of a backfill's bars: one lane, no cross-section, no benchmark."""
    taker = [bar[6] if bar[6] is not None else np.nan for bar in bars]
    columns = {
        name: np.array([bar[i] for bar in bars], dtype=np.float64)
        for i, name in enumerate(("open", "high", "low", "close", "volume"), start=1)
    }
    columns |= {"taker": np.array(taker, dtype=np.float64), "benchmark": np.zeros(len(bars))}
    minute = np.array([bar[0] for bar in bars], dtype=np.int64)
    return _rows(state, minute, np.full(len(bars), column, np.int64), columns, base, None)


def _rows(
    state: FeatureState,
    minute: IntArray,
    lane: IntArray,
    columns: dict[str, FloatArray],
    base: frozenset[str],
    block: tuple[IntArray, int] | None,
) -> Rows:
    lanes, starts, counts = np.unique(lane, return_index=True, return_counts=True)
    # Where the venue does not say what takers bought, they bought half.
    columns["taker"] = np.where(np.isnan(columns["taker"]), columns["volume"] * 0.5, columns["taker"])
    _set_quanta(state, lanes, starts, columns)
    quanta = [state.quanta[state.instruments[j]] for j in lanes.tolist()]
    for name in ("per_price", "per_volume"):
        columns[name] = np.repeat([getattr(q, name) for q in quanta], counts)
    columns["price_quantum"] = np.repeat([q.price for q in quanta], counts)
    columns["volume_quantum"] = np.repeat([q.volume for q in quanta], counts)
    columns |= calendar_columns(minute, base)
    within = np.arange(len(lane)) - np.repeat(starts, counts)
    position = state.lanes.position[lane] + within
    index, n_minutes = block if block is not None else (None, 0)
    return Rows(
        len(state.instruments), minute, lane, lanes, starts, counts, position, columns, index, n_minutes
    )


def _set_quanta(
    state: FeatureState, lanes: IntArray, starts: IntArray, columns: dict[str, FloatArray]
) -> None:
    for j, start in zip(lanes.tolist(), starts.tolist(), strict=True):
        name = state.instruments[j]
        if name not in state.quanta:
            close, volume = float(columns["close"][start]), float(columns["volume"][start])
            state.quanta[name] = Quanta.first(close, volume)
