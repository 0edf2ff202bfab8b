"""How large a position a signal deserves, before the caps of the whole book."""

import numpy as np

from daemon.kernels import FloatArray, IntArray
from daemon.policy.gate import Candidate
from daemon.settings import PolicySettings

MINUTES_PER_YEAR = 525_600.0
"""Of a market that never closes. XNYS has about 97,700."""


class Sizer:
    """The sizing rule of the settings.

    - `fixed`: `notional` over equity.
    - `volatility`: the weight whose annual volatility is `target_volatility`.
    - `kelly`: `kelly_fraction` x (edge - round-trip cost) / variance to the horizon (Kelly 1956; Thorp 2006
      for the continuous case), on the edge as the gate sees it: shrunk, and after costs.

    None is above `max_weight`.

    Args:
        settings: The rule.
        horizon_minutes: Of the model's labels.
        minutes_per_year: Session minutes a year: one number for all instruments, or (n_instruments,).
    """

    __slots__ = ("_notional", "_settings", "_variance_scale", "_yearly")

    def __init__(
        self,
        settings: PolicySettings,
        horizon_minutes: int,
        minutes_per_year: FloatArray | float = MINUTES_PER_YEAR,
    ) -> None:
        self._settings = settings
        self._notional = float(settings.notional)
        self._yearly = np.sqrt(np.asarray(minutes_per_year, dtype=np.float64))
        self._variance_scale = float(horizon_minutes)

    def weight(self, signal: Candidate, equity: float) -> float:
        """Return the absolute weight, share of `equity` (> 0, quote currency), for one signal."""
        settings = self._settings
        if settings.sizing == "fixed":
            weight = self._notional / equity
        elif settings.sizing == "volatility":
            yearly = float(self._yearly[signal.instrument] if self._yearly.ndim else self._yearly)
            weight = settings.target_volatility / (signal.sigma * yearly)
        else:
            net = abs(signal.edge) - signal.cost
            weight = settings.kelly_fraction * net / (signal.sigma * signal.sigma * self._variance_scale)
        return min(max(weight, 0.0), settings.max_weight)

    def intended_notional(self, sigma: FloatArray, capital: float, instrument: IntArray) -> FloatArray:
        """Return the size in quote currency that the gate's cost estimate assumes, per row.

        The gate runs over a whole chunk before any of its minutes is traded, so the size is taken on the
        run's capital, not on the equity of the minute; Kelly's is its largest, `max_weight`.

        Args:
            sigma: (n_rows,) volatility of one-minute log returns; NaN where unknown.
            capital: Cash at the start of the run, quote currency.
            instrument: (n_rows,) index among the run's instruments.
        """
        settings = self._settings
        largest = settings.max_weight * capital
        if settings.sizing == "fixed":
            return np.full(len(sigma), min(self._notional, largest))
        if settings.sizing == "volatility":
            yearly = self._yearly[instrument] if self._yearly.ndim else self._yearly
            return np.minimum(settings.target_volatility / (sigma * yearly) * capital, largest)
        return np.full(len(sigma), largest)
