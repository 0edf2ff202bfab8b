"""What experts are worth, as series for whoever watches from outside."""

from collections.abc import Iterator, Sequence

from daemon.vitals.calibration import CalibrationFigures
from daemon.vitals.edges import EdgeFigures
from daemon.vitals.intervals import Interval
from daemon.vitals.skill import SkillFigures

Series = dict[str, dict[tuple[str, ...], float]]


def skill_series(prefix: str, experts: Sequence[SkillFigures], group: str | None = None) -> Series:
    """Return the series of the families of skill whose names begin with `prefix`, of a group where named."""
    judged = [figures for figures in experts if figures.rows]
    found: Series = {
        "labels": {_who(f, group): float(f.rows) for f in experts},
        "accuracy_ratio": {_who(f, group): f.accuracy for f in judged},
        "baseline_accuracy_ratio": {
            (*_who(f, group), baseline): share
            for f in judged
            for baseline, share in (
                ("majority", f.majority),
                ("base_rate", f.base_rate),
                ("last_label", f.last),
            )
        },
        "over_majority_ratio": {},
        "hit_ratio": {},
        "skill_nats": {},
        "information_coefficient": {},
    }
    for f in judged:
        for name, part, interval in (
            ("over_majority_ratio", (), f.over_majority),
            ("hit_ratio", (), f.hit_rate),
            ("skill_nats", ("all",), f.skill_interval),
            ("skill_nats", ("move",), f.move),
            ("skill_nats", ("direction",), f.direction),
            ("information_coefficient", (), f.ic),
        ):
            found[name].update({(*_who(f, group), *part, word): value for word, value in estimates(interval)})
    return {f"{prefix}_{name}": series for name, series in found.items()}


def gain_series(experts: Sequence[SkillFigures]) -> Series:
    """Return what calibration brings, by expert."""
    gains: dict[tuple[str, ...], float] = {
        (f.name, word): value for f in experts for word, value in estimates(f.over_raw)
    }
    return {"expert_calibration_gain_nats": gains}


def edge_series(edges: EdgeFigures) -> Series:
    """Return what signals promised beside what came."""
    return {
        "edge_signals": {(): float(edges.signals)},
        **{
            f"edge_{name}_ratio": {(word,): value for word, value in estimates(interval)}
            for name, interval in (
                ("predicted", edges.predicted),
                ("realised", edges.realised),
                ("shortfall", edges.shortfall),
            )
            if interval is not None
        },
    }


def calibration_series(
    prefix: str, experts: Sequence[CalibrationFigures], group: str | None = None
) -> Series:
    """Return the series of the families of calibration whose names begin with `prefix`."""
    judged = [f for f in experts if f.rows]
    # What was said of rows without labels yet is not a number where nothing was said.
    heard = [f for f in experts if f.estimated == f.estimated]
    found: Series = {
        "expected_accuracy_ratio": {_who(f, group): f.estimated for f in heard},
        "realised_accuracy_ratio": {_who(f, group): f.accuracy for f in judged},
        "calibration_error_ratio": {_who(f, group): f.ece for f in judged},
        "brier_score": {_who(f, group): f.brier for f in judged},
        "matthews_correlation": {_who(f, group): f.mcc for f in judged},
    }
    return {f"{prefix}_{name}": series for name, series in found.items()}


def estimates(interval: Interval | None) -> Iterator[tuple[str, float]]:
    """Yield the mean and the bounds by name; nothing where there is no interval."""
    if interval is not None:
        yield from (("mean", interval.mean), ("low", interval.low), ("high", interval.high))


def _who(figures: SkillFigures | CalibrationFigures, group: str | None) -> tuple[str, ...]:
    return (figures.name, figures.form) if group is None else (group, figures.name)
