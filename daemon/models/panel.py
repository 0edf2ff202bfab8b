"""The experts of a run together: what each says of a chunk's rows, and what became of what they said.

Columnar over a chunk. Only experts that learn go minute by minute, inside their own `run`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from daemon.kernels import BoolArray, FloatArray, IntArray
from daemon.labels.matured import Matured
from daemon.labels.pending import Pending
from daemon.models.blend import BayesBlend, FixedBlend, minute_losses
from daemon.models.calibration import Calibrator
from daemon.models.expert import Learner, LearnerBatch


@dataclass(frozen=True, slots=True, eq=False)
class PanelRows:
    """The scored rows of a chunk, minute-major.

    Attributes:
        n_minutes: Minutes of the chunk.
        ordinal: Ordinal of the chunk's first minute.
        minute: (n_rows,) index into the chunk's minutes.
        instrument: (n_rows,) index of the instrument.
        values: (n_rows, n_features) features.
        raw: By expert that does not learn: (n_rows, 3) log-probabilities; NaN rows where it says nothing.
    """

    n_minutes: int
    ordinal: int
    minute: IntArray
    instrument: IntArray
    values: FloatArray
    raw: Mapping[str, FloatArray]


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """What the experts say of a chunk's rows, and what they had said of the labels that matured in it.

    Attributes:
        experts: (n_experts, n_rows, 3) calibrated log-probabilities; NaN where an expert says nothing.
        raw: (n_calibrated, n_rows, 3) the same before calibration, of the experts that have a calibrator.
        blend: (n_rows, 3) log-probabilities of the blend.
        weights: (n_minutes, n_experts) weights of the blend in each minute.
        judged: (n_matured, n_series, 3) log-probabilities said at the decision: the experts, the blend, then
            `raw`; then experts that have left, and those of them that had a calibrator before it. NaN where
            one said nothing, or was not there.
        judged_known: (n_matured,) whether the decision had been scored; where not, `judged` is zero.
    """

    experts: FloatArray
    raw: FloatArray
    blend: FloatArray
    weights: FloatArray
    judged: FloatArray
    judged_known: BoolArray


class Panel:
    """Experts, their calibrators and the blend, with what waits for its label.

    Attributes:
        names: The experts in order.
        calibrated: Those of them that have a calibrator: they are judged before it too.
        left: Experts of a panel before whose labels still come, by name the ordinal at which they left.
        left_calibrated: Those whose calibrator is gone, alike.
    """

    def __init__(
        self,
        names: Sequence[str],
        learners: Mapping[str, tuple[Learner, IntArray]],
        calibrators: Mapping[str, Calibrator],
        blend: FixedBlend | BayesBlend,
        pending_minutes: int,
        n_instruments: int,
    ) -> None:
        """Compose a panel.

        Args:
            names: All experts in order.
            learners: By name the experts that learn, with the columns of their features among the rows'.
            calibrators: By name; an expert without one speaks as it is.
            blend: Makes one distribution of all.
            pending_minutes: For how many minutes a decision may wait for its label.
            n_instruments: Instruments of the run.
        """
        self.names = tuple(names)
        self._learners = dict(learners)
        self._calibrators = dict(calibrators)
        self._blend: FixedBlend | BayesBlend = blend
        self._span = pending_minutes
        self._n_instruments = n_instruments
        self._inputs = {
            name: Pending(pending_minutes, n_instruments, (len(columns),))
            for name, (_, columns) in learners.items()
        }
        self.calibrated = tuple(name for name in self.names if name in self._calibrators)
        self.left: dict[str, int] = {}
        self.left_calibrated: dict[str, int] = {}
        self._spoken = Pending(pending_minutes, n_instruments, (len(self.names), 3))
        self._blended = Pending(pending_minutes, n_instruments, (3,))
        self._uncalibrated = Pending(pending_minutes, n_instruments, (len(self.calibrated), 3))
        self._muted: BoolArray = np.zeros(len(self.names), dtype=np.bool_)

    def mute(self, names: Collection[str]) -> None:
        """Give these experts no weight from now on; they are judged and taught as before."""
        self._muted = np.array([name in names for name in self.names], dtype=np.bool_)

    def score(self, rows: PanelRows, matured: Matured) -> Said:
        """Teach the labels that matured, score the rows, calibrate, blend; all in the order of minutes."""
        raw = {name: self._raw(name, rows, matured) for name in self.names}
        experts = np.stack([self._calibrated(name, logp) for name, logp in raw.items()])
        spoken = _beside(experts.transpose(1, 0, 2), len(self.left))
        judged, known = _keep(self._spoken, rows, spoken, matured)
        n_experts, n_raw = len(self.names), len(self.calibrated)
        said = np.ascontiguousarray(judged[known, :n_experts].transpose(1, 0, 2))
        losses = minute_losses(
            said, ~np.isnan(said[:, :, 0]), matured.label[known], matured.at[known], rows.n_minutes
        )
        heard = ~np.isnan(experts[:, :, 0]) & ~self._muted[:, None]
        blend, weights = self._blend.combine(experts, heard, rows.minute, rows.n_minutes, losses)
        if self._muted.any():
            weights = _without(weights, self._muted)
        judged_blend, _ = _keep(self._blended, rows, blend, matured)
        before = np.zeros((len(rows.minute), n_raw, 3))
        for at, name in enumerate(self.calibrated):
            before[:, at] = raw[name]
        judged_raw, _ = _keep(self._uncalibrated, rows, _beside(before, len(self.left_calibrated)), matured)
        parts = (judged[:, :n_experts], judged_blend[:, None], judged_raw[:, :n_raw])
        return Said(
            experts=experts,
            raw=before.transpose(1, 0, 2),
            blend=blend,
            weights=weights,
            judged=np.concatenate([*parts, judged[:, n_experts:], judged_raw[:, n_raw:]], axis=1),
            judged_known=known,
        )

    def _raw(self, name: str, rows: PanelRows, matured: Matured) -> FloatArray:
        if name not in self._learners:
            return rows.raw[name]
        learner, columns = self._learners[name]
        inputs = np.ascontiguousarray(rows.values[:, columns])
        taught, known = _keep(self._inputs[name], rows, inputs, matured)
        batch = LearnerBatch(
            n_minutes=rows.n_minutes,
            row_minute=rows.minute,
            row_values=inputs,
            matured_at=matured.at[known],
            matured_values=taught[known],
            matured_label=matured.label[known],
            matured_weight=matured.weight[known],
        )
        return learner.run(batch)

    def _calibrated(self, name: str, raw: FloatArray) -> FloatArray:
        calibrator = self._calibrators.get(name)
        return raw if calibrator is None else calibrator.apply(raw)

    def to_fields(self) -> dict[str, object]:
        """Return the panel's state as plain data."""
        fields = {
            "learners": {name: learner.to_fields() for name, (learner, _) in self._learners.items()},
            "blend": self._blend.to_fields(),
            "inputs": {name: pending.to_fields() for name, pending in self._inputs.items()},
            "spoken": self._spoken.to_fields(),
            "blended": self._blended.to_fields(),
            "uncalibrated": self._uncalibrated.to_fields(),
        }
        if self.left or self.left_calibrated:
            fields["left"] = [dict(self.left), dict(self.left_calibrated)]
        return fields

    def restored(self, fields: Mapping[str, Any]) -> Self:
        """Take up again where `to_fields` stood and return itself."""
        for name, (learner, columns) in self._learners.items():
            self._learners[name] = (learner.restored(fields["learners"][name]), columns)
        self._blend = self._blend.restored(fields["blend"])
        for name, (_, columns) in self._learners.items():
            self._inputs[name] = self._waiting((len(columns),), fields["inputs"][name])
        self.left, self.left_calibrated = map(dict, fields.get("left", ({}, {})))
        n_spoken, n_raw = len(self.names) + len(self.left), len(self.calibrated) + len(self.left_calibrated)
        self._spoken = self._waiting((n_spoken, 3), fields["spoken"])
        self._blended = self._waiting((3,), fields["blended"])
        self._uncalibrated = self._waiting((n_raw, 3), fields["uncalibrated"])
        return self

    def succeeding(self, before: Self, ordinal: int) -> Self:
        """Take over what waits for labels, weights, and learners of the same features; return itself.

        Experts that the panel before did not have enter the blend with its share. What those said that have
        left is judged as its labels come.

        Args:
            before: The panel that spoke until now.
            ordinal: Of the first minute in which this one speaks.
        """
        for name, (learner, columns) in self._learners.items():
            old = before._learners.get(name)
            if old is not None and old[0].features == learner.features:
                # What was learned goes on; how it learns is the new version's, as after a restart.
                self._learners[name] = (learner.restored(old[0].to_fields()), columns)
                self._inputs[name] = before._inputs[name]
        self._blend = self._blend.restored(before._blend.to_fields())
        self.left = self._leavers(before.left, before.names, self.names, ordinal)
        self._spoken = before._spoken.rearranged((*before.names, *before.left), (*self.names, *self.left))
        self._blended = before._blended
        self.left_calibrated = self._leavers(
            before.left_calibrated, before.calibrated, self.calibrated, ordinal
        )
        self._uncalibrated = before._uncalibrated.rearranged(
            (*before.calibrated, *before.left_calibrated), (*self.calibrated, *self.left_calibrated)
        )
        return self

    def _leavers(
        self, left: Mapping[str, int], before: Sequence[str], after: Sequence[str], ordinal: int
    ) -> dict[str, int]:
        """Return who is not there after `ordinal`, but has said something whose label may still come."""
        spoke = {**left, **dict.fromkeys(before, ordinal)}
        return {name: at for name, at in spoke.items() if name not in after and ordinal - at <= self._span}

    def regroup(self, index: IntArray) -> None:
        """Go on with other instruments: column j is the old column index[j], or a new one for -1."""
        self._n_instruments = len(index)
        self._inputs = {name: pending.regrouped(index) for name, pending in self._inputs.items()}
        self._spoken = self._spoken.regrouped(index)
        self._blended = self._blended.regrouped(index)
        self._uncalibrated = self._uncalibrated.regrouped(index)

    def _waiting(self, shape: tuple[int, ...], fields: Mapping[str, Any]) -> Pending:
        return Pending.from_fields(self._span, self._n_instruments, shape, fields)


def _beside(said: FloatArray, n_left: int) -> FloatArray:
    """Return (n_rows, n_series + n_left, 3): what was said, and that who has left says nothing."""
    if not n_left:
        return np.ascontiguousarray(said)
    nothing = np.full((len(said), n_left, said.shape[2]), np.nan)
    return np.concatenate([said, nothing], axis=1)


def _without(weights: FloatArray, muted: BoolArray) -> FloatArray:
    """Return the weights of those that are heard, scaled up to one; all zero where nobody is."""
    kept = np.where(muted, 0.0, weights)
    total = np.zeros(len(kept))
    for expert in range(kept.shape[1]):
        total += kept[:, expert]
    return kept / np.where(total > 0.0, total, 1.0)[:, None]


def _keep(
    pending: Pending, rows: PanelRows, values: FloatArray, matured: Matured
) -> tuple[FloatArray, BoolArray]:
    """Keep what was said of the rows, and take out what had been said of the labels that matured."""
    pending.store(rows.ordinal, rows.n_minutes, rows.minute, rows.instrument, values)
    return pending.take(matured.decided, matured.instrument)
