"""Drift, calibration and change as series for whoever watches from outside."""

import math

from daemon.commands._expert_figures import Series, calibration_series
from daemon.vitals.alarms import Alarms
from daemon.vitals.drift import FeatureDrift
from daemon.vitals.health import HealthFigures

SECONDS_PER_HOUR = 3600.0


def alarm_series(alarms: Alarms) -> Series:
    """Return the series of what is out of its bounds; a vital that was never judged has none."""
    found: Series = {
        "vital_alarm": {key: float(key in alarms.standing) for key in sorted(alarms.raised)},
        "vital_alarms_total": {key: float(count) for key, count in sorted(alarms.raised.items())},
        "vital_alarm_since_timestamp_seconds": {
            key: (alarm.since + 1) * 60.0 for key, alarm in sorted(alarms.standing.items())
        },
        "vital_alarm_value": {key: alarm.value for key, alarm in sorted(alarms.standing.items())},
        "vital_alarm_bound": {key: alarm.bound for key, alarm in sorted(alarms.standing.items())},
        "vital_alarm_consequence": {
            (*key, consequence): 1.0
            for key, alarm in sorted(alarms.standing.items())
            for consequence in alarm.consequences
        },
    }
    if alarms.asked >= 0:
        found["retraining_asked_timestamp_seconds"] = {(): (alarms.asked + 1) * 60.0}
    return found


def health_series(figures: HealthFigures) -> Series:
    """Return the series of all families of the vitals; a figure that does not exist yet is not there."""
    features = [(subject, f) for subject, drift in figures.drift.items() for f in drift.features]
    return {
        **calibration_series("expert", figures.calibration),
        "changes_total": {
            (change.name, kind): float(count)
            for change in figures.changes
            for kind, count in change.alarms.items()
        },
        "drift_psi": {(subject, f.name): f.psi for subject, f in features if not math.isnan(f.psi)},
        "drift_psi_threshold": {
            (subject, f.name): f.threshold for subject, f in features if math.isfinite(f.threshold)
        },
        "drift_long_psi": {
            (subject, f.name): f.long_psi for subject, f in features if not math.isnan(f.long_psi)
        },
        "drift_long_psi_threshold": {
            (subject, f.name): f.long_threshold for subject, f in features if math.isfinite(f.long_threshold)
        },
        "drift_features": {
            (subject, state): float(sum(_state(f) == state for f in drift.features))
            for subject, drift in figures.drift.items()
            for state in ("within", "out", "unseen")
        },
        "drift_promised_alarm_ratio": {(subject,): drift.rate for subject, drift in figures.drift.items()},
        "drift_window_seconds": {
            (subject,): SECONDS_PER_HOUR * drift.window_hours for subject, drift in figures.drift.items()
        },
        "drift_reference_windows": {
            (subject,): float(drift.n_windows) for subject, drift in figures.drift.items()
        },
        "drift_judged_seconds_total": {
            (subject,): SECONDS_PER_HOUR * drift.judged_hours for subject, drift in figures.drift.items()
        },
        "drift_alarm_seconds_total": {
            (subject,): SECONDS_PER_HOUR * drift.alarm_hours for subject, drift in figures.drift.items()
        },
        "drift_alarm": {(subject,): float(drift.in_alarm) for subject, drift in figures.drift.items()},
        "drift_episodes_total": {
            (subject,): float(drift.episodes) for subject, drift in figures.drift.items()
        },
    }


def _state(feature: FeatureDrift) -> str:
    if not feature.sees:
        return "unseen"
    return "out" if feature.out else "within"
