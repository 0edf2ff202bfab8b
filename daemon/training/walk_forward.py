"""Walk-forward folds: what the trees would have been worth on days they had not seen. For the report only."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from daemon import kernels
from daemon.events import MINUTES_PER_DAY
from daemon.kernels import BoolArray, FloatArray, IntArray
from daemon.labels.matured import N_CLASSES, Matured, Void
from daemon.models.calibration import fit_calibrator
from daemon.models.trees import BoostedTrees
from daemon.policy.costs import RoundTripCosts
from daemon.policy.edge import EdgeModel, fit_edge
from daemon.settings import Settings
from daemon.training.boosting import fit_trees
from daemon.training.dataset import LabelledRows
from daemon.training.ranges import Fold
from daemon.vitals.skill import Skill, SkillFigures


@dataclass(frozen=True, slots=True)
class FoldReport:
    """What one fold showed.

    Attributes:
        number: From 1.
        train_rows: Labelled rows its trees learned from.
        test_rows: Labelled rows they were judged on.
        first_minute: Epoch minute of the first tested decision.
        last_minute: Epoch minute of the last one.
        figures: Skill beside the baselines, of the calibrated trees.
        slope: Share of the predicted edge that its own calibration rows bore out.
        trades_per_day: Entries to expect after costs, over all instruments.
    """

    number: int
    train_rows: int
    test_rows: int
    first_minute: int
    last_minute: int
    figures: SkillFigures
    slope: float
    trades_per_day: float


def run_fold(
    fold: Fold,
    rows: LabelledRows,
    names: Sequence[str],
    minutes: IntArray,
    instruments: Sequence[str],
    settings: Settings,
    progress: Callable[[int, int], None],
) -> FoldReport | None:
    """Train, calibrate and judge one fold.

    Args:
        fold: Its ranges.
        rows: Labelled rows of the whole range.
        names: Features.
        minutes: (n_minutes,) epoch minutes from S on.
        instruments: Names of the run's instruments, in the order of every column.
        settings: Everything.
        progress: Told (rounds done, rounds in all).

    Returns:
        None where one of its parts holds no row or lacks a class.
    """
    ranges = fold.ranges
    past = rows.between(0, ranges.boundary, ended_before=ranges.calibration)
    calibration = rows.between(ranges.calibration, ranges.end, ended_before=ranges.end)
    test = rows.between(fold.test, fold.test_end)
    if not len(test) or min(len(np.unique(part.label)) for part in (past, calibration)) < N_CLASSES:
        return None
    model = fit_trees(past, names, settings.experts.trees, settings.run.seed + fold.number, progress)
    trees = BoostedTrees(model, names)
    horizon = settings.labels.horizon_minutes
    raw = trees.score(calibration.values.astype(np.float64))
    calibrator = fit_calibrator(raw, calibration.label, calibration.weight, overlap=horizon)
    edge = fit_edge(
        kernels.exp(calibrator.apply(raw)),
        calibration.label.astype(np.int64),
        calibration.ret,
        calibration.sigma,
        horizon,
        calibration.weight,
    )
    said = calibrator.apply(trees.score(test.values.astype(np.float64)))
    n_minutes = fold.test_end - fold.test
    return FoldReport(
        number=fold.number,
        train_rows=len(past),
        test_rows=len(test),
        first_minute=int(minutes[fold.test]),
        last_minute=int(minutes[fold.test_end - 1]),
        figures=_figures(test, said, past, fold.test, len(instruments), settings),
        slope=edge.slope,
        trades_per_day=_entries(test, said, edge, instruments, settings) * MINUTES_PER_DAY / n_minutes,
    )


def _figures(
    test: LabelledRows,
    said: FloatArray,
    past: LabelledRows,
    first: int,
    n_instruments: int,
    settings: Settings,
) -> SkillFigures:
    """Judge as vitals do live, with the fold's own training labels as the base rate to begin with."""
    order = np.lexsort((test.instrument, test.decided, test.ended))
    n_minutes = int(test.ended.max()) - first + 1
    matured = Matured(
        at=test.ended[order] - first,
        decided=test.decided[order],
        instrument=test.instrument[order],
        label=test.label[order],
        ret=test.ret[order],
        weight=test.weight[order],
        sigma=test.sigma[order],
        catch_up=np.zeros(len(test), dtype=np.bool_),
        void=np.zeros((n_minutes, len(Void)), dtype=np.int64),
    )
    labels = settings.labels
    span = labels.horizon_minutes + labels.late_minutes + 2
    prior = np.bincount(past.label, minlength=N_CLASSES).astype(np.int64)
    skill = Skill(["trees"], n_instruments, labels.horizon_minutes, span, n_minutes, prior)
    known = np.ones(len(test), dtype=np.bool_)
    skill.update(first, n_minutes, matured, said[order][:, None, :], known)
    return skill.figures()[0]


def _entries(
    test: LabelledRows, said: FloatArray, edge: EdgeModel, instruments: Sequence[str], settings: Settings
) -> int:
    """Count the positions that the gate would have opened, each held a horizon beyond its last signal."""
    horizon = settings.labels.horizon_minutes
    expected = edge.expected(kernels.exp(said), test.sigma, horizon)
    notional = np.full(len(test), float(settings.policy.notional))
    costs = RoundTripCosts(settings.costs, instruments)
    cost = costs.estimate(test.instrument, test.sigma, notional, test.turnover)
    signal = np.abs(expected) > settings.policy.edge_multiple * cost
    if settings.policy.side == "long_only":
        signal &= expected > 0
    return count_entries(test.decided, test.instrument, expected > 0, signal, horizon)


def count_entries(
    decided: IntArray, instrument: IntArray, long: BoolArray, signal: BoolArray, horizon_minutes: int
) -> int:
    """Count entries among signals: one that comes when nothing is held, or the other side is.

    Args:
        decided: (n_rows,) minute of each row.
        instrument: (n_rows,) column.
        long: (n_rows,) which side its signal would take.
        signal: (n_rows,) whether it is one.
        horizon_minutes: How long a position is held beyond the last signal on its side.
    """
    at, who, side = decided[signal], instrument[signal], long[signal]
    order = np.lexsort((at, who))
    at, who, side = at[order], who[order], side[order]
    another = (np.diff(who) != 0) | (np.diff(at) > horizon_minutes) | (side[1:] != side[:-1])
    return int(len(at) > 0) + int(np.count_nonzero(another))


def mean_over_folds(reports: Sequence[FoldReport], figure: Callable[[FoldReport], float | None]) -> float:
    """Return the mean of a figure over the folds that have it; NaN where none has."""
    values = [value for report in reports if (value := figure(report)) is not None]
    return math.fsum(values) / len(values) if values else math.nan
