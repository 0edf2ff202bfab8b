"""Every figure that the terminal shows is in Prometheus: the views are walked, field by field."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest

from adapters.prometheus.families import FAMILIES
from daemon.commands._figures import Meter
from daemon.commands._views import Watcher
from daemon.events import TradingMode
from daemon.settings import AlarmSettings
from daemon.vitals import rank_ic
from daemon.vitals.calibration import CalibrationFigures
from daemon.vitals.changes import ChangeFigures
from daemon.vitals.drift import DriftFigures, FeatureDrift
from daemon.vitals.edges import EdgeFigures
from daemon.vitals.intervals import Interval
from daemon.vitals.skill import SkillFigures
from daemon.vitals.summary import LiveView, RunSummary
from daemon.vitals.trades import TradeFigures
from tests.runs import SETTINGS, cut, decided, first_traded, fresh_engine, traded, without

Series = Mapping[tuple[str, ...], float]
N_MINUTES = 700
OUTSIDE = {"simulator:ALFAUSDT": 7}


@dataclass(frozen=True)
class Served:
    """Where a field is served: the family, and from the view or summary what its series must be."""

    family: str
    series: Callable[[Any], Series]


@dataclass(frozen=True)
class NoFigure:
    """Why a field is not served."""

    why: str


def one(value: Callable[[Any], object]) -> Callable[[Any], Series]:
    return lambda view: {(): float(value(view))}  # type: ignore[arg-type]


def each(
    of: Callable[[Any], Sequence[Any]], value: Callable[[Any], object], *, by: str
) -> Callable[[Any], Series]:
    return lambda view: {(getattr(f, by),): float(value(f)) for f in of(view)}  # type: ignore[arg-type]


def judged(experts: Sequence[SkillFigures]) -> Sequence[SkillFigures]:
    return [f for f in experts if f.rows]


def skill(view_field: str, prefix: str) -> dict[str, Served | NoFigure]:
    """Where the fields of `SkillFigures` under a field of a view are served."""

    def under(family: str, series: Callable[[Sequence[SkillFigures]], Series]) -> Served:
        return Served(f"{prefix}_{family}", lambda view: series(judged(getattr(view, view_field))))

    def number(family: str, name: str, *label: str) -> Served:
        return under(family, lambda experts: {(f.name, f.form, *label): getattr(f, name) for f in experts})

    def estimated(family: str, name: str, *part: str) -> Served:
        return under(
            family,
            lambda experts: {
                (f.name, f.form, *part, word): getattr(interval, word)
                for f in experts
                if (interval := getattr(f, name)) is not None
                for word in ("mean", "low", "high")
            },
        )

    return {
        "name": NoFigure("the label `expert`"),
        "form": NoFigure("the label `form`"),
        "minutes": NoFigure("not shown"),
        "rows": number("labels", "rows"),
        "skill": number("skill_nats", "skill", "all", "mean"),
        "skill_interval": estimated("skill_nats", "skill_interval", "all"),
        "move": estimated("skill_nats", "move", "move"),
        "direction": estimated("skill_nats", "direction", "direction"),
        "ic": estimated("information_coefficient", "ic"),
        "accuracy": number("accuracy_ratio", "accuracy"),
        "majority": number("baseline_accuracy_ratio", "majority", "majority"),
        "base_rate": number("baseline_accuracy_ratio", "base_rate", "base_rate"),
        "last": number("baseline_accuracy_ratio", "last", "last_label"),
        "over_majority": estimated("over_majority_ratio", "over_majority"),
        "hit_rate": estimated("hit_ratio", "hit_rate"),
        "over_raw": NoFigure("not shown of catch-up minutes")
        if prefix == "catch_up"
        else Served(
            "expert_calibration_gain_nats",
            lambda view: {
                (f.name, word): getattr(f.over_raw, word)
                for f in view.skill
                if f.over_raw is not None
                for word in ("mean", "low", "high")
            },
        ),
    }


def edge(name: str) -> Served:
    return Served(
        f"edge_{name}_ratio",
        lambda view: {(word,): getattr(getattr(view.edges, name), word) for word in ("mean", "low", "high")},
    )


def equity(name: str) -> Served:
    return Served("equity", lambda view: {(name,): float(getattr(view.equity, name))})


def trade(part: str, name: str) -> Served:
    return Served("trade_return_ratio", lambda s: {(part,): getattr(s.trades, name) / 1e4})


def funnel(name: str) -> Served:
    return Served("funnel_total", lambda s: {(name,): getattr(s.funnel, name)})


def reasons(step: str, name: str) -> Served:
    return Served(
        "refusals_total", lambda s: {(step, reason): n for reason, n in getattr(s.funnel, name).items()}
    )


def bars(family: str, name: str, scale: float = 1.0) -> Served:
    return Served(
        f"instrument_{family}",
        each(lambda s: s.coverage, lambda f: scale * getattr(f, name), by="instrument"),
    )


def position(family: str, name: str) -> Served:
    return Served(
        f"position_{family}", each(lambda v: v.positions, lambda p: getattr(p, name), by="instrument")
    )


def newest(view: LiveView) -> Mapping[str, Any]:
    return {t.instrument: t for t in reversed(view.trades)}


GROUPS = NoFigure("served by group: tests/daemon/commands/test_group_figures.py")


def alarm(family: str, value: Callable[[Any], float]) -> Served:
    return Served(family, lambda v: {(a.vital, a.subject): value(a) for a in v.alarms})


HEALTH = NoFigure("of the vitals: see test_health_figures")
LIVE: dict[str, Served | NoFigure] = {
    "minute": Served("last_closed_bar_timestamp_seconds", one(lambda v: (v.minute + 1) * 60)),
    **{f"equity.{name}": equity(name) for name in ("expected", "best", "worst")},
    "day": Served("pnl_day", one(lambda v: v.day)),
    "mode": Served("trading_state", lambda v: {(m.value,): float(m is v.mode) for m in TradingMode}),
    "done": Served("replay_done_ratio", one(lambda v: v.done)),
    "positions.instrument": NoFigure("the label `instrument`"),
    "positions.quantity": position("quantity", "quantity"),
    "positions.weight": position("weight_ratio", "weight"),
    "positions.unrealised": position("pnl_unrealised", "unrealised"),
    "positions.mark_age_minutes": Served(
        "instrument_last_traded_bar_timestamp_seconds",
        lambda v: {(p.instrument,): (v.minute + 1 - p.mark_age_minutes) * 60.0 for p in v.positions},
    ),
    "trades.minute": Served(
        "instrument_last_trade_timestamp_seconds",
        lambda v: {(name,): 60.0 * t.minute for name, t in newest(v).items()},
    ),
    "trades.net_bps": Served(
        "instrument_last_trade_return_ratio",
        lambda v: {(name,): t.net_bps / 1e4 for name, t in newest(v).items()},
    ),
    **{
        f"trades.{name}": Served(
            "instrument_last_trade_info",
            lambda v: {
                (name, "long" if t.side > 0 else "short", t.reason): 1.0 for name, t in newest(v).items()
            },
        )
        for name in ("instrument", "side", "reason")
    },
    **{f"skill.{name}": served for name, served in skill("skill", "expert").items()},
    "alarms.vital": alarm("vital_alarm", lambda a: 1.0),
    "alarms.subject": alarm("vital_alarm", lambda a: 1.0),
    "alarms.since": alarm("vital_alarm_since_timestamp_seconds", lambda a: (a.since + 1) * 60.0),
    "alarms.value": alarm("vital_alarm_value", lambda a: a.value),
    "alarms.bound": alarm("vital_alarm_bound", lambda a: a.bound),
    "alarms.cause": NoFigure("value and bound in words"),
    "alarms.consequences": Served(
        "vital_alarm_consequence",
        lambda v: {(a.vital, a.subject, c): 1.0 for a in v.alarms for c in a.consequences},
    ),
    "alarms.clear": NoFigure("not shown"),
}
SUMMARY: dict[str, Served | NoFigure] = {
    "name": Served("run_info", lambda s: {(s.name, s.quote): 1.0}),
    "quote": Served("run_info", lambda s: {(s.name, s.quote): 1.0}),
    "first_minute": Served("first_decided_bar_timestamp_seconds", one(lambda s: 60 * s.first_minute)),
    "last_minute": Served("last_closed_bar_timestamp_seconds", one(lambda s: 60 * (s.last_minute + 1))),
    "bars": Served("bars_decided_total", one(lambda s: s.bars)),
    "seconds": NoFigure("the speed is the rate of bars_decided_total"),
    "capital": Served("capital", one(lambda s: s.capital)),
    **{f"equity.{name}": LIVE[f"equity.{name}"] for name in ("expected", "best", "worst")},
    "drawdown.current": Served("drawdown_ratio", one(lambda s: s.drawdown.current)),
    "drawdown.worst": Served("drawdown_worst_ratio", one(lambda s: s.drawdown.worst)),
    "drawdown.minutes_below": NoFigure("not shown"),
    "drawdown.longest_minutes_below": Served(
        "drawdown_longest_seconds", one(lambda s: 60 * s.drawdown.longest_minutes_below)
    ),
    "trades.count": Served("trades", one(lambda s: s.trades.count)),
    "trades.gross_bps": trade("gross", "gross_bps"),
    "trades.cost_bps": trade("cost", "cost_bps"),
    "trades.net_bps": trade("net", "net_bps"),
    "trades.best_bps": trade("best", "best_bps"),
    "trades.worst_bps": trade("worst", "worst_bps"),
    "trades.interval": Served(
        "trade_net_bound_ratio",
        lambda s: {
            ("low",): s.trades.interval.low / 1e4,
            ("high",): s.trades.interval.high / 1e4,
        },
    ),
    "costs": Served("costs", lambda s: {(name,): float(paid) for name, paid in s.costs.items()}),
    **{
        f"funnel.{name}": funnel(name)
        for name in ("scored", "has_edge", "passes_limits", "ordered", "filled")
    },
    "funnel.waiting": NoFigure("not shown"),
    "funnel.not_scored": reasons("scored", "not_scored"),
    "funnel.gate": reasons("has_edge", "gate"),
    "funnel.limits": reasons("passes_limits", "limits"),
    "funnel.placing": reasons("ordered", "placing"),
    "funnel.unfilled": reasons("filled", "unfilled"),
    "funnel.exits": Served("exits_total", lambda s: {(why,): n for why, n in s.funnel.exits.items()}),
    "coverage.instrument": NoFigure("the label `instrument`"),
    "coverage.expected": bars("bars_expected_total", "expected"),
    "coverage.received": bars("bars_received_total", "received"),
    "coverage.untraded": bars("bars_untraded_total", "untraded"),
    "coverage.synthetic": bars("bars_synthetic_total", "synthetic"),
    "coverage.refused": bars("bars_refused_total", "refused"),
    "coverage.gaps": bars("bar_gaps_total", "gaps"),
    "coverage.longest_gap": bars("bar_gap_longest_seconds", "longest_gap", 60.0),
    "coverage.early": bars("late_start_seconds", "early", 60.0),
    "coverage.open_gap": Served(
        "instrument_last_bar_timestamp_seconds",
        lambda s: {(f.instrument,): (s.last_minute + 1 - f.open_gap) * 60.0 for f in s.coverage},
    ),
    **{f"catch_up.{name}": served for name, served in skill("catch_up", "catch_up").items()},
    **{name: served for name, served in LIVE.items() if name.startswith("positions.")},
    "positions.mark_age_minutes": Served(
        "instrument_last_traded_bar_timestamp_seconds",
        lambda s: {(p.instrument,): (s.last_minute + 1 - p.mark_age_minutes) * 60.0 for p in s.positions},
    ),
    "edges.signals": Served("edge_signals", one(lambda s: s.edges.signals)),
    **{f"edges.{name}": edge(name) for name in ("predicted", "realised", "shortfall")},
    "groups.name": NoFigure("the label `group`"),
    "groups.instruments": GROUPS,
    **{
        f"groups.{part}.{field.name}": GROUPS
        for part, figures in (
            ("skill", SkillFigures),
            ("calibration", CalibrationFigures),
            ("trades", TradeFigures),
            ("edges", EdgeFigures),
        )
        for field in fields(figures)
    },
    "alarms": NoFigure("tables of the alarms: see those of the live view, and test_health_figures"),
    "facts": NoFigure("words; the figures among them are those of coverage, positions and the model"),
    **{f"skill.{name}": served for name, served in skill("skill", "expert").items()},
    **{
        f"health.{part}.{field.name}": HEALTH
        for part, figures in (("calibration", CalibrationFigures), ("changes", ChangeFigures))
        for field in fields(figures)
    },
    **{
        f"health.drift.{name}": HEALTH
        for name in (
            *(field.name for field in fields(DriftFigures) if field.name != "features"),
            *(f"features.{field.name}" for field in fields(FeatureDrift)),
        )
    },
}


def leaves(kind: type, path: str = "") -> Iterator[str]:
    """The fields of a view, those of dataclasses within it by their path."""
    for name, hint in get_type_hints(kind).items():
        inner = [found for found in (hint, *get_args(hint)) if is_dataclass(found)]
        if inner and inner[0] is not Interval:
            yield from leaves(inner[0], f"{path}{name}.")  # type: ignore[arg-type]
        else:
            yield path + name


@dataclass(frozen=True)
class Run:
    """A run at its end: what the terminal shows of it, and what Prometheus is told."""

    live: LiveView
    summary: RunSummary
    figures: Mapping[str, Series]


@pytest.fixture(scope="module")
def run() -> Run:
    """Four instruments; two have gaps, one of them to the end; some minutes were caught up."""
    with pytest.MonkeyPatch.context() as patch:
        # Four instruments are taken for a cross-section: their rank correlation needs no weeks.
        patch.setattr(rank_ic, "MIN_MEMBERS", 4)
        return played()


def played() -> Run:
    """Play it."""
    told = {
        "check_minutes": 60,
        "min_horizons": 5,
        "calibration": {"bound": 0.001, "consequences": ["retrain"]},
    }
    alarming = SETTINGS.model_copy(update={"alarms": AlarmSettings.model_validate(told)})
    engine, minutes = fresh_engine(alarming), traded(N_MINUTES)
    absent = np.zeros(minutes.present.shape, dtype=np.bool_)
    absent[100:160, 1] = absent[-3:, 2] = True
    minutes = without(minutes, absent)
    filled = np.zeros(len(minutes), dtype=np.bool_)
    filled[200:480] = True
    minutes = replace(minutes, catch_up=filled)
    watcher = Watcher(engine, first_traded(), first_traded() + 2 * N_MINUTES)
    meter = Meter(engine, watcher, 50, first_traded())
    for part in cut(minutes, [100, 400]):
        batches, _ = decided(engine, [part])
        watcher.see(batches)
        meter.see(batches)
    meter.note_outside(OUTSIDE)
    return Run(watcher.live(), watcher.summary(first_traded(), 3.0, OUTSIDE), meter.figures())


@pytest.mark.parametrize(("view", "table"), [(LiveView, LIVE), (RunSummary, SUMMARY)])
def test_every_field_of_what_the_terminal_shows_has_its_family(view: type, table: Mapping[str, Any]) -> None:
    """A field that is new here wants a family, or a reason why it is no figure."""
    assert set(leaves(view)) == set(table)
    known = {family.name for family in FAMILIES}
    assert {served.family for served in table.values() if isinstance(served, Served)} <= known


@pytest.mark.parametrize("name", [name for name, served in LIVE.items() if isinstance(served, Served)])
def test_prometheus_is_told_what_the_live_table_shows(name: str, run: Run) -> None:
    compare(LIVE[name], run.live, run.figures)


@pytest.mark.parametrize("name", [name for name, served in SUMMARY.items() if isinstance(served, Served)])
def test_prometheus_is_told_what_the_summary_shows(name: str, run: Run) -> None:
    compare(SUMMARY[name], run.summary, run.figures)


def compare(served: Served | NoFigure, view: object, figures: Mapping[str, Series]) -> None:
    assert isinstance(served, Served)
    shown = served.series(view)
    told = {labels: figures[served.family].get(labels) for labels in shown}
    assert shown or served.family in {"refusals_total", "exits_total"}, "the run is too dull to tell"
    assert told == pytest.approx(shown)


def test_the_run_has_something_of_everything(run: Run) -> None:
    assert run.live.positions
    assert any(position.mark_age_minutes for position in run.live.positions)
    assert run.live.trades
    assert any(figures.rows for figures in run.summary.catch_up)
    assert {figures.open_gap for figures in run.summary.coverage} == {0, 3}
    assert run.figures["instrument_bars_outside_sessions"] == {("simulator:ALFAUSDT",): 7.0}
    absent = {(f.instrument,): float(f.absent) for f in run.summary.coverage}
    assert run.figures["instrument_bars_absent_total"] == absent
    for name in ("expected", "received", "untraded", "synthetic", "refused", "absent"):
        total = sum(getattr(f, name) for f in run.summary.coverage)
        assert run.figures[f"bars_{name}_total"] == {(): total}
