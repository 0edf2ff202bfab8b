"""Drift, calibration and change together: the vitals that ask whether the model still fits what it sees."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from daemon.kernels import BoolArray, FloatArray, IntArray, exp
from daemon.labels import Matured
from daemon.vitals.calibration import Calibration, CalibrationFigures
from daemon.vitals.changes import ChangeFigures, Changes
from daemon.vitals.drift import Drift, DriftFigures
from daemon.vitals.drift_reference import DriftReference
from daemon.vitals.forms import Series, columns_of, forms_of, traded_of
from daemon.vitals.terms import Terms

SUBJECTS: Final = ("features", "predictions")


@dataclass(frozen=True, slots=True)
class HealthFigures:
    """What `Health` has to say.

    Attributes:
        drift: By subject (`features`, `predictions`); one that the bundle has no reference for is missing.
        calibration: Of each expert, calibrated, and the blend; then of experts before calibration.
        changes: Of each expert, calibrated, and the blend.
    """

    drift: Mapping[str, DriftFigures]
    calibration: tuple[CalibrationFigures, ...]
    changes: tuple[ChangeFigures, ...]


class Health:
    """The vitals of one run.

    Args:
        names: Experts in order, then the blend.
        features: Names of the feature columns.
        horizon_minutes: Of the labels.
        window_minutes: How far back calibration looks.
        drift_window_minutes: How far back drift looks.
        drift_rate: Promised share of time in alarm without drift.
        raw: Of the experts, those whose calibration is judged before their calibrator too.
        version: Of the model, at first.
    """

    def __init__(
        self,
        names: Sequence[str],
        features: Sequence[str],
        horizon_minutes: int,
        window_minutes: int,
        drift_window_minutes: int,
        drift_rate: float,
        raw: Sequence[str] = (),
        version: str = "",
    ) -> None:
        self._features = tuple(features)
        self._drift_window_minutes, self._drift_rate = drift_window_minutes, drift_rate
        series = forms_of(names, raw)
        self._calibration = Terms(lambda series: Calibration(series, window_minutes), version, series)
        self._horizon_minutes = horizon_minutes
        self._changes = Changes(names, horizon_minutes)
        self._drift: dict[str, Drift] = {}
        self._columns: IntArray = np.zeros(0, dtype=np.int64)

    def begin(self, version: str, ordinal: int, series: Series) -> None:
        """Judge another version of the model from a minute on; its detectors of change have heard nothing."""
        self._calibration.begin(version, ordinal, series)
        self._changes = Changes(traded_of(series), self._horizon_minutes)

    def against(self, psi: Mapping[str, Any], instruments: Sequence[str]) -> Self:
        """Measure drift against a bundle's `psi` from now on, in a window that begins anew; return itself."""
        self._drift = {
            subject: Drift(
                DriftReference.of(psi[subject], instruments, self._drift_window_minutes, self._drift_rate)
            )
            for subject in SUBJECTS
            if subject in psi
        }
        if "features" in self._drift:
            watched = self._drift["features"].reference.names
            self._columns = np.array([self._features.index(name) for name in watched], dtype=np.int64)
        return self

    def hear(
        self,
        ordinal: IntArray,
        minute: IntArray,
        instrument: IntArray,
        values: FloatArray,
        experts: FloatArray,
        blend: FloatArray,
        raw: FloatArray | None = None,
    ) -> None:
        """Take scored rows, ascending in time.

        Args:
            ordinal: (n_rows,) of their minutes.
            minute: (n_rows,) epoch minutes.
            instrument: (n_rows,) columns of instruments.
            values: (n_rows, n_features).
            experts: (n_experts, n_rows, 3) calibrated log-probabilities, NaN where an expert is silent.
            blend: (n_rows, 3).
            raw: (n_raw, n_rows, 3) log-probabilities before calibration; None where nobody is judged so.
        """
        if not len(ordinal):
            return
        if "features" in self._drift:
            self._drift["features"].update(minute, instrument, values[:, self._columns])
        if "predictions" in self._drift:
            self._drift["predictions"].update(minute, instrument, exp(blend))
        before = () if raw is None else (raw,)
        self._calibration.now.hear(ordinal, np.concatenate([experts, blend[None], *before]))

    def judge(
        self,
        ordinal: int,
        matured: Matured,
        said: FloatArray,
        known: BoolArray,
        series: Series | None = None,
    ) -> None:
        """Judge the labels that matured in the next minutes; arguments as of `Skill.update`."""
        now = self._calibration.now
        spoken = now.series if series is None else series
        for calibration, own in self._calibration.shares(matured.decided):
            told = columns_of(said, spoken, calibration.series)
            calibration.update(ordinal, matured, told, known & own)
            if calibration is now:
                traded = len(traded_of(calibration.series))
                self._changes.update(ordinal, matured, told[:, :traded], known & own)

    def figures(self) -> HealthFigures:
        """Return the figures as of now."""
        return HealthFigures(self.drift_figures(), self.calibration_figures(), self.change_figures())

    def drift_figures(self) -> dict[str, DriftFigures]:
        """Return the drift of each subject."""
        return {subject: drift.figures() for subject, drift in self._drift.items()}

    def calibration_figures(self, name: str | None = None) -> tuple[CalibrationFigures, ...]:
        """Return how honest each expert's and the blend's probabilities are, or those of `name` alone."""
        return self._calibration.now.figures(name)

    def past_calibration_figures(self, name: str | None = None) -> dict[str, tuple[CalibrationFigures, ...]]:
        """Return `calibration_figures` of versions of the model that were in force before, by version."""
        past = self._calibration.past()
        return {version: calibration.figures(name) for version, calibration in past.items()}

    def change_figures(self) -> tuple[ChangeFigures, ...]:
        """Return the changes found in each expert's and the blend's error."""
        return self._changes.figures()

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data."""
        return {
            "drift": {subject: drift.to_fields() for subject, drift in self._drift.items()},
            "calibration": self._calibration.to_fields(),
            "changes": self._changes.to_fields(),
        }

    def restored(self, fields: Mapping[str, Any]) -> Self:
        """Take the state of `to_fields` and return itself."""
        for subject, drift in self._drift.items():
            drift.restored(fields["drift"][subject])
        self._calibration.restored(fields["calibration"])
        self._changes.restored(fields["changes"])
        return self
