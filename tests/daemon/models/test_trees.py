"""LightGBM text models as experts: stable bits, known forms, and refusals that say what is wrong."""

from typing import Any

import lightgbm
import numpy as np
import pytest

from daemon.errors import BundleError, SchemaMismatchError
from daemon.models.expert import score_rows
from daemon.models.tree_text import with_feature_names
from daemon.models.trees import BoostedTrees, output_scale
from tests.daemon.models.samples import FEATURES, rows_with_moves, text_model


def test_a_row_has_the_same_bits_alone_in_a_chunk_and_with_any_number_of_threads() -> None:
    model = text_model()
    trees, values = BoostedTrees(model, FEATURES), rows_with_moves(7, 700)[0]
    whole = trees.score(values)
    np.testing.assert_array_equal(
        whole, np.concatenate([trees.score(values[r : r + 1]) for r in range(len(values))])
    )
    np.testing.assert_array_equal(whole[::-1], trees.score(values[::-1]))
    booster = lightgbm.Booster(model_str=model.decode())
    raw = [booster.predict(values, raw_score=True, num_threads=threads) for threads in (1, 2, 4)]
    for other in raw:
        np.testing.assert_array_equal(other, trees.output(values))


def test_probabilities_are_those_that_lightgbm_gives() -> None:
    model = text_model()
    values = rows_with_moves(7, 300)[0]
    expected = np.asarray(lightgbm.Booster(model_str=model.decode()).predict(values))
    np.testing.assert_allclose(
        np.exp(BoostedTrees(model, FEATURES).score(values)), expected, rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("sigmoid", [1.0, 2.0])
def test_a_binary_model_keeps_its_odds_of_up_against_down(sigmoid: float) -> None:
    model = text_model(objective="binary", sigmoid=sigmoid)
    values = rows_with_moves(7, 300)[0]
    up = np.asarray(lightgbm.Booster(model_str=model.decode()).predict(values))
    logp = BoostedTrees(model, FEATURES).score(values)
    np.testing.assert_allclose(logp[:, 2] - logp[:, 0], np.log(up / (1 - up)), rtol=0, atol=1e-9)
    np.testing.assert_allclose(np.exp(logp).sum(axis=1), 1.0, rtol=0, atol=1e-12)


def test_a_regressor_is_read_as_odds_in_units_of_its_own_spread() -> None:
    model = text_model(objective="regression")
    values = rows_with_moves(7, 300)[0]
    raw = np.asarray(lightgbm.Booster(model_str=model.decode()).predict(values))
    assert output_scale(raw) == pytest.approx(1 / raw.std())
    assert output_scale(np.ones(5)) == 1.0
    logp = BoostedTrees(model, FEATURES, scale=output_scale(raw)).score(values)
    np.testing.assert_allclose(logp[:, 2] - logp[:, 0], raw / raw.std(), rtol=0, atol=1e-9)


def test_no_row_gives_no_score() -> None:
    none = np.zeros((0, len(FEATURES)))
    assert BoostedTrees(text_model(), FEATURES).score(none).shape == (0, 3)
    regressor = BoostedTrees(text_model(objective="regression"), FEATURES)
    assert score_rows(regressor, none, np.zeros(0, dtype=np.int64), 2).shape == (0, 3)


def test_importance_is_by_total_gain() -> None:
    importance = BoostedTrees(text_model(), FEATURES).importance()
    assert list(importance) == list(FEATURES)
    assert max(importance, key=lambda name: importance[name]) == "feature_0"


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (
            ("other", *FEATURES[1:]),
            "trained on feature_0, which .* does not have; the model does not know other",
        ),
        ((*FEATURES, "seventh"), "does not know seventh"),
        (FEATURES[:-1], "trained on feature_5"),
        (
            (FEATURES[1], FEATURES[0], *FEATURES[2:]),
            "another order: feature_0 where feature_1 is wanted, feature_1",
        ),
    ],
)
def test_a_model_of_other_features_is_refused_with_the_names_that_differ(
    wanted: tuple[str, ...], message: str
) -> None:
    with pytest.raises(SchemaMismatchError, match=message):
        BoostedTrees(text_model(), wanted)


def test_columns_of_a_model_from_a_bare_array_take_the_names_they_are_given() -> None:
    bare = text_model().replace(
        " ".join(FEATURES).encode(), b"Column_0 Column_1 Column_2 Column_3 Column_4 Column_5"
    )
    with pytest.raises(SchemaMismatchError, match="Column_0"):
        BoostedTrees(bare, FEATURES)
    named = with_feature_names(bare, FEATURES)
    values = rows_with_moves(7, 20)[0]
    np.testing.assert_array_equal(
        BoostedTrees(named, FEATURES).score(values), BoostedTrees(text_model(), FEATURES).score(values)
    )
    assert with_feature_names(text_model(), FEATURES) == text_model()
    with pytest.raises(SchemaMismatchError, match="6 columns without names, for which 7 names"):
        with_feature_names(bare, (*FEATURES, "seventh"))
    with pytest.raises(SchemaMismatchError, match="does not know seventh"):
        with_feature_names(text_model(), (*FEATURES, "seventh"))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"objective": "poisson"}, "'poisson' is not supported"),
        ({"objective": "multiclassova"}, "'multiclassova' is not supported"),
        ({"num_class": 4}, "4 outputs"),
    ],
)
def test_a_model_that_predicts_something_else_is_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(BundleError, match=message):
        BoostedTrees(text_model(**parameters), FEATURES)


def test_no_truncation_of_a_text_model_reaches_lightgbm_which_would_kill_the_process() -> None:
    model = text_model(rounds=3)
    end = model.index(b"end of parameters")
    for length in [*range(0, end, 97), end + 5]:
        with pytest.raises(BundleError, match="boosted trees"):
            BoostedTrees(model[:length], FEATURES)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"\nTree=1\n", b"\nTree=7\n"),
        (b"num_leaves=7", b"num_leaves=8"),
        (b"num_leaves=7", b"num_leaves=x"),
        (b"\nleft_child=", b"\nlift_child="),
        (b"end of trees", b"end of threes"),
    ],
)
def test_a_damaged_text_model_is_refused_before_it_is_read(before: bytes, after: bytes) -> None:
    with pytest.raises(BundleError, match="damaged"):
        BoostedTrees(text_model(rounds=3).replace(before, after, 1), FEATURES)


def test_what_only_lightgbm_can_refuse_is_told_in_our_words() -> None:
    model = text_model(rounds=2).replace(b"max_feature_idx=5", b"max_feature_idx=6")
    with pytest.raises(BundleError, match="LightGBM cannot read the boosted trees"):
        BoostedTrees(model, FEATURES)
