"""The one entrance to labels: which kind is a setting, how they are used is the same."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self

import numpy as np

from daemon.events import Backfill, Minutes
from daemon.kernels import FloatArray, IntArray
from daemon.labels.barrier import BarrierLabeller, BarrierState
from daemon.labels.horizon import HorizonLabeller, HorizonState
from daemon.labels.matured import Matured
from daemon.settings import LabelSettings


class LabelState(Protocol):
    """What labels still wait for; plain data, with an instrument axis."""

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data."""

    def regrouped(self, index: IntArray) -> Self:
        """Return the state for another universe: `index[j]` is the old column, or -1 for a new instrument."""


class Labeller:
    """Turns sealed minutes into matured labels.

    A decision is an instrument-minute with a row and a known sigma. It enters at the open of the next minute,
    which must be tradable, and ends at the first tradable open in [t+1+h, t+1+h+late] (or at a barrier
    before); else it is void, counted and dropped. A label matures in the minute whose sealed bar ends it.

    Args:
        settings: Kind, horizon and thresholds.
    """

    def __init__(self, settings: LabelSettings) -> None:
        self._kind: Any = (
            BarrierLabeller(settings) if settings.kind == "barrier" else HorizonLabeller(settings)
        )
        self._state = BarrierState if settings.kind == "barrier" else HorizonState
        self.span = settings.horizon_minutes + settings.late_minutes + 2
        """How many ordinals a decision may wait, its own included: the span that `Pending` needs."""

    def initial(self, n_instruments: int) -> LabelState:
        """Return the state before the first minute."""
        state: LabelState = self._kind.initial(n_instruments)
        return state

    def advance(self, state: LabelState, minutes: Minutes, sigma: FloatArray) -> tuple[Matured, LabelState]:
        """Take a chunk of minutes and return the labels that matured in it. Do not use `state` again.

        Args:
            state: What the call before returned.
            minutes: (n_minutes x n_instruments) sealed minutes; n_minutes may be 0.
            sigma: (n_minutes, n_instruments) volatility per minute as known at each minute's close, a
                fraction; NaN where unknown. Cells of absent bars are not read.
        """
        matured, following = self._kind.advance(state, minutes, sigma)
        return matured, following

    def extend(
        self, state: LabelState, instrument: int, ordinals: Sequence[int], backfill: Backfill
    ) -> LabelState:
        """Let backfilled bars end labels that still wait. Do not use `state` again.

        What was already counted void stays void, and a backfilled bar is no decision (nothing was scored
        then). Labels ended here come with the next minute, marked `catch_up`.

        Args:
            state: What the call before returned.
            instrument: Column of the backfill's instrument.
            ordinals: Ordinal of each of the backfill's bars, ascending, all in the past.
            backfill: The bars.
        """
        following: LabelState = self._kind.extend(state, instrument, ordinals, backfill)
        return following

    def restore(self, fields: Mapping[str, object]) -> LabelState:
        """Rebuild a state from its fields."""
        return self._state.from_fields(fields)


def dense_sigma(
    n_minutes: int, n_instruments: int, row_minute: IntArray, row_instrument: IntArray, sigma: FloatArray
) -> FloatArray:
    """Spread the rows' sigma (n_rows,) over (n_minutes, n_instruments), NaN elsewhere."""
    dense = np.full((n_minutes, n_instruments), np.nan)
    dense[row_minute, row_instrument] = sigma
    return dense
