"""Markets for tests: minutes written out by hand, or random ones with every awkward kind of bar."""

from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from daemon.events import Instrument, Minutes
from daemon.kernels import FloatArray, IntArray
from daemon.positions.bar_cursor import BarCursor

Row = tuple[float, float, float, float, float] | None
"""Open, high, low, close, volume; None where there is no bar. A volume of -1 marks a synthetic bar."""


def sealed(first_minute: int, rows: Sequence[Sequence[Row]]) -> Minutes:
    """Seal minutes from `rows[t][i]`."""
    absent = (np.nan,) * 5
    cells = np.array(
        [[absent if row is None else row for row in minute] for minute in rows], dtype=np.float64
    )
    n_minutes, n_instruments = cells.shape[:2]
    synthetic = cells[:, :, 4] == -1.0
    volume = np.where(synthetic, 0.0, cells[:, :, 4])
    return Minutes(
        minute=np.arange(first_minute, first_minute + n_minutes, dtype=np.int64),
        open=cells[:, :, 0].copy(),
        high=cells[:, :, 1].copy(),
        low=cells[:, :, 2].copy(),
        close=cells[:, :, 3].copy(),
        volume=volume,
        taker=np.full((n_minutes, n_instruments), np.nan),
        present=~np.isnan(cells[:, :, 0]),
        synthetic=synthetic,
        catch_up=np.zeros(n_minutes, dtype=np.bool_),
    )


def ages(minutes: Minutes) -> IntArray:
    """Count the minutes since each instrument's last bar, as if these were the first of the run."""
    age = np.zeros(minutes.open.shape, dtype=np.int64)
    before = np.full(minutes.n_instruments, 10**6, dtype=np.int64)
    for t, present in enumerate(minutes.present):
        before = age[t] = np.where(present, 0, before + 1)
    return age


def cursor(minutes: Minutes, sigma: float | FloatArray = 0.01, first_ordinal: int = 0) -> BarCursor:
    """Stand on the first of `minutes`."""
    return BarCursor(minutes, np.broadcast_to(sigma, minutes.open.shape), ages(minutes), first_ordinal)


def instruments(n: int, tick: str = "0.01", lot: str = "0.001") -> tuple[Instrument, ...]:
    """Name `n` instruments in sorted order."""
    return tuple(
        Instrument(name=f"binance:C{i:02}USDT", quote="USDT", tick=Decimal(tick), lot=Decimal(lot))
        for i in range(n)
    )


def random_market(seed: int, n_minutes: int, n_instruments: int, *, thin: bool = False) -> Minutes:
    """Draw bars: wild and flat ones, opens away from the last close, absent, synthetic and empty ones."""
    draw = np.random.default_rng(seed)
    shape = (n_minutes, n_instruments)
    scale = 10.0 ** draw.uniform(-6, 4, n_instruments)
    close = scale * np.exp(np.cumsum(draw.normal(0.0, 0.01, shape), axis=0))
    opened = close * np.exp(draw.normal(0.0, 0.005, shape))
    top = np.maximum(opened, close) * (1.0 + draw.choice([0.0, 0.001, 0.05], shape))
    bottom = np.minimum(opened, close) * (1.0 - draw.choice([0.0, 0.001, 0.05], shape))
    volume = draw.gamma(0.5, 100.0 if thin else 1e5, shape) / scale * 100.0
    kind = draw.choice(4, shape, p=[0.85, 0.05, 0.05, 0.05])
    volume[kind == 1] = 0.0
    volume[kind == 2] = -1.0
    for column in (opened, top, bottom):
        column[kind == 2] = close[kind == 2]
    columns = np.stack([opened, top, bottom, close, volume], axis=2)
    rows = [
        [None if kind[t, i] == 3 else tuple(columns[t, i].tolist()) for i in range(n_instruments)]
        for t in range(n_minutes)
    ]
    return sealed(int(draw.integers(28_000_000, 29_000_000)), rows)
