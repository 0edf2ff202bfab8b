"""Groups of instruments as tables for people."""

from collections.abc import Sequence

from daemon.vitals.groups import GroupFigures
from daemon.vitals.skill_panels import UNKNOWN, Panel, number, spread

SKILL_COLUMNS = (
    *("group", "expert", "labels", "skill mnat", "direction", "IC", "accuracy", "over majority", "ECE %"),
)
MONEY_COLUMNS = ("group", "instruments", "trades", "net bps", "signals", "predicted bps", "realised bps")


def group_panels(groups: Sequence[GroupFigures]) -> tuple[Panel, ...]:
    """Return how good experts are in each group, and what signals and trades come to; none without groups."""
    if not groups:
        return ()
    skill = tuple(
        (
            group.name,
            f.name,
            f"{f.rows:,}",
            spread(f.skill_interval, 1e3, ".1f"),
            spread(f.direction, 1e3, ".1f"),
            spread(f.ic, 1.0, ".3f"),
            number(f.accuracy, 100.0, ".1f"),
            spread(f.over_majority, 100.0, ".1f"),
            number(honesty.ece, 100.0, ".1f"),
        )
        for group in groups
        for f, honesty in zip(group.skill, group.calibration, strict=True)
    )
    money = tuple(
        (
            group.name,
            str(group.instruments),
            f"{group.trades.count:,}",
            spread(group.trades.interval, 1.0, ".1f") if group.trades.count else UNKNOWN,
            f"{group.edges.signals:,}",
            spread(group.edges.predicted, 1e4, ".1f"),
            spread(group.edges.realised, 1e4, ".1f"),
        )
        for group in groups
    )
    return (
        ("skill by group of instruments", SKILL_COLUMNS, skill),
        ("trades and edge by group", MONEY_COLUMNS, money),
    )
