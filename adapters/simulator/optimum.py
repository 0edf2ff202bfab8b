"""What the best possible model would say of a simulated market: the conditional law of the labelled return.

At the close of minute t the label's return runs from the open of t+1 to the open of t+1+h. With the notation
of `adapters.simulator.process`, let C[m](s) be the expected return of the m minutes after s per unit of x[s]:

    C[0] = 0,   C[m](s) = -k[s+1] + p (1 - k[s+1]) C[m-1](s+1)

Then, given everything up to t, the return has

    mean      C[h](t) x[t]
    variance  sum over j = 1..h of (1 + p C[h-j](t+j))^2 (v s(t+j))^2 E[q[t+j]]   + the two openings' jitter

because a shock e[t+j] moves the price by itself and, through x, by p C[h-j] more. Both are exact. Only the
shape of the standardised return is not in closed form (a sum of t draws under a moving variance): its
symmetric distribution is drawn once per level of q by Monte Carlo, and interpolated between levels.
"""

import numpy as np

from adapters.simulator.process import FloatArray, IntArray, Process

HEAT_LEVELS = np.array([0.15, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 12.0])
PATHS_PER_LEVEL = 6000


def mean_per_distance(process: Process, minute: IntArray, horizon_minutes: int) -> FloatArray:
    """Return C[h] at the closes of consecutive epoch minutes: expected log return per unit of distance."""
    coefficient = np.zeros(len(minute) + horizon_minutes)
    pull = process.pull_at(_from_first(minute, horizon_minutes))
    for _ in range(horizon_minutes):
        coefficient = _one_more_minute(process, coefficient, pull)
    return coefficient[: len(minute)]


def variance(
    process: Process, minute: IntArray, heat: FloatArray, horizon_minutes: int, jitter: float
) -> FloatArray:
    """Return the conditional variance of the label's return for unit volatility, (n_minutes, n_instruments).

    Args:
        process: The constants.
        minute: (n_minutes,) consecutive epoch minutes of the decisions.
        heat: (n_minutes, n_instruments) q of the next minute, known at the decision.
        horizon_minutes: h.
        jitter: Size of an opening's jump over the last close, in that minute's volatility.
    """
    n = len(minute)
    ahead = _from_first(minute, horizon_minutes + 1)
    pull, season = process.pull_at(ahead), process.season_at(ahead)
    coefficient = np.zeros(n + horizon_minutes + 1)
    total = np.zeros(heat.shape)
    for remaining in range(horizon_minutes):
        j = horizon_minutes - remaining
        response = 1.0 + process.keep * coefficient[j : j + n]
        total += ((response * season[j : j + n]) ** 2)[:, None] * process.heat_after(heat, j - 1)
        coefficient = _one_more_minute(process, coefficient, pull)
    for j in (1, horizon_minutes + 1):
        total += (jitter * season[j : j + n, None]) ** 2 * process.heat_after(heat, j - 1)
    return total


class Shape:
    """The distribution of the standardised return, by the q known at the decision.

    Args:
        process: The constants.
        horizon_minutes: h.
        seed: Of the Monte Carlo draws.
    """

    def __init__(self, process: Process, horizon_minutes: int, seed: int) -> None:
        generator = np.random.default_rng(seed)
        minute = np.arange(horizon_minutes)
        coefficients = [mean_per_distance(process, minute[:1], m)[0] for m in range(horizon_minutes)]
        responses = 1.0 + process.keep * np.array(coefficients[::-1])
        draws = np.zeros((PATHS_PER_LEVEL, len(HEAT_LEVELS)))
        heat = np.broadcast_to(HEAT_LEVELS, draws.shape).copy()
        floor = 1.0 - process.garch_shock - process.garch_memory
        for response in responses:
            shocks = generator.standard_normal(draws.shape) * process.tails(generator, draws.shape)
            draws += response * np.sqrt(heat) * shocks
            heat = floor + (process.garch_shock * shocks**2 + process.garch_memory) * heat
        # The law is symmetric, so |draws| tell all of it with half the noise; its variance is one by
        # construction.
        self._sizes = np.sort(np.abs(draws), axis=0)
        self._sizes /= np.sqrt(np.mean(self._sizes**2, axis=0))

    def below(self, standardised: FloatArray, heat: FloatArray) -> FloatArray:
        """Return P(standardised return <= value | q), elementwise."""
        levels = np.log(HEAT_LEVELS)
        place = np.clip(np.interp(np.log(heat), levels, np.arange(len(levels))), 0.0, len(levels) - 1.0)
        lower = np.minimum(place.astype(np.int64), len(levels) - 2)
        share = place - lower
        result = np.zeros(standardised.shape)
        for level in range(len(levels)):
            part = np.where(lower == level, 1.0 - share, np.where(lower == level - 1, share, 0.0))
            here = part > 0.0
            result[here] += part[here] * self._below_at(standardised[here], level)
        return result

    def _below_at(self, values: FloatArray, level: int) -> FloatArray:
        inside = np.searchsorted(self._sizes[:, level], np.abs(values)) / PATHS_PER_LEVEL
        return np.asarray(0.5 + 0.5 * np.sign(values) * inside, dtype=np.float64)


def _from_first(minute: IntArray, more: int) -> IntArray:
    return np.arange(minute[0], minute[0] + len(minute) + more, dtype=np.int64)


def _one_more_minute(process: Process, coefficient: FloatArray, pull: FloatArray) -> FloatArray:
    """Turn C[m] at every minute into C[m+1]; the last cell, whose successor is unknown, is never read."""
    longer = np.zeros(len(coefficient))
    next_pull = pull[1 : len(coefficient)]
    longer[:-1] = -next_pull + process.keep * (1.0 - next_pull) * coefficient[1:]
    return longer
