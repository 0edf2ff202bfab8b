"""Recorded bars onto the grid: flat rows where nobody traded, nothing where nothing is known."""

from typing import Final

import numpy as np

from daemon.bars.columns import BarColumns
from daemon.bars.grid import Grid
from daemon.events import Minutes
from daemon.kernels import FloatArray, IntArray

PRICES: Final = ("open", "high", "low", "close")


def seal(
    bars: BarColumns, grid: Grid, n_instruments: int, minute: IntArray, max_synthetic_minutes: int
) -> Minutes:
    """Put recorded bars on consecutive session minutes of the grid.

    A recorded file cannot tell a minute without a trade from a minute without a feed. Here a run of up to
    `max_synthetic_minutes` absent minutes, within one session and between two bars of the instrument, becomes
    flat rows at the last close with zero volume; a longer run is a gap and stays empty. So what stands in a
    minute depends on bars up to `max_synthetic_minutes` around it, and never on how the minutes are cut into
    calls.

    Args:
        bars: All bars of `minute` and of `max_synthetic_minutes` before and behind it; others do no harm.
            Distinct by
            (minute, instrument). Bars outside their instrument's session are left out.
        grid: The sessions.
        n_instruments: Width of the result.
        minute: (n_minutes,) session minutes as `grid.minutes` gives them, at least one.
        max_synthetic_minutes: Longest run that is filled; 0 fills nothing.

    Returns:
        The sealed minutes, none of them catch-up.
    """
    first, last, margin = int(minute[0]), int(minute[-1]), max_synthetic_minutes
    around = grid.minutes(first - margin, last + margin)
    sessions = grid.sessions(around)
    sealed = _writable(around, n_instruments)
    place = np.minimum(np.searchsorted(around, bars.minute), len(around) - 1)
    fits = (around[place] == bars.minute) & (sessions[place, bars.instrument] >= 0)
    cell = (place * n_instruments + bars.instrument)[fits]
    for name in (*PRICES, "volume", "taker"):
        _flat(getattr(sealed, name))[cell] = getattr(bars, name)[fits]
    sealed.present.reshape(-1)[cell] = True
    if margin:
        _fill(sealed, sessions, margin)
    start = int(np.searchsorted(around, first))
    return sealed[start : start + len(minute)]


def _writable(minute: IntArray, n_instruments: int) -> Minutes:
    shape = (len(minute), n_instruments)
    return Minutes(
        minute=minute,
        **{name: np.full(shape, np.nan) for name in (*PRICES, "volume", "taker")},
        present=np.zeros(shape, dtype=np.bool_),
        synthetic=np.zeros(shape, dtype=np.bool_),
        catch_up=np.zeros(len(minute), dtype=np.bool_),
    )


def _fill(sealed: Minutes, sessions: IntArray, max_synthetic_minutes: int) -> None:
    """Write flat rows into short runs of absent minutes, in place."""
    n_minutes, n_instruments = sealed.present.shape
    at, instrument = np.nonzero(~sealed.present)
    if not len(at):
        return
    order = np.arange(n_minutes, dtype=np.int64)[:, None]
    before = np.maximum.accumulate(np.where(sealed.present, order, -1), axis=0)[at, instrument]
    behind = np.minimum.accumulate(np.where(sealed.present, order, n_minutes)[::-1], axis=0)[::-1][
        at, instrument
    ]
    short = (before >= 0) & (behind < n_minutes) & (behind - before - 1 <= max_synthetic_minutes)
    at, instrument, before, behind = at[short], instrument[short], before[short], behind[short]
    # Equal session numbers on both sides: no close lies between, so every minute between is a session minute.
    unbroken = sessions[before, instrument] == sessions[behind, instrument]
    cell = (at * n_instruments + instrument)[unbroken]
    source = (before * n_instruments + instrument)[unbroken]
    last_close = _flat(sealed.close)[source]
    for name in PRICES:
        _flat(getattr(sealed, name))[cell] = last_close
    _flat(sealed.volume)[cell] = 0.0
    _flat(sealed.taker)[cell] = np.where(np.isnan(_flat(sealed.taker)[source]), np.nan, 0.0)
    sealed.present.reshape(-1)[cell] = True
    sealed.synthetic.reshape(-1)[cell] = True


def _flat(column: FloatArray) -> FloatArray:
    return column.reshape(-1)
