"""What the features of a chunk are, once computed."""

from dataclasses import dataclass

from daemon.kernels import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class FeatureBlock:
    """One row per present bar of a chunk, minute by minute, within a minute by instrument.

    Attributes:
        minute: (R,) row of the chunk's minutes.
        instrument: (R,) column of the run's instruments.
        values: (R, n_features) float64, C-contiguous, finite.
        sigma: (R,) volatility of one-row log returns, a fraction per minute; at least `SIGMA_FLOOR`.
        ready: (R,) the lane has enough rows, and enough of them since its last long gap.
    """

    minute: IntArray
    instrument: IntArray
    values: FloatArray
    sigma: FloatArray
    ready: BoolArray

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.minute)
