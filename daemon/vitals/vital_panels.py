"""Drift, calibration and change as tables for people."""

import math
from collections.abc import Sequence

from daemon.vitals.calibration import CalibrationFigures
from daemon.vitals.changes import ChangeFigures
from daemon.vitals.drift import DriftFigures, FeatureDrift
from daemon.vitals.drift_threshold import MIN_LONG_WINDOWS
from daemon.vitals.forms import CALIBRATED
from daemon.vitals.health import HealthFigures

Table = tuple[str, tuple[str, ...], tuple[tuple[str, ...], ...]]
"""Title, column names, rows: a `daemon.vitals.summary.Panel`."""

TOP_FEATURES = 5
FOLK_LIMIT = 0.2


def health_tables(figures: HealthFigures) -> tuple[Table, ...]:
    """Return all tables of the vitals."""
    drift = (drift_table(subject, found) for subject, found in figures.drift.items())
    return (calibration_table(figures.calibration, figures.changes), *drift)


def drift_table(subject: str, figures: DriftFigures) -> Table:
    """Return the features that are over their threshold, or the nearest to it, below the stated promise."""
    title = f"drift of {subject}"
    if figures.blind:
        return title, (), (("cannot tell", figures.blind),)
    judged = [f for f in figures.features if f.sees]
    out = sum(f.out for f in judged)
    head = (
        ("promise", f"{figures.rate:.0%} of the time in alarm without drift, all {len(judged)} together"),
        ("known from", _known_from(figures)),
        ("in alarm", f"{'yes' if figures.in_alarm else 'no'}, {out} over their threshold"),
        (
            "so far",
            f"{figures.episodes} episodes, {_share(figures.alarm_hours, figures.judged_hours)} of hours",
        ),
    )
    top = tuple((f.name, _index(f, figures.long_hours)) for f in judged[:TOP_FEATURES])
    often = sorted((f for f in judged if f.out_hours), key=lambda f: (-f.out_hours, f.name))
    hours = ((f.name, _share(f.out_hours, figures.judged_hours)) for f in often[:TOP_FEATURES])
    most = (("most often out", ", ".join(f"{name} {share}" for name, share in hours)),) if often else ()
    dull = [f.name for f in judged if f.blunt]
    blunt = (("could miss", _blunt(dull)),) if dull else ()
    unseen = [f.name for f in figures.features if not f.sees]
    blind = (("cannot see", _blind(unseen, figures.window_hours)),) if unseen else ()
    folk = sum(f.psi > FOLK_LIMIT for f in figures.features)
    return (
        title,
        (),
        (*head, *most, *top, *blunt, *blind, ("PSI above 0.2", f"{folk} (a folk limit, not used)")),
    )


def calibration_table(figures: Sequence[CalibrationFigures], changes: Sequence[ChangeFigures]) -> Table:
    """Return how honest probabilities are, and how often a change in the error was detected."""
    columns = ("expert", "Brier", "ECE %", "MCC", "accuracy", "expected", "ADWIN", "Page-Hinkley")
    traded = [f for f in figures if f.form == CALIBRATED]
    rows = tuple(
        (
            f.name,
            _number(f.brier, 1.0, ".3f"),
            _number(f.ece, 100.0, ".1f"),
            _number(f.mcc, 1.0, "+.3f"),
            _number(f.accuracy, 100.0, ".1f"),
            _number(f.estimated, 100.0, ".1f"),
            *(str(change.alarms[kind]) for kind in ("adwin", "page_hinkley")),
        )
        for f, change in zip(traded, changes, strict=True)
    )
    return "calibration; changes found in the error", columns, rows


def _known_from(figures: DriftFigures) -> str:
    known = f"{figures.n_windows} windows of {figures.window_hours} hours"
    joined = f"also watched over {figures.long_hours}"
    few = f"too few to watch longer than one: that takes {MIN_LONG_WINDOWS}"
    return f"{known}; {joined if figures.long_hours else few}"


def _index(feature: FeatureDrift, long_hours: int) -> str:
    (found, limit), over = feature.nearest, f" over {long_hours} hours" if feature.long else ""
    return f"PSI {found:.3f}{over}, threshold {limit:.3f}{', OUT' if feature.out else ''}"


def _blunt(names: Sequence[str]) -> str:
    why = "the reference is short or unsteady; a longer one, or a shorter window, shows more"
    return f"a shift of one sd, of {_some(names)}: {why}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - TOP_FEATURES} more" if len(names) > TOP_FEATURES else ""
    return f"{', '.join(names[:TOP_FEATURES])}{more}"


def _blind(names: Sequence[str], window_hours: int) -> str:
    return f"{_some(names)}: {window_hours} hours are fewer than 50 of their autocorrelation times"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"


def _number(value: float, scale: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value * scale, form)
