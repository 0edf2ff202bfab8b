"""A model scored beside the one that trades, on the batches of its tape; it decides nothing.

It has windows, experts and pending predictions of its own, so it may compute other features and predict other
labels. What the tape says the champion said is judged beside it on the same labels, where both predict the
same. All of it follows from the tape and from where on it is read: nothing here reaches the run.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from daemon import chain, playback
from daemon.events import BLEND, Backfill, BatchRecord, Minutes, UniverseChanged, decision_dtype
from daemon.inputs import Inputs
from daemon.kernels import FloatArray, log
from daemon.labels.pending import Pending
from daemon.models.panel import PanelRows
from daemon.run_model import RunModel
from daemon.settings import Settings
from daemon.vitals.calibration import Calibration, CalibrationFigures
from daemon.vitals.forms import forms_of
from daemon.vitals.intervals import Interval
from daemon.vitals.skill import Skill, SkillFigures

SPEAKERS: Final = ("challenger", "champion")

LEAST: Final = 1e-300
"""A probability of zero has no logarithm."""


@dataclass(frozen=True, slots=True)
class ChallengerFigures:
    """What is known of a challenger.

    Attributes:
        version: Of its model.
        since: Epoch minute of the first batch that it was scored on.
        skill: Of its blend.
        calibration: Of its blend.
        champion: Skill of what traded, on the same labels; None where it predicts others.
        gain: Its skill less the champion's, paired by minute; None while there is too little to tell.
    """

    version: str
    since: int
    skill: SkillFigures
    calibration: CalibrationFigures
    champion: SkillFigures | None
    gain: Interval | None


class Challenger:
    """One version, from a batch of a tape on.

    Args:
        model: It.
        settings: Of the run.
        instruments: Names of the run's instruments where its inputs begin, sorted.
        champion: Experts of the model that traded where its inputs end, as the tape's decisions name them.
        comparable: Whether the champion predicts the same labels.
    """

    def __init__(
        self,
        model: RunModel,
        settings: Settings,
        instruments: tuple[str, ...],
        champion: Sequence[str],
        *,
        comparable: bool,
    ) -> None:
        self._names = instruments
        self._model = model.of(instruments)
        self._inputs = Inputs(model.plan, model.labeller, instruments)
        self._state = self._inputs.initial()
        self._panel = model.panel(len(instruments))
        self._decisions = decision_dtype(champion)
        self._comparable = comparable
        span, window = model.labeller.span, settings.vitals.window_minutes
        self._championed = Pending(span, len(instruments), (3,))
        self._skill = Skill(SPEAKERS, len(instruments), model.horizon_minutes, span, window)
        self._calibration = Calibration(forms_of(SPEAKERS[:1], ()), window)
        self._since = -1

    def warm(self, inputs: Iterable[Minutes | Backfill | UniverseChanged]) -> None:
        """Take inputs from before the first batch that counts: they fill windows, nothing is judged."""
        for item in inputs:
            if isinstance(item, Minutes):
                _, self._state = self._inputs.prepare(self._state, item)
            else:
                self._apply(item)

    def take(self, records: Sequence[BatchRecord], max_minutes: int) -> None:
        """Score the next batches of the tape, and judge what matures in them."""
        at = 0
        for item in playback.inputs(records, self._names, max_minutes):
            if isinstance(item, Minutes):
                self._score(item, records[at : at + len(item)])
                at += len(item)
            elif isinstance(item, Backfill | UniverseChanged):
                self._apply(item)

    def figures(self) -> ChallengerFigures:
        """Return what is known by now."""
        skill, champion = self._skill.figures()
        return ChallengerFigures(
            version=self._model.version,
            since=self._since,
            skill=skill,
            calibration=self._calibration.figures()[0],
            champion=champion if self._comparable else None,
            gain=self._skill.gain(*SPEAKERS) if self._comparable else None,
        )

    def _score(self, minutes: Minutes, records: Sequence[BatchRecord]) -> None:
        if self._since < 0:
            self._since = int(minutes.minute[0])
        chunk, self._state = self._inputs.prepare(self._state, minutes)
        ready = chunk.features.ready
        at, who = chunk.features.minute[ready], chunk.features.instrument[ready]
        values = np.ascontiguousarray(chunk.features.values[ready])
        raw = self._model.raw(minutes.minute[at], at, who, values, minutes.n_instruments)
        rows = PanelRows(len(minutes), chunk.ordinal, at, who, values, raw)
        said = self._panel.score(rows, chunk.matured)
        matured, known = chunk.matured, said.judged_known
        # The blend stands behind the experts.
        judged = [said.judged[:, len(self._panel.names)]]
        if self._comparable:
            champion, heard = self._champion(records, chunk.ordinal, matured.decided, matured.instrument)
            judged, known = [*judged, champion], known & heard
        else:
            judged.append(np.full((len(matured), 3), np.nan))
        both = np.stack(judged, axis=1)
        self._skill.update(chunk.ordinal, len(minutes), matured, both, known)
        self._calibration.hear(at + chunk.ordinal, said.blend[None])
        self._calibration.update(chunk.ordinal, matured, both[:, :1], known)

    def _champion(
        self, records: Sequence[BatchRecord], ordinal: int, decided: np.ndarray, instrument: np.ndarray
    ) -> tuple[FloatArray, np.ndarray]:
        """Keep what the champion said of these batches; return what it had said of labels that matured."""
        came = chain.swapped_in(records[0].events, records[0].refusals)
        if came is not None and came.experts:
            self._decisions = decision_dtype(came.experts)
        told = [np.frombuffer(record.decisions, self._decisions) for record in records]
        rows = np.concatenate(told)
        minute = np.repeat(np.arange(len(told)), [len(one) for one in told])
        who = rows["instrument"].astype(np.int64)
        self._championed.store(ordinal, len(told), minute, who, log(np.maximum(rows[BLEND], LEAST)))
        return self._championed.take(decided, instrument)

    def _apply(self, event: Backfill | UniverseChanged) -> None:
        if isinstance(event, Backfill):
            if event.instrument in self._names:
                self._state, _ = self._inputs.extend(self._state, event)
            return
        index, self._names = event.columns(self._names), event.after(self._names)
        self._model = self._model.of(self._names)
        self._state, self._inputs = self._inputs.regrouped(self._state, index, self._names)
        self._panel.regroup(index)
        self._championed = self._championed.regrouped(index)
        self._skill = self._skill.regrouped(index)
