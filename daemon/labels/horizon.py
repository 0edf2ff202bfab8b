"""Labels at a fixed horizon: the open of t+1 to the first tradable open from t+1+h on.

Columnar over a chunk. The state is what the last h + 1 + late minutes said, so that a decision and its end
may stand in different chunks; nothing in it depends on how the minutes were cut.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from daemon import kernels
from daemon.events import Backfill, Minutes
from daemon.kernels import BoolArray, FloatArray, IntArray
from daemon.labels.matured import LABEL_ROW, LabelRows, Matured, Move, Void, in_order, label_rows
from daemon.settings import LabelSettings

NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, eq=False)
class HorizonState:
    """The last `context` minutes, newest last; `context` = horizon + 1 + late.

    Attributes:
        ordinal: Ordinal of the next minute.
        sigma: (context, n_instruments), NaN where no decision waits.
        open: (context, n_instruments).
        tradable: (context, n_instruments) bool.
        catch_up: (context,) bool.
        late: Labels that a backfill ended; the next minute hands them out.
    """

    ordinal: int
    sigma: FloatArray
    open: FloatArray
    tradable: BoolArray
    catch_up: BoolArray
    late: LabelRows

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data."""
        return {**{name: getattr(self, name) for name in self.__slots__}, "late": self.late.tobytes()}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Rebuild the state from what `to_fields` returned."""
        return cls(**{**fields, "late": np.frombuffer(fields["late"], dtype=LABEL_ROW).copy()})

    def regrouped(self, index: IntArray) -> Self:
        """Return the state for another universe: `index[j]` is the old column, or -1 for a new instrument."""
        return replace(
            self,
            sigma=regrouped_columns(self.sigma, index, np.nan),
            open=regrouped_columns(self.open, index, np.nan),
            tradable=regrouped_columns(self.tradable, index, 0),
            late=regrouped_rows(self.late, index),
        )


class HorizonLabeller:
    """Labels by the return over `horizon_minutes`, against a threshold in bps or in sigma x sqrt(horizon)."""

    def __init__(self, settings: LabelSettings) -> None:
        self._settings = settings
        self._horizon = settings.horizon_minutes
        self._late = settings.late_minutes
        self._context = settings.horizon_minutes + 1 + settings.late_minutes

    def initial(self, n_instruments: int) -> HorizonState:
        """Return the state before the first minute."""
        shape = (self._context, n_instruments)
        return HorizonState(
            ordinal=0,
            sigma=np.full(shape, np.nan),
            open=np.full(shape, np.nan),
            tradable=np.zeros(shape, dtype=np.bool_),
            catch_up=np.zeros(self._context, dtype=np.bool_),
            late=np.zeros(0, dtype=LABEL_ROW),
        )

    def advance(
        self, state: HorizonState, minutes: Minutes, sigma: FloatArray
    ) -> tuple[Matured, HorizonState]:
        """Take a chunk; see `Labeller.advance`."""
        n_minutes, context = len(minutes), self._context
        joined = HorizonState(
            ordinal=state.ordinal - context,  # of the first joined row
            sigma=np.concatenate([state.sigma, np.where(minutes.present, sigma, np.nan)]),
            open=np.concatenate([state.open, minutes.open]),
            tradable=np.concatenate([state.tradable, minutes.tradable]),
            catch_up=np.concatenate([state.catch_up, minutes.catch_up]),
            late=state.late,
        )
        decided, exit_row = self._exits(joined)
        end = context + n_minutes
        void = np.zeros((n_minutes, len(Void)), dtype=np.int64)
        before = ~np.isnan(joined.sigma[context - 1 : end - 1])
        void[:, Void.NO_ENTRY] = (before & ~joined.tradable[context:]).sum(axis=1)
        # The decision whose last chance for an exit is row r was made at r - context.
        void[:, Void.NO_EXIT] = (decided[:n_minutes] & (exit_row[:n_minutes] == NEVER)).sum(axis=1)
        done = decided & (exit_row >= context) & (exit_row < end)
        parts = [state.late] if n_minutes else []
        matured = in_order([*parts, self._labels(joined, done, exit_row)], void)
        late = state.late[:0] if n_minutes else state.late
        return matured, HorizonState(
            ordinal=state.ordinal + n_minutes,
            sigma=joined.sigma[n_minutes:],
            open=joined.open[n_minutes:],
            tradable=joined.tradable[n_minutes:],
            catch_up=joined.catch_up[n_minutes:],
            late=late,
        )

    def extend(
        self, state: HorizonState, instrument: int, ordinals: Sequence[int], backfill: Backfill
    ) -> HorizonState:
        """Let late bars end labels that still wait; see `Labeller.extend`."""
        sigma, parts = state.sigma.copy(), [state.late]
        first = state.ordinal - self._context
        for ordinal, (_, open_, _, _, _, volume, _, synthetic) in zip(ordinals, backfill.bars, strict=True):
            if synthetic or volume <= 0.0:
                continue
            newest = ordinal - 1 - self._horizon - first
            rows = np.arange(max(0, newest - self._late), newest + 1)
            rows = rows[~np.isnan(sigma[rows, instrument]) & state.tradable[rows + 1, instrument]]
            entry, deviation = state.open[rows + 1, instrument], sigma[rows, instrument]
            part = self._rows(
                rows + first, np.full(len(rows), instrument), np.full(len(rows), open_), entry, deviation
            )
            part["catch_up"] = True
            parts.append(part)
            sigma[rows, instrument] = np.nan
        return replace(state, sigma=sigma, late=np.concatenate(parts))

    def _exits(self, joined: HorizonState) -> tuple[BoolArray, IntArray]:
        """Return which rows hold an entered decision, and its exit's row or NEVER: (n_candidates, N) each."""
        end, horizon = len(joined.sigma), self._horizon
        candidates = end - 1 - horizon
        rows = np.arange(end, dtype=np.int64)[:, None]
        own = np.where(joined.tradable[1 + horizon :], rows[1 + horizon :], NEVER)
        following = np.minimum.accumulate(own[::-1], axis=0)[::-1]
        exit_row = np.where(following <= rows[:candidates] + self._context, following, NEVER)
        decided = ~np.isnan(joined.sigma[:candidates]) & joined.tradable[1 : candidates + 1]
        return decided, exit_row

    def _labels(self, joined: HorizonState, done: BoolArray, exit_row: IntArray) -> LabelRows:
        row, instrument = np.nonzero(done)
        ended = exit_row[row, instrument]
        rows = self._rows(
            row + joined.ordinal,
            instrument,
            joined.open[ended, instrument],
            joined.open[row + 1, instrument],
            joined.sigma[row, instrument],
        )
        rows["at"] = ended - self._context
        rows["catch_up"] = joined.catch_up[row]
        return rows

    def _rows(
        self, decided: IntArray, instrument: IntArray, exit_: FloatArray, entry: FloatArray, sigma: FloatArray
    ) -> LabelRows:
        ret = kernels.log(exit_ / entry)
        label = np.where(
            ret > self._threshold(sigma),
            Move.UP,
            np.where(ret < -self._threshold(sigma), Move.DOWN, Move.FLAT),
        )
        columns: dict[str, npt.ArrayLike] = {"decided": decided, "instrument": instrument, "label": label}
        return label_rows(len(ret), {**columns, "ret": ret, "weight": 1.0, "sigma": sigma})

    def _threshold(self, sigma: FloatArray) -> FloatArray:
        if self._settings.kind == "bps":
            return np.full(len(sigma), self._settings.threshold_bps * 1e-4)
        return self._settings.threshold_sigma * math.sqrt(self._horizon) * sigma


def regrouped_columns(array: npt.NDArray[Any], index: IntArray, fill: float) -> npt.NDArray[Any]:
    """Return `array` (n_rows, old) with its columns in the order of `index`, new ones filled."""
    out = array[:, index].copy()
    out[:, index < 0] = fill
    return out


def regrouped_rows(rows: LabelRows, index: IntArray) -> LabelRows:
    """Return the label rows of instruments that stay, under their new columns."""
    place = {int(old): new for new, old in enumerate(index.tolist()) if old >= 0}
    kept = rows[np.isin(rows["instrument"], list(place))].copy()
    kept["instrument"] = [place[int(old)] for old in kept["instrument"]]
    return kept
