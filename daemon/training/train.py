"""Train a bundle: features and labels by the live code, three ranges, the report, and what ships."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from daemon.errors import TrainingError
from daemon.models.bundle import Bundle
from daemon.models.trees import BoostedTrees
from daemon.ports import BarSource
from daemon.run_model import NOTHING_OUTSIDE, Outside
from daemon.settings import Settings
from daemon.training.boosting import fit_trees
from daemon.training.dataset import LabelledRows, Progress
from daemon.training.experts import Cast
from daemon.training.ground import Ground, lay_ground
from daemon.training.pipeline import Trees, ship
from daemon.training.ranges import Ranges, walk_forward
from daemon.training.walk_forward import FoldReport, mean_over_folds, run_fold


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """A bundle and how it came about.

    Attributes:
        bundle: What ships.
        folds: The walk-forward report, oldest first.
        n_rows: Labelled rows that the trees learned from.
        n_bars: Bars of the training range.
    """

    bundle: Bundle
    folds: tuple[FoldReport, ...]
    n_rows: int
    n_bars: int


def silent(what: str, done: int, of: int) -> None:
    """Take a training's progress and say nothing."""
    del what, done, of


def train(
    source: BarSource,
    settings: Settings,
    *,
    name: str = "papertape",
    span: tuple[int | None, int | None] = (None, None),
    formulas: Mapping[str, object] | None = None,
    outside: Outside = NOTHING_OUTSIDE,
    progress: Progress = silent,
) -> TrainingResult:
    """Train, validate and pack a model.

    The source is read three times, each time as a stream: a first look, the rows the trees learn from, and
    the experts as they ship over the whole range.

    Args:
        source: Recorded bars. What lies before S only warms the features.
        settings: Features, labels, experts, ranges; `run.seed` for what is drawn.
        name: The model's name.
        span: S and B - 1, the first decided minute and the last that is looked at, epoch minutes; None is as
            far as
            the source reaches.
        formulas: A user's own, see `compile_plan`.
        outside: Experts from entry points and files.
        progress: Told what is being done.

    Raises:
        TrainingError: Too few rows, a class that never came, no expert.
        FormulaError: A feature cannot be computed.
    """

    def divide(n_minutes: int) -> Ranges:
        return Ranges.split(n_minutes, settings.training, settings.labels)

    ground = lay_ground(source, settings, settings.features, divide, span, formulas or {}, progress)
    rows = ground.rows(ground.ranges.calibration, progress)
    folds = _folds(ground, rows, progress)
    learned = rows.between(0, ground.ranges.boundary, ended_before=ground.ranges.calibration)
    trees = _trees(ground, learned, progress)
    watch = ground.reference(learned)
    n_rows = len(learned)
    del rows, learned  # by far the largest thing in memory
    booster = BoostedTrees(trees.text, ground.plan.names) if trees else None
    online = online_features(ground, booster)
    cast = Cast(settings, ground.plan.names, booster, online, outside, ground.window.names)
    metrics = {"training.rows": float(n_rows), "training.bars": float(ground.found.n_bars), **_metrics(folds)}
    bundle = ship(ground, cast, trees, watch, name, metrics, progress)
    return TrainingResult(bundle, folds, n_rows, ground.found.n_bars)


def online_features(ground: Ground, trees: BoostedTrees | None) -> tuple[str, ...]:
    """Return the online learner's features: the settings', else the trees' most important, else the first.

    Raises:
        TrainingError: The settings name one that is not computed.
    """
    online = ground.settings.experts.online
    if unknown := sorted(set(online.features) - set(ground.plan.names)):
        raise TrainingError(
            f"experts.online.features names {', '.join(unknown)}, which the section features does not choose."
        )
    if online.features:
        return online.features
    if trees is None:
        return ground.plan.names[: online.max_features]
    gains = trees.importance()
    ranked = sorted(ground.plan.names, key=lambda feature: (-gains[feature], feature))
    chosen = set(ranked[: online.max_features])
    return tuple(feature for feature in ground.plan.names if feature in chosen)


def _trees(ground: Ground, learned: LabelledRows, progress: Progress) -> Trees | None:
    settings = ground.settings.experts.trees
    if not settings.enabled:
        return None

    def tell(done: int, of: int) -> None:
        progress("growing trees", done, of)

    return Trees(fit_trees(learned, ground.plan.names, settings, ground.settings.run.seed, tell))


def _folds(ground: Ground, rows: LabelledRows, progress: Progress) -> tuple[FoldReport, ...]:
    settings = ground.settings
    if not settings.experts.trees.enabled:
        return ()
    reports = []
    for fold in walk_forward(ground.ranges.boundary, settings.training, settings.labels):

        def tell(done: int, of: int, number: int = fold.number) -> None:
            progress(f"walk-forward fold {number}", done, of)

        instruments = ground.window.names
        report = run_fold(fold, rows, ground.plan.names, ground.found.minutes, instruments, settings, tell)
        reports += [report] if report else []
    return tuple(reports)


def _metrics(folds: tuple[FoldReport, ...]) -> dict[str, float]:
    figures = {
        "folds.skill": mean_over_folds(folds, lambda fold: fold.figures.skill),
        "folds.ic": mean_over_folds(folds, lambda fold: fold.figures.ic.mean if fold.figures.ic else None),
        "folds.accuracy": mean_over_folds(folds, lambda fold: fold.figures.accuracy),
        "folds.majority": mean_over_folds(folds, lambda fold: fold.figures.majority),
        "folds.trades_per_day": mean_over_folds(folds, lambda fold: fold.trades_per_day),
    }
    return {name: value for name, value in figures.items() if not math.isnan(value)}
