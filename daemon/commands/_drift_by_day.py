"""Drift by day for a report: a tape's features computed once more and counted, and what the blend said."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from daemon import chain
from daemon.errors import FormulaError, SchemaMismatchError
from daemon.events import Backfill, EventRecord, Instrument, Minutes, UniverseChanged
from daemon.features import FeatureBlock, FeaturePlan, compile_plan
from daemon.inputs import Inputs
from daemon.kernels import IntArray
from daemon.labels import Labeller
from daemon.models.bundle import Bundle
from daemon.vitals.drift_map import DriftMap, DriftMapFigures

FEATURES: Final = "features"
PREDICTIONS: Final = "predictions"

History = Callable[[int], tuple[Iterable[Minutes | Backfill | UniverseChanged], tuple[str, ...]]]
"""Returns inputs with so many rows of each lane, and the instruments that the run had when they begin."""


class DriftByDay:
    """Follows the minutes of a run. Nothing is kept but windows and histograms.

    Args:
        bundle: Of the model that traded from the start; None where it cannot be read.
        instruments: Of the run at its start, sorted by name.
        rate: Promised share of days in drift alarm.

    Attributes:
        none: By subject (`features`, `predictions`) of which nothing can be said, why.
    """

    def __init__(self, bundle: Bundle | None, instruments: Sequence[Instrument], rate: float) -> None:
        names = tuple(instrument.name for instrument in instruments)
        held = {} if bundle is None else bundle.psi
        why = "the bundle on the tape cannot be read" if bundle is None else "the model keeps no reference"
        self._maps = {
            subject: DriftMap(held[subject], names, rate)
            for subject in (FEATURES, PREDICTIONS)
            if subject in held
        }
        self.none = {subject: why for subject in (FEATURES, PREDICTIONS) if subject not in held}
        self._again: _FeaturesAgain | None = None
        if bundle is not None and FEATURES in held:
            try:
                self._again = _FeaturesAgain(bundle, names)
            except (FormulaError, SchemaMismatchError) as error:
                del self._maps[FEATURES]
                self.none[FEATURES] = f"they cannot be computed again: {error}"
        if self._again is not None:
            at = {name: column for column, name in enumerate(self._again.plan.names)}
            watched = self._maps[FEATURES].reference.names
            self._columns = np.array([at[name] for name in watched], dtype=np.int64)
        self._names = names

    def warm(self, minutes: Minutes) -> None:
        """Take minutes before the first decided one."""
        if self._again is not None:
            self._again.rows(minutes)

    def restore(
        self,
        fields: Mapping[str, Any],
        history: History,
    ) -> None:
        """Go on after a snapshot instead of from the run's start.

        Args:
            fields: What the snapshot holds of its inputs.
            history: Returns the inputs up to it, with as many rows of each lane as asked for, and the names
                of the instruments at their beginning.
        """
        names = tuple(fields["features"]["instruments"])
        self._names = names
        for one in self._maps.values():
            one.regroup(names)
        if self._again is not None:
            try:
                self._again.restore(fields, names, history)
            except ValueError as error:
                self._again = None
                del self._maps[FEATURES]
                self.none[FEATURES] = f"they cannot be computed again: {error}"

    def take(self, events: Iterable[EventRecord], minutes: Minutes) -> None:
        """Take minutes that follow each other, with refused bars; `events` came before the first of them."""
        for event in map(chain.read_event, events):
            if isinstance(event, UniverseChanged):
                self._regroup(event)
            elif isinstance(event, Backfill) and event.instrument in self._names and self._again is not None:
                self._again.extend(event)
        if self._again is not None:
            rows, epoch = self._again.rows(minutes)
            ready = rows.ready
            self._maps[FEATURES].add(
                epoch[ready], rows.instrument[ready], rows.values[ready][:, self._columns]
            )

    def hear(self, minute: IntArray, decisions: np.ndarray) -> None:
        """Take what the blend said: (n_rows,) epoch minutes, and of `daemon.events.decision_dtype`."""
        if PREDICTIONS in self._maps:
            said = decisions["blend"]
            known = ~np.isnan(said).any(axis=1)
            self._maps[PREDICTIONS].add(minute[known], decisions["instrument"][known], said[known])

    def figures(self) -> dict[str, DriftMapFigures]:
        """Return the maps by subject."""
        return {subject: one.figures() for subject, one in self._maps.items()}

    def _regroup(self, event: UniverseChanged) -> None:
        index, names = event.columns(self._names), event.after(self._names)
        self._names = names
        for one in self._maps.values():
            one.regroup(names)
        if self._again is not None:
            self._again.regroup(index, names)


class _FeaturesAgain:
    """The features of a run, from its inputs, as the run computed them."""

    def __init__(self, bundle: Bundle, names: tuple[str, ...]) -> None:
        self.plan: FeaturePlan = compile_plan(
            bundle.features, bundle.reference, bundle.quanta, bundle.formulas
        )
        bundle.check_schema(self.plan.schema)
        self._labeller = Labeller(bundle.labels)
        self._inputs = Inputs(self.plan, self._labeller, names)
        self._state = self._inputs.initial()

    def restore(
        self,
        fields: Mapping[str, Any],
        names: tuple[str, ...],
        history: History,
    ) -> None:
        """Go on after a snapshot."""
        self._inputs = Inputs(self.plan, self._labeller, names)
        self._state = self._inputs.restore(fields, *history(self.plan.history_rows))

    def rows(self, minutes: Minutes) -> tuple[FeatureBlock, IntArray]:
        """Return the rows of the next minutes, and their epoch minutes (n_rows,)."""
        chunk, self._state = self._inputs.prepare(self._state, minutes)
        return chunk.features, chunk.minutes.minute[chunk.features.minute]

    def extend(self, backfill: Backfill) -> None:
        """Take bars that came after their minutes."""
        self._state, _ = self._inputs.extend(self._state, backfill)

    def regroup(self, index: IntArray, names: tuple[str, ...]) -> None:
        """Go on with other instruments."""
        self._state, self._inputs = self._inputs.regrouped(self._state, index, names)
