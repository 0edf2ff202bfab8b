"""Trees from rows: class weights, and the same bytes for the same rows."""

import numpy as np
import pytest

from daemon.errors import TrainingError
from daemon.models.trees import BoostedTrees
from daemon.settings import TreesSettings
from daemon.training.boosting import class_weights, fit_trees
from daemon.training.dataset import LabelledRows

NAMES = ("first", "second", "third")
SMALL = {"rounds": 10, "leaves": 5, "min_leaf_rows": 20}


def rows(n_rows: int = 2_000, seed: int = 1) -> LabelledRows:
    """The first feature says which class comes, most of the time; flat is frequent."""
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(n_rows, len(NAMES))).astype(np.float32)
    drive = values[:, 0] + generator.normal(size=n_rows)
    return LabelledRows(
        decided=np.arange(n_rows),
        ended=np.arange(n_rows) + 5,
        instrument=np.zeros(n_rows, dtype=np.int64),
        values=values,
        sigma=np.ones(n_rows),
        turnover=np.ones(n_rows),
        label=np.digitize(drive, [-1.5, 1.5]).astype(np.int8),
        ret=drive,
        weight=np.ones(n_rows),
    )


def grown(threads: int = 1, seed: int = 1, **settings: object) -> bytes:
    trees = TreesSettings.model_validate({**SMALL, "threads": threads, **settings})
    return fit_trees(rows(), NAMES, trees, seed, lambda _done, _of: None)


def test_the_same_rows_and_seed_give_the_same_bytes_and_another_seed_others() -> None:
    assert grown() == grown()
    assert grown(seed=2) != grown()


def test_the_number_of_threads_changes_no_tree() -> None:
    one, two = (text.split(b"\nparameters:")[0] for text in (grown(1), grown(2)))
    assert one == two


def test_trees_learn_the_feature_that_matters() -> None:
    trees = BoostedTrees(grown(), NAMES)
    gains = trees.importance()
    assert gains["first"] > 10 * max(gains["second"], gains["third"])
    scored = trees.score(np.array([[-2.0, 0.0, 0.0], [2.0, 0.0, 0.0]]))
    assert scored[0, 0] > scored[0, 2]
    assert scored[1, 2] > scored[1, 0]


def test_progress_is_told_round_by_round() -> None:
    told: list[tuple[int, int]] = []
    trees = TreesSettings.model_validate({**SMALL, "threads": 1})
    fit_trees(rows(), NAMES, trees, 1, lambda done, of: told.append((done, of)))
    assert told == [(done, 10) for done in range(1, 11)]


def test_balanced_classes_weigh_the_same_in_sum() -> None:
    label = np.array([0, 0, 1, 1, 1, 1, 2], dtype=np.int8)
    weight = np.array([1.0, 0.5, 1.0, 1.0, 1.0, 1.0, 0.25])
    per_class = class_weights(label, weight, "balanced")
    totals = [float((weight * per_class[label])[label == move].sum()) for move in range(3)]
    assert totals == pytest.approx([weight.sum() / 3] * 3)
    assert class_weights(label, weight, "none").tolist() == [1.0, 1.0, 1.0]


def test_class_weights_lift_a_rare_class() -> None:
    at_rest = np.zeros((1, 3))
    balanced, plain = (
        BoostedTrees(grown(class_weights=kind), NAMES).score(at_rest)[0] for kind in ("balanced", "none")
    )
    assert balanced[1] < plain[1]


def test_a_class_without_a_row_is_refused_by_name() -> None:
    label = np.array([0, 0, 1], dtype=np.int8)
    with pytest.raises(TrainingError, match="no label up among 3 training rows"):
        class_weights(label, np.ones(3), "none")
