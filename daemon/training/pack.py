"""Make a bundle of a model that was trained elsewhere: any LightGBM text model, with its features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from daemon.errors import FormulaError, TrainingError
from daemon.features import catalogue
from daemon.models.bundle import Bundle
from daemon.models.tree_text import read_header, with_feature_names
from daemon.models.trees import BoostedTrees, output_scale
from daemon.ports import BarSource
from daemon.run_model import NOTHING_OUTSIDE, Outside
from daemon.settings import FeatureSettings, Settings
from daemon.training.column_order import with_column_order
from daemon.training.dataset import Progress
from daemon.training.experts import Cast
from daemon.training.ground import lay_ground
from daemon.training.pipeline import Trees, ship
from daemon.training.ranges import Ranges
from daemon.training.train import online_features, silent

LOG_ODDS: Final = frozenset({"binary", "cross_entropy", "xentropy"})
"""Objectives whose raw output is a log-odds: it needs no scale."""

LEARNING_SHARE: Final = 0.25
"""Where experts that learn are packed too, so much of the range is theirs before calibration begins."""


@dataclass(frozen=True, slots=True)
class FinishedModel:
    """A model from elsewhere.

    Attributes:
        text: LightGBM's text model: classifier (down, flat, up), binary (up or not), or regressor.
        features: Names of its columns in its order, from the catalogue or the formulas; empty takes its own.
    """

    text: bytes
    features: tuple[str, ...] = ()


def pack(
    model: FinishedModel,
    source: BarSource,
    settings: Settings,
    *,
    name: str = "papertape",
    span: tuple[int | None, int | None] = (None, None),
    formulas: Mapping[str, object] | None = None,
    outside: Outside = NOTHING_OUTSIDE,
    progress: Progress = silent,
) -> Bundle:
    """Calibrate a finished model on recorded bars and pack it.

    The bars should be later than all that the model was trained on: calibration believes what it sees.

    Args:
        model: What to pack.
        source: Recorded bars. What lies before the span only warms the features.
        settings: Labels, policy, costs and the other experts; its choice of features is not used.
        name: The model's name.
        span: First and last minute that calibrate, epoch minutes; None is as far as the source reaches.
        formulas: A user's own, see `compile_plan`.
        outside: Experts from entry points and files.
        progress: Told what is being done.

    Raises:
        BundleError: The model cannot be read or is of a kind that does not predict moves.
        FormulaError: A feature is neither in the catalogue nor among the formulas.
        TrainingError: Too few bars to calibrate.
    """
    formulas = formulas or {}
    named = with_feature_names(model.text, model.features) if model.features else model.text
    header = read_header(named)
    chosen = feature_settings(settings.features, header.features, formulas)
    own = {key: value for key, value in formulas.items() if key in header.features}

    def divide(n_minutes: int) -> Ranges:
        learning = settings.experts.online.enabled
        ranges = Ranges(0, round(n_minutes * LEARNING_SHARE) if learning else 0, n_minutes)
        if (
            n_minutes - ranges.calibration
            <= settings.labels.horizon_minutes + settings.labels.late_minutes + 1
        ):
            raise TrainingError(
                f"{n_minutes} session minutes are too few to calibrate on: give a longer range."
            )
        return ranges

    ground = lay_ground(source, settings, chosen, divide, span, own, progress)
    text = with_column_order(named, ground.plan.names)
    rows = ground.rows(ground.ranges.end, progress)
    output = BoostedTrees(text, ground.plan.names).output(rows.values.astype(np.float64))
    scale = output_scale(output) if output.ndim == 1 and header.objective not in LOG_ODDS else 1.0
    watch = ground.reference(rows)
    del rows, output
    booster = BoostedTrees(text, ground.plan.names, scale)
    cast = Cast(
        settings, ground.plan.names, booster, online_features(ground, booster), outside, ground.window.names
    )
    metrics = {"training.bars": float(ground.found.n_bars)}
    return ship(ground, cast, Trees(text, scale), watch, name, metrics, progress)


def feature_settings(
    settings: FeatureSettings, features: Sequence[str], formulas: Mapping[str, object]
) -> FeatureSettings:
    """Return settings that choose exactly `features`; windows, benchmark and the like stay as they are.

    Raises:
        FormulaError: One is neither in the catalogue nor among the formulas; names them all.
    """
    known = catalogue()
    if unknown := [feature for feature in features if feature not in known and feature not in formulas]:
        raise FormulaError(
            f"the model was trained on features that are not known here: {', '.join(unknown)}. "
            f"`papertape features` lists the catalogue; write your own in a file named in features.formulas, "
            f"or say in --features how the model's columns are called here."
        )
    in_catalogue = tuple(feature for feature in features if feature not in formulas)
    return settings.model_copy(update={"groups": (), "names": in_catalogue, "exclude": (), "formulas": ()})
