"""The edge that signals promised beside the return that came, live minutes only.

A signal is a scored row whose predicted edge pays for a round trip. Its edge and the return of its label are
over the same minutes, from the open after the decision to the horizon, so they are compared signal by signal,
whether or not a limit let it be traded; what trades came to is told by `daemon.vitals.trades`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from daemon.kernels import BoolArray, FloatArray, IntArray, segment_sum
from daemon.labels import Matured
from daemon.labels.pending import Pending
from daemon.vitals.buckets import Buckets
from daemon.vitals.intervals import Interval, rolling_interval
from daemon.vitals.terms import Terms
from daemon.vitals.track import BUCKETS_PER_HORIZON, LAG_HORIZONS

COLUMNS: Final = ("minutes", "signals", "predicted", "realised")


@dataclass(frozen=True, slots=True)
class EdgeFigures:
    """Signals of the window whose labels have come. Minutes are averaged first, then the minutes.

    Attributes:
        signals: How many.
        predicted: Log return that was expected towards the signal's side, with its interval.
        realised: Log return that came towards it.
        shortfall: Predicted less realised, paired; above zero the model promises more than it keeps.
    """

    signals: int
    predicted: Interval | None
    realised: Interval | None
    shortfall: Interval | None


class Edges:
    """Keeps what signals promised until their labels come; bounded by the window.

    Args:
        span: How many ordinals a decision may wait for its label (`Labeller.span`).
        n_instruments: Width of the universe.
        horizon_minutes: Of the labels.
        window_minutes: How far back figures look.
        version: Of the model, at first.
    """

    def __init__(
        self, span: int, n_instruments: int, horizon_minutes: int, window_minutes: int, version: str = ""
    ) -> None:
        bucket_minutes = max(horizon_minutes // BUCKETS_PER_HORIZON, 1)
        self._lag = -(-LAG_HORIZONS * horizon_minutes // bucket_minutes)
        self._span, self._n_instruments = span, n_instruments
        self._pending = Pending(span, n_instruments, 1)
        self._buckets = Terms(lambda _: Buckets(len(COLUMNS), bucket_minutes, window_minutes), version)

    def begin(self, version: str, ordinal: int) -> None:
        """Judge another version of the model from a minute on."""
        self._buckets.begin(version, ordinal)

    def update(
        self,
        ordinal: int,
        n_minutes: int,
        minute: IntArray,
        instrument: IntArray,
        edge: FloatArray,
        matured: Matured,
    ) -> None:
        """Take the signals of the next minutes, and the labels that matured in them.

        Args:
            ordinal: Ordinal of the first of these minutes.
            n_minutes: How many minutes.
            minute: (n_signals,) index of each signal's minute, ascending.
            instrument: (n_signals,) its column.
            edge: (n_signals,) predicted log return, its sign is the side.
            matured: All labels that matured in the minutes.
        """
        self._pending.store(ordinal, n_minutes, minute, instrument, edge[:, None])
        promised, known = self._pending.take(matured.decided, matured.instrument)
        for buckets, own in self._buckets.shares(matured.decided):
            _add(buckets, ordinal, n_minutes, matured, promised, own & known & ~matured.catch_up)

    def figures(self) -> EdgeFigures:
        """Return the figures of the window."""
        minutes, signals, predicted, realised = self._buckets.now.cells().T
        return EdgeFigures(
            signals=int(signals.sum()),
            predicted=rolling_interval(predicted, minutes, self._lag),
            realised=rolling_interval(realised, minutes, self._lag),
            shortfall=rolling_interval(predicted - realised, minutes, self._lag),
        )

    def judged(self, least_minutes: int) -> EdgeFigures | None:
        """Return the figures, if signals of so many minutes have been judged."""
        return self.figures() if self._buckets.now.totals()[0] >= least_minutes else None

    def regrouped(self, index: IntArray) -> Self:
        """Go on with another universe: column j is the old column index[j], or a new one for -1."""
        self._pending = self._pending.regrouped(index)
        self._n_instruments = len(index)
        return self

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data."""
        return {"pending": self._pending.to_fields(), "buckets": self._buckets.to_fields()}

    def restored(self, fields: Mapping[str, Any]) -> Self:
        """Take the state of `to_fields` and return itself."""
        self._pending = Pending.from_fields(self._span, self._n_instruments, 1, fields["pending"])
        self._buckets.restored(fields["buckets"])
        return self


def _add(
    buckets: Buckets,
    ordinal: int,
    n_minutes: int,
    matured: Matured,
    promised: FloatArray,
    live: BoolArray,
) -> None:
    """Add the signals whose labels came, minute by minute."""
    at, promised = matured.at[live], promised[live, 0]
    count = np.bincount(at, minlength=n_minutes).astype(np.float64)
    sums = [segment_sum(at, np.abs(promised), n_minutes)]
    sums.append(segment_sum(at, np.sign(promised) * matured.ret[live], n_minutes))
    used = np.nonzero(count)[0]
    means = [(total[used] / count[used]) for total in sums]
    buckets.add(used + ordinal, np.column_stack([np.ones(len(used)), count[used], *means]))
