"""Bars that would break an integer bound are refused, never wrapped."""

from collections.abc import Iterable
from dataclasses import replace

import msgspec
import numpy as np

from daemon.errors import BrokenBoundError
from daemon.events import Backfill, Minutes, Refusal
from daemon.features.quanta import PRICE_LIMIT_QUANTA, VOLUME_LIMIT_QUANTA, Quanta
from daemon.features.rows import Rows
from daemon.features.state import FeatureState
from daemon.kernels import BoolArray, FloatArray


def admit(state: FeatureState, minutes: Minutes) -> tuple[Minutes, tuple[Refusal, ...]]:
    """Return the minutes without the bars that break a bound, and a refusal for each of those."""
    most = np.fmax(minutes.volume, minutes.taker)
    broken = np.zeros_like(minutes.present)
    known = [(column, state.quanta.get(name)) for column, name in enumerate(state.instruments)]
    usual = [(column, quanta) for column, quanta in known if quanta is not None]
    if usual:
        at = np.array([column for column, _ in usual])
        broken[:, at] = _breaks(
            [quanta for _, quanta in usual], minutes.low[:, at], minutes.high[:, at], most[:, at]
        )
    for column, quanta in known:
        if quanta is None and minutes.present[:, column].any():
            broken[:, column] = _breaks_from_first(minutes, column, most)
    broken &= minutes.present
    if not broken.any():
        return minutes, ()
    refusals = tuple(
        _refusal(state, minutes, most, row, column) for row, column in np.argwhere(broken).tolist()
    )
    return _without(minutes, broken), refusals


def admit_backfill(state: FeatureState, backfill: Backfill) -> tuple[Backfill, tuple[Refusal, ...]]:
    """Return the backfill without the bars that break a bound or are no news, and why each was refused."""
    column = state.instruments.index(backfill.instrument)
    newest = int(state.lanes.last_minute[column])
    quanta = state.quanta.get(backfill.instrument)
    kept, refusals = [], []
    for bar in backfill.bars:
        minute, _, high, low, close, volume, taker, _ = bar
        at = quanta or Quanta.first(close, volume)
        problem = at.objection(low, high, max(volume, taker or 0.0))
        if minute <= newest:
            problem = "it is not newer than the instrument's last row"
        if problem is not None:
            refusals.append(Refusal(minute=minute, subject=backfill.instrument, reason=problem))
            continue
        quanta, newest = at, minute
        kept.append(bar)
    return msgspec.structs.replace(backfill, bars=tuple(kept)), tuple(refusals)


def guard(state: FeatureState, rows: Rows) -> None:
    """Check admitted rows once more, before they enter sums for good.

    Raises:
        BrokenBoundError: One breaks a bound.
    """
    low, high, volume = (rows.columns[name] for name in ("low", "high", "volume"))
    per_price, per_volume = rows.columns["per_price"], rows.columns["per_volume"]
    fine = (low * per_price >= 1.0) & (high * per_price <= PRICE_LIMIT_QUANTA) & (volume >= 0.0)
    fine &= np.maximum(volume, rows.columns["taker"]) * per_volume <= VOLUME_LIMIT_QUANTA
    if not fine.all():
        at = int(np.argmin(fine))
        name = state.instruments[int(rows.lane[at])]
        raise BrokenBoundError(f"a bar of {name} at minute {int(rows.minute[at])} was not admitted")


def _breaks(quanta: Iterable[Quanta], low: FloatArray, high: FloatArray, volume: FloatArray) -> BoolArray:
    """Return (n_minutes, n) whether a bar breaks a bound; absent bars, being NaN, may say anything."""
    per_price, per_volume = np.array([(q.per_price, q.per_volume) for q in quanta]).T
    with np.errstate(over="ignore"):
        fine: BoolArray = (low * per_price >= 1.0) & (high * per_price <= PRICE_LIMIT_QUANTA)
        fine &= (volume >= 0.0) & (volume * per_volume <= VOLUME_LIMIT_QUANTA)
    return ~fine


def _breaks_from_first(minutes: Minutes, column: int, most: FloatArray) -> BoolArray:
    """Do the same for an instrument without quanta: the first bar that keeps its own bounds sets them."""
    broken = np.zeros(len(minutes), np.bool_)
    for row in np.nonzero(minutes.present[:, column])[0].tolist():
        quanta = Quanta.first(float(minutes.close[row, column]), float(minutes.volume[row, column]))
        low, high, volume = (float(values[row, column]) for values in (minutes.low, minutes.high, most))
        if quanta.objection(low, high, volume) is None:
            rest = slice(row, None), slice(column, column + 1)
            broken[row:] = _breaks([quanta], minutes.low[rest], minutes.high[rest], most[rest])[:, 0]
            break
        broken[row] = True
    return broken


def _refusal(state: FeatureState, minutes: Minutes, most: FloatArray, row: int, column: int) -> Refusal:
    name = state.instruments[column]
    low, high, volume = (float(values[row, column]) for values in (minutes.low, minutes.high, most))
    quanta = state.quanta.get(name)
    if quanta is None:
        reason = "it is out of the bounds that the instrument's first bar sets"
    else:
        reason = quanta.objection(low, high, volume) or "out of bounds"
    return Refusal(minute=int(minutes.minute[row]), subject=name, reason=reason)


def _without(minutes: Minutes, broken: BoolArray) -> Minutes:
    prices = {
        name: np.where(broken, np.nan, getattr(minutes, name))
        for name in ("open", "high", "low", "close", "volume", "taker")
    }
    return replace(
        minutes, **prices, present=minutes.present & ~broken, synthetic=minutes.synthetic & ~broken
    )
