"""Boosted trees: any LightGBM text model, classifier or regressor, as a fixed expert.

LightGBM gives a row the same bits alone, in a chunk, and with any number of threads. Raw scores are taken,
since log-probabilities follow from them without the underflow of probabilities.
"""

import math
import re
from collections.abc import Sequence

import lightgbm
import numpy as np

from daemon.errors import BundleError, SchemaMismatchError
from daemon.kernels import FloatArray
from daemon.labels.matured import N_CLASSES
from daemon.models.simplex import direction_logits, log_softmax

_DIRECTIONS = {"binary", "cross_entropy", "xentropy"}
_REGRESSIONS = {"regression", "regression_l1", "huber", "fair", "quantile", "mape"}
_RANKINGS = {"custom", "lambdarank", "rank_xendcg"}


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
        BundleError: The text is no LightGBM model, or one that does not predict three moves, a direction or a
        value. SchemaMismatchError: It was trained on other features; names those that differ.
    """

    row_stable = True

    def __init__(
        self, model: bytes, features: Sequence[str], scale: float = 1.0, name: str = "trees"
    ) -> None:
        self.name = name
        self._scale = scale
        objective, *options = _objective(model).split()
        try:
            self._booster = lightgbm.Booster(model_str=model.decode())
        except (lightgbm.basic.LightGBMError, ValueError) as error:
            raise BundleError(
                f"the boosted trees cannot be read: {error}; train or pack the model again"
            ) from error
        self._n_outputs = int(self._booster.num_model_per_iteration())
        self._sigmoid = float(
            dict(option.split(":", 1) for option in options if ":" in option).get("sigmoid", 1.0)
        )
        self._kind = self._known_kind(objective)
        _check_names(self._booster.feature_name(), features)

    def score(self, values: FloatArray) -> FloatArray:
        """Return log-probabilities (n_rows, 3) of features (n_rows, n_features)."""
        raw = self.output(values)
        if self._kind == "moves":
            return log_softmax(raw)
        if self._kind == "one_vs_rest":
            return log_softmax(-np.logaddexp(0.0, -self._sigmoid * raw))
        return log_softmax(direction_logits(np.clip(self._scale * self._sigmoid * raw, -1e3, 1e3)))

    def output(self, values: FloatArray) -> FloatArray:
        """Return the model's raw output: (n_rows, 3), or (n_rows,) of a binary model or regressor."""
        if not len(values):
            return np.zeros((0, N_CLASSES) if self._n_outputs == N_CLASSES else 0)
        rows = np.ascontiguousarray(values, dtype=np.float64)
        return np.asarray(self._booster.predict(rows, raw_score=True, num_threads=1), dtype=np.float64)

    def importance(self) -> dict[str, float]:
        """Return each feature's total gain."""
        gains = self._booster.feature_importance(importance_type="gain")
        return dict(zip(self._booster.feature_name(), gains.tolist(), strict=True))

    def _known_kind(self, objective: str) -> str:
        kinds = {
            "multiclass": "moves",
            "softmax": "moves",
            "multiclassova": "one_vs_rest",
            "ova": "one_vs_rest",
        }
        kind = kinds.get(
            objective, "direction" if objective in _DIRECTIONS | _REGRESSIONS | _RANKINGS else None
        )
        if kind is None:
            raise BundleError(
                f"the LightGBM objective {objective!r} is not supported: use multiclass with 3 classes "
                "(down, flat, up), binary (up or not), or a regression objective"
            )
        wanted = 1 if kind == "direction" else N_CLASSES
        if self._n_outputs != wanted:
            raise BundleError(
                f"the LightGBM model has {self._n_outputs} classes; papertape needs 3: down, flat, up"
            )
        return kind


def output_scale(raw: FloatArray) -> float:
    """Return 1 / standard deviation of a regressor's output on calibration rows, 1 if it is constant."""
    deviation = float(np.std(raw))
    return 1.0 / deviation if deviation > 0.0 and math.isfinite(1.0 / deviation) else 1.0


def with_feature_names(model: bytes, features: Sequence[str]) -> bytes:
    """Name the columns of a text model that was trained on a bare array (`Column_0`, `Column_1`, ...).

    Raises:
        SchemaMismatchError: The model has another number of columns, or other names already.
    """
    match = re.search(rb"^feature_names=(.*)$", model, re.MULTILINE)
    own = match.group(1).decode().split() if match else []
    if match and own == [f"Column_{column}" for column in range(len(features))]:
        return model[: match.start(1)] + " ".join(features).encode() + model[match.end(1) :]
    _check_names(own, features)
    return model


def _objective(model: bytes) -> str:
    """Return the text model's objective with its options; it stands in the header, before the first tree."""
    header = model.split(b"\nTree=", 1)[0]
    if not header.startswith(b"tree\n") or b"\nfeature_names=" not in header:
        raise BundleError("the boosted trees are no LightGBM text model: save one with Booster.save_model")
    match = re.search(rb"^objective=(\S.*)$", header, re.MULTILINE)
    return match.group(1).decode() if match else "custom"


def _check_names(own: Sequence[str], wanted: Sequence[str]) -> None:
    if list(own) == list(wanted):
        return
    only_model = [name for name in own if name not in set(wanted)]
    only_here = [name for name in wanted if name not in set(own)]
    parts = [
        f"the model was trained on {', '.join(only_model)}, which this feature set does not have"
        if only_model
        else "",
        f"the model does not know {', '.join(only_here)}" if only_here else "",
    ]
    if not (only_model or only_here):
        moved = [f"{a} where {b} is wanted" for a, b in zip(own, wanted, strict=False) if a != b]
        parts = [f"the features stand in another order: {', '.join(moved)}"]
    raise SchemaMismatchError("boosted trees: " + "; ".join(part for part in parts if part))
