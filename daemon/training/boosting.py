"""Boosted trees from labelled rows: LightGBM, the same bytes for the same rows and settings."""

from collections.abc import Callable, Sequence
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt

from daemon.errors import TrainingError
from daemon.kernels import FloatArray, segment_sum
from daemon.labels.matured import N_CLASSES, Move
from daemon.settings import TreesSettings
from daemon.training.dataset import LabelledRows


def fit_trees(
    rows: LabelledRows,
    names: Sequence[str],
    settings: TreesSettings,
    seed: int,
    progress: Callable[[int, int], None],
) -> bytes:
    """Train on labelled rows and return LightGBM's text model.

    Args:
        rows: At least one of each class.
        names: Features, the columns of `rows.values`.
        settings: Rounds, leaves, class weights, ...
        seed: For the shares of rows and features that each tree sees.
        progress: Told (rounds done, rounds in all).

    Raises:
        TrainingError: A class has no row.
    """
    weights = rows.weight * class_weights(rows.label, rows.weight, settings.class_weights)[rows.label]
    data = lightgbm.Dataset(rows.values, label=rows.label, weight=weights, feature_name=list(names))

    def tell(environment: Any) -> None:
        progress(environment.iteration + 1, settings.rounds)

    booster = lightgbm.train(
        _parameters(settings, seed), data, num_boost_round=settings.rounds, callbacks=[tell]
    )
    text: str = booster.model_to_string()
    return text.encode()


def class_weights(label: npt.NDArray[np.int8], weight: FloatArray, kind: str) -> FloatArray:
    """Return what a row of each class weighs, (3,): all 1, or so that the classes weigh the same in sum.

    Raises:
        TrainingError: A class has no row.
    """
    totals = segment_sum(label.astype(np.int64), weight, N_CLASSES)
    if missing := [move.name.lower() for move in Move if totals[move] <= 0]:
        raise TrainingError(
            f"no label {' or '.join(missing)} among {len(label)} training rows: give a longer range, or "
            f"change labels.threshold_sigma or labels.threshold_bps"
        )
    if kind == "none":
        return np.ones(N_CLASSES)
    return np.asarray(float(totals.sum()) / (N_CLASSES * totals), dtype=np.float64)


def _parameters(settings: TreesSettings, seed: int) -> dict[str, Any]:
    return {
        "objective": "multiclass",
        "num_class": N_CLASSES,
        "num_leaves": settings.leaves,
        "learning_rate": settings.learning_rate,
        "min_data_in_leaf": settings.min_leaf_rows,
        "feature_fraction": settings.feature_share,
        "bagging_fraction": settings.row_share,
        "bagging_freq": 1 if settings.row_share < 1 else 0,
        "lambda_l2": settings.l2,
        "num_threads": settings.threads,
        "seed": seed,
        # The same rows give the same trees, whatever the number of threads.
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
