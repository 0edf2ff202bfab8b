"""Small models and data that tests of experts share."""

from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt

from daemon.kernels import FloatArray
from daemon.models.expert import LearnerBatch

FEATURES = tuple(f"feature_{number}" for number in range(6))


def rows_with_moves(seed: int, n_rows: int) -> tuple[FloatArray, npt.NDArray[np.int8]]:
    """Return features (n_rows, 6) and moves (n_rows,) that the first two of them tell something about."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n_rows, len(FEATURES)))
    drive = 0.8 * values[:, 0] - 0.5 * values[:, 1] + rng.normal(size=n_rows)
    return values, np.digitize(drive, [-0.7, 0.7]).astype(np.int8)


def text_model(seed: int = 1, n_rows: int = 1500, rounds: int = 12, **parameters: Any) -> bytes:
    """Train a small LightGBM model; multiclass unless `parameters` say otherwise."""
    values, moves = rows_with_moves(seed, n_rows)
    objective = parameters.get("objective", "multiclass")
    targets = {"multiclass": moves, "multiclassova": moves, "binary": moves == 2, "poisson": moves}
    target = targets.get(str(objective), values[:, 0])
    fixed = {"num_leaves": 7, "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 20, "seed": 1}
    classes = {"num_class": 3} if objective in ("multiclass", "multiclassova") else {}
    data = lightgbm.Dataset(values, target, feature_name=list(FEATURES))
    booster = lightgbm.train({"objective": objective, **classes, **fixed, **parameters}, data, rounds)
    return booster.model_to_string().encode()


def batch_of(
    n_minutes: int,
    rows: tuple[npt.ArrayLike, FloatArray],
    labels: tuple[npt.ArrayLike, FloatArray, npt.ArrayLike],
) -> LearnerBatch:
    """Return a batch of rows (minute, values) and labels (matured at, values, label), each of weight one."""
    at = np.asarray(labels[0], dtype=np.int64)
    return LearnerBatch(
        n_minutes=n_minutes,
        row_minute=np.asarray(rows[0], dtype=np.int64),
        row_values=rows[1],
        matured_at=at,
        matured_values=labels[1],
        matured_label=np.asarray(labels[2], dtype=np.int8),
        matured_weight=np.ones(len(at)),
    )


def random_batch(seed: int, n_minutes: int) -> LearnerBatch:
    """Return a batch of up to three rows and three labels a minute, weights among them."""
    rng = np.random.default_rng(seed)
    rows, labels = (np.sort(rng.integers(0, n_minutes, 2 * n_minutes)) for _ in range(2))
    row_values, _ = rows_with_moves(seed, len(rows))
    values, moves = rows_with_moves(seed + 1, len(labels))
    return LearnerBatch(
        n_minutes, rows, row_values, labels, values, moves, rng.uniform(0.5, 2.0, len(labels))
    )


def part_of(batch: LearnerBatch, first: int, last: int) -> LearnerBatch:
    """Return the minutes [first, last) of a batch."""
    rows = (batch.row_minute >= first) & (batch.row_minute < last)
    labels = (batch.matured_at >= first) & (batch.matured_at < last)
    return LearnerBatch(
        n_minutes=last - first,
        row_minute=batch.row_minute[rows] - first,
        row_values=batch.row_values[rows],
        matured_at=batch.matured_at[labels] - first,
        matured_values=batch.matured_values[labels],
        matured_label=batch.matured_label[labels],
        matured_weight=batch.matured_weight[labels],
    )
