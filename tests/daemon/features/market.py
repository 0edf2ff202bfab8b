"""Bars for feature tests: ugly ones drawn by hypothesis, and plain seeded ones."""

import math
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st

from daemon.events import Backfill, Minutes

START = 28_400_000


def minutes_of(columns: dict[str, np.ndarray], present: np.ndarray, first: int = START) -> Minutes:
    minutes = Minutes.empty(np.arange(first, first + len(present), dtype=np.int64), present.shape[1])
    cells = {name: np.where(present, column, np.nan) for name, column in columns.items()}
    synthetic = present & (np.nan_to_num(columns["volume"]) == 0.0)
    return replace(minutes, **cells, present=present, synthetic=synthetic)


def only(minutes: Minutes, columns: list[int]) -> Minutes:
    """The minutes with these instruments alone."""
    names = ("open", "high", "low", "close", "volume", "taker", "present", "synthetic")
    return replace(minutes, **{name: getattr(minutes, name)[:, columns] for name in names})


def walk(
    n_minutes: int, n_instruments: int, seed: int = 0, absent: float = 0.0, price: float | None = None
) -> Minutes:
    """A plain market: a random walk per instrument, some minutes missing."""
    draw = np.random.default_rng(seed)
    shape = (n_minutes, n_instruments)
    start = np.log(draw.uniform(1.0, 5e4, n_instruments) if price is None else np.full(n_instruments, price))
    close = np.exp(start + np.cumsum(draw.standard_normal(shape) * 1e-3, axis=0))
    opened = np.vstack([close[:1], close[:-1]])
    high = np.maximum(opened, close) * (1.0 + np.abs(draw.standard_normal(shape)) * 5e-4)
    low = np.minimum(opened, close) * (1.0 - np.abs(draw.standard_normal(shape)) * 5e-4)
    digits = np.array([8 - math.floor(math.log10(p)) for p in np.exp(start)])
    opened, high, low, close = (
        np.stack([np.round(prices[:, j], digits[j]) for j in range(n_instruments)], axis=1)
        for prices in (opened, high, low, close)
    )
    volume = np.round(draw.lognormal(3.0, 1.0, shape), 3)
    volume[draw.uniform(size=shape) < 0.05] = 0.0
    taker = np.round(volume * draw.uniform(0.0, 1.0, shape), 3)
    columns = {"open": opened, "high": high, "low": low, "close": close, "volume": volume, "taker": taker}
    return minutes_of(columns, draw.uniform(size=shape) >= absent)


@dataclass(frozen=True)
class Story:
    """A market with everything that can happen to it, and where it is cut."""

    minutes: Minutes
    backfills: dict[int, tuple[Backfill, ...]]
    cuts: tuple[int, ...]
    instruments: tuple[str, ...]

    def __repr__(self) -> str:
        """Say little: hypothesis prints it."""
        return f"Story({self.minutes.present.shape}, late {sorted(self.backfills)}, cut {self.cuts})"


@st.composite
def ugly_minutes(draw: st.DrawFn, n_instruments: int, max_minutes: int = 200) -> Minutes:
    """Prices from 1e-8 to 1e6, jumps, flat stretches, zero volumes, gaps short and long, no taker volume."""
    n_minutes = draw(st.integers(2, max_minutes))
    seed = draw(st.integers(0, 2**32 - 1))
    exponents = draw(st.lists(st.floats(-8.0, 6.0), min_size=n_instruments, max_size=n_instruments))
    scale = draw(st.sampled_from([0.0, 1e-6, 1e-3, 0.3]))
    absent = draw(st.sampled_from([0.0, 0.1, 0.7]))
    quiet = draw(st.sampled_from([0.0, 0.5, 1.0]))
    random = np.random.default_rng(seed)
    shape = (n_minutes, n_instruments)
    steps = random.standard_normal(shape) * scale
    steps[random.uniform(size=shape) < 0.2] = 0.0
    close = np.clip(10.0 ** np.array(exponents) * np.exp(np.cumsum(steps, axis=0)), 1e-8, 1e6)
    opened = np.clip(close * np.exp(random.standard_normal(shape) * scale), 1e-8, 1e6)
    high = np.maximum(opened, close) * (1.0 + np.where(random.uniform(size=shape) < 0.5, 0.0, scale))
    low = np.minimum(opened, close) * (1.0 - np.where(random.uniform(size=shape) < 0.5, 0.0, scale))
    volume = np.where(random.uniform(size=shape) < quiet, 0.0, random.lognormal(0.0, 3.0, shape))
    taker = np.where(random.uniform(size=shape) < 0.3, np.nan, volume * random.uniform(size=shape))
    present = random.uniform(size=shape) >= absent
    if draw(st.booleans()) and n_minutes > 10:
        # A halt: nothing of anybody for a third of the time.
        present[n_minutes // 3 : 2 * n_minutes // 3] = False
    columns = {"open": opened, "high": high, "low": low, "close": close, "volume": volume, "taker": taker}
    minutes = minutes_of(columns, present)
    if draw(st.booleans()):
        # A market that closes: the clock jumps by a night.
        minutes.minute[n_minutes // 2 :] += 1010
    return minutes


@st.composite
def stories(draw: st.DrawFn, max_instruments: int = 4) -> Story:
    """A market, the backfills that come into it, and the minutes before which it is cut into chunks."""
    n = draw(st.integers(1, max_instruments))
    names = tuple(f"test:I{j}" for j in range(n))
    minutes = draw(ugly_minutes(n))
    cuts = draw(st.sets(st.integers(1, len(minutes) - 1), max_size=8))
    backfills: dict[int, tuple[Backfill, ...]] = {}
    for at in sorted(draw(st.sets(st.integers(1, len(minutes) - 1), max_size=3))):
        column = draw(st.integers(0, n - 1))
        late = _late_bars(minutes, column, at)
        if late:
            backfills[at] = (Backfill(instrument=names[column], bars=late),)
    return Story(minutes, backfills, tuple(sorted(cuts | set(backfills))), names)


def _late_bars(
    minutes: Minutes, column: int, at: int
) -> tuple[tuple[int, float, float, float, float, float, float | None, bool], ...]:
    """Bars for the minutes since the lane's last row before `at`, as if they came late."""
    rows = np.nonzero(minutes.present[:at, column])[0]
    last = int(rows[-1]) if len(rows) else -1
    known = np.nonzero(minutes.present[:, column])[0]
    if last == at - 1 or not len(known):
        return ()
    price = float(minutes.close[known[0], column]) if last < 0 else float(minutes.close[last, column])
    return tuple(
        (
            int(minutes.minute[row]),
            price,
            price * 1.01,
            price * 0.99,
            price,
            1.5,
            None if row % 2 else 0.5,
            False,
        )
        for row in range(last + 1, at)
    )
