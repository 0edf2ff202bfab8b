"""The stochastic process behind a simulated market: returns whose state is known from past bars.

For one instrument, in log returns per minute, with s(t) the season of the day and v the instrument's
volatility:

    r[t] = -k[t] x[t-1] + e[t]                    the drift pulls the price towards its average
    x[t] = p (x[t-1] + r[t])                      = log close - its exponential average, p = 1 - 2/(span+1)
    e[t] = v s(t) sqrt(q[t]) z[t]                 z: Student's t, unit variance, correlated over instruments
    q[t+1] = (1 - a - b) + (a z[t]^2 + b) q[t]    GARCH(1, 1), Bollerslev 1986, mean one

The pull k is the one predictable part of the price; it turns its sign, weakened, at the regime change. Both
states, x and q, are functions of past closes, so what the generator knows can be learned from bars; and as r
is linear in x, mean and variance of every future return are known in closed form
(`adapters.simulator.optimum`).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MINUTES_PER_DAY = 1440
BURN_IN_MINUTES = 2 * MINUTES_PER_DAY


@dataclass(frozen=True, slots=True)
class Process:
    """The constants of the process.

    Attributes:
        span_minutes: Span of the exponential average that prices are pulled to.
        pull: Share of the distance to the average that is expected back each minute.
        pull_after: The same after the regime change; negative pushes away.
        change_minute: Epoch minute of the first return under `pull_after`; None is never.
        garch_shock: a: how much a squared return moves the next variance.
        garch_memory: b: how much of the variance stays.
        tail_freedom: Degrees of freedom of the returns' Student t; infinity is Gaussian.
        season: Log amplitude of the day's volatility around its peak at 14:30 UTC.
        correlation: Of the returns of any two instruments (before the tails are drawn).
    """

    span_minutes: int = 240
    pull: float = 0.016
    pull_after: float = -0.003
    change_minute: int | None = None
    garch_shock: float = 0.04
    garch_memory: float = 0.95
    tail_freedom: float = 6.0
    season: float = 0.3
    correlation: float = 0.3

    @property
    def keep(self) -> float:
        """Share p of the distance to its average that a price keeps from one minute to the next."""
        return 1.0 - 2.0 / (self.span_minutes + 1)

    def pull_at(self, minute: IntArray) -> FloatArray:
        """Return the pull in force for the returns of these epoch minutes."""
        if self.change_minute is None:
            return np.full(len(minute), self.pull)
        return np.where(minute < self.change_minute, self.pull, self.pull_after)

    def season_at(self, minute: IntArray) -> FloatArray:
        """Return the factor on volatility of these epoch minutes; its square has mean one over a day."""
        day = np.exp(self.season * np.cos(2 * np.pi * (np.arange(MINUTES_PER_DAY) - 870) / MINUTES_PER_DAY))
        day /= np.sqrt(np.mean(day**2))
        return np.asarray(day[minute % MINUTES_PER_DAY], dtype=np.float64)

    def heat_after(self, heat: FloatArray, minutes: int) -> FloatArray:
        """Return the expected q, `minutes` after a minute whose q is `heat`."""
        return 1.0 + (self.garch_shock + self.garch_memory) ** minutes * (heat - 1.0)

    def tails(self, generator: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
        """Draw the factors that turn Gaussian draws into Student's t of unit variance."""
        if np.isinf(self.tail_freedom):
            return np.ones(shape)
        chi = generator.chisquare(self.tail_freedom, shape)
        return np.asarray(np.sqrt((self.tail_freedom - 2.0) / chi), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Path:
    """One realisation: arrays (n_minutes, n_instruments); states are those known at the close of the minute.

    Attributes:
        returns: Log return from the previous close.
        distance: x: log close less its exponential average.
        heat: q of the *next* minute, as this minute's return sets it.
        sigma: Volatility of this minute's own return, tails included: the size of its Gaussian part.
    """

    returns: FloatArray
    distance: FloatArray
    heat: FloatArray
    sigma: FloatArray


def realise(
    process: Process, volatility: FloatArray, minute: IntArray, generator: np.random.Generator
) -> Path:
    """Draw a path over consecutive epoch minutes, after a burn-in that is dropped.

    Args:
        process: The constants.
        volatility: (n_instruments,) volatility of one minute's log return.
        minute: (n_minutes,) consecutive epoch minutes.
        generator: Where the randomness comes from.
    """
    minute = np.concatenate([np.arange(minute[0] - BURN_IN_MINUTES, minute[0]), minute])
    shape = (len(minute), len(volatility))
    common = np.sqrt(process.correlation) * generator.standard_normal((len(minute), 1))
    own = np.sqrt(1.0 - process.correlation) * generator.standard_normal(shape)
    tails = process.tails(generator, shape)
    shocks = (common + own) * tails
    heat = _heat(process, shocks)
    scale = process.season_at(minute)[:, None] * volatility * np.sqrt(heat[:-1])
    returns, distance = _pulled(process, scale * shocks, process.pull_at(minute))
    kept = slice(BURN_IN_MINUTES, None)
    return Path(returns[kept], distance[kept], heat[1:][kept], (scale * tails)[kept])


def _heat(process: Process, shocks: FloatArray) -> FloatArray:
    """Return q for every minute and the one after the last: (n_minutes + 1, n_instruments)."""
    factors = process.garch_shock * shocks**2 + process.garch_memory
    heat = np.ones((len(shocks) + 1, shocks.shape[1]))
    floor = 1.0 - process.garch_shock - process.garch_memory
    for t in range(len(shocks)):
        heat[t + 1] = floor + factors[t] * heat[t]
    return heat


def _pulled(process: Process, innovations: FloatArray, pull: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return (returns, distance) of the linear part of the process."""
    returns = np.empty_like(innovations)
    distance = np.empty_like(innovations)
    keep, pulls = process.keep, pull.tolist()
    at = np.zeros(innovations.shape[1])
    for t in range(len(innovations)):
        returns[t] = innovations[t] - pulls[t] * at
        at = keep * (at + returns[t])
        distance[t] = at
    return returns, distance
