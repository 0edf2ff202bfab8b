"""Ratios of daily returns, each with an interval, and withheld where there are too few days.

The ratios are those of empyrical (risk-free rate and minimum acceptable return 0). Intervals come from a
circular block bootstrap (Politis and Romano, A circular block-resampling procedure for stationary data,
1992): blocks of whole days keep what one day tells about the next.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import empyrical
import numpy as np

from daemon.kernels import FloatArray, IntArray
from daemon.vitals.sharpe import deflated_sharpe, probabilistic_sharpe

MIN_DAYS: Final = 30
"""Fewer days say nothing about a ratio: at 10 days the half-width of a Sharpe ratio is 12."""

N_RESAMPLES: Final = 1000
MIN_FINITE_SHARE: Final = 0.95
"""An interval needs its ratio to exist in so many of the resamples."""

PROBABILISTIC: Final = "probabilistic Sharpe: P(true Sharpe > 0)"
DEFLATED: Final = "deflated Sharpe: P(true Sharpe > luck's best)"
SURE: Final = "no interval: it is a probability"
NO_TIME: Final = "no interval: not among the most traded"

Ratio = Callable[[FloatArray, FloatArray], float]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of a report.

    Attributes:
        name: What it is.
        unit: `share` (drawn in percent) or `ratio`.
        value: None where it is withheld or does not exist.
        low: Of the 95 % interval; None where there is none.
        high: The same.
        note: Why there is no value or no interval; else empty.
    """

    name: str
    unit: str
    value: float | None
    low: float | None = None
    high: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Trials:
    """How many models were tried before this one was chosen, itself included.

    Attributes:
        count: None where nobody knows.
        source: Where the count is from, or why there is none.
    """

    count: int | None = None
    source: str = "nobody said how many models were tried"


@dataclass(frozen=True, slots=True)
class Yardstick:
    """What ratios are measured by.

    Attributes:
        days_per_year: 365 where trading never stops, about 252 on a stock exchange.
        benchmark: (n_days,) daily returns of the benchmark.
        trials: Models tried before this one was chosen.
        seed: Of the bootstrap.
        intervals: Whether they are worth their time (half a second for each series of returns).
    """

    days_per_year: int
    benchmark: FloatArray
    trials: Trials = field(default_factory=Trials)
    seed: int = 1
    intervals: bool = True


def figures(returns: FloatArray, by: Yardstick) -> tuple[Figure, ...]:
    """Return the ratios of daily returns, (n_days,) fractions of equity.

    Below `MIN_DAYS` all but the return are withheld, and nothing has an interval.
    """
    total = float(np.prod(1.0 + returns) - 1.0)
    if len(returns) < MIN_DAYS:
        note = f"withheld: {len(returns)} of {MIN_DAYS} days"
        first = Figure("return", "share", total, note="no interval: " + note.removeprefix("withheld: "))
        return (first, *(Figure(name, unit, None, note=note) for name, unit in _names(by)))
    picks = resamples(len(returns), by.seed) if by.intervals else None
    return tuple(_figure(name, unit, ratio, returns, by, picks) for name, unit, ratio in _ratios(by))


def mean_figure(name: str, unit: str, daily: FloatArray, by: Yardstick) -> Figure:
    """Return the mean of something that is known for every day, with an interval from `MIN_DAYS` days on."""
    value = float(daily.mean())
    if not by.intervals:
        return Figure(name, unit, value, note=NO_TIME)
    if len(daily) < MIN_DAYS:
        return Figure(name, unit, value, note=f"no interval: {len(daily)} of {MIN_DAYS} days")
    low, high = np.quantile(daily[resamples(len(daily), by.seed)].mean(axis=1), (0.025, 0.975)).tolist()
    return Figure(name, unit, value, low, high)


def resamples(n_days: int, seed: int) -> IntArray:
    """Return (N_RESAMPLES, n_days) positions of days: circular blocks of about n^(1/3) days, 5 at least."""
    block = max(5, round(n_days ** (1 / 3)))
    n_blocks = -(-n_days // block)
    generator = np.random.default_rng(seed)
    starts = generator.integers(0, n_days, (N_RESAMPLES, n_blocks))
    days = (starts[:, :, None] + np.arange(block)) % n_days
    return days.reshape(N_RESAMPLES, -1)[:, :n_days]


def _figure(
    name: str, unit: str, ratio: Ratio, returns: FloatArray, by: Yardstick, picks: IntArray | None
) -> Figure:
    if name == DEFLATED and by.trials.count is None:
        return Figure(name, unit, None, note=f"withheld: {by.trials.source}")
    value = _number(ratio, returns, by.benchmark)
    if value is None:
        return Figure(name, unit, None, note="does not exist for these returns")
    if name in {PROBABILISTIC, DEFLATED}:
        return Figure(name, unit, value, note=SURE)
    if picks is None:
        return Figure(name, unit, value, note=NO_TIME)
    drawn = [_number(ratio, returns[pick], by.benchmark[pick]) for pick in picks]
    known = np.array([number for number in drawn if number is not None])
    if len(known) < MIN_FINITE_SHARE * len(drawn):
        return Figure(name, unit, value, note="no interval: does not exist in too many resamples")
    low, high = np.quantile(known, (0.025, 0.975)).tolist()
    return Figure(name, unit, value, low, high)


def _number(ratio: Ratio, returns: FloatArray, benchmark: FloatArray) -> float | None:
    with np.errstate(all="ignore"):
        value = float(ratio(returns, benchmark))
    return value if math.isfinite(value) else None


def _names(by: Yardstick) -> list[tuple[str, str]]:
    return [(name, unit) for name, unit, _ in _ratios(by)][1:]


def _ratios(by: Yardstick) -> list[tuple[str, str, Ratio]]:
    """Return name, unit and function of (returns, benchmark) for each ratio, the return first."""
    year = by.days_per_year
    return [
        ("return", "share", lambda r, _: float(np.prod(1.0 + r)) - 1.0),
        ("Sharpe, annualised", "ratio", lambda r, _: _over_spread(empyrical.sharpe_ratio, r, year)),
        ("Sortino, annualised", "ratio", lambda r, _: _over_spread(empyrical.sortino_ratio, r, year)),
        ("Calmar", "ratio", lambda r, _: empyrical.calmar_ratio(r, annualization=year)),
        ("Omega", "ratio", lambda r, _: empyrical.omega_ratio(r, annualization=year)),
        ("tail ratio", "ratio", lambda r, _: empyrical.tail_ratio(r) if r.any() else math.nan),
        ("max drawdown, daily", "share", lambda r, _: empyrical.max_drawdown(r)),
        ("value at risk, 5 % of days", "share", lambda r, _: empyrical.value_at_risk(r, cutoff=0.05)),
        ("alpha, annualised", "share", lambda r, b: empyrical.alpha(r, b, annualization=year)),
        ("beta", "ratio", lambda r, b: float(empyrical.beta(r, b))),
        ("days with a gain", "share", lambda r, _: float((r > 0.0).mean())),
        (PROBABILISTIC, "share", lambda r, _: probabilistic_sharpe(r)),
        (DEFLATED, "share", lambda r, _: deflated_sharpe(r, by.trials.count or 1)),
    ]


def _over_spread(ratio: Callable[..., float], returns: FloatArray, year: int) -> float:
    # Returns that are all the same have no spread, and what rounding makes of it is no ratio.
    return ratio(returns, annualization=year) if np.ptp(returns) > 0.0 else math.nan
