"""Vitals held against their bounds: which are out, which cannot be told, and why."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from daemon.events import BLEND
from daemon.settings import AlarmSettings, ExpertAlarm, TradingAlarm
from daemon.vitals.calibration import CalibrationFigures
from daemon.vitals.changes import ChangeFigures
from daemon.vitals.drift import DriftFigures, FeatureDrift
from daemon.vitals.edges import EdgeFigures, Edges
from daemon.vitals.forms import CALIBRATED
from daemon.vitals.health import Health
from daemon.vitals.intervals import Interval
from daemon.vitals.skill import Skill

_NAMED: Final = 3


class Vital(StrEnum):
    """What is held against a bound; the names are those of the settings in `alarms`."""

    FEATURE_DRIFT = "feature_drift"
    PREDICTION_DRIFT = "prediction_drift"
    EDGE = "edge"
    SKILL = "skill"
    CALIBRATION = "calibration"
    CONFIDENCE = "confidence"
    ERROR_CHANGE = "error_change"


@dataclass(frozen=True, slots=True)
class Judgement:
    """One vital of one subject at one moment.

    Attributes:
        vital: Which.
        subject: Of whom: an expert, the blend, `features`, `predictions`, `signals`.
        out: Whether it is out of its bound.
        value: What was measured.
        bound: What it is held against.
        cause: Both in words.
        consequences: What being out brings about.
    """

    vital: Vital
    subject: str
    out: bool
    value: float
    bound: float
    cause: str
    consequences: tuple[str, ...]


def judgements(
    settings: AlarmSettings,
    health: Health,
    skill: Skill,
    edges: Edges,
    horizon_minutes: int,
    found_before: Mapping[str, int],
) -> Iterator[Judgement]:
    """Yield judgements always in the same order; a vital of which too little is known yet may be left out.

    Args:
        settings: Bounds and consequences.
        health: Drift, calibration and changes as of now.
        skill: Of the experts and the blend, as of now.
        edges: What signals promised beside what came.
        horizon_minutes: Of the labels.
        found_before: By expert, changes of its error that had been found at the last check.
    """
    drift = health.drift_figures()
    for subject, vital, alarm in (
        ("features", Vital.FEATURE_DRIFT, settings.feature_drift),
        ("predictions", Vital.PREDICTION_DRIFT, settings.prediction_drift),
    ):
        if subject in drift and not drift[subject].blind:
            yield from _of_drift(vital, subject, drift[subject], alarm)
    yield from _of_edge(edges.judged(settings.min_horizons * horizon_minutes), settings)
    intervals = skill.intervals(settings.min_horizons * horizon_minutes)
    yield from (_of_skill(name, found, settings) for name, found in intervals.items() if found is not None)
    for f in health.calibration_figures() if intervals else ():
        if f.form == CALIBRATED and f.name in intervals:
            yield from _of_probabilities(f, settings)
    yield from (_of_changes(f, settings, found_before.get(f.name, 0)) for f in health.change_figures())


def _of_drift(vital: Vital, subject: str, figures: DriftFigures, alarm: TradingAlarm) -> Iterator[Judgement]:
    seen = [f for f in figures.features if f.sees and not math.isnan(f.psi)]
    if not seen:
        return
    found, bound = seen[0].nearest
    named = "; ".join(f"{f.name} {_index(f, figures.long_hours)}" for f in seen[:_NAMED])
    cause = f"{sum(f.out for f in seen)} of {len(seen)} over their bound: {named}"
    yield Judgement(vital, subject, figures.in_alarm, found, bound, cause, alarm.consequences)


def _index(feature: FeatureDrift, long_hours: int) -> str:
    found, bound = feature.nearest
    return f"PSI {found:.3f}{f' over {long_hours} hours' if feature.long else ''}, bound {bound:.3f}"


def _of_edge(found: EdgeFigures | None, settings: AlarmSettings) -> Iterator[Judgement]:
    short = None if found is None else found.shortfall
    if short is None:
        return
    alarm = settings.edge
    cause = (
        f"signals kept {1e4 * short.mean:.1f} bps less than they promised, 95 % interval "
        f"{1e4 * short.low:+.1f} to {1e4 * short.high:+.1f}, bound {1e4 * alarm.bound:.1f}"
    )
    out = short.low > alarm.bound
    yield Judgement(Vital.EDGE, "signals", out, short.low, alarm.bound, cause, alarm.consequences)


def _of_skill(name: str, found: Interval, settings: AlarmSettings) -> Judgement:
    alarm = settings.skill
    cause = (
        f"skill {found.mean:+.4f} nats a label, 95 % interval {found.low:+.4f} to {found.high:+.4f}, "
        f"bound {alarm.bound:+.4f}"
    )
    out = found.high < alarm.bound
    return Judgement(Vital.SKILL, name, out, found.high, alarm.bound, cause, _of_subject(name, alarm))


def _of_probabilities(f: CalibrationFigures, settings: AlarmSettings) -> Iterator[Judgement]:
    if not math.isnan(f.ece):
        alarm = settings.calibration
        cause = f"calibration error {f.ece:.1%}, bound {alarm.bound:.1%}"
        asked = _of_subject(f.name, alarm)
        yield Judgement(Vital.CALIBRATION, f.name, f.ece > alarm.bound, f.ece, alarm.bound, cause, asked)
    gap = abs(f.estimated - f.accuracy)
    if not math.isnan(gap):
        limit = settings.confidence
        cause = f"accuracy {f.accuracy:.1%}, promised {f.estimated:.1%}, may differ by {limit.bound:.1%}"
        asked = _of_subject(f.name, limit)
        yield Judgement(Vital.CONFIDENCE, f.name, gap > limit.bound, gap, limit.bound, cause, asked)


def _of_changes(f: ChangeFigures, settings: AlarmSettings, found_before: int) -> Judgement:
    alarm = settings.error_change
    new = sum(f.alarms.values()) - found_before
    cause = f"changes of the error found since the last check: {new}, bound {alarm.bound}"
    consequences = _of_subject(f.name, alarm)
    return Judgement(
        Vital.ERROR_CHANGE, f.name, new > alarm.bound, float(new), float(alarm.bound), cause, consequences
    )


def _of_subject(name: str, alarm: ExpertAlarm) -> tuple[str, ...]:
    """Return what an alarm of the blend brings about, or of an expert: only its own weight."""
    return tuple(c for c in alarm.consequences if (c == BLEND) != (name == BLEND))
