"""Log-probabilities: normalised, floored, and with bits that depend on nothing but the row."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import log_softmax as scipy_log_softmax

from daemon.kernels import FloatArray
from daemon.models.simplex import LOG_FLOOR, direction_logits, log_loss, log_softmax, normalised

LOGITS = arrays(np.float64, st.tuples(st.integers(1, 40), st.just(3)), elements=st.floats(-1e6, 1e6))


@given(LOGITS)
def test_a_row_has_the_same_bits_alone_and_among_others(logits: FloatArray) -> None:
    whole = log_softmax(logits)
    np.testing.assert_array_equal(
        whole, np.concatenate([log_softmax(logits[r : r + 1]) for r in range(len(logits))])
    )
    np.testing.assert_array_equal(whole, log_softmax(np.stack([logits, logits]))[1])


@given(LOGITS)
def test_probabilities_sum_to_one_and_none_is_below_the_floor(logits: FloatArray) -> None:
    logp = log_softmax(logits)
    np.testing.assert_allclose(np.exp(logp).sum(axis=1), 1.0, rtol=0, atol=1e-12)
    assert logp.min() >= LOG_FLOOR - 1e-5
    assert logp.max() <= 0.0


@given(arrays(np.float64, st.tuples(st.integers(1, 40), st.just(3)), elements=st.floats(-5, 5)))
def test_where_the_floor_is_far_it_is_the_softmax_that_scipy_gives(logits: FloatArray) -> None:
    np.testing.assert_allclose(log_softmax(logits), scipy_log_softmax(logits, axis=1), rtol=0, atol=1e-12)


def test_a_row_that_says_nothing_stays_nan() -> None:
    said = log_softmax(np.array([[np.nan, np.nan, np.nan], [1.0, 2.0, 3.0]]))
    assert np.isnan(said[0]).all()
    assert np.isfinite(said[1]).all()


def test_normalising_twice_changes_nothing_that_matters() -> None:
    once = normalised(np.array([[-50.0, -0.1, -2.0]]))
    np.testing.assert_allclose(np.exp(normalised(once)), np.exp(once), rtol=0, atol=1e-6)


def test_a_score_is_the_log_odds_of_up_against_down_and_flat_is_likeliest_at_zero() -> None:
    logp = log_softmax(direction_logits(np.array([-3.0, 0.0, 3.0])))
    np.testing.assert_allclose(logp[:, 2] - logp[:, 0], [-3.0, 0.0, 3.0], atol=1e-12)
    assert logp[1, 1] > logp[0, 1] == logp[2, 1]


def test_log_loss_takes_the_class_that_came() -> None:
    logp = np.log(np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]]))
    label = np.array([2, 0], dtype=np.int8)
    np.testing.assert_allclose(log_loss(logp, label), -np.log([0.5, 0.6]))
    np.testing.assert_allclose(log_loss(np.stack([logp, logp]), label)[1], -np.log([0.5, 0.6]))
