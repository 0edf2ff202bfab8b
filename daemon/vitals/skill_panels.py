"""Skill, accuracy and what calibration brings, as tables for people."""

import math
from collections.abc import Sequence

from daemon.vitals.calibration import CalibrationFigures
from daemon.vitals.edges import EdgeFigures
from daemon.vitals.forms import CALIBRATED, RAW
from daemon.vitals.intervals import Interval
from daemon.vitals.skill import SkillFigures

Panel = tuple[str, tuple[str, ...], tuple[tuple[str, ...], ...]]
"""Title, column names (empty: a list of named figures), rows."""

UNKNOWN = "-"
SKILL_COLUMNS = ("expert", "labels", "skill mnat", "move", "direction", "IC")
ACCURACY_COLUMNS = (
    *("expert", "hit rate", "accuracy", "over majority", "majority", "base rate", "last label"),
)
GAIN_COLUMNS = (
    *("expert", "skill raw, mnat", "calibrated", "brought", "ECE % raw", "calibrated"),
    *("Brier raw", "calibrated", "expects % raw", "calibrated", "accuracy"),
)


def skill_panel(title: str, figures: Sequence[SkillFigures]) -> Panel:
    """Return skill and its parts, in thousandths of a nat, and the IC, as a table; +- is a 95 % interval."""
    return (
        title,
        SKILL_COLUMNS,
        tuple(
            (
                f.name,
                f"{f.rows:,}",
                spread(f.skill_interval, 1e3, ".1f"),
                spread(f.move, 1e3, ".1f"),
                spread(f.direction, 1e3, ".1f"),
                spread(f.ic, 1.0, ".3f"),
            )
            for f in figures
            if f.form == CALIBRATED
        ),
    )


def accuracy_panel(title: str, figures: Sequence[SkillFigures]) -> Panel:
    """Return hit rate, accuracy and the baselines' accuracy as a table, in percent; +- is a 95 % interval."""
    return (
        title,
        ACCURACY_COLUMNS,
        tuple(
            (
                f.name,
                spread(f.hit_rate, 100.0, ".1f", sign=""),
                number(f.accuracy, 100.0, ".1f"),
                spread(f.over_majority, 100.0, ".1f"),
                *(number(share, 100.0, ".1f") for share in (f.majority, f.base_rate, f.last)),
            )
            for f in figures
            if f.form == CALIBRATED
        ),
    )


def gain_panel(skill: Sequence[SkillFigures], honesty: Sequence[CalibrationFigures]) -> Panel:
    """Return the experts that have a calibrator, before and after it; +- is a 95 % interval."""
    skills = {(f.name, f.form): f for f in skill}
    pairs = {(f.name, f.form): f for f in honesty}
    rows = []
    for name in (f.name for f in skill if f.form == RAW):
        before, after = pairs[name, RAW], pairs[name, CALIBRATED]
        rows.append(
            (
                name,
                number(1e3 * skills[name, RAW].skill, 1.0, "+.1f"),
                number(1e3 * skills[name, CALIBRATED].skill, 1.0, "+.1f"),
                spread(skills[name, CALIBRATED].over_raw, 1e3, ".1f"),
                *(number(f.ece, 100.0, ".1f") for f in (before, after)),
                *(number(f.brier, 1.0, ".3f") for f in (before, after)),
                *(number(f.estimated, 100.0, ".1f") for f in (before, after)),
                number(after.accuracy, 100.0, ".1f"),
            )
        )
    return ("what calibration brings", GAIN_COLUMNS, tuple(rows))


def edge_panel(figures: EdgeFigures) -> Panel:
    """Return what signals promised and what came, in basis points, as a list; +- is a 95 % interval."""
    rows = (
        ("signals judged", f"{figures.signals:,}"),
        ("predicted", f"{spread(figures.predicted, 1e4, '.1f')} bps"),
        ("realised", f"{spread(figures.realised, 1e4, '.1f')} bps"),
        ("predicted less realised", f"{spread(figures.shortfall, 1e4, '.1f')} bps"),
    )
    return ("edge of signals, before costs", (), rows)


def spread(interval: Interval | None, scale: float, form: str, sign: str = "+") -> str:
    """Return a mean and how far its interval reaches to either side."""
    if interval is None:
        return UNKNOWN
    mean, reach = interval.mean * scale, (interval.high - interval.mean) * scale
    return f"{format(mean, sign + form)} ±{format(reach, form)}"


def number(value: float, scale: float, form: str) -> str:
    """Return a number as text, a dash where there is none."""
    return UNKNOWN if math.isnan(value) else format(value * scale, form)
