"""Which minutes teach what: the ranges of a training, and its walk-forward folds.

Everything is an index into the session minutes of the training range, S = 0.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

from daemon.errors import TrainingError
from daemon.settings import LabelSettings, TrainingSettings


@dataclass(frozen=True, slots=True)
class Ranges:
    """Half-open ranges of session minutes.

    Attributes:
        boundary: A: trees learn from decisions in [0, A) whose label ended before `calibration`.
        calibration: A + h + embargo: calibrators and edge are fitted on decisions in [calibration, end).
        end: B: the learners ran over [0, B); no bar at or behind it is looked at.
    """

    boundary: int
    calibration: int
    end: int

    @classmethod
    def split(cls, n_minutes: int, training: TrainingSettings, labels: LabelSettings) -> Self:
        """Divide `n_minutes` session minutes.

        Raises:
            TrainingError: They are too few to hold the three ranges.
        """
        gap = labels.horizon_minutes + training.embargo_minutes
        boundary = round(n_minutes * (1.0 - training.calibration_share))
        span = labels.horizon_minutes + labels.late_minutes + 1
        if boundary <= span or n_minutes - boundary - gap <= span:
            raise TrainingError(
                f"{n_minutes} session minutes are too few: with training.calibration_share "
                f"{training.calibration_share:g}, {boundary} of them would train and "
                f"{max(0, n_minutes - boundary - gap)} calibrate, after a gap of {gap} (horizon and "
                f"embargo). Give a longer range."
            )
        return cls(boundary, boundary + gap, n_minutes)


@dataclass(frozen=True, slots=True)
class Fold:
    """One walk-forward fold: a model of the past is judged on what followed.

    Attributes:
        number: From 1.
        ranges: How its own past is divided; its `end` is the end of all that its model may know.
        test: First tested decision, an embargo behind that end. Labels that end later than `ranges.end` are
            purged from what it learns.
        test_end: Behind the last tested decision.
    """

    number: int
    ranges: Ranges
    test: int
    test_end: int


def walk_forward(boundary: int, training: TrainingSettings, labels: LabelSettings) -> Iterator[Fold]:
    """Cut [0, boundary) into `training.folds` + 1 equal parts; each but the first is tested once.

    Folds too short to hold their own ranges are left out.
    """
    n_parts = training.folds + 1
    edges = [boundary * part // n_parts for part in range(n_parts + 1)]
    for number, (end, test_end) in enumerate(pairwise(edges[1:]), 1):
        test = end + training.embargo_minutes
        try:
            ranges = Ranges.split(end, training, labels)
        except TrainingError:
            continue
        if test < test_end:
            yield Fold(number, ranges, test, test_end)
