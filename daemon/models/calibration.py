"""Calibration of one expert: multinomial regression on its log-probabilities.

logits = (a I + D) log p + b, then softmax: a common temperature `a`, a bias per class `b`, and a small matrix
`D`. The temperature and the biases mend what is nearly always wrong (over-confidence, class weights) with
three parameters. `D` lets classes borrow from each other, which a model that only knows a direction needs,
and is held towards zero, so that little data means temperature scaling and much data means full matrix
scaling. Shrinking towards the identity instead would trust an over-confident expert most where least is known
of it.

Sources: C. Guo et al., On Calibration of Modern Neural Networks (2017); M. Kull et al., Beyond temperature
scaling (2019), whose off-diagonal regularisation this follows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from daemon.errors import TrainingError
from daemon.kernels import FloatArray
from daemon.labels.matured import N_CLASSES, Move
from daemon.models.simplex import log_softmax

Row = tuple[float, float, float]
RIDGE = 100.0
"""What one unit of |D|^2 / 2 costs, in independent observations' worth of log-loss."""


@dataclass(frozen=True, slots=True)
class Calibrator:
    """Log-probabilities in, calibrated log-probabilities out.

    Attributes:
        matrix: One row per class: how it weighs log p of (down, flat, up).
        bias: One number per class.
    """

    matrix: tuple[Row, Row, Row] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    bias: Row = (0.0, 0.0, 0.0)

    def apply(self, logp: FloatArray) -> FloatArray:
        """Return calibrated log-probabilities, shape (..., 3) like the argument.

        Without BLAS, whose sums depend on the shape: a row has the same bits alone and among a million.
        """
        down, flat, up = logp[..., 0], logp[..., 1], logp[..., 2]
        logits = [
            row[0] * down + row[1] * flat + row[2] * up + bias
            for row, bias in zip(self.matrix, self.bias, strict=True)
        ]
        return log_softmax(np.stack(logits, axis=-1))

    def to_fields(self) -> dict[str, object]:
        """Return it as plain data."""
        return {"matrix": [list(row) for row in self.matrix], "bias": list(self.bias)}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Rebuild it from what `to_fields` returned."""
        down, flat, up = (_row(row) for row in fields["matrix"])
        return cls((down, flat, up), _row(fields["bias"]))


def fit_calibrator(
    logp: FloatArray,
    labels: npt.NDArray[np.int8],
    weights: FloatArray,
    overlap: float = 1.0,
    ridge: float = RIDGE,
) -> Calibrator:
    """Fit a calibrator by weighted log-loss.

    Args:
        logp: (n_rows, 3) what the expert said. Give the true class frequencies: calibration undoes class
            weights.
        labels: (n_rows,) what came, each a `Move`.
        weights: (n_rows,) uniqueness of the labels.
        overlap: How many rows say as much as one independent observation (labels over h minutes overlap
            h-fold).
        ridge: Strength of the pull of `D` towards zero.

    Returns:
        The optimum of a convex problem, so it does not depend on where the search began.

    Raises:
        TrainingError: There is no row, or a class never came: its probability cannot be learned.
    """
    from scipy.optimize import minimize  # noqa: PLC0415 - training only; the daemon does not need it to start

    missing = [move.name.lower() for move in Move if not ((labels == move) & (weights > 0.0)).any()]
    if missing:
        raise TrainingError(
            f"calibration: no label {' or '.join(missing)} among {len(labels)} rows; "
            "use a longer calibration range or a smaller label threshold"
        )
    share = weights / weights.sum()
    said = np.ascontiguousarray(logp.T)  # (3, n_rows): sums over three columns are slow by rows
    target = np.eye(N_CLASSES)[:, labels] * share
    penalty = ridge * overlap / float(weights.sum())

    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        temperature, extra, bias = parameters[0], parameters[1:10].reshape(3, 3), parameters[10:]
        logits = (temperature * np.eye(N_CLASSES) + extra) @ said + bias[:, None]
        logits -= logits.max(axis=0)
        p = np.exp(logits)
        total = p.sum(axis=0)
        residual = p * (share / total) - target
        by_matrix = residual @ said.T
        # A shift of all biases changes nothing; the same small pull centres them.
        value = float(share @ np.log(total)) - float((target * logits).sum())
        value += 0.5 * penalty * float((extra**2).sum() + bias.mean() ** 2)
        pull = penalty * bias.mean() / N_CLASSES
        slopes = [[np.trace(by_matrix)], (by_matrix + penalty * extra).ravel(), residual.sum(axis=1) + pull]
        return value, np.concatenate(slopes)

    start = np.concatenate([[1.0], np.zeros(9 + N_CLASSES)])
    # A negative temperature would turn an expert's word around: whoever is wrong is to be ignored, not
    # inverted.
    bounds = [(0.0, None), *[(None, None)] * (9 + N_CLASSES)]
    options = {"maxiter": 2000, "maxfun": 20_000, "ftol": 1e-15, "gtol": 1e-10}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    matrix = found[0] * np.eye(N_CLASSES) + found[1:10].reshape(3, 3)
    return Calibrator.from_fields({"matrix": matrix.tolist(), "bias": found[10:].tolist()})


def _row(values: Any) -> Row:
    down, flat, up = (float(value) for value in values)
    return (down, flat, up)
