"""Skill of every expert and the blend against what needs no model, live and catch-up minutes apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from daemon.kernels import BoolArray, FloatArray, IntArray
from daemon.labels import Matured
from daemon.vitals.baselines import ONE_EACH, Baselines
from daemon.vitals.forms import CALIBRATED, RAW, Form, Series, columns_of, forms_of
from daemon.vitals.intervals import Interval
from daemon.vitals.terms import Terms
from daemon.vitals.track import Track


@dataclass(frozen=True, slots=True)
class SkillFigures:
    """How good one expert is, over the window. Minutes are averaged first, then the minutes.

    Intervals are None while there is too little to tell.

    Attributes:
        name: The expert, or `blend`.
        minutes: Minutes with at least one judged label.
        rows: Judged labels.
        skill: Log-loss of the base rate less the expert's, nats a label; positive is better.
        skill_interval: The same, with its interval.
        move: Part of `skill` from telling flat from moving.
        direction: Part of `skill` from telling up from down; `skill` = `move` + `direction`.
        accuracy: Share of labels whose likeliest class was right.
        majority: The same for the most frequent class so far.
        base_rate: The same for guessing in proportion to the base rate, in expectation.
        last: The same for the instrument's last matured label.
        over_majority: Accuracy less the majority's, paired.
        hit_rate: Share of moves (labels up or down) whose direction was the likelier.
        ic: Rank information coefficient of p(up) - p(down) with the return; None for the base rate
            (`daemon.vitals.rank_ic` says why).
        form: Whether it is judged before or after calibration.
        over_raw: Skill of the calibrated expert less that of the raw one, paired; None where it is not
            judged in both forms.
    """

    name: str
    minutes: int
    rows: int
    skill: float
    skill_interval: Interval | None
    move: Interval | None
    direction: Interval | None
    accuracy: float
    majority: float
    base_rate: float
    last: float
    over_majority: Interval | None
    hit_rate: Interval | None
    ic: Interval | None
    form: Form = CALIBRATED
    over_raw: Interval | None = None


class Skill:
    """Judges labels as they mature; bounded by the window.

    Args:
        names: The series in order: experts, the blend.
        n_instruments: Width of the universe.
        horizon_minutes: Of the labels.
        span: How many ordinals a decision may wait (`Labeller.span`).
        window_minutes: How far back figures look.
        prior: (3,) labels the base rate begins with, by class.
        raw: Of the experts, those that are judged before calibration too, as series after all others.
        version: Of the model, at first.
    """

    def __init__(
        self,
        names: Sequence[str],
        n_instruments: int,
        horizon_minutes: int,
        span: int,
        window_minutes: int,
        prior: IntArray = ONE_EACH,
        raw: Sequence[str] = (),
        version: str = "",
    ) -> None:
        self._baselines = Baselines(span, n_instruments, prior)
        self._n_instruments = n_instruments

        def make(series: Series) -> _Tracks:
            speakers = [name for name, _ in series]
            live, catch_up = (
                Track(speakers, self._n_instruments, horizon_minutes, window_minutes) for _ in range(2)
            )
            return _Tracks(series, live, catch_up)

        self._tracks = Terms(make, version, forms_of(names, raw))

    @property
    def series(self) -> Series:
        """What is judged of the version in force."""
        return self._tracks.now.series

    @property
    def since(self) -> int:
        """Ordinal from which the version in force has decided; `ALWAYS` (`terms`) if there was no other."""
        return self._tracks.since

    def ignore_before(self, ordinal: int) -> None:
        """Judge nothing that was decided before a minute."""
        self._tracks.ignore_before(ordinal)

    def begin(self, version: str, ordinal: int, series: Series) -> None:
        """Judge another version of the model from a minute on; the baselines need none and go on."""
        self._tracks.begin(version, ordinal, series)

    def update(
        self,
        ordinal: int,
        n_minutes: int,
        matured: Matured,
        said: FloatArray,
        known: BoolArray,
        series: Series | None = None,
    ) -> None:
        """Judge the labels that matured in the next minutes.

        Any chunking of the same minutes gives the same bits.

        Args:
            ordinal: Ordinal of the first of these minutes; calls follow each other without a gap.
            n_minutes: How many minutes.
            matured: All labels that matured in them, scored or not.
            said: (n_labels, n_series, 3) log-probabilities said at the decision; NaN for a silent expert.
            known: (n_labels,) whether the decision was scored at all.
            series: What the columns of `said` are; by default those of the version in force.
        """
        baseline = self._baselines.judge(ordinal, n_minutes, matured, known)
        spoken = self.series if series is None else series
        for tracks, own in self._tracks.shares(matured.decided):
            told = columns_of(said, spoken, tracks.series)
            for track, chosen in (
                (tracks.live, own & known & ~matured.catch_up),
                (tracks.catch_up, own & known & matured.catch_up),
            ):
                track.update(ordinal, n_minutes, matured, told, baseline, chosen)

    def figures(self, name: str | None = None) -> tuple[SkillFigures, ...]:
        """Return the figures of the live minutes in the window, one for each series.

        Args:
            name: Of whom; default: of all.
        """
        return _figures(self.series, self._tracks.now.live, name)

    def catch_up_figures(self) -> tuple[SkillFigures, ...]:
        """Return the figures of the minutes that were missed live and filled from history."""
        return _figures(self.series, self._tracks.now.catch_up)

    def past_figures(self, name: str | None = None) -> dict[str, tuple[SkillFigures, ...]]:
        """Return `figures` of versions of the model that were in force before, by version."""
        past = self._tracks.past()
        return {version: _figures(tracks.series, tracks.live, name) for version, tracks in past.items()}

    def gain(self, name: str, over: str) -> Interval | None:
        """Return the skill of one series less that of another that spoke of the same labels, calibrated."""
        at = {of: series for series, (of, form) in enumerate(self.series) if form == CALIBRATED}
        return self._tracks.now.live.gain(at[name], at[over], "skill", "minutes")

    def intervals(self, least_minutes: int) -> dict[str, Interval | None]:
        """Return `skill_interval` of those, calibrated, that have so many judged live minutes."""
        live = self._tracks.now.live
        return {
            name: live.interval(series, "skill", None, "minutes")
            for series, (name, form) in enumerate(self.series)
            if form == CALIBRATED and live.totals(series)["minutes"] >= least_minutes
        }

    def regrouped(self, index: IntArray) -> "Skill":
        """Return the same for another universe: `index[j]` is the old column, or -1 for a new instrument.

        Whether a version's information coefficient is taken across instruments or over time stays as it
        began.
        """
        self._baselines = self._baselines.regrouped(index)
        self._n_instruments = len(index)
        return self

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data."""
        return {"baselines": self._baselines.to_fields(), **self._tracks.to_fields()}

    def restored(self, fields: Mapping[str, Any]) -> "Skill":
        """Take the state of `to_fields` and return itself."""
        self._baselines.restored(fields["baselines"])
        self._tracks.restored(fields)
        return self


@dataclass(frozen=True, slots=True)
class _Tracks:
    """Of one version: minutes that came live, and those that were missed."""

    series: Series
    live: Track
    catch_up: Track

    def to_fields(self) -> dict[str, object]:
        return {"live": self.live.to_fields(), "catch_up": self.catch_up.to_fields()}

    def restored(self, fields: Mapping[str, Any]) -> "_Tracks":
        self.live.restored(fields["live"])
        self.catch_up.restored(fields["catch_up"])
        return self


def _figures(series: Series, track: Track, chosen: str | None = None) -> tuple[SkillFigures, ...]:
    before = {name: at for at, (name, form) in enumerate(series) if form == RAW}
    return tuple(
        _figures_of(name, form, track, at, before.get(name, at))
        for at, (name, form) in enumerate(series)
        if chosen in {None, name}
    )


def _figures_of(name: str, form: Form, track: Track, series: int, before: int) -> SkillFigures:
    total = track.totals(series)
    minutes = total["minutes"]
    return SkillFigures(
        name=name,
        minutes=int(minutes),
        rows=int(total["rows"]),
        skill=_share(total["skill"], minutes),
        skill_interval=track.interval(series, "skill", None, "minutes"),
        move=track.interval(series, "move", None, "minutes"),
        direction=track.interval(series, "skill", "move", "minutes"),
        accuracy=_share(total["accuracy"], minutes),
        majority=_share(total["majority"], minutes),
        base_rate=_share(total["base_rate"], minutes),
        last=_share(total["last"], minutes),
        over_majority=track.paired_interval(series, "accuracy", "majority", "minutes"),
        hit_rate=track.interval(series, "hits", None, "moving_minutes"),
        ic=track.interval(series, "ic", None, "ic_count"),
        form=form,
        over_raw=None if before == series else track.gain(series, before, "skill", "minutes"),
    )


def _share(total: float, count: float) -> float:
    return total / count if count else float(np.nan)
