"""Probabilistic and deflated Sharpe ratios, against their published formulas and examples."""

import math

import numpy as np
import pytest
from scipy import stats

from daemon.vitals.sharpe import deflated_sharpe, probabilistic_sharpe


def drawn(n_days: int = 250, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).standard_t(5, n_days) * 0.01 + 0.0008


def test_the_probabilistic_ratio_is_the_published_formula_with_scipys_moments() -> None:
    r = drawn()
    sharpe, skew = r.mean() / r.std(ddof=1), stats.skew(r)
    kurtosis = stats.kurtosis(r, fisher=False)
    error = math.sqrt((1 - skew * sharpe + (kurtosis - 1) / 4 * sharpe**2) / (len(r) - 1))
    assert probabilistic_sharpe(r, 0.02) == pytest.approx(stats.norm.cdf((sharpe - 0.02) / error), rel=1e-9)


def test_the_expected_luck_of_many_trials_is_that_of_simulated_trials() -> None:
    # The best of 50 Sharpe ratios without skill, each of 400 days, and the threshold that deflates.
    generator = np.random.default_rng(2)
    trials = generator.standard_normal((400, 50, 400))
    best = (trials.mean(axis=2) / trials.std(axis=2, ddof=1)).max(axis=1)
    r = drawn(400)
    simulated = probabilistic_sharpe(r, float(best.mean()))
    assert deflated_sharpe(r, 50) == pytest.approx(simulated, abs=0.02)


def test_one_trial_deflates_nothing_and_more_trials_deflate_more() -> None:
    r = drawn()
    ratios = [deflated_sharpe(r, n) for n in (1, 2, 10, 1000)]
    assert ratios[0] == probabilistic_sharpe(r)
    assert ratios == sorted(ratios, reverse=True)
    assert len(set(ratios)) == 4


def test_returns_that_do_not_vary_or_are_too_few_have_no_probability() -> None:
    assert math.isnan(probabilistic_sharpe(np.zeros(50)))
    assert math.isnan(probabilistic_sharpe(np.array([0.1, -0.1])))
