"""Versions of the model beside each other, as series: what trades, what did before, the challenger."""

from daemon.challenger import ChallengerFigures
from daemon.commands._expert_figures import Series, estimates
from daemon.events import BLEND
from daemon.run_state import RunState
from daemon.vitals.calibration import CalibrationFigures
from daemon.vitals.skill import SkillFigures


def version_series(run: RunState, challenger: ChallengerFigures | None) -> Series:
    """Return what each version's blend is worth, on the labels of what it said itself."""
    found: Series = {
        "model_labels": {},
        "model_skill_nats": {},
        "model_information_coefficient": {},
        "model_calibration_error_ratio": {},
    }
    skill, health = run.skill, run.health
    _add(found, run.model.version, "champion", skill.figures(BLEND), health.calibration_figures(BLEND))
    past = health.past_calibration_figures(BLEND)
    for version, figures in skill.past_figures(BLEND).items():
        _add(found, version, "past", figures, past[version])
    if challenger is not None:
        _add(found, challenger.version, "challenger", (challenger.skill,), (challenger.calibration,))
        found["challenger_gain_nats"] = {
            (challenger.version, word): value for word, value in estimates(challenger.gain)
        }
    return found


def _add(
    found: Series,
    version: str,
    role: str,
    skill: tuple[SkillFigures, ...],
    calibration: tuple[CalibrationFigures, ...],
) -> None:
    who = (version, role)
    for f in skill:
        found["model_labels"][who] = float(f.rows)
        for family, interval in (
            ("model_skill_nats", f.skill_interval),
            ("model_information_coefficient", f.ic),
        ):
            found[family].update({(*who, word): value for word, value in estimates(interval)})
    for c in calibration:
        if c.rows:
            found["model_calibration_error_ratio"][who] = c.ece
