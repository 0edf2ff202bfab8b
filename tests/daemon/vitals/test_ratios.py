"""Return ratios against the formulas they are published with, their intervals, and when they are withheld."""

import math

import numpy as np
import pytest
from scipy import stats

from daemon.vitals.ratios import (
    DEFLATED,
    MIN_DAYS,
    PROBABILISTIC,
    Figure,
    Trials,
    Yardstick,
    figures,
    mean_figure,
    resamples,
)

YEAR = 365


def by(benchmark: np.ndarray, n_trials: int | None = None) -> Yardstick:
    return Yardstick(YEAR, benchmark, Trials(n_trials, "the test"), seed=3)


def pair(n_days: int = 120) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(11)
    benchmark = generator.normal(0.0005, 0.02, n_days)
    return 0.4 * benchmark + generator.normal(0.001, 0.01, n_days), benchmark


def named(returns: np.ndarray, benchmark: np.ndarray) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures(returns, by(benchmark))}


def test_every_ratio_is_what_its_published_formula_gives() -> None:
    r, b = pair()
    growth = np.cumprod(np.append(1.0, 1.0 + r))
    deepest = (growth / np.maximum.accumulate(growth) - 1.0).min()
    yearly = growth[-1] ** (YEAR / len(r)) - 1.0
    line = stats.linregress(b, r)
    expected = {
        "return": growth[-1] - 1.0,
        "Sharpe, annualised": r.mean() / r.std(ddof=1) * math.sqrt(YEAR),
        "Sortino, annualised": r.mean()
        * YEAR
        / (math.sqrt((np.minimum(r, 0) ** 2).mean()) * math.sqrt(YEAR)),
        "Calmar": yearly / -deepest,
        "Omega": r[r > 0].sum() / -r[r < 0].sum(),
        "tail ratio": abs(np.percentile(r, 95)) / abs(np.percentile(r, 5)),
        "max drawdown, daily": deepest,
        "value at risk, 5 % of days": np.percentile(r, 5),
        "alpha, annualised": (1.0 + line.intercept) ** YEAR - 1.0,
        "beta": line.slope,
        "days with a gain": (r > 0).mean(),
    }
    found = named(r, b)
    for name, value in expected.items():
        assert found[name].value == pytest.approx(value, rel=1e-9), name
    assert set(found) - set(expected) == {PROBABILISTIC, DEFLATED}


def test_below_thirty_days_only_the_return_is_told_and_nothing_has_an_interval() -> None:
    r, b = pair(MIN_DAYS - 1)
    first, *rest = figures(r, by(b[: MIN_DAYS - 1], n_trials=9))
    assert first.value == pytest.approx(np.prod(1 + r) - 1)
    assert first.low is None
    assert [figure.value for figure in rest] == [None] * len(rest)
    assert {figure.note for figure in rest} == {"withheld: 29 of 30 days"}
    assert rest[-1].name == DEFLATED


def test_from_thirty_days_on_every_ratio_stands_inside_its_interval() -> None:
    r, b = pair(MIN_DAYS)
    for figure in figures(r, by(b, n_trials=9)):
        assert figure.value is not None, figure
        if figure.name not in {PROBABILISTIC, DEFLATED}:
            assert figure.low is not None
            assert figure.high is not None
            assert figure.low < figure.high


def test_a_run_that_never_traded_has_no_ratios_instead_of_wrong_ones() -> None:
    r = np.zeros(60)
    found = named(r, pair(60)[1])
    assert found["return"].value == 0.0
    for name in ("Sharpe, annualised", "Sortino, annualised", "Calmar", "Omega", "tail ratio"):
        assert found[name].value is None, name
        assert found[name].note == "does not exist for these returns"


def test_the_interval_of_a_mean_covers_it_where_days_are_alike() -> None:
    generator = np.random.default_rng(8)
    n_covered = 0
    for seed in range(200):
        daily = generator.normal(1.0, 2.0, 120)
        figure = mean_figure("x", "ratio", daily, Yardstick(YEAR, daily, seed=seed))
        assert figure.low is not None
        assert figure.high is not None
        n_covered += figure.low <= 1.0 <= figure.high
    assert 0.87 <= n_covered / 200 <= 0.99


def test_resamples_are_the_same_for_a_seed_and_made_of_whole_blocks() -> None:
    picks = resamples(100, 4)
    assert np.array_equal(picks, resamples(100, 4))
    assert not np.array_equal(picks, resamples(100, 5))
    assert picks.shape == (1000, 100)
    follows = (picks[:, 1:] - picks[:, :-1]) % 100 == 1
    assert follows.mean() > 0.75


def test_without_a_number_of_trials_the_deflated_ratio_is_withheld_with_the_reason() -> None:
    r, b = pair()
    figure = named(r, b)[DEFLATED]
    assert figure.value is None
    assert figure.note == "withheld: the test"
    one, many = ({f.name: f for f in figures(r, by(b, n))} for n in (1, 50))
    assert one[DEFLATED].value == one[PROBABILISTIC].value
    assert (many[DEFLATED].value or 0.0) < (one[DEFLATED].value or 0.0)


def test_without_intervals_the_ratios_are_the_same_and_say_so() -> None:
    r, b = pair()
    quick = figures(r, Yardstick(YEAR, b, Trials(9, ""), seed=3, intervals=False))
    assert [f.value for f in quick] == [f.value for f in figures(r, by(b, 9))]
    assert all(f.low is None and f.note.startswith("no interval") for f in quick)
