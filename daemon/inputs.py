"""What sealed inputs alone determine: features, scores of the experts that do not learn, labels, ages.

Nothing here knows a position or a decision, so it may run ahead of them, thousands of minutes at a time.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import msgspec
import numpy as np

from daemon.bars.presence import Ages
from daemon.events import Backfill, Minutes, Refusal, UniverseChanged
from daemon.features import FeatureBlock, FeaturePlan, FeatureState
from daemon.kernels import FloatArray, IntArray
from daemon.labels import Labeller, LabelState, Matured
from daemon.labels.matured import LABEL_ROW

RECENT_MINUTES: Final = 4_320
"""So many sealed minutes at least are remembered, so that a backfilled bar finds its place: three days."""


@dataclass(frozen=True, slots=True, eq=False)
class InputState:
    """The state of `prepare`. Linear: once advanced, the old one must not be used again.

    Attributes:
        features: Windows and averages.
        labels: Decisions whose label has not matured.
        ages: Minutes since each instrument's last row.
        ordinal: Ordinal of the next minute.
        recent: Epoch minutes of the last sealed minutes, ascending: where a backfilled bar belongs.
    """

    features: FeatureState
    labels: LabelState
    ages: Ages
    ordinal: int
    recent: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Sealed minutes with everything that depends on them alone.

    Attributes:
        offered: The minutes as they came.
        minutes: The same without refused bars.
        ordinal: Ordinal of the first minute.
        features: One row per bar.
        matured: Labels that matured in these minutes.
        ages: (n_minutes, n_instruments) session minutes since the last row.
        refusals: Bars that were refused, with their reasons.
        raw: By expert that does not learn, (n_scored, 3) log-probabilities of the ready rows; empty until
            scored.
        after: The inputs' state after the last minute as plain data, where a snapshot is due.
    """

    offered: Minutes
    minutes: Minutes
    ordinal: int
    features: FeatureBlock
    matured: Matured
    ages: IntArray
    refusals: tuple[Refusal, ...]
    raw: Mapping[str, FloatArray]
    after: Mapping[str, object] | None

    def cut(self, at: Sequence[int]) -> Iterator["Chunk"]:
        """Yield the chunk in parts that begin at these minutes (indices); only the last has `after`."""
        edges = sorted({0, len(self.minutes), *at})
        if len(edges) <= 2:
            yield self
            return
        rows = np.searchsorted(self.features.minute, edges).tolist()
        labels = np.searchsorted(self.matured.at, edges).tolist()
        scored = np.concatenate([[0], np.cumsum(self.features.ready)])[rows].tolist()
        for n in range(len(edges) - 1):
            start, span = edges[n], slice(edges[n], edges[n + 1])
            yield replace(
                self,
                offered=self.offered[span],
                minutes=self.minutes[span],
                ordinal=self.ordinal + start,
                features=_rows_of(self.features, slice(rows[n], rows[n + 1]), start),
                matured=_labels_of(self.matured, slice(labels[n], labels[n + 1]), span),
                ages=self.ages[span],
                raw={name: raw[scored[n] : scored[n + 1]] for name, raw in self.raw.items()},
                after=self.after if n == len(edges) - 2 else None,
            )


def _rows_of(block: FeatureBlock, rows: slice, start: int) -> FeatureBlock:
    return FeatureBlock(
        minute=block.minute[rows] - start,
        instrument=block.instrument[rows],
        values=block.values[rows],
        sigma=block.sigma[rows],
        ready=block.ready[rows],
    )


def _labels_of(matured: Matured, rows: slice, span: slice) -> Matured:
    columns = {name: getattr(matured, name)[rows] for name in LABEL_ROW.names or ()}
    return Matured(**{**columns, "at": columns["at"] - span.start}, void=matured.void[span])


class Inputs:
    """Turns sealed minutes into chunks: admit, features, labels, ages.

    Args:
        plan: The features of the model that trades.
        labeller: Its labels.
        instruments: Names of the run's instruments, sorted.
    """

    def __init__(self, plan: FeaturePlan, labeller: Labeller, instruments: tuple[str, ...]) -> None:
        self._plan = plan
        self._labeller = labeller
        self._instruments = instruments
        # An instrument that joins is warmed with so many minutes at most.
        self._recent_minutes = max(RECENT_MINUTES, plan.past_rows)

    def initial(self) -> InputState:
        """Return the state before the first minute."""
        n_instruments = len(self._instruments)
        return InputState(
            features=self._plan.initial(self._instruments),
            labels=self._labeller.initial(n_instruments),
            ages=Ages(n_instruments),
            ordinal=0,
            recent=np.empty(0, dtype=np.int64),
        )

    def prepare(
        self, state: InputState, minutes: Minutes, *, snapshot_due: bool = False
    ) -> tuple[Chunk, InputState]:
        """Take the next sealed minutes; a function of `state` and `minutes` alone, however they are cut."""
        offered = minutes
        minutes, refusals = self._plan.admit(state.features, offered)
        features, feature_state = self._plan.advance(state.features, minutes)
        sigma = np.full(minutes.present.shape, np.nan)
        sigma[features.minute, features.instrument] = np.where(features.ready, features.sigma, np.nan)
        matured, labels = self._labeller.advance(state.labels, minutes, sigma)
        ages = state.ages.advance(minutes)
        after = InputState(
            features=feature_state,
            labels=labels,
            ages=state.ages,
            ordinal=state.ordinal + len(minutes),
            recent=np.concatenate([state.recent, minutes.minute])[-self._recent_minutes :],
        )
        fields = self.to_fields(after) if snapshot_due else None
        return Chunk(offered, minutes, state.ordinal, features, matured, ages, refusals, {}, fields), after

    def extend(self, state: InputState, backfill: Backfill) -> tuple[InputState, tuple[Refusal, ...]]:
        """Take bars that came after their minutes were sealed; what the lane cannot take is refused."""
        column = self._instruments.index(backfill.instrument)
        known = set(state.recent.tolist())
        strange = tuple(
            Refusal(minute=bar[0], subject=backfill.instrument, reason="its minute was not sealed lately")
            for bar in backfill.bars
            if bar[0] not in known
        )
        backfill = msgspec.structs.replace(
            backfill, bars=tuple(bar for bar in backfill.bars if bar[0] in known)
        )
        backfill, refusals = self._plan.admit_backfill(state.features, backfill)
        if not backfill.bars:
            return state, strange + refusals
        minutes = np.array([bar[0] for bar in backfill.bars], dtype=np.int64)
        ordinals = (np.searchsorted(state.recent, minutes) + (state.ordinal - len(state.recent))).tolist()
        state.ages.extend(column, ordinals[-1])
        return replace(
            state,
            features=self._plan.extend(state.features, backfill, ordinals),
            labels=self._labeller.extend(state.labels, column, ordinals, backfill),
        ), strange + refusals

    def regrouped(
        self, state: InputState, index: IntArray, instruments: tuple[str, ...]
    ) -> tuple[InputState, Self]:
        """Return state and inputs of another universe: column j is the old index[j], or a new one for -1."""
        return replace(
            state,
            features=state.features.regrouped(index, instruments, self._plan.quanta),
            labels=state.labels.regrouped(index),
            ages=state.ages.regrouped(index),
        ), type(self)(self._plan, self._labeller, instruments)

    def to_fields(self, state: InputState) -> dict[str, object]:
        """Return the state as plain data, without the windows: those are rebuilt from the tape's bars."""
        return {
            "features": state.features.to_fields(),
            "labels": state.labels.to_fields(),
            "ages": state.ages.to_fields(),
            "ordinal": state.ordinal,
            "recent": state.recent.copy(),
        }

    def restore(
        self,
        fields: Mapping[str, Any],
        history: Iterable[Minutes | Backfill | UniverseChanged],
        instruments: tuple[str, ...] | None = None,
    ) -> InputState:
        """Take up again where `to_fields` stood.

        Args:
            fields: From there.
            history: The newest inputs, enough for every window.
            instruments: Names at its beginning, if they were others than now.
        """
        return InputState(
            features=self._plan.restore(fields["features"], history, instruments),
            labels=self._labeller.restore(fields["labels"]),
            ages=Ages.from_fields(fields["ages"]),
            ordinal=int(fields["ordinal"]),
            recent=np.asarray(fields["recent"], dtype=np.int64),
        )
