"""Boosted trees: any LightGBM text model, classifier or regressor, as a fixed expert.

LightGBM gives a row the same bits alone, in a chunk, and with any number of threads. Raw scores are taken,
since log-probabilities follow from them without the underflow of probabilities.
"""

import math
from collections.abc import Sequence

import lightgbm
import numpy as np

from daemon.errors import BundleError
from daemon.kernels import FloatArray
from daemon.labels.matured import N_CLASSES
from daemon.models.simplex import direction_logits, log_softmax
from daemon.models.tree_text import check_names, read_header

_MOVES = {"multiclass", "softmax"}
_DIRECTIONS = {"binary", "cross_entropy", "xentropy"}
_REGRESSIONS = {"regression", "regression_l1", "huber", "fair", "quantile", "mape"}
_RANKINGS = {"custom", "lambdarank", "rank_xendcg"}
_SUREST = 1e3
_THREADS_FROM_ROWS = 128
"""From so many rows on, several threads are worth their start."""


class BoostedTrees:
    """A LightGBM model whose columns are the schema's features, in the schema's order.

    Multiclass models must have the classes (down, flat, up). A binary model says up against down. A
    regressor's (or ranker's) output times `scale` is read as the log-odds of up against down. Calibration
    mends both.

    Args:
        model: The text model, as `Booster.save_model` writes it.
        features: The schema's names; the model's own must be the same.
        scale: For regressors, 1 over the standard deviation of the output, see `output_scale`.
        name: Its name in decisions, weights and metrics.

    Raises:
        BundleError: The text is no LightGBM model, damaged, or one that predicts neither three moves, nor a
        direction,
            nor a value.
        SchemaMismatchError: It was trained on other features; names those that differ.
    """

    row_stable = True

    def __init__(
        self, model: bytes, features: Sequence[str], scale: float = 1.0, name: str = "trees"
    ) -> None:
        self.name = name
        header = read_header(model)
        check_names(header.features, features)
        wanted = N_CLASSES if header.objective in _MOVES else 1
        if header.objective not in _MOVES | _DIRECTIONS | _REGRESSIONS | _RANKINGS:
            raise BundleError(
                f"the LightGBM objective {header.objective!r} is not supported: use 3-class multiclass "
                "(down, flat, up), binary (up or not), or a regression objective"
            )
        try:
            self._booster = lightgbm.Booster(model_str=model.decode())
        except (lightgbm.basic.LightGBMError, ValueError) as error:
            raise BundleError(
                f"LightGBM cannot read the boosted trees ({error}); train or pack them again"
            ) from error
        n_outputs = int(self._booster.num_model_per_iteration())
        if n_outputs != wanted:
            raise BundleError(
                f"the LightGBM model has {n_outputs} outputs; {header.objective} needs {wanted} here"
            )
        self._says_moves = wanted == N_CLASSES
        self._scale = scale * float(header.options.get("sigmoid", 1.0))

    def score(self, values: FloatArray) -> FloatArray:
        """Return log-probabilities (n_rows, 3) of features (n_rows, n_features)."""
        raw = self.output(values)
        if self._says_moves:
            return log_softmax(raw)
        return log_softmax(direction_logits(np.clip(self._scale * raw, -_SUREST, _SUREST)))

    def output(self, values: FloatArray) -> FloatArray:
        """Return the model's raw output: (n_rows, 3), or (n_rows,) of a binary model or regressor."""
        if not len(values):
            return np.zeros((0, N_CLASSES) if self._says_moves else 0)
        rows = np.ascontiguousarray(values, dtype=np.float64)
        # Threads take rows, never parts of one, so bits do not change; 0 is all that OpenMP may have.
        threads = 0 if len(rows) >= _THREADS_FROM_ROWS else 1
        return np.asarray(self._booster.predict(rows, raw_score=True, num_threads=threads), dtype=np.float64)

    def importance(self) -> dict[str, float]:
        """Return each feature's total gain."""
        gains = self._booster.feature_importance(importance_type="gain")
        return dict(zip(self._booster.feature_name(), gains.tolist(), strict=True))


def output_scale(raw: FloatArray) -> float:
    """Return 1 / standard deviation of a regressor's output on calibration rows, 1 if it is constant."""
    deviation = float(np.std(raw))
    return 1.0 / deviation if deviation > 0.0 and math.isfinite(1.0 / deviation) else 1.0
