"""Folds judge a model on what it could not know."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.settings import LabelSettings, Settings, TrainingSettings, VenueFeeSettings
from daemon.training.dataset import LabelledRows
from daemon.training.ranges import walk_forward
from daemon.training.walk_forward import FoldReport, count_entries, mean_over_folds, run_fold

HORIZON = 5
INSTRUMENTS = tuple(f"binance:{symbol}USDT" for symbol in "ABCDEF")
N_INSTRUMENTS = len(INSTRUMENTS)
VENUE = VenueFeeSettings(taker_fee_bps=500.0)
SETTINGS = Settings.model_validate(
    {
        "labels": {"horizon_minutes": HORIZON, "late_minutes": 0},
        "training": {"folds": 2, "embargo_minutes": 10},
        "experts": {"trees": {"rounds": 15, "leaves": 5, "min_leaf_rows": 50, "threads": 1}},
        "costs": {"taker_fee_bps": 1, "half_spread_bps": 0, "slippage_bps": 0, "impact": 0},
    }
)


def rows(strength: float, n_minutes: int = 1_500, seed: int = 3) -> LabelledRows:
    """Independent returns of 10 bps, of which the first feature knows a part."""
    generator = np.random.default_rng(seed)
    decided = np.repeat(np.arange(n_minutes), N_INSTRUMENTS)
    values = generator.normal(size=(len(decided), 3)).astype(np.float32)
    moved = strength * values[:, 0] + generator.normal(size=len(decided))
    sigma = np.full(len(decided), 1e-3 / np.sqrt(HORIZON))
    return LabelledRows(
        decided=decided,
        ended=decided + HORIZON + 1,
        instrument=np.tile(np.arange(N_INSTRUMENTS), n_minutes),
        values=values,
        sigma=sigma,
        turnover=np.full(len(decided), 1e9),
        label=np.digitize(moved, [-0.5, 0.5]).astype(np.int8),
        ret=1e-3 * moved,
        weight=np.ones(len(decided)),
    )


def reports(strength: float, settings: Settings = SETTINGS, seed: int = 3) -> list[FoldReport]:
    minutes = np.arange(1_500) + 10**7
    whole = rows(strength, seed=seed)
    found = [
        run_fold(fold, whole, ("a", "b", "c"), minutes, INSTRUMENTS, settings, lambda _done, _of: None)
        for fold in walk_forward(1_500, settings.training, settings.labels)
    ]
    return [report for report in found if report is not None]


def test_a_fold_finds_what_is_there() -> None:
    for report in reports(strength=1.0):
        figures = report.figures
        assert figures.skill_interval is not None
        assert figures.skill_interval.above_zero
        assert figures.ic is not None
        assert figures.ic.low > 0.5
        assert figures.accuracy > figures.majority
        assert report.slope > 0.5
        assert report.trades_per_day > 0


def test_a_fold_finds_nothing_in_noise() -> None:
    found = [report for seed in (4, 5, 6) for report in reports(strength=0.0, seed=seed)]
    assert all(report.figures.skill < 0.005 for report in found)
    coefficients = [report.figures.ic.mean for report in found if report.figures.ic]
    # One fold's coefficient has a standard deviation of 0.02: 490 minutes of 6 instruments.
    assert len(coefficients) == 6
    assert abs(np.mean(coefficients)) < 3 * 0.02 / np.sqrt(6)


def test_a_fold_says_what_it_was_tested_on() -> None:
    first, second = reports(strength=0.5)
    assert (first.first_minute, first.last_minute) == (10**7 + 510, 10**7 + 999)
    assert (second.first_minute, second.last_minute) == (10**7 + 1_010, 10**7 + 1_499)
    assert first.test_rows == second.test_rows == 490 * N_INSTRUMENTS
    assert first.train_rows < second.train_rows


def test_trades_vanish_where_they_cost_more_than_they_earn() -> None:
    dear = SETTINGS.model_copy(update={"costs": SETTINGS.costs.model_copy(update={"taker_fee_bps": 500.0})})
    assert all(report.trades_per_day == 0 for report in reports(1.0, dear))
    elsewhere, here = (
        SETTINGS.model_copy(update={"costs": SETTINGS.costs.model_copy(update={"venues": {venue: VENUE}})})
        for venue in ("kraken", "binance")
    )
    assert all(report.trades_per_day > 0 for report in reports(1.0, elsewhere))
    assert all(report.trades_per_day == 0 for report in reports(1.0, here))
    long_only = SETTINGS.model_copy(
        update={"policy": SETTINGS.policy.model_copy(update={"side": "long_only"})}
    )
    both, one = reports(1.0), reports(1.0, long_only)
    assert all(0 < a.trades_per_day < b.trades_per_day for a, b in zip(one, both, strict=True))


def test_a_fold_that_lacks_a_class_is_left_out() -> None:
    whole = rows(0.5)
    flat = replace(whole, label=np.ones(len(whole), dtype=np.int8))
    fold = next(walk_forward(1_500, SETTINGS.training, SETTINGS.labels))
    minutes = np.arange(1_500)
    assert run_fold(fold, flat, ("a", "b", "c"), minutes, INSTRUMENTS, SETTINGS, lambda _d, _o: None) is None


SIGNALS = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 25), st.booleans(), st.booleans()), min_size=1, max_size=40
)


@settings(max_examples=100)
@given(SIGNALS, st.integers(1, 5))
def test_entries_are_counted_as_positions_would_be_opened(
    cells: list[tuple[int, int, bool, bool]], horizon: int
) -> None:
    distinct = sorted({(at, who): (side, is_signal) for who, at, side, is_signal in cells}.items())
    decided = np.array([at for (at, _), _ in distinct], dtype=np.int64)
    instrument = np.array([who for (_, who), _ in distinct], dtype=np.int64)
    long = np.array([side for _, (side, _) in distinct], dtype=np.bool_)
    signal = np.array([is_signal for _, (_, is_signal) in distinct], dtype=np.bool_)
    held: dict[int, tuple[bool, int]] = {}
    entries = 0
    for (at, who), (side, is_signal) in distinct:
        if not is_signal:
            continue
        if who not in held or at - held[who][1] > horizon or held[who][0] != side:
            entries += 1
        held[who] = (side, at)
    assert count_entries(decided, instrument, long, signal, horizon) == entries


def test_means_over_folds_leave_out_what_is_unknown() -> None:
    two = reports(0.5)
    assert mean_over_folds(two, lambda report: float(report.number)) == 1.5
    assert mean_over_folds(two, lambda report: 4.0 if report.number == 2 else None) == 4.0
    assert np.isnan(mean_over_folds([], lambda _report: 1.0))


@pytest.mark.parametrize("folds", [0, 1])
def test_as_many_folds_as_asked_for(folds: int) -> None:
    assert len(list(walk_forward(1_500, TrainingSettings(folds=folds), LabelSettings()))) == folds
