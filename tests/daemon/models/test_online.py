"""The River learner: any chunking and any restart gives the same bits, and its allow-list forgets nothing."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import BrokenBoundError
from daemon.models.online import OnlineLearner
from daemon.settings import OnlineSettings
from tests.daemon.labels.markets import cuts
from tests.daemon.models.samples import FEATURES, batch_of, part_of, random_batch, rows_with_moves


def learner(l2: float = 0.0) -> OnlineLearner:
    return OnlineLearner(FEATURES, OnlineSettings(learning_rate=0.02, l2=l2))


@given(st.data(), st.integers(0, 1000))
def test_any_chunking_and_any_restart_gives_the_same_bits(data: st.DataObject, seed: int) -> None:
    batch = random_batch(seed, 30)
    whole, cut = learner(), learner()
    expected = whole.run(batch)
    parts = []
    for first, last in pairwise(data.draw(cuts(30))):
        parts.append(cut.run(part_of(batch, first, last)))
        cut = cut.restored(cut.to_fields())
    np.testing.assert_array_equal(np.concatenate(parts), expected)
    assert cut.to_fields() == whole.to_fields()


@pytest.mark.parametrize("l2", [0.0, 0.01])
def test_a_restored_learner_goes_on_with_the_same_bits_for_thousands_of_steps(l2: float) -> None:
    straight = learner(l2)
    straight.run(random_batch(1, 400))
    restored = learner(l2).restored(straight.to_fields())
    np.testing.assert_array_equal(straight.run(random_batch(2, 2000)), restored.run(random_batch(2, 2000)))
    assert straight.to_fields() == restored.to_fields()


def pipeline_of(one: OnlineLearner) -> Any:
    """The learner's own steps as one River pipeline."""
    return one._scaler | one._classifier


def attributes_of(thing: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Walk every attribute of a River object down to numbers and text."""
    if isinstance(thing, dict):
        for key, value in thing.items():
            yield from attributes_of(value, f"{path}[{key!r}]")
    elif hasattr(thing, "to_dict"):
        yield from attributes_of(thing.to_dict(), path)
    elif hasattr(thing, "__dict__"):
        for name, value in vars(thing).items():
            yield from attributes_of(value, f"{path}.{name}")
    else:
        yield path, thing


def test_the_allow_list_covers_every_attribute_that_learning_changes() -> None:
    taught = learner(l2=0.01)
    before = dict(attributes_of(pipeline_of(taught)))
    taught.run(random_batch(1, 300))
    after = dict(attributes_of(pipeline_of(taught)))
    changed = {path for path in after if path not in before or before[path] != after[path]}
    kinds = {"counts", "means", "vars", "_weights", "intercept", "n_iterations"}
    assert {kind for kind in kinds if any(kind in path for path in changed)} == kinds
    restored = dict(attributes_of(pipeline_of(learner(l2=0.01).restored(taught.to_fields()))))
    assert {path for path in after if restored.get(path) != after[path]} == set()
    assert {path for path in changed if not any(kind in path for kind in kinds)} == set()


def test_a_restored_learner_visits_its_weights_in_the_same_order() -> None:
    taught = learner()
    taught.run(random_batch(1, 50))
    orders = [
        [list(model.weights) for model in pipeline_of(one)["OneVsRestClassifier"].classifiers.values()]
        for one in (taught, learner().restored(taught.to_fields()))
    ]
    assert orders[0] == orders[1] == [list(FEATURES)] * 3


def test_it_is_the_bare_river_pipeline_taught_before_it_predicts() -> None:
    values, moves = rows_with_moves(3, 300)
    minute = np.arange(300)
    said = learner().run(batch_of(300, (minute, values), (minute, values, moves)))
    bare = pipeline_of(learner())
    for row, move, logp in zip(values.tolist(), moves.tolist(), said, strict=True):
        x = dict(zip(FEATURES, row, strict=True))
        bare.learn_one(x, move)
        expected = [bare.predict_proba_one(x)[label] for label in (0, 1, 2)]
        np.testing.assert_allclose(np.exp(logp), expected, rtol=1e-12)


@given(st.integers(0, 10_000), st.floats(1e-3, 1e3), st.sampled_from([0.0, 0.01]))
def test_it_predicts_a_minute_at_once_with_the_bits_of_river_row_by_row(
    seed: int, scale: float, l2: float
) -> None:
    one = learner(l2)
    values, moves = rows_with_moves(seed, 60)
    values[:, 1] = 3.0  # a feature without variance
    for taught in range(0, 60, 20):
        rows = slice(taught, taught + 20)
        none: Any = (np.zeros(0), values[:0])
        one.run(batch_of(1, none, (np.zeros(20), values[rows], moves[rows])))
        asked = values * scale
        river = pipeline_of(one)
        expected = [
            list(river.predict_proba_one(dict(zip(FEATURES, row, strict=True))).values())
            for row in asked.tolist()
        ]
        assert one._predict(asked).tolist() == expected


def test_it_predicts_before_it_is_taught_the_label_of_a_later_minute() -> None:
    values, _ = rows_with_moves(3, 2)
    said = learner().run(batch_of(2, ([0, 1], values), ([1], values[:1], [2])))
    np.testing.assert_allclose(np.exp(said[0]), 1 / 3)
    assert said[1, 2] > said[1, 0]


def test_it_learns_what_can_be_learned() -> None:
    values, moves = rows_with_moves(5, 4000)
    one = learner()
    none: Any = (np.zeros(0), np.zeros((0, len(FEATURES))))
    one.run(batch_of(4000, none, (np.arange(4000), values, moves)))
    fresh, truth = rows_with_moves(6, 2000)
    said = one.run(batch_of(1, (np.zeros(2000), fresh), (*none, np.zeros(0))))
    frequency = np.bincount(truth, minlength=3) / len(truth)
    base = -np.sum(frequency * np.log(frequency))
    assert -said[np.arange(2000), truth].mean() < base - 0.1


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_a_number_that_is_not_finite_never_reaches_river(poison: float) -> None:
    values, moves = rows_with_moves(3, 4)
    values[2, 1] = poison
    for batch in (
        batch_of(4, (np.arange(4), values), ([], values[:0], [])),
        batch_of(4, ([], values[:0]), (np.arange(4), values, moves)),
    ):
        with pytest.raises(BrokenBoundError, match="not finite"):
            learner().run(batch)


def test_state_of_other_features_is_refused() -> None:
    other = OnlineLearner(FEATURES[::-1], OnlineSettings())
    with pytest.raises(BrokenBoundError, match="other features"):
        other.restored(learner().to_fields())


def test_a_learner_that_learned_nothing_is_restored_as_such() -> None:
    fields = learner().to_fields()
    assert learner().restored(fields).to_fields() == fields
