"""The report of a run beside what the run's own engine knows of it."""

import itertools
import json
from collections.abc import Sequence
from decimal import Decimal
from functools import cache

import msgspec
import numpy as np
import pytest

from daemon.engine import Engine
from daemon.events import BAR_FLAG_REFUSED, BAR_RECORD, BatchRecord, Fill, FillKind
from daemon.positions.trips import RoundTrip
from daemon.vitals.cost_totals import CostTotals
from daemon.vitals.curves import MOST_MARKS, Curves
from daemon.vitals.day_book import DayBook, by_instrument, costs, returns
from daemon.vitals.ratios import DEFLATED, Trials, Yardstick
from daemon.vitals.report import Report, Told
from daemon.vitals.trades import Trades
from daemon.vitals.training_date import TrainingDate
from tests import runs

CAPITAL = float(runs.SETTINGS.run.capital)
NEVER = TrainingDate(None, CAPITAL).figures()
"""A run of which nobody knows what its model was trained on."""


@cache
def played() -> tuple[Engine, list[BatchRecord]]:
    """A run of 20 hours over two UTC days with some dozens of trades."""
    engine = runs.fresh_engine()
    return engine, runs.decided(engine, [runs.traded(1_200)])[0]


@cache
def walked() -> tuple[DayBook, Curves]:
    """Its account and curves from its batches alone."""
    engine, records = played()
    names = engine.run.names
    account, curves = DayBook(CAPITAL, names), Curves(len(records), CAPITAL)
    for record in records:
        account.add(record, names)
        curves.add(record, names)
    account.end_day()
    return account, curves


def made(n_trials: int | None = None) -> Report:
    engine, records = played()
    account, curves = walked()
    paid = CostTotals()
    for record in records:
        paid.add(record.fills)
    trades = Trades(runs.SETTINGS.labels.horizon_minutes, 4 * 1440)
    trades.add(account.trips)
    name = engine.run.names[0]
    told = Told(
        name="test",
        quote="USDT",
        model="1",
        capital=CAPITAL,
        benchmark=name,
        paid={k: float(v) for k, v in paid.totals().items()},
        digest="00",
    )
    by = Yardstick(365, np.array(account.benchmark(name)), Trials(n_trials, "the test"))
    return Report(told, account, curves, (), trades.figures(), by, NEVER)


def test_the_instruments_profits_add_up_to_the_equity_of_every_day() -> None:
    account, _ = walked()
    assert len(account.days) == 2
    for day in account.days:
        assert sum(day.profit.values()) == pytest.approx(day.equity - day.opening, abs=1e-6)
    shares = [sum(by_instrument(account.days, name)[at] for name in account.order) for at in range(2)]
    assert shares == pytest.approx(returns(account.days))


def test_the_trades_of_a_tape_are_those_that_the_engine_closed() -> None:
    engine, _ = played()
    account, _ = walked()
    assert len(account.trips) > 20
    trades = Trades(runs.SETTINGS.labels.horizon_minutes, runs.SETTINGS.vitals.window_minutes)
    trades.add(account.trips)
    assert trades.figures() == engine.run.trades.figures()
    assert costs(account.holdings) == pytest.approx(float(sum(engine.run.costs.totals().values())))


def test_a_report_says_the_same_verdict_as_the_run_and_is_plain_data() -> None:
    report = made(n_trials=20)
    plain = report.to_plain()
    assert json.loads(json.dumps(plain, allow_nan=False))["verdict"] == report.verdict
    assert plain["run"]["equity"] == float(played()[1][-1].book.equity)
    assert DEFLATED in {figure["name"] for figure in plain["figures"]}
    titles = [title for title, _, _ in report.panels()]
    assert titles[:2] == ["run", "figures, from daily returns"]
    assert "by instrument" in titles


def test_curves_keep_the_deepest_drawdown_and_the_last_minute() -> None:
    _, records = played()
    _, curves = walked()
    assert curves.minute[-1] == records[-1].minute
    assert max(curves.drawdown) == max(record.book.drawdown for record in records)
    assert len(curves.minute) <= 801
    assert all(b >= a for a, b in zip(curves.profit, curves.before_costs, strict=True))


def booking(quantity: str, *, kind: FillKind = FillKind.TRADE, fee: str = "1", minute: int = 1) -> Fill:
    """A fill at 100 (110 if it sells), of an instrument that may be new."""
    price = Decimal(110 if quantity.startswith("-") else 100)
    zero = Decimal(0)
    return Fill(
        order_id=1,
        minute=minute,
        instrument="v:NEW",
        kind=kind,
        quantity=Decimal(quantity),
        reference=price,
        price=price,
        best=price,
        worst=price,
        fee=Decimal(fee),
        spread_cost=zero,
        slippage_cost=zero,
        impact_cost=zero,
        realised=zero,
    )


def booked(fills: Sequence[Fill]) -> DayBook:
    record = msgspec.structs.replace(played()[1][0], bars=b"", fills=tuple(fills))
    account = DayBook(CAPITAL, [])
    account.add(record, [])
    account.end_day()
    return account


def test_a_fill_through_zero_closes_one_trade_and_opens_another() -> None:
    account = booked([booking("2"), booking("-3", fee="3"), booking("1", kind=FillKind.DELISTED)])
    first, second = account.trips
    assert (first.side, second.side) == (1, -1)
    # Bought 2 at 100 and sold them at 110: 20 less 1 and two thirds of 3; sold 1 at 110, bought at 100.
    assert first.net_bps == pytest.approx((20 - 1 - 2) / 200 * 1e4)
    assert second.net_bps == pytest.approx((10 - 1 - 1) / 110 * 1e4)
    assert account.holdings["v:NEW"].profit == pytest.approx(17 + 8)


def test_funding_belongs_to_the_trade_it_is_paid_in() -> None:
    funding = booking("0", kind=FillKind.FUNDING, fee="5")
    account = booked([booking("2"), funding, booking("-2")])
    (trip,) = account.trips
    assert isinstance(trip, RoundTrip)
    assert trip.cost_bps == pytest.approx(7 / 200 * 1e4)
    assert booked([funding]).holdings["v:NEW"].fills == 0


def test_many_marks_are_thinned_evenly() -> None:
    fills = tuple(booking("1", minute=m) for m in range(3 * MOST_MARKS))
    curves = Curves(1, CAPITAL)
    curves.add(msgspec.structs.replace(played()[1][0], fills=fills), played()[0].run.names)
    shown = curves.shown_marks("v:NEW")
    assert len(shown) == MOST_MARKS
    assert {b[0] - a[0] for a, b in itertools.pairwise(shown)} == {3}


def test_a_run_without_trades_has_a_report_too() -> None:
    account = booked([])
    curves = Curves(1, CAPITAL)
    curves.add(played()[1][0], played()[0].run.names)
    told = Told("t", "USDT", "1", CAPITAL, "v:NEW", dict.fromkeys(CostTotals().totals(), 0.0), "00")
    by = Yardstick(365, np.array(account.benchmark("v:NEW")))
    report = Report(told, account, curves, (), Trades(10, 1440).figures(), by, NEVER)
    figures = {figure.name: figure for figure in report.figures}
    assert figures["trades with a gain"].note == "no closed trade"
    assert figures["costs, of the profit before them"].value is None
    assert report.verdict == "too few trades to tell (0)"


def test_what_the_instruments_expose_and_turn_over_adds_up_to_the_whole() -> None:
    account, _ = walked()
    for day in account.days:
        assert sum(day.exposure.values()) == pytest.approx(day.gross, rel=1e-9)
        assert sum(day.turnover.values()) == pytest.approx(day.traded, rel=1e-12)


def test_a_price_grows_older_while_nobody_trades_and_the_report_says_how_old() -> None:
    engine = runs.fresh_engine()
    minutes = runs.traded(400)
    silent = np.zeros(minutes.present.shape, dtype=np.bool_)
    silent[370:] = True  # nothing comes any more: halted, not yet delisted
    records = runs.decided(engine, [runs.without(minutes, silent)])[0]
    ages = engine.run.desk.mark_ages()
    assert ages
    account, curves = DayBook(CAPITAL, engine.run.names), Curves(len(records), CAPITAL)
    for record in records:
        account.add(record, engine.run.names)
        curves.add(record, engine.run.names)
    account.end_day()
    by = Yardstick(365, np.array(account.benchmark(engine.run.names[0])))
    told = Told("t", "USDT", "1", CAPITAL, "v:NEW", dict.fromkeys(CostTotals().totals(), 0.0), "00")
    report = Report(told, account, curves, (), Trades(10, 1440).figures(), by, NEVER)
    assert {held["instrument"]: held["age_minutes"] for held in report.positions()} == ages
    assert set(ages.values()) == {30}
    (shown,) = (rows for title, _, rows in report.panels() if title == "held at the end")
    assert {row[-1] for row in shown} == {"30 min"}
    oldest = {row["instrument"]: row["oldest_mark_minutes"] for row in report.instruments()}
    assert all(oldest[name] == 30 for name in ages)


def test_a_refused_bar_marks_nothing() -> None:
    record = played()[1][0]
    bars = np.frombuffer(record.bars, BAR_RECORD).copy()
    before = bars["close"][0]
    bars["close"][0], bars["flags"][0] = 1e9, BAR_FLAG_REFUSED
    account = DayBook(CAPITAL, played()[0].run.names)
    account.add(record, played()[0].run.names)
    account.add(msgspec.structs.replace(record, bars=bars.tobytes()), played()[0].run.names)
    holding = account.holdings[played()[0].run.names[0]]
    assert (holding.mark, holding.age) == (before, 1)
