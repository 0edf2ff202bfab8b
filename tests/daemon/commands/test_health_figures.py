"""Vitals leave the house as they are: thresholds only where they mean something."""

import math

from adapters.prometheus.families import FAMILIES
from daemon.commands._health_figures import alarm_series, health_series
from daemon.vitals.alarms import Alarm, Alarms
from daemon.vitals.calibration import CalibrationFigures
from daemon.vitals.changes import ChangeFigures
from daemon.vitals.drift import DriftFigures, FeatureDrift
from daemon.vitals.health import HealthFigures

FIGURES = HealthFigures(
    drift={
        "features": DriftFigures(
            features=(
                FeatureDrift("a", 0.9, 0.3, sees=True),
                FeatureDrift("b", 0.8, math.inf, sees=False, long_psi=0.1, long_threshold=0.2),
                FeatureDrift("c", math.nan, math.inf, sees=True),
            ),
            in_alarm=True,
            episodes=2,
            judged_hours=10,
            alarm_hours=4,
            window_hours=168,
            n_windows=12,
            rate=0.01,
        )
    },
    calibration=(
        CalibrationFigures("trees", 100, 0.61, 0.02, 0.08, 0.47, 0.49),
        CalibrationFigures("signals", 0, math.nan, math.nan, math.nan, math.nan, math.nan),
    ),
    changes=tuple(
        ChangeFigures(name, {"adwin": 1, "page_hinkley": 0}, {"adwin": 5, "page_hinkley": -1})
        for name in ("trees", "signals")
    ),
)


def test_every_vital_is_a_series_of_a_known_family_with_its_labels() -> None:
    found = health_series(FIGURES)
    labels = {family.name: family.labels for family in FAMILIES}
    assert all(len(key) == len(labels[name]) for name, series in found.items() for key in series)
    assert found["drift_psi"] == {("features", "a"): 0.9, ("features", "b"): 0.8}
    assert found["drift_psi_threshold"] == {("features", "a"): 0.3}
    assert found["drift_long_psi"] == {("features", "b"): 0.1}
    assert found["drift_long_psi_threshold"] == {("features", "b"): 0.2}
    assert found["drift_alarm"] == {("features",): 1.0}
    assert found["drift_episodes_total"] == {("features",): 2.0}
    assert found["expert_expected_accuracy_ratio"] == {("trees", "calibrated"): 0.49}
    assert found["expert_calibration_error_ratio"] == {("trees", "calibrated"): 0.02}
    assert found["expert_brier_score"] == {("trees", "calibrated"): 0.61}
    assert found["expert_matthews_correlation"] == {("trees", "calibrated"): 0.08}
    assert found["changes_total"][("trees", "adwin")] == 1.0
    assert found["expert_realised_accuracy_ratio"] == {("trees", "calibrated"): 0.47}
    assert found["drift_features"] == {
        ("features", "within"): 1.0,
        ("features", "out"): 1.0,
        ("features", "unseen"): 1.0,
    }
    assert found["drift_promised_alarm_ratio"] == {("features",): 0.01}
    assert found["drift_window_seconds"] == {("features",): 7 * 86_400.0}
    assert found["drift_reference_windows"] == {("features",): 12.0}
    assert found["drift_judged_seconds_total"] == {("features",): 36_000.0}
    assert found["drift_alarm_seconds_total"] == {("features",): 14_400.0}


def test_alarms_are_one_while_they_stand_and_zero_for_what_was_judged() -> None:
    alarms = Alarms()
    assert "retraining_asked_timestamp_seconds" not in alarm_series(alarms)
    alarms.standing = {("skill", "blend"): Alarm("skill", "blend", 99, -1.0, 0.0, "below", ("retrain",))}
    alarms.raised = {("skill", "blend"): 2, ("skill", "trees"): 0}
    alarms.asked = 99
    found = alarm_series(alarms)
    labels = {family.name: family.labels for family in FAMILIES}
    assert all(len(key) == len(labels[name]) for name, series in found.items() for key in series)
    assert found == {
        "vital_alarm": {("skill", "blend"): 1.0, ("skill", "trees"): 0.0},
        "vital_alarms_total": {("skill", "blend"): 2.0, ("skill", "trees"): 0.0},
        "vital_alarm_since_timestamp_seconds": {("skill", "blend"): 6000.0},
        "vital_alarm_value": {("skill", "blend"): -1.0},
        "vital_alarm_bound": {("skill", "blend"): 0.0},
        "vital_alarm_consequence": {("skill", "blend", "retrain"): 1.0},
        "retraining_asked_timestamp_seconds": {(): 6000.0},
    }
