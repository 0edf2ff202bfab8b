"""Brier, calibration error, MCC and expected accuracy agree with scikit-learn and with a plain sort."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, brier_score_loss, matthews_corrcoef

from daemon.vitals.calibration import GROUPS, Calibration
from daemon.vitals.forms import forms_of

NAMES = ("trees", "online", "blend")
Make = Callable[..., Any]


def played(run: Any, cuts: list[int] | None = None, *, restart: bool = False) -> Calibration:
    calibration = Calibration(forms_of(NAMES, ()), 1440)
    for first, end in pairwise([0, *sorted(cuts or []), run.n_minutes]):
        ordinal, _, matured, said, known = run.cut(first, end)
        calibration.update(ordinal, matured, said, known)
        calibration.hear(ordinal + matured.at, np.ascontiguousarray(said.transpose(1, 0, 2)))
        if restart:
            calibration = Calibration(forms_of(NAMES, ()), 1440).restored(calibration.to_fields())
    return calibration


def equal_mass_error(p: np.ndarray, hit: np.ndarray) -> float:
    """The calibration error by its definition: sort, cut in ten, compare means."""
    order = np.argsort(p, kind="stable")
    gaps = [abs(p[part].mean() - hit[part].mean()) * len(part) for part in np.array_split(order, GROUPS)]
    return float(sum(gaps) / len(p))


@pytest.mark.parametrize("series", [0, 1, 2])
def test_figures_agree_with_independent_ones(judged: Make, series: int) -> None:
    run = judged(4, n_minutes=2_000, catch_up=300)
    figures = Calibration(forms_of(NAMES, ()), 14_400)
    figures.update(0, run.matured, run.said, run.known)
    found = figures.figures()[series]
    heard = run.known & ~run.matured.catch_up & ~np.isnan(run.said[:, series, 0])
    p, label = np.exp(run.said[heard, series]), run.matured.label[heard]
    guess = p.argmax(axis=1)
    assert found.rows == len(label)
    assert found.accuracy == pytest.approx(accuracy_score(label, guess))
    assert found.mcc == pytest.approx(matthews_corrcoef(label, guess))
    brier = brier_score_loss(label, p, labels=[0, 1, 2], scale_by_half=False)
    assert found.brier == pytest.approx(brier, abs=1e-8)
    by_class = [equal_mass_error(p[:, move], label == move) for move in range(3)]
    # Groups are made of whole fine bins: nearly, but not exactly, a tenth each.
    assert found.ece == pytest.approx(np.mean(by_class), abs=0.005)
    curves = [
        calibration_curve(label == move, p[:, move], n_bins=GROUPS, strategy="quantile") for move in range(3)
    ]
    apart = np.mean([np.abs(came - said).mean() for came, said in curves])
    assert found.ece == pytest.approx(apart, abs=0.005)
    assert math.isnan(found.estimated)


def test_probabilities_that_are_true_have_no_error_and_expect_their_accuracy() -> None:
    generator = np.random.default_rng(1)
    p = generator.dirichlet([4.0, 6.0, 4.0], 40_000)
    label = (generator.random(40_000)[:, None] > np.cumsum(p, axis=1)).sum(axis=1)
    true, sure = _judged(p, label), _judged(p**3 / (p**3).sum(axis=1, keepdims=True), label)
    assert true.ece < 0.01
    assert true.estimated == pytest.approx(true.accuracy, abs=0.01)
    # Overconfident: the same order, so the same accuracy, but more is promised than kept.
    assert sure.accuracy == true.accuracy
    assert sure.estimated > sure.accuracy + 0.1
    assert sure.ece > 0.05
    assert sure.brier > true.brier


def _judged(p: np.ndarray, label: np.ndarray) -> Any:
    calibration = Calibration(forms_of(("one",), ()), 14_400)
    logp = np.log(p)[:, None]
    calibration.hear(np.zeros(len(p), dtype=np.int64), np.ascontiguousarray(logp.transpose(1, 0, 2)))
    matured = type("M", (), {"at": np.zeros(len(p), dtype=np.int64), "label": label})()
    matured.catch_up = np.zeros(len(p), dtype=np.bool_)
    calibration.update(0, matured, logp, np.ones(len(p), dtype=np.bool_))
    return calibration.figures()[0]


def test_of_nothing_nothing_is_said_and_one_class_alone_correlates_with_nothing() -> None:
    empty = Calibration(forms_of(("one",), ()), 1440).figures()[0]
    assert empty.rows == 0
    assert all(math.isnan(v) for v in (empty.brier, empty.ece, empty.mcc, empty.accuracy, empty.estimated))
    p = np.tile([0.2, 0.5, 0.3], (50, 1))
    assert _judged(p, np.ones(50, dtype=np.int64)).mcc == 0.0


@given(st.integers(0, 20), st.lists(st.integers(0, 200), max_size=9), st.booleans())
def test_any_chunking_and_restart_gives_the_same_bits(
    judged: Make, seed: int, cuts: list[int], restart: bool
) -> None:
    run = judged(seed, catch_up=40)
    one, other = (c.to_fields() for c in (played(run), played(run, cuts, restart=restart)))
    assert all(np.array_equal(one[name], other[name]) for name in ("day", "sums"))  # type: ignore[arg-type]


def test_days_beyond_the_window_are_forgotten(judged: Make) -> None:
    run = judged(1)
    ordinal, _, matured, said, known = run.cut(0, run.n_minutes)
    calibration = Calibration(forms_of(NAMES, ()), 2 * 1440)
    calibration.update(ordinal, matured, said, known)
    rows = calibration.figures()[0].rows
    calibration.update(1440, matured, said, known)
    assert calibration.figures()[0].rows == 2 * rows
    calibration.update(2 * 1440, matured, said, known)
    assert calibration.figures()[0].rows == 2 * rows
