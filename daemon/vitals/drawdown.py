"""How far and how long equity has been below its highest value."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from daemon.kernels import FloatArray


@dataclass(frozen=True, slots=True)
class DrawdownFigures:
    """Drawdowns since the start of the run.

    Attributes:
        current: 1 - equity / its highest value so far.
        worst: The largest value that `current` ever had.
        minutes_below: Session minutes since equity last stood at its highest.
        longest_minutes_below: The longest such stretch.
    """

    current: float
    worst: float
    minutes_below: int
    longest_minutes_below: int


class Drawdown:
    """Follows equity, minute by minute or many minutes at once.

    Args:
        equity: Equity at the start, quote currency, > 0.
    """

    def __init__(self, equity: float) -> None:
        self._highest = equity
        self._figures = DrawdownFigures(0.0, 0.0, 0, 0)

    def update(self, equity: FloatArray) -> None:
        """Take the equity of the next minutes, (n_minutes,)."""
        if not len(equity):
            return
        before = self._figures
        highest = np.maximum(np.maximum.accumulate(equity), self._highest)
        share = 1.0 - equity / highest
        index = np.arange(len(equity))
        last_high = np.maximum.accumulate(np.where(equity >= highest, index, -1 - before.minutes_below))
        below = index - last_high
        self._highest = float(highest[-1])
        self._figures = DrawdownFigures(
            current=float(share[-1]),
            worst=max(before.worst, float(share.max())),
            minutes_below=int(below[-1]),
            longest_minutes_below=max(before.longest_minutes_below, int(below.max())),
        )

    @property
    def figures(self) -> DrawdownFigures:
        """The figures as of the last minute."""
        return self._figures

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data."""
        f = self._figures
        return {
            "highest": self._highest,
            "current": f.current,
            "worst": f.worst,
            "minutes_below": f.minutes_below,
            "longest_minutes_below": f.longest_minutes_below,
        }

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Take up again where `to_fields` stood."""
        new = cls(float(fields["highest"]))
        new._figures = DrawdownFigures(
            current=float(fields["current"]),
            worst=float(fields["worst"]),
            minutes_below=int(fields["minutes_below"]),
            longest_minutes_below=int(fields["longest_minutes_below"]),
        )
        return new
