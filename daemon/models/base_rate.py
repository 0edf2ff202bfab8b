"""The base rate: how often each class came so far. It keeps the others honest."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from daemon import kernels
from daemon.kernels import FloatArray, IntArray
from daemon.labels.matured import N_CLASSES
from daemon.models.expert import LearnerBatch

BASE_RATE: Final = "base_rate"
"""The name by which settings, bundles and vitals know it."""


class BaseRate:
    """Class frequencies of all matured labels, with one label of each class to begin with (Laplace's rule).

    Args:
        name: Its name in decisions, weights and metrics.
        counts: (3,) labels seen.
    """

    features: tuple[str, ...] = ()

    def __init__(self, name: str = BASE_RATE, counts: IntArray | None = None) -> None:
        self.name = name
        self._counts = np.zeros(N_CLASSES, dtype=np.int64) if counts is None else counts

    def run(self, batch: LearnerBatch) -> FloatArray:
        """Count each minute's labels, then state the frequencies: (n_rows, 3)."""
        cells = batch.matured_at * N_CLASSES + batch.matured_label
        new = np.bincount(cells, minlength=batch.n_minutes * N_CLASSES).reshape(batch.n_minutes, N_CLASSES)
        counts = self._counts + np.cumsum(new, axis=0)
        if batch.n_minutes:
            self._counts = counts[-1]
        seen = (counts + 1).astype(np.float64)
        logp = kernels.log(seen) - kernels.log(seen[:, 0] + seen[:, 1] + seen[:, 2])[:, None]
        return logp[batch.row_minute]

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data."""
        return {"counts": self._counts.tolist()}

    def restored(self, fields: Mapping[str, Any]) -> "BaseRate":
        """Return a base rate with this state."""
        return BaseRate(self.name, np.array(fields["counts"], dtype=np.int64))
