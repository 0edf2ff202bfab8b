"""From what the experts said on the calibration range to what ships with them: calibrators and the edge."""

from dataclasses import dataclass

import numpy as np

from daemon import kernels
from daemon.errors import TrainingError
from daemon.kernels import FloatArray
from daemon.models.blend import make_blend, minute_losses
from daemon.models.calibration import Calibrator, fit_calibrator
from daemon.models.simplex import log_loss
from daemon.policy.edge import EdgeModel, fit_edge
from daemon.settings import Settings
from daemon.training.prequential import Spoken

UNCALIBRATED = "base_rate"
"""It states frequencies: nothing is left to calibrate, and the yardstick stays what it is."""


@dataclass(frozen=True, slots=True, eq=False)
class Shipped:
    """What calibration rows teach.

    Attributes:
        calibrators: By expert.
        edge: Of the blend of the calibrated experts.
        blend: (n_rows, 3) log-probabilities of that blend.
        metrics: Log-loss of each calibrated expert and of the blend on the very rows they were fitted on.
    """

    calibrators: dict[str, Calibrator]
    edge: EdgeModel
    blend: FloatArray
    metrics: dict[str, float]


def fit_shipped(spoken: Spoken, settings: Settings) -> Shipped:
    """Calibrate each expert, blend them as they are blended live, and fit the edge of the blend.

    Raises:
        TrainingError: No label fell into the calibration range, or a class never came.
    """
    if not len(spoken.label):
        raise TrainingError(
            "no label matured in the calibration range: give a longer range or a larger "
            "training.calibration_share"
        )
    horizon = settings.labels.horizon_minutes
    calibrators: dict[str, Calibrator] = {}
    calibrated = spoken.logp.copy()
    for position, name in enumerate(spoken.experts):
        heard = ~np.isnan(spoken.logp[position, :, 0])
        # An expert that hardly ever spoke here (a signals file that begins later) is taken at its word.
        if name == UNCALIBRATED or not heard.any():
            continue
        calibrator = fit_calibrator(
            spoken.logp[position, heard], spoken.label[heard], spoken.weight[heard], overlap=horizon
        )
        calibrators[name] = calibrator
        calibrated[position, heard] = calibrator.apply(spoken.logp[position, heard])
    blend = _blended(spoken, calibrated, settings)
    edge = fit_edge(
        kernels.exp(blend), spoken.label.astype(np.int64), spoken.ret, spoken.sigma, horizon, spoken.weight
    )
    metrics = {
        f"calibration.log_loss.{name}": _mean_loss(calibrated[e], spoken)
        for e, name in enumerate(spoken.experts)
    }
    metrics["calibration.log_loss.blend"] = _mean_loss(blend, spoken)
    metrics["calibration.rows"] = float(len(spoken.label))
    metrics["edge.slope"] = edge.slope
    return Shipped(calibrators, edge, blend, metrics)


def _blended(spoken: Spoken, calibrated: FloatArray, settings: Settings) -> FloatArray:
    first = int(spoken.decided[0])
    n_minutes = int(spoken.ended.max()) - first + 1
    known = ~np.isnan(calibrated[:, :, 0])
    order = np.lexsort((spoken.instrument, spoken.decided, spoken.ended))
    losses = minute_losses(
        calibrated[:, order], known[:, order], spoken.label[order], spoken.ended[order] - first, n_minutes
    )
    blend = make_blend(settings.blend, spoken.experts, settings.labels.horizon_minutes)
    return blend.combine(calibrated, known, spoken.decided - first, n_minutes, losses)[0]


def _mean_loss(logp: FloatArray, spoken: Spoken) -> float:
    heard = ~np.isnan(logp[:, 0])
    return float(np.mean(log_loss(logp[heard], spoken.label[heard]))) if heard.any() else float("nan")
