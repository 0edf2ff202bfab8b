"""Calibration: against scikit-learn where data is plenty, and well behaved where it is not."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from daemon.errors import TrainingError
from daemon.kernels import FloatArray
from daemon.models.calibration import Calibrator, fit_calibrator
from daemon.models.simplex import direction_logits, log_loss, log_softmax

Moves = npt.NDArray[np.int8]


def drawn(seed: int, n_rows: int, spread: float = 1.0) -> tuple[FloatArray, Moves]:
    """Return log-probabilities that are right on average, and what came."""
    rng = np.random.default_rng(seed)
    logp = log_softmax(rng.normal([0.0, 0.5, 0.0], spread, (n_rows, 3)))
    return logp, outcomes(rng, logp)


def outcomes(rng: np.random.Generator, logp: FloatArray) -> Moves:
    above = np.cumsum(np.exp(logp), axis=1) < rng.random((len(logp), 1))
    moves: Moves = above[:, :2].sum(axis=1).astype(np.int8)
    return moves


def test_with_much_data_it_is_the_multinomial_regression_that_scikit_learn_fits() -> None:
    true, labels = drawn(1, 20_000)
    # Wrong in a way that only a full matrix mends.
    said = log_softmax(
        true @ np.array([[1.6, 0.3, 0.0], [0.0, 0.7, -0.2], [0.2, 0.0, 1.2]]).T + [0.5, -0.2, 0.0]
    )
    weights = np.random.default_rng(2).uniform(0.5, 2.0, len(labels))
    ours = fit_calibrator(said, labels, weights, ridge=1e-6).apply(said)
    theirs = LogisticRegression(C=1e8, tol=1e-10, max_iter=5000).fit(said, labels, sample_weight=weights)
    np.testing.assert_allclose(np.exp(ours), theirs.predict_proba(said), rtol=0, atol=2e-4)


def test_it_undoes_class_weights() -> None:
    true, labels = drawn(3, 30_000)
    weighted = log_softmax(true + np.log([3.0, 0.5, 2.0]))
    mended = fit_calibrator(weighted, labels, np.ones(len(labels))).apply(weighted)
    np.testing.assert_allclose(np.exp(mended).mean(axis=0), np.bincount(labels) / len(labels), atol=1e-3)
    assert np.abs(np.exp(mended) - np.exp(true)).mean() < 0.01
    assert np.abs(np.exp(weighted) - np.exp(true)).mean() > 0.1


def test_it_tempers_an_over_confident_expert_and_recovers_its_temperature() -> None:
    true, labels = drawn(4, 30_000, spread=0.4)
    calibrator = fit_calibrator(log_softmax(4.0 * true), labels, np.ones(len(labels)))
    assert np.diag(np.array(calibrator.matrix)).mean() - np.array(calibrator.matrix)[
        ~np.eye(3, dtype=bool)
    ].mean() == (pytest.approx(0.25, abs=0.02))


def test_an_expert_that_says_noise_becomes_the_base_rate() -> None:
    noise, _ = drawn(5, 20_000)
    _, labels = drawn(6, 20_000)
    calibrated = fit_calibrator(noise, labels, np.ones(len(labels)), overlap=60.0).apply(noise)
    assert np.abs(np.exp(calibrated) - np.bincount(labels) / len(labels)).mean() < 0.005


def test_an_expert_that_is_always_wrong_is_ignored_rather_than_inverted() -> None:
    true, labels = drawn(7, 20_000)
    calibrator = fit_calibrator(log_softmax(-2.0 * true), labels, np.ones(len(labels)), ridge=1e9)
    np.testing.assert_allclose(np.array(calibrator.matrix), 0.0, atol=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_on_little_overlapping_data_it_loses_little_against_the_truth(seed: int) -> None:
    true, labels = drawn(seed, 120)
    # Every observation comes 30 times, as labels over 30 minutes nearly do.
    fitted = fit_calibrator(np.repeat(true, 30, axis=0), np.repeat(labels, 30), np.ones(3600), overlap=30.0)
    fresh, came = drawn(100 + seed, 20_000)
    excess = log_loss(fitted.apply(fresh), came).mean() - log_loss(fresh, came).mean()
    free = fit_calibrator(np.repeat(true, 30, axis=0), np.repeat(labels, 30), np.ones(3600), ridge=1e-6)
    assert excess < 0.05
    assert excess < log_loss(free.apply(fresh), came).mean() - log_loss(fresh, came).mean() + 0.005


def test_it_finds_how_far_a_bare_direction_can_be_trusted() -> None:
    # A regressor knows only a direction; flat is likely where its score is small.
    rng = np.random.default_rng(8)
    score = rng.normal(size=20_000)
    true = log_softmax(np.stack([-0.6 * score - 0.2, np.full(20_000, 0.3), 0.6 * score], axis=1))
    labels = outcomes(rng, true)
    said = log_softmax(direction_logits(score))
    calibrated = fit_calibrator(said, labels, np.ones(len(labels)), overlap=1.0).apply(said)
    assert np.abs(np.exp(calibrated) - np.exp(true)).mean() < 0.02


@given(st.integers(0, 1000), st.integers(1, 50))
def test_a_row_has_the_same_bits_alone_and_among_others(seed: int, n_rows: int) -> None:
    logp, _ = drawn(seed, n_rows, spread=3.0)
    rng = np.random.default_rng(seed)
    calibrator = Calibrator.from_fields(
        {"matrix": rng.normal(size=(3, 3)).tolist(), "bias": rng.normal(size=3).tolist()}
    )
    whole = calibrator.apply(logp)
    np.testing.assert_array_equal(
        whole, np.concatenate([calibrator.apply(logp[r : r + 1]) for r in range(n_rows)])
    )
    np.testing.assert_array_equal(whole, calibrator.apply(np.stack([logp, logp]))[0])
    assert Calibrator.from_fields(calibrator.to_fields()) == calibrator


def test_the_default_changes_nothing_but_rounding() -> None:
    logp, _ = drawn(1, 100)
    np.testing.assert_allclose(Calibrator().apply(logp), logp, rtol=0, atol=1e-12)


def test_a_class_that_never_came_is_named() -> None:
    logp, labels = drawn(1, 50)
    with pytest.raises(TrainingError, match="no label down or up among 50 rows"):
        fit_calibrator(logp, np.ones_like(labels), np.ones(50))
