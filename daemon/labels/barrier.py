"""Triple-barrier labels: whichever comes first, the upper barrier, the lower one, or the end of the horizon.

Entry is the open of t+1, the barriers lie `barrier_up_sigma` and `barrier_down_sigma` x sigma x sqrt(horizon)
from it in logs. Bars of t+1 ... t+h are tested with their open first (a gap through a barrier ends there, at
the open), then with high and low; **both barriers inside one minute count as the adverse one**, the lower:
that is where a long position's stop stands, and the bar does not say which came first. At the end, the first
tradable open from t+1+h on
decides: beyond a barrier it takes that side, else the label is flat.

Weights are by average uniqueness: the mean over the label's minutes of 1 / (labels alive in that minute), per
instrument, over its mean so far in the run, so that weights are about 1. Everything counted is an integer, so
no weight depends on how minutes were chunked. Source: M. Lopez de Prado, Advances in Financial Machine
Learning (2018), ch. 3-4.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from daemon import kernels
from daemon.events import Backfill, Minutes
from daemon.kernels import BoolArray, FloatArray, IntArray
from daemon.labels.horizon import regrouped_columns, regrouped_rows
from daemon.labels.matured import LABEL_ROW, LabelRows, Matured, Move, Void, in_order, label_rows
from daemon.settings import LabelSettings

SHARE_UNIT = 1 << 40
"""One whole minute of uniqueness, as an integer: prefix sums of shares may wrap, their differences are
exact."""

_SLOT_ARRAYS = {
    "sigma": np.nan,
    "entry": np.nan,
    "up": np.inf,
    "down": -np.inf,
    "share_before": 0,
    "catch_up": False,
}


@dataclass(slots=True, eq=False)
class BarrierState:
    """Pending labels in a ring over ordinals, changed in place; slot = ordinal % (horizon + late + 2).

    Attributes:
        ordinal: Ordinal of the next minute.
        sigma: (n_slots, n_instruments), NaN where no decision was made.
        entry: (n_slots, n_instruments), entry price; NaN where no label is alive.
        up: (n_slots, n_instruments), upper barrier as a price; +inf where no label is alive; its ratio to the
            entry price where entry comes next minute.
        down: The lower one alike; -inf where no label is alive.
        share_before: (n_slots, n_instruments) int64, `share` before the entry minute was added.
        catch_up: (n_slots, n_instruments) bool.
        alive: (n_instruments,) int64, labels alive.
        share: (n_instruments,) int64, running sum of SHARE_UNIT / alive over minutes.
        n_shared: Minutes that `share` holds.
        share_total: Sum of the matured labels' average uniqueness so far, in SHARE_UNITs.
        n_matured: Labels matured so far.
        late: Labels that a backfill ended; the next minute hands them out.
    """

    ordinal: int
    sigma: FloatArray
    entry: FloatArray
    up: FloatArray
    down: FloatArray
    share_before: IntArray
    catch_up: BoolArray
    alive: IntArray
    share: IntArray
    n_shared: int
    share_total: int
    n_matured: int
    late: LabelRows

    def to_fields(self) -> dict[str, object]:
        """Return a copy of the state as plain data."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        copies = {
            name: value.copy() if isinstance(value, np.ndarray) else value for name, value in fields.items()
        }
        return {**copies, "late": self.late.tobytes()}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Rebuild the state from what `to_fields` returned."""
        copies: dict[str, Any] = {
            name: value.copy() if isinstance(value, np.ndarray) else value for name, value in fields.items()
        }
        return cls(**{**copies, "late": np.frombuffer(fields["late"], dtype=LABEL_ROW).copy()})

    def regrouped(self, index: IntArray) -> Self:
        """Return the state for another universe: `index[j]` is the old column, or -1 for a new instrument."""
        fields = self.to_fields()
        for name, fill in _SLOT_ARRAYS.items():
            fields[name] = regrouped_columns(getattr(self, name), index, fill)
        for name in ("alive", "share"):
            fields[name] = regrouped_columns(getattr(self, name)[None, :], index, 0)[0]
        fields["late"] = regrouped_rows(self.late, index).tobytes()
        return self.from_fields(fields)


class BarrierLabeller:
    """Triple-barrier labels, minute by minute over a ring of pending ones."""

    def __init__(self, settings: LabelSettings) -> None:
        self._horizon = settings.horizon_minutes
        self._late = settings.late_minutes
        self._n_slots = settings.horizon_minutes + settings.late_minutes + 2
        self._waits = np.arange(settings.late_minutes + 1)
        root = math.sqrt(settings.horizon_minutes)
        self._up, self._down = settings.barrier_up_sigma * root, -settings.barrier_down_sigma * root

    def initial(self, n_instruments: int) -> BarrierState:
        """Return the state before the first minute."""
        shape = (self._n_slots, n_instruments)
        slots: dict[str, Any] = {name: np.full(shape, fill) for name, fill in _SLOT_ARRAYS.items()}
        slots |= {name: np.zeros(n_instruments, dtype=np.int64) for name in ("alive", "share")}
        late = np.zeros(0, dtype=LABEL_ROW)
        return BarrierState(ordinal=0, **slots, n_shared=0, share_total=0, n_matured=0, late=late)

    def advance(
        self, state: BarrierState, minutes: Minutes, sigma: FloatArray
    ) -> tuple[Matured, BarrierState]:
        """Take a chunk; see `Labeller.advance`."""
        void = np.zeros((len(minutes), len(Void)), dtype=np.int64)
        tradable = minutes.tradable
        known = np.where(minutes.present, sigma, np.nan)
        up, down = kernels.exp(self._up * known), kernels.exp(self._down * known)
        high, low = np.where(tradable, minutes.high, -np.inf), np.where(tradable, minutes.low, np.inf)
        parts: list[LabelRows] = []
        for t in range(len(minutes)):
            open_ = minutes.open[t]
            ended = [self._time_out(state, tradable[t], open_)]
            void[t, Void.NO_EXIT] = self._expire(state)
            void[t, Void.NO_ENTRY] = self._enter(state, tradable[t], open_)
            ended.append(self._touch(state, open_, high[t], low[t]))
            self._decide(state, (known[t], up[t], down[t]), catch_up=bool(minutes.catch_up[t]))
            parts.append(self._weighted(state, ended, t))
        return in_order(parts, void), state

    def extend(
        self, state: BarrierState, instrument: int, ordinals: Sequence[int], backfill: Backfill
    ) -> BarrierState:
        """Let late bars end labels that still wait; see `Labeller.extend`."""
        now, width = state.ordinal, len(state.alive)
        only = np.arange(width) == instrument
        decided = now - 1 - (now - 1 - np.arange(self._n_slots)) % self._n_slots
        for ordinal, (_, *prices, _, volume, _, synthetic) in zip(ordinals, backfill.bars, strict=True):
            if synthetic or volume <= 0.0:
                continue
            open_, high, low = (np.full(width, price) for price in prices)
            # A label that was entered after that minute learns nothing from it: hide it.
            younger = (decided >= ordinal - 1)[:, None] | ~only
            hidden = [array.copy() for array in (state.entry, state.up, state.down)]
            for array, fill in zip(
                (state.entry, state.up, state.down), (np.nan, np.inf, -np.inf), strict=True
            ):
                array[younger] = fill
            state.ordinal = ordinal
            ended = [self._time_out(state, only, open_), self._touch(state, open_, high, low)]
            state.ordinal = now
            for array, before in zip((state.entry, state.up, state.down), hidden, strict=True):
                array[younger] = before[younger]
            late = [part for part in ended if part is not None]
            for part in late:
                part["catch_up"] = True
            state.late = np.concatenate([state.late, *late])
        return state

    def _time_out(self, state: BarrierState, tradable: BoolArray, open_: FloatArray) -> LabelRows | None:
        """End at this open the labels whose horizon is over."""
        oldest = state.ordinal - 1 - self._horizon - self._late
        slots = (oldest + self._waits) % self._n_slots
        row, instrument = np.nonzero((state.entry[slots] > 0.0) & tradable)
        if not len(row):
            return None
        slot, price = slots[row], open_[instrument]
        up, down = price >= state.up[slot, instrument], price <= state.down[slot, instrument]
        label = np.where(up, Move.UP, np.where(down, Move.DOWN, Move.FLAT))
        return self._ended(state, (slot, instrument), oldest + row, price, label)

    def _expire(self, state: BarrierState) -> int:
        """Drop the labels whose last chance for an exit was this minute; return how many."""
        slot = (state.ordinal - 1 - self._horizon - self._late) % self._n_slots
        waiting = np.nonzero(state.entry[slot] > 0.0)[0]
        if len(waiting):
            self._clear(state, (np.full(len(waiting), slot), waiting))
        return len(waiting)

    def _enter(self, state: BarrierState, tradable: BoolArray, open_: FloatArray) -> int:
        """Enter the decisions of the minute before at this open; return how many could not.

        Until then `up` and `down` of their slot hold factors.
        """
        slot = (state.ordinal - 1) % self._n_slots
        decided = state.sigma[slot] > 0.0
        entered = decided & tradable
        state.entry[slot] = np.where(entered, open_, np.nan)
        state.up[slot] = np.where(entered, open_ * state.up[slot], np.inf)
        state.down[slot] = np.where(entered, open_ * state.down[slot], -np.inf)
        state.share_before[slot] = state.share
        state.alive += entered
        state.share += np.where(state.alive > 0, SHARE_UNIT // np.maximum(state.alive, 1), 0)
        state.n_shared += 1
        return int(np.count_nonzero(decided)) - int(np.count_nonzero(entered))

    def _touch(
        self, state: BarrierState, open_: FloatArray, high: FloatArray, low: FloatArray
    ) -> LabelRows | None:
        """End the labels whose barrier this bar reaches; untradable bars have high -inf and low +inf."""
        slot, instrument = np.nonzero((high >= state.up) | (low <= state.down))
        if not len(slot):
            return None
        up, down, first = state.up[slot, instrument], state.down[slot, instrument], open_[instrument]
        falls = (first <= down) | ((low[instrument] <= down) & (first < up))
        price = np.where(falls, np.minimum(first, down), np.maximum(first, up))
        label = np.where(falls, Move.DOWN, Move.UP)
        decided = state.ordinal - 1 - (state.ordinal - 1 - slot) % self._n_slots
        return self._ended(state, (slot, instrument), decided, price, label)

    def _decide(
        self, state: BarrierState, known: tuple[FloatArray, FloatArray, FloatArray], *, catch_up: bool
    ) -> None:
        slot = state.ordinal % self._n_slots
        state.sigma[slot], state.up[slot], state.down[slot] = known
        state.catch_up[slot] = catch_up
        state.ordinal += 1

    def _ended(
        self,
        state: BarrierState,
        cells: tuple[IntArray, IntArray],
        decided: IntArray,
        price: FloatArray,
        label: IntArray,
    ) -> LabelRows:
        """Make label rows of pending cells and free them; `weight` is average uniqueness in SHARE_UNITs."""
        # A label that ends at an open has not lived in that minute, which is not in `share` yet.
        life = state.n_shared - 1 - decided
        columns = {
            "decided": decided,
            "instrument": cells[1],
            "label": label,
            "ret": kernels.log(price / state.entry[cells]),
            "weight": (state.share[cells[1]] - state.share_before[cells]) // life,
            "sigma": state.sigma[cells],
            "catch_up": state.catch_up[cells],
        }
        self._clear(state, cells)
        return label_rows(len(decided), columns)

    def _clear(self, state: BarrierState, cells: tuple[IntArray, IntArray]) -> None:
        state.entry[cells], state.up[cells], state.down[cells] = np.nan, np.inf, -np.inf
        np.subtract.at(state.alive, cells[1], 1)

    def _weighted(self, state: BarrierState, ended: Sequence[LabelRows | None], at: int) -> LabelRows:
        """Turn average uniqueness into weights: over its mean among the labels matured up to this minute."""
        parts = [state.late, *(part for part in ended if part is not None)]
        rows = np.concatenate(parts) if len(parts) > 1 else parts[0]
        if len(rows):
            rows["at"] = at
            state.late = state.late[:0]
            state.share_total += int(rows["weight"].astype(np.int64).sum())
            state.n_matured += len(rows)
            rows["weight"] *= state.n_matured / state.share_total
        return rows
