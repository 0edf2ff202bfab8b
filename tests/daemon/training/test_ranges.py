"""Ranges and folds never let a model know what it is judged on."""

from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from daemon.errors import TrainingError
from daemon.settings import LabelSettings, TrainingSettings
from daemon.training.ranges import Ranges, walk_forward

TRAINING = st.builds(
    TrainingSettings,
    calibration_share=st.floats(0.05, 0.85),
    embargo_minutes=st.integers(0, 300),
    folds=st.integers(0, 8),
)
LABELS = st.builds(LabelSettings, horizon_minutes=st.integers(1, 240), late_minutes=st.integers(0, 60))


def split(n_minutes: int, training: TrainingSettings, labels: LabelSettings) -> Ranges:
    try:
        return Ranges.split(n_minutes, training, labels)
    except TrainingError:
        assume(condition=False)
        raise


@given(st.integers(100, 20_000), TRAINING, LABELS)
def test_calibration_begins_a_horizon_and_an_embargo_behind_the_trees(
    n_minutes: int, training: TrainingSettings, labels: LabelSettings
) -> None:
    ranges = split(n_minutes, training, labels)
    assert 0 < ranges.boundary < ranges.calibration < ranges.end == n_minutes
    assert ranges.calibration - ranges.boundary == labels.horizon_minutes + training.embargo_minutes
    # A decision at the calibration's start has its label before the end.
    assert ranges.calibration + labels.horizon_minutes + labels.late_minutes + 1 < ranges.end


@given(st.integers(100, 20_000), TRAINING, LABELS)
def test_folds_test_what_follows_an_embargo_behind_all_that_they_know(
    n_minutes: int, training: TrainingSettings, labels: LabelSettings
) -> None:
    ranges = split(n_minutes, training, labels)
    folds = list(walk_forward(ranges.boundary, training, labels))
    assert len(folds) <= training.folds
    for fold in folds:
        assert fold.test == fold.ranges.end + training.embargo_minutes < fold.test_end <= ranges.boundary
    for before, after in pairwise(folds):
        assert before.number < after.number
        assert before.test_end <= after.ranges.end


def test_a_long_range_gives_every_fold_asked_for() -> None:
    training, labels = TrainingSettings(folds=3), LabelSettings()
    folds = list(walk_forward(20_000, training, labels))
    assert [(fold.ranges.end, fold.test, fold.test_end) for fold in folds] == [
        (5_000, 5_060, 10_000),
        (10_000, 10_060, 15_000),
        (15_000, 15_060, 20_000),
    ]


def test_a_range_too_short_is_refused_with_its_numbers() -> None:
    with pytest.raises(TrainingError, match=r"200 session minutes are too few.*150 of them would train"):
        Ranges.split(200, TrainingSettings(), LabelSettings())
