"""A summary says every number it was given, in words and units a person reads."""

import math
from dataclasses import replace
from decimal import Decimal

import pytest

from daemon.events import TradingMode
from daemon.policy.funnel import FunnelCounts
from daemon.vitals.alarms import Alarm
from daemon.vitals.calibration import CalibrationFigures
from daemon.vitals.drawdown import DrawdownFigures
from daemon.vitals.held import HeldPosition
from daemon.vitals.intervals import Interval
from daemon.vitals.moment import clock
from daemon.vitals.skill import SkillFigures
from daemon.vitals.skill_panels import accuracy_panel, gain_panel, skill_panel
from daemon.vitals.summary import (
    Banded,
    LiveView,
    RecentTrade,
    RunSummary,
)
from daemon.vitals.trades import TradeFigures

MINUTE = 28_401_120
BLEND = SkillFigures(
    name="blend",
    minutes=1000,
    rows=8000,
    skill=0.0123,
    skill_interval=Interval(0.0123, 0.004, 0.02),
    move=Interval(0.002, -0.001, 0.005),
    direction=Interval(0.0103, 0.003, 0.0176),
    accuracy=0.47,
    majority=0.44,
    base_rate=0.36,
    last=0.35,
    over_majority=Interval(0.03, 0.01, 0.05),
    hit_rate=Interval(0.55, 0.52, 0.58),
    ic=Interval(0.081, 0.05, 0.112),
)
SILENT = replace(
    BLEND, name="signals", rows=0, skill_interval=None, ic=None, hit_rate=None, accuracy=math.nan
)
BAND = Banded(Decimal("100012.5"), Decimal(100020), Decimal("99950.1"))


@pytest.fixture
def summary() -> RunSummary:
    return RunSummary(
        name="demo",
        quote="USDT",
        first_minute=MINUTE,
        last_minute=MINUTE + 10_000,
        bars=80_000,
        seconds=4.0,
        capital=Decimal(100_000),
        equity=BAND,
        drawdown=DrawdownFigures(0.01, 0.034, 70, 3000),
        trades=TradeFigures(412, 1.4, 10.0, -8.6, 0.9, -18.0, Interval(-8.6, -12.1, -5.2)),
        costs={"fees": Decimal("412.5"), "half_spread": Decimal("82.5")},
        skill=(BLEND, SILENT),
        funnel=FunnelCounts(
            scored=100,
            has_edge=40,
            passes_limits=20,
            ordered=18,
            filled=17,
            waiting=0,
            not_scored={"no_sigma": 3},
            gate={"edge_below_cost": 50, "stale": 10},
            limits={"gross": 20},
            placing={"below_lot": 2},
            unfilled={"no_trade": 1},
            exits={"horizon": 12, "opposite": 4},
        ),
    )


def text_of(summary: RunSummary) -> str:
    return "\n".join(
        " | ".join(row) for title, header, rows in summary.panels() for row in ((title,), header, *rows)
    )


def test_a_summary_shows_speed_equity_with_its_band_trades_costs_skill_and_funnel(
    summary: RunSummary,
) -> None:
    text = text_of(summary)
    for expected in (
        "20,000 bars/s (4.0 s)",
        "2024-01-01 00:00 to 2024-01-07 22:40 UTC",
        "100,012.50 (99,950.10 to 100,020.00), +0.01%",
        "1.00% now, 3.40% at worst, below the high for 2 d 2 h at longest",
        "gross +1.4, cost 10.0, net -8.6",
        "-8.6 ±3.4 bps",
        "-18.0 to +0.9 bps",
        "fees 412.50, half spread 82.50",
        "blend | 8,000 | +12.3 ±7.7 | +2.0 ±3.0 | +10.3 ±7.3 | +0.081 ±0.031",
        "blend | 55.0 ±3.0 | 47.0 | +3.0 ±2.0 | 44.0 | 36.0 | 35.0",
        "has edge | 40 | edge below cost 50, stale 10",
        "exits | 16 | horizon 12, opposite 4",
    ):
        assert expected in text
    assert summary.verdict.endswith("losing after costs")


def test_every_row_of_a_panel_has_as_many_cells_as_its_header(summary: RunSummary) -> None:
    for _, header, rows in (*summary.panels(), skill_panel("empty", ())):
        for row in rows:
            assert len(row) == len(header or rows[0])


def test_what_cannot_be_known_is_a_dash_not_a_number(summary: RunSummary) -> None:
    text = text_of(replace(summary, seconds=None, trades=TradeFigures(0, 0.0, 0.0, 0.0, 0.0, 0.0, None)))
    assert "speed | -" in text
    assert "closed round trips | none" in text
    assert "bps a trade |" not in text
    assert "nan" not in text
    (_, _, (row,)) = skill_panel("skill", (SILENT,))
    assert row[2] == row[5] == "-"
    (_, _, (row,)) = accuracy_panel("accuracy", (SILENT,))
    assert row[1] == row[2] == "-"


def test_minutes_filled_from_history_and_facts_are_shown_where_there_are_any(summary: RunSummary) -> None:
    assert "history" not in text_of(summary)
    assert "history" not in text_of(replace(summary, catch_up=(SILENT,)))
    assert "history" in text_of(replace(summary, catch_up=(BLEND,)))
    assert "funding | not charged" in text_of(replace(summary, facts={"funding": "not charged"}))


def test_a_short_stretch_below_the_high_is_told_in_hours(summary: RunSummary) -> None:
    short = replace(summary, drawdown=DrawdownFigures(0.0, 0.0, 0, 125))
    assert "2 h 5 min at longest" in text_of(short)


def test_a_live_view_is_tables_or_one_line() -> None:
    view = LiveView(
        minute=MINUTE,
        equity=BAND,
        day=Decimal("-12.25"),
        mode=TradingMode.NO_ENTRY,
        positions=(HeldPosition("a:BUSDT", Decimal("-0.25"), -0.1, Decimal("3.5"), 7),),
        trades=(
            RecentTrade(MINUTE - 5, "a:BUSDT", 1, 7.3, "horizon"),
            RecentTrade(1, "a:C", -1, -2.0, "limit"),
        ),
        skill=(BLEND,),
        done=0.42,
    )
    assert view.line() == (
        "42%  2024-01-01 00:00  equity 100,012.50 (99,950.10 to 100,020.00)  day -12.25  "
        "positions 1 (oldest mark 7 min)  state no_entry"
    )
    now, held, closed, skill = view.panels()
    assert ("done", "█" * 13 + "░" * 17 + " 42%") in now[2]
    assert held[2] == (("a:BUSDT", "-0.25", "-10.0%", "+3.50", "7 min old"),)
    assert closed[2][0] == ("2023-12-31 23:55", "a:BUSDT", "long", "+7.3", "horizon")
    assert closed[2][1][2] == "short"
    assert skill[2][0][0] == "blend"
    fresh = replace(view, positions=(replace(view.positions[0], mark_age_minutes=0),))
    assert fresh.panels()[1][2][0][-1] == "now"
    assert "positions 1  state" in fresh.line()
    endless = replace(view, done=None)
    assert not endless.line().startswith("42%")
    assert endless.panels()[0][2][0] == ("minute", "2024-01-01 00:00")
    alarm = Alarm("skill", "blend", MINUTE, -0.1, 0.0, "below", ("no_entry",))
    warned = replace(view, alarms=(alarm,))
    assert warned.line().endswith("state no_entry  alarms 1")
    assert warned.panels()[-1][2][0][-1] == "below"


def test_minutes_are_told_in_utc() -> None:
    assert clock(0) == "1970-01-01 00:00"


def test_what_calibration_brings_is_told_of_the_experts_that_have_a_calibrator() -> None:
    after = replace(BLEND, name="trees", skill=0.003, over_raw=Interval(0.05, 0.04, 0.06))
    before = replace(BLEND, name="trees", skill=-0.047, form="raw")
    honesty = (
        CalibrationFigures("trees", 8000, 0.61, 0.012, 0.08, 0.47, 0.48),
        CalibrationFigures("blend", 8000, 0.60, 0.01, 0.09, 0.47, 0.47),
        CalibrationFigures("trees", 8000, 0.68, 0.095, 0.07, 0.46, 0.59, "raw"),
    )
    _, columns, rows = gain_panel((after, BLEND, before), honesty)
    assert len(columns) == len(rows[0])
    assert rows == (
        ("trees", "-47.0", "+3.0", "+50.0 ±10.0", "9.5", "1.2", "0.680", "0.610", "59.0", "48.0", "47.0"),
    )
    assert [row[0] for row in skill_panel("skill", (after, BLEND, before))[2]] == ["trees", "blend"]
