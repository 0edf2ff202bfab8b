"""The expected edge of a signal, shrunk to what calibration rows bore out.

(p_up - p_down) x E|r| is biased (by 1.5 on real minute bars), so the edge is built in three steps: the mean
of return / (sigma sqrt(h)) per class, their mixture under the probabilities, and the slope of realised on
predicted edge.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self, cast

import numpy as np
import numpy.typing as npt

from daemon.errors import BundleError
from daemon.kernels import FloatArray, IntArray, segment_sum

N_CLASSES = 3


@dataclass(frozen=True, slots=True)
class EdgeModel:
    """Turns probabilities into an expected return.

    Attributes:
        class_means: Mean of return / (sigma sqrt(horizon)) of the classes down, flat, up.
        slope: What share of the predicted edge was realised on the calibration rows, within [0, 1].
    """

    class_means: tuple[float, float, float]
    slope: float

    def expected(self, p: FloatArray, sigma: FloatArray, horizon_minutes: int) -> FloatArray:
        """Return the expected log return from fill to exit.

        Args:
            p: (n_rows, 3) probabilities of down, flat, up.
            sigma: (n_rows,) volatility of one-minute log returns.
            horizon_minutes: Session minutes from fill to exit.

        Returns:
            (n_rows,) signed fractions. Elementwise: a row's bits do not depend on the other rows.
        """
        down, flat, up = self.class_means
        mixture = p[:, 0] * down + p[:, 1] * flat + p[:, 2] * up
        return (self.slope * math.sqrt(horizon_minutes)) * sigma * mixture

    def to_fields(self) -> dict[str, object]:
        """Return the model as plain data."""
        return {"class_means": list(self.class_means), "slope": self.slope}

    @classmethod
    def from_fields(cls, fields: Mapping[str, object]) -> Self:
        """Rebuild from `to_fields`.

        Raises:
            BundleError: The fields are no edge model.
        """
        try:
            means = [float(cast("float", mean)) for mean in cast("list[object]", fields["class_means"])]
            slope = float(cast("float", fields["slope"]))
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(
                f"the bundle's edge fields are damaged ({error!r}): train or pack the model again"
            ) from error
        if len(means) != N_CLASSES or not all(map(math.isfinite, [*means, slope])) or not 0.0 <= slope <= 1.0:
            raise BundleError(
                "the bundle's edge fields need three finite class_means and a slope within [0, 1]: "
                "train or pack the model again"
            )
        return cls((means[0], means[1], means[2]), slope)


def fit_edge(
    p: FloatArray,
    label: npt.NDArray[np.int8] | IntArray,
    ret: FloatArray,
    sigma: FloatArray,
    horizon_minutes: int,
    weight: FloatArray | None = None,
) -> EdgeModel:
    """Fit the edge on calibration rows: predictions of exactly the model that ships.

    The slope is that of an ordinary regression with an intercept: a market's drift over the calibration rows
    is no edge. A prediction that does not vary, or whose slope is negative, has none either (slope 0). A
    class without rows has mean 0.

    Args:
        p: (n_rows, 3) blended, calibrated probabilities.
        label: (n_rows,) class 0, 1, 2.
        ret: (n_rows,) log return from fill to exit.
        sigma: (n_rows,) volatility of one-minute log returns, > 0.
        horizon_minutes: Session minutes from fill to exit.
        weight: (n_rows,) uniqueness weights; all one where left out.
    """
    weights = np.ones(len(ret)) if weight is None else weight
    classes = label.astype(np.int64)
    scaled = ret / (sigma * math.sqrt(horizon_minutes))
    totals = segment_sum(classes, weights, N_CLASSES)
    sums = segment_sum(classes, weights * scaled, N_CLASSES)
    means = [float(s / w) if w > 0.0 else 0.0 for s, w in zip(sums, totals, strict=True)]
    raw = EdgeModel((means[0], means[1], means[2]), 1.0)
    slope = _slope(raw.expected(p, sigma, horizon_minutes), ret, weights)
    return EdgeModel(raw.class_means, min(max(slope, 0.0), 1.0))


def _slope(predicted: FloatArray, realised: FloatArray, weight: FloatArray) -> float:
    """Return the weighted least-squares slope of `realised` on `predicted`; 0 where that does not vary."""
    total = math.fsum(weight)
    if total <= 0.0:
        return 0.0
    x = predicted - math.fsum(weight * predicted) / total
    y = realised - math.fsum(weight * realised) / total
    spread = math.fsum(weight * x * x)
    # What is left of a constant after subtracting its rounded mean is rounding, not variation.
    level = math.fsum(weight * predicted * predicted)
    return math.fsum(weight * x * y) / spread if spread > 1e-24 * level else 0.0
