"""The online learner: a River pipeline, standard scaling and one-vs-rest logistic regression.

It predicts first and is taught only when a label matures. Its features have a fixed order (the order of a
dict changes River's results), and its three classes exist from the start, in the order (down, flat, up).

State is an explicit allow-list of River's fields, never a pickle: per feature the count, mean and variance;
per class the weights, the intercept and the optimizer's iterations.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from river import linear_model, multiclass, optim, preprocessing

from daemon import kernels
from daemon.errors import BrokenBoundError
from daemon.kernels import FloatArray
from daemon.labels.matured import Move
from daemon.models.expert import LearnerBatch
from daemon.models.simplex import floored
from daemon.settings import OnlineSettings

_CLASSES = [int(move) for move in Move]
_SMALLEST = 1e-12
_FEW_ROWS = 8
"""Below so many rows River itself is faster."""


class OnlineLearner:
    """StandardScaler | OneVsRestClassifier(LogisticRegression(SGD)), taught row by row.

    Args:
        features: Its features, in order.
        settings: Learning rate and l2.
        name: Its name in decisions, weights and metrics.
    """

    def __init__(self, features: Sequence[str], settings: OnlineSettings, name: str = "online") -> None:
        self.name = name
        self.features = tuple(features)
        self._settings = settings
        self._scaler = preprocessing.StandardScaler()
        self._classifier = multiclass.OneVsRestClassifier(
            linear_model.LogisticRegression(optimizer=optim.SGD(settings.learning_rate), l2=settings.l2)
        )
        # River makes a class's model when its first label comes: the order would depend on the data.
        self._models: dict[Any, Any] = {label: self._classifier.classifier.clone() for label in _CLASSES}
        self._classifier.classifiers.update(self._models)
        self._n_learned = 0

    def run(self, batch: LearnerBatch) -> FloatArray:
        """Learn and score minute by minute: log-probabilities (n_rows, 3); uniform until the first label.

        Raises:
            BrokenBoundError: A feature or weight is NaN or infinite: one would poison the scaler for good.
        """
        for values in (batch.row_values, batch.matured_values, batch.matured_weight):
            if not np.isfinite(values).all():
                raise BrokenBoundError(
                    f"expert {self.name!r} was given a feature or weight that is not finite"
                )
        minutes = np.arange(batch.n_minutes)
        row_end = np.searchsorted(batch.row_minute, minutes, side="right").tolist()
        label_end = np.searchsorted(batch.matured_at, minutes, side="right").tolist()
        taught = batch.matured_values.tolist()
        labels, weights = batch.matured_label.tolist(), batch.matured_weight.tolist()
        said = np.empty((len(batch.row_values), len(_CLASSES)))
        row = label = 0
        for rows_until, labels_until in zip(row_end, label_end, strict=True):
            while label < labels_until:
                self._learn(taught[label], labels[label], weights[label])
                label += 1
            if row < rows_until:
                said[row:rows_until] = self._predict(batch.row_values[row:rows_until])
                row = rows_until
        return floored(kernels.log(np.maximum(said, _SMALLEST)))

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data: floats and integers only."""
        scaler = self._scaler
        return {
            "features": list(self.features),
            "n_learned": self._n_learned,
            "counts": [int(scaler.counts[name]) for name in self.features],
            "means": [float(scaler.means[name]) for name in self.features],
            "vars": [float(scaler.vars[name]) for name in self.features],
            "classes": [
                {
                    "label": label,
                    "weights": [float(model.weights.get(name, 0.0)) for name in self.features],
                    "intercept": float(model.intercept),
                    "iterations": int(model.optimizer.n_iterations),
                }
                for label, model in self._models.items()
            ],
        }

    def restored(self, fields: Mapping[str, Any]) -> "OnlineLearner":
        """Return a learner with this state, which continues with the same bits.

        Raises:
            BrokenBoundError: The fields are of other features or classes.
        """
        if (
            tuple(fields["features"]) != self.features
            or [one["label"] for one in fields["classes"]] != _CLASSES
        ):
            raise BrokenBoundError(f"expert {self.name!r}: the stored state has other features or classes")
        other = OnlineLearner(self.features, self._settings, self.name)
        other._n_learned = fields["n_learned"]
        if not fields["n_learned"]:
            return other
        other._restore(fields)
        return other

    def _restore(self, fields: Mapping[str, Any]) -> None:
        scaler = self._scaler
        scaler.counts = Counter(dict(zip(self.features, fields["counts"], strict=True)))
        scaler.means.update(zip(self.features, fields["means"], strict=True))
        scaler.vars.update(zip(self.features, fields["vars"], strict=True))
        for stored in fields["classes"]:
            model = self._models[stored["label"]]
            model._weights.update(dict(zip(self.features, stored["weights"], strict=True)))  # noqa: SLF001 - River has no other way in
            model.intercept = stored["intercept"]
            model.optimizer.n_iterations = stored["iterations"]

    def _learn(self, values: list[float], label: int, weight: float) -> None:
        x = dict(zip(self.features, values, strict=True))
        self._scaler.learn_one(x)
        self._classifier.learn_one(self._scaler.transform_one(x), label, w=weight)
        self._n_learned += 1

    def _predict(self, values: FloatArray) -> FloatArray:
        """Return (n_rows, 3) what River's `predict_proba_one` says of each row, bit for bit.

        Nothing is learned between the predictions of one minute. So many of them are made column by column,
        with River's operations in River's order, at a fraction of the cost.
        """
        if len(values) < _FEW_ROWS or not self._n_learned:
            return np.array([self._predict_row(row) for row in values.tolist()])
        models = list(self._models.values())
        weights = np.array([list(map(model.weights.__getitem__, self.features)) for model in models])
        logits = np.zeros((len(models), len(values)))
        for scaled, weight in zip(self._scaled(values), weights.T, strict=True):
            logits += weight[:, None] * scaled
        logits += np.array([[model.intercept] for model in models])
        votes = np.array([list(map(models[0].loss.mean_func, row)) for row in logits.tolist()])
        total = votes[0] + votes[1] + votes[2]
        # River's own answer where all three votes underflow.
        nobody = total == 0.0
        votes[:, nobody], total[nobody] = 1.0, float(len(models))
        said: FloatArray = np.ascontiguousarray((votes / total).T)
        return said

    def _predict_row(self, values: list[float]) -> list[float]:
        x = self._scaler.transform_one(dict(zip(self.features, values, strict=True)))
        said: dict[int, float] = self._classifier.predict_proba_one(x)
        return list(said.values())

    def _scaled(self, values: FloatArray) -> FloatArray:
        """Return (n_features, n_rows) what River's scaler makes of rows (n_rows, n_features)."""
        scaler = self._scaler
        means = np.array([[scaler.means[name]] for name in self.features])
        # As River does it, by `pow`, which need not agree with a square root in the last bit.
        deviations = np.array([[scaler.vars[name] ** 0.5] for name in self.features])
        flat = deviations == 0.0
        scaled: FloatArray = (values.T - means) / np.where(flat, 1.0, deviations)
        scaled[flat[:, 0]] = 0.0
        return scaled
