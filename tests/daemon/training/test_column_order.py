"""A model whose columns are put in another order predicts the same."""

from functools import cache

import lightgbm
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import BundleError, SchemaMismatchError
from daemon.training.column_order import with_column_order

NAMES = tuple(f"f{number}" for number in range(12))


@cache
def model(objective: str = "multiclass", *, linear: bool = False) -> bytes:
    generator = np.random.default_rng(5)
    values = generator.normal(size=(800, len(NAMES)))
    score = values[:, 0] - values[:, 11] + 0.5 * values[:, 3] * values[:, 7]
    target = score if objective == "regression" else np.digitize(score, [-0.7, 0.7])
    parameters = {
        "objective": objective,
        "verbosity": -1,
        "num_leaves": 8,
        "num_threads": 1,
        "linear_tree": linear,
        **({"num_class": 3} if objective == "multiclass" else {"monotone_constraints": [1, *[0] * 10, -1]}),
    }
    data = lightgbm.Dataset(values, label=target, feature_name=list(NAMES))
    text: str = lightgbm.train(parameters, data, 15).model_to_string()
    return text.encode()


@pytest.mark.parametrize("objective", ["multiclass", "regression"])
@given(order=st.permutations(range(len(NAMES))))
def test_predictions_follow_the_columns(objective: str, order: list[int]) -> None:
    values = np.random.default_rng(6).normal(size=(50, len(NAMES)))
    text = with_column_order(model(objective), [NAMES[column] for column in order])
    moved = lightgbm.Booster(model_str=text.decode())
    before = lightgbm.Booster(model_str=model(objective).decode()).predict(values, num_threads=1)
    after = moved.predict(np.ascontiguousarray(values[:, order]), num_threads=1)
    assert np.array_equal(np.asarray(before), np.asarray(after))
    assert moved.feature_name() == [NAMES[column] for column in order]


def test_there_and_back_again_is_the_same_text() -> None:
    there = with_column_order(model(), NAMES[::-1])
    assert there != model()
    assert with_column_order(there, NAMES) == model()
    assert with_column_order(model(), NAMES) == model()


def test_other_names_are_refused() -> None:
    with pytest.raises(SchemaMismatchError, match="f11"):
        with_column_order(model(), [*NAMES[:-1], "other"])


def test_linear_leaves_are_refused() -> None:
    with pytest.raises(BundleError, match="linear leaves"):
        with_column_order(model("regression", linear=True), NAMES[::-1])
