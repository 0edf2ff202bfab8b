"""Groups leave the house as they are, in families that are known."""

from adapters.prometheus.families import FAMILIES
from daemon.commands._figures import Meter
from daemon.commands._views import Watcher
from daemon.settings import Settings
from tests.runs import SETTINGS, cut, decided, first_traded, fresh_engine, traded

GROUPS = {"first": ["simulator:ALFAUSDT"], "others": ["simulator:BRAVOUSDT", "simulator:CHARLIEUSDT"]}


def test_the_groups_of_a_run_are_served_as_the_summary_shows_them() -> None:
    vitals = {**SETTINGS.vitals.model_dump(), "groups": GROUPS}
    settings = Settings.model_validate({**SETTINGS.model_dump(), "vitals": vitals})
    engine, minutes = fresh_engine(settings), traded(500)
    watcher = Watcher(engine, first_traded(), first_traded() + len(minutes))
    meter = Meter(engine, watcher, 50, first_traded())
    for part in cut(minutes, [100]):
        batches, _ = decided(engine, [part])
        watcher.see(batches)
        meter.see(batches)
    figures, groups = meter.figures(), watcher.summary(first_traded(), None).groups
    labels = {family.name: family.labels for family in FAMILIES}
    assert all(len(key) == len(labels[name]) for name, series in figures.items() for key in series)
    assert figures["group_instruments"] == {("first",): 1.0, ("others",): 2.0}
    for group in groups:
        for f in group.skill:
            assert figures["group_labels"][group.name, f.name] == f.rows > 0
            assert figures["group_accuracy_ratio"][group.name, f.name] == f.accuracy
            assert f.skill_interval is not None
            assert figures["group_skill_nats"][group.name, f.name, "all", "low"] == f.skill_interval.low
        for c in group.calibration:
            assert figures["group_brier_score"][group.name, c.name] == c.brier
            assert figures["group_expected_accuracy_ratio"][group.name, c.name] == c.estimated
        assert figures["group_edge_signals"][group.name,] == group.edges.signals > 0
        assert group.edges.predicted is not None
        assert figures["group_edge_predicted_ratio"][group.name, "mean"] == group.edges.predicted.mean
        assert figures["group_trades"][group.name,] == group.trades.count > 0
        assert figures["group_trade_net_ratio"][group.name, "mean"] == group.trades.net_bps / 1e4
    whole = next(f for f in watcher.summary(first_traded(), None).skill if f.name == "blend")
    assert sum(group.skill[-1].rows for group in groups) < whole.rows
