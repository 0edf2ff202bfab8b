"""Random sealed minutes with everything that labels must survive: gaps, untraded bars, price jumps, ties."""

import numpy as np
from hypothesis import strategies as st

from daemon.events import Minutes
from daemon.kernels import FloatArray


def random_minutes(seed: int, n_minutes: int, n_instruments: int) -> tuple[Minutes, FloatArray]:
    """Return minutes and each minute's sigma, NaN where unknown."""
    rng = np.random.default_rng(seed)
    shape = (n_minutes, n_instruments)
    close = np.exp(np.round(np.cumsum(rng.normal(0.0, 0.01, shape), axis=0), 3))
    open_ = np.where(
        rng.random(shape) < 0.2, close * np.exp(rng.normal(0.0, 0.02, shape)), np.roll(close, 1, axis=0)
    )
    reach = np.exp(np.abs(rng.normal(0.0, 0.01, shape)) * (rng.random(shape) < 0.7))
    present = rng.random(shape) < rng.choice([0.6, 0.95, 1.0])
    synthetic = present & (rng.random(shape) < 0.1)
    volume = np.where(synthetic | (rng.random(shape) < 0.1), 0.0, rng.random(shape) + 0.1)

    def cells(values: FloatArray) -> FloatArray:
        return np.where(present, values, np.nan)

    minutes = Minutes(
        minute=np.arange(n_minutes),
        open=cells(open_),
        high=cells(np.maximum(open_, close) * reach),
        low=cells(np.minimum(open_, close) / reach),
        close=cells(close),
        volume=cells(volume),
        taker=cells(volume),
        present=present,
        synthetic=synthetic,
        catch_up=rng.random(n_minutes) < 0.1,
    )
    sigma = np.where(rng.random(shape) < 0.9, rng.uniform(0.002, 0.02, shape), np.nan)
    return minutes, sigma


def quiet_minutes(opens: list[list[float]], volume: float = 1.0) -> Minutes:
    """Return one-price bars with these opens, (n_minutes, n_instruments); NaN is an absent bar."""
    price = np.array(opens)
    present = ~np.isnan(price)
    traded = np.where(present, volume, np.nan)
    flags = np.zeros(price.shape, dtype=np.bool_)
    minute = np.arange(len(price))
    prices = [price.copy() for _ in range(4)]
    never = np.zeros(len(price), dtype=np.bool_)
    return Minutes(minute, prices[0], prices[1], prices[2], prices[3], traded, traded, present, flags, never)


def columns_of(minutes: Minutes, columns: list[int]) -> Minutes:
    """Return the minutes of these instruments, in this order."""
    parts = {name: getattr(minutes, name) for name in Minutes.__slots__}
    return Minutes(**{name: part if part.ndim == 1 else part[:, columns] for name, part in parts.items()})


@st.composite
def cuts(draw: st.DrawFn, n_minutes: int) -> list[int]:
    """Draw where to cut a run of minutes: ascending, from 0 to `n_minutes`; an empty chunk may occur."""
    inner = draw(st.lists(st.integers(0, n_minutes), max_size=8))
    return [0, *sorted(inner), n_minutes]
