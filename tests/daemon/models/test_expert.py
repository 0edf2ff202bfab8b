"""Experts from outside: checked when they are made, and scored so that chunks do not matter."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import BrokenBoundError, BundleError
from daemon.kernels import FloatArray
from daemon.models.base_rate import BaseRate
from daemon.models.expert import Expert, Learner, make_expert, score_rows
from daemon.models.online import OnlineLearner
from daemon.models.simplex import LOG_FLOOR
from daemon.models.trees import BoostedTrees
from daemon.settings import OnlineSettings
from tests.daemon.models.samples import FEATURES, text_model


class Network:
    """An expert that, like BLAS, gives a row other bits in another company."""

    row_stable = False

    def __init__(self, name: str = "network") -> None:
        self.name = name
        self.heights: set[int] = set()

    def score(self, values: FloatArray) -> FloatArray:
        self.heights.add(len(values))
        share = np.array([0.2, 0.3, 0.5]) + 1e-3 * len(values) * np.array([1.0, -0.5, -0.5])
        return np.log(share) + 0.01 * values[:, :1]


class Fixed:
    row_stable = True

    def __init__(self, answer: Any, name: str = "fixed") -> None:
        self.name, self.answer = name, answer

    def score(self, values: FloatArray) -> FloatArray:
        answer: FloatArray = self.answer
        return answer


@given(st.integers(0, 1000), st.integers(0, 30))
def test_an_expert_that_is_not_row_stable_is_scored_minute_by_minute_at_one_padded_height(
    seed: int, cut: int
) -> None:
    rng = np.random.default_rng(seed)
    row_minute, _ = np.nonzero(rng.random((30, 4)) < 0.6)
    values, network = rng.normal(size=(len(row_minute), 3)), Network()
    whole = score_rows(network, values, row_minute, 4)
    early = row_minute < cut
    parts = [score_rows(network, values[rows], row_minute[rows], 4) for rows in (early, ~early)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert network.heights <= {4}


def test_what_an_expert_says_is_floored_and_normalised() -> None:
    said = score_rows(
        Fixed(np.array([[-np.inf, -5.0, -5.0]])), np.zeros((1, 3)), np.zeros(1, dtype=np.int64), 1
    )
    np.testing.assert_allclose(np.exp(said).sum(), 1.0)
    assert said[0, 0] > LOG_FLOOR - 1e-5


@pytest.mark.parametrize("answer", [np.zeros((2, 3)), np.zeros((1, 2)), np.array([[np.nan, 0.0, 0.0]])])
def test_an_answer_that_is_none_is_refused_by_the_experts_name(answer: FloatArray) -> None:
    with pytest.raises(BrokenBoundError, match="expert 'fixed' gave"):
        score_rows(Fixed(answer), np.zeros((1, 3)), np.zeros(1, dtype=np.int64), 1)


def test_our_own_experts_keep_the_protocols() -> None:
    assert isinstance(BoostedTrees(text_model(), FEATURES), Expert)
    for learner in (BaseRate(), OnlineLearner(FEATURES, OnlineSettings())):
        assert isinstance(learner, Learner)


def test_a_factory_makes_experts_of_both_kinds() -> None:
    assert make_expert(lambda name, features: Network(name), "network", FEATURES).name == "network"
    online = make_expert(
        lambda name, features: OnlineLearner(features[:2], OnlineSettings(), name), "mine", FEATURES
    )
    assert isinstance(online, Learner)
    assert online.features == FEATURES[:2]


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (lambda name, features: object(), "its entry point made a object"),
        (lambda name, features: Network("other"), "calls itself 'other'"),
        (
            lambda name, features: OnlineLearner(("rsi", "moon"), OnlineSettings(), name),
            "wants features that the model does not have: moon, rsi",
        ),
    ],
)
def test_a_factory_that_makes_something_else_is_refused(factory: Any, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        make_expert(factory, "mine", FEATURES)
