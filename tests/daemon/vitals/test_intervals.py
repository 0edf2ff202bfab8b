"""Intervals agree with statsmodels and hold what they promise."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import t as student

from daemon.vitals.intervals import NORMAL_95, ratio_interval, rolling_interval, student_95


def standard_error(totals: np.ndarray, counts: np.ndarray, lag: int) -> float:
    """Undo the critical value: what is left is Newey and West's standard error."""
    interval = ratio_interval(totals, counts, lag)
    assert interval is not None
    b = (lag + 1) / len(totals)
    fixed_b = NORMAL_95 + 2.9694 * b + 0.4160 * b**2 - 0.5324 * b**3
    n_clusters = int(np.count_nonzero(counts))
    return (interval.high - interval.mean) / (fixed_b * student_95(n_clusters - 1) / NORMAL_95)


@pytest.mark.parametrize("lag", [0, 1, 7, 40])
def test_the_error_of_a_mean_is_that_of_newey_and_west(lag: int) -> None:
    generator = np.random.default_rng(1)
    values = np.convolve(generator.standard_normal(409), np.ones(10), mode="valid") + 0.3
    fit = sm.OLS(values, np.ones(400)).fit(cov_type="HAC", cov_kwds={"maxlags": lag, "use_correction": False})
    assert standard_error(values, np.ones(400), lag) == pytest.approx(fit.bse[0], rel=1e-9)
    interval = ratio_interval(values, np.ones(400), lag)
    assert interval is not None
    assert interval.mean == pytest.approx(values.mean(), rel=1e-12)
    assert interval.mean - interval.low == pytest.approx(interval.high - interval.mean)


def test_cells_count_by_what_is_in_them_as_in_a_weighted_regression() -> None:
    generator = np.random.default_rng(2)
    counts = generator.integers(1, 9, 300).astype(float)
    totals = counts * (0.5 + generator.standard_normal(300))
    fit = sm.WLS(totals / counts, np.ones(300), weights=counts).fit(
        cov_type="HAC", cov_kwds={"maxlags": 5, "use_correction": False}
    )
    assert standard_error(totals, counts, 5) == pytest.approx(fit.bse[0], rel=1e-9)


def test_empty_cells_keep_their_place_in_time() -> None:
    generator = np.random.default_rng(3)
    counts = (generator.random(300) < 0.4).astype(float)
    totals = counts * generator.standard_normal(300)
    fit = sm.OLS(totals, counts).fit(cov_type="HAC", cov_kwds={"maxlags": 6, "use_correction": False})
    assert standard_error(totals, counts, 6) == pytest.approx(fit.bse[0], rel=1e-9)


def test_the_critical_value_of_few_clusters_is_students() -> None:
    for freedom in (3, 5, 10, 30, 1000):
        assert student_95(freedom) == pytest.approx(student.ppf(0.975, freedom), rel=0.006)


@pytest.mark.parametrize("horizon", [1, 12])
def test_a_stated_95_percent_covers_90_to_99_percent(horizon: int) -> None:
    generator = np.random.default_rng(4)
    covered = 0
    for _ in range(500):
        # The losses of overlapping labels are moving sums: neighbours share all but one of their minutes.
        noise = generator.standard_normal(1200 + horizon - 1)
        values = np.convolve(noise, np.ones(horizon), mode="valid") + 0.2
        interval = ratio_interval(values, np.ones(1200), 2 * horizon)
        assert interval is not None
        covered += interval.low <= 0.2 <= interval.high
    assert 0.90 <= covered / 500 <= 0.99


def test_too_little_gives_no_interval() -> None:
    some = np.array([1.0, 0.0, 2.0, 0.0, 0.0, 1.0, 0.0, 0.0])
    assert ratio_interval(some, (some > 0).astype(float), 1) is None
    assert ratio_interval(np.ones(8), np.ones(8), 4) is None
    assert ratio_interval(np.zeros(0), np.zeros(0), 0) is None
    assert ratio_interval(np.ones(9), np.ones(9), 4) is not None


def test_an_interval_says_on_which_side_of_zero_it_lies() -> None:
    above = ratio_interval(np.array([1.0, 1.1, 0.9, 1.0, 1.1]), np.ones(5), 0)
    below = ratio_interval(np.array([-1.0, -1.1, -0.9, -1.0, -1.1]), np.ones(5), 0)
    around = ratio_interval(np.array([-1.0, 1.1, -0.9, 1.0, 0.0]), np.ones(5), 0)
    assert above is not None
    assert below is not None
    assert around is not None
    assert [(i.above_zero, i.below_zero) for i in (above, below, around)] == [
        (True, False),
        (False, True),
        (False, False),
    ]
    assert math.isfinite(around.low)


def test_a_longer_window_takes_a_longer_lag_and_a_short_one_that_of_the_labels() -> None:
    values, ones = np.random.default_rng(5).standard_normal(200), np.ones(200)
    assert rolling_interval(values, ones, 8) == ratio_interval(values, ones, 40)
    assert rolling_interval(values[:30], ones[:30], 8) == ratio_interval(values[:30], ones[:30], 8)
    assert rolling_interval(values[:16], ones[:16], 8) is None
