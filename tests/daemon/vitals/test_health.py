"""Drift, calibration and change together: fed by one call, told in tables that state the promise."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from daemon.vitals.calibration import CalibrationFigures
from daemon.vitals.changes import ChangeFigures
from daemon.vitals.drift import DriftFigures, FeatureDrift
from daemon.vitals.health import Health, HealthFigures
from daemon.vitals.vital_panels import Table, drift_table, health_tables

NAMES = ("trees", "online", "blend")
FIGURES = DriftFigures(
    features=(
        FeatureDrift("volume_ratio", 0.9, 0.3, sees=True, long_psi=0.8, long_threshold=0.1, out_hours=20),
        FeatureDrift("slow", 0.8, math.inf, sees=False),
        FeatureDrift("return_1", 0.05, 1.2, sees=True, blunt=True, out_hours=100),
        FeatureDrift("rsi_14", 0.02, 0.1, sees=True),
    ),
    in_alarm=True,
    episodes=2,
    judged_hours=1000,
    alarm_hours=25,
    window_hours=168,
    n_windows=12,
    rate=0.01,
)


def text_of(table: Table) -> dict[str, str]:
    return dict(row for row in table[2] if len(row) == 2)


def test_the_drift_table_states_the_promise_and_names_what_is_out() -> None:
    table = drift_table("features", FIGURES)
    said = text_of(table)
    assert table[0] == "drift of features"
    assert said["promise"] == "1% of the time in alarm without drift, all 3 together"
    assert said["known from"] == "12 windows of 168 hours; also watched over 1008"
    assert said["in alarm"] == "yes, 1 over their threshold"
    assert said["so far"] == "2 episodes, 2.5% of hours"
    assert said["most often out"] == "return_1 10.0%, volume_ratio 2.0%"
    assert said["volume_ratio"] == "PSI 0.800 over 1008 hours, threshold 0.100, OUT"
    assert said["could miss"].startswith("a shift of one sd, of return_1: the reference is short")
    assert said["rsi_14"] == "PSI 0.020, threshold 0.100"
    assert said["cannot see"].startswith("slow: 168 hours are fewer than 50")
    assert said["PSI above 0.2"] == "2 (a folk limit, not used)"


def test_a_table_that_cannot_tell_says_why_and_shows_no_number() -> None:
    short = drift_table("features", replace(FIGURES, n_windows=2))
    early = drift_table("features", replace(FIGURES, judged_hours=0))
    assert "holds 2 windows of 168 hours, 4 are needed" in text_of(short)["cannot tell"]
    assert "not full yet" in text_of(early)["cannot tell"]
    assert len(short[2]) == len(early[2]) == 1
    assert "known from" not in text_of(short)
    few = text_of(drift_table("features", replace(FIGURES, n_windows=11)))
    assert few["known from"] == "11 windows of 168 hours; too few to watch longer than one: that takes 12"
    many = [FeatureDrift(f"f{number}", 0.0, 1.0, sees=False) for number in range(8)]
    unseen = drift_table("features", replace(FIGURES, features=tuple(many)))
    assert "f4 and 3 more" in text_of(unseen)["cannot see"]


def test_the_calibration_table_shows_every_series_with_its_detectors() -> None:
    figures = HealthFigures(
        drift={"features": FIGURES},
        calibration=(
            CalibrationFigures("blend", 100, 0.6123, 0.0234, 0.081, 0.47, 0.49),
            CalibrationFigures("signals", 0, math.nan, math.nan, math.nan, math.nan, math.nan),
        ),
        changes=tuple(
            ChangeFigures(name, {"adwin": 1, "page_hinkley": 2}, {"adwin": 5, "page_hinkley": 9})
            for name in ("blend", "signals")
        ),
    )
    calibration, drift = health_tables(figures)
    assert drift[0] == "drift of features"
    assert calibration[2] == (
        ("blend", "0.612", "2.3", "+0.081", "47.0", "49.0", "1", "2"),
        ("signals", "-", "-", "-", "-", "-", "1", "2"),
    )


@pytest.fixture
def psi(reference_fields: Callable[..., dict[str, Any]]) -> Mapping[str, Any]:
    return {
        "features": reference_fields(("c", "a"), seed=1),
        "predictions": reference_fields(("down", "flat", "up"), seed=2),
    }


def health(psi: Mapping[str, Any]) -> Health:
    return Health(NAMES, ("a", "b", "c"), 60, 43_200, 1440, 0.01).against(psi, ("x:A",))


def test_features_find_their_columns_and_each_subject_is_judged_by_itself(psi: Mapping[str, Any]) -> None:
    generator = np.random.default_rng(3)
    n_rows = 2_000
    values = generator.standard_normal((n_rows, 3))
    values[:, 2] += 2.0  # the column of c
    logp = np.log(generator.dirichlet([5.0, 5.0, 5.0], n_rows))
    at, who = np.arange(n_rows), np.zeros(n_rows, dtype=np.int64)
    watched, parts = health(psi), health(psi)
    watched.hear(at, at + 6_000, who, values, np.stack([logp, logp]), logp)
    for part in np.array_split(at, 7):
        parts.hear(
            part, part + 6_000, who[part], values[part], np.stack([logp[part], logp[part]]), logp[part]
        )
        parts = health(psi).restored(parts.to_fields())
    parts.hear(at[:0], at[:0], who[:0], values[:0], np.zeros((2, 0, 3)), logp[:0])
    assert repr(watched.figures()) == repr(parts.figures())
    drift = watched.figures().drift
    assert [(f.name, f.out) for f in drift["features"].features] == [("c", True), ("a", False)]
    assert set(drift) == {"features", "predictions"}
    estimated = [f.estimated for f in watched.figures().calibration]
    assert estimated == pytest.approx([np.exp(logp).max(axis=1).mean()] * 3)


def test_a_bundle_without_a_reference_has_no_drift_figures() -> None:
    watched = health({})
    at = np.arange(3)
    logp = np.log(np.full((3, 3), 1 / 3))
    watched.hear(at, at, np.zeros(3, dtype=np.int64), np.zeros((3, 3)), np.stack([logp, logp]), logp)
    assert watched.figures().drift == {}
    assert health({}).restored(watched.to_fields()).figures().calibration[0].estimated == pytest.approx(1 / 3)
