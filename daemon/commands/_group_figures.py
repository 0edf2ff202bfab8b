"""Groups of instruments as series for whoever watches from outside."""

from collections.abc import Sequence

from daemon.commands._expert_figures import Series, calibration_series, edge_series, skill_series
from daemon.vitals.groups import GroupFigures


def group_series(groups: Sequence[GroupFigures]) -> Series:
    """Return the series of all groups; none without groups."""
    found: Series = {}
    for group in groups:
        trades = group.trades
        net: dict[tuple[str, ...], float] = {}
        if trades.count:
            net[group.name, "mean"] = trades.net_bps / 1e4
        if trades.interval is not None:
            net[group.name, "low"] = trades.interval.low / 1e4
            net[group.name, "high"] = trades.interval.high / 1e4
        edges = {
            f"group_{family}": {(group.name, *labels): value for labels, value in series.items()}
            for family, series in edge_series(group.edges).items()
        }
        parts: Series = {
            "group_instruments": {(group.name,): float(group.instruments)},
            "group_trades": {(group.name,): float(trades.count)},
            "group_trade_net_ratio": net,
            **skill_series("group", group.skill, group.name),
            **calibration_series("group", group.calibration, group.name),
            **edges,
        }
        for family, series in parts.items():
            found.setdefault(family, {}).update(series)
    return found
