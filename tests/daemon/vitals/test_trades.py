"""What trades earned, what they paid, and the sentence about it."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from daemon.events import Fill, FillKind
from daemon.positions.trips import RoundTrip
from daemon.vitals.cost_totals import CostTotals
from daemon.vitals.intervals import Interval
from daemon.vitals.trades import TradeFigures, Trades
from daemon.vitals.verdict import verdict


def trip(exit_minute: int, gross: float, cost: float) -> RoundTrip:
    return RoundTrip(
        instrument=0,
        side=1,
        entry_minute=exit_minute - 60,
        exit_minute=exit_minute,
        exit_kind="horizon",
        notional=10_000.0,
        gross_bps=gross,
        cost_bps=cost,
        net_bps=gross - cost,
        best_bps=gross,
        worst_bps=gross - 2 * cost,
    )


def trips(n: int, mean: float) -> list[RoundTrip]:
    generator = np.random.default_rng(1)
    minutes = 28_000_000 + np.cumsum(generator.integers(0, 90, n))
    return [
        trip(int(m), mean + 20 * g, 10.0) for m, g in zip(minutes, generator.standard_normal(n), strict=True)
    ]


def test_means_are_per_trade_and_the_interval_surrounds_the_net() -> None:
    trades = Trades(60, 43_200)
    made = trips(200, 25.0)
    trades.add(made[:50])
    trades.add(made[50:])
    figures = trades.figures()
    assert figures.count == 200
    assert figures.gross_bps == pytest.approx(np.mean([t.gross_bps for t in made]))
    assert figures.cost_bps == pytest.approx(10.0)
    assert figures.net_bps == pytest.approx(figures.gross_bps - 10.0)
    assert figures.worst_bps == pytest.approx(figures.net_bps - 10.0)
    assert figures.best_bps == pytest.approx(figures.gross_bps)
    assert figures.interval is not None
    assert figures.interval.mean == pytest.approx(figures.net_bps)
    # 200 independent trades of 20 bps: a standard error of about 1.4.
    assert figures.interval.high - figures.interval.mean == pytest.approx(2 * 20 / np.sqrt(200), rel=0.4)


def test_trades_that_ended_together_count_as_one_cluster() -> None:
    apart, together = Trades(60, 43_200), Trades(60, 43_200)
    generator = np.random.default_rng(2)
    for start in range(100):
        gross = 20.0 * generator.standard_normal()
        apart.add([trip(28_000_000 + 300 * start, gross, 10.0)])
        together.add([trip(28_000_000 + 300 * start, gross, 10.0) for _ in range(8)])
    one, eight = apart.figures().interval, together.figures().interval
    assert one is not None
    assert eight is not None
    assert eight.low == pytest.approx(one.low)
    assert eight.high == pytest.approx(one.high)


def test_restored_trades_go_on_as_if_never_stopped() -> None:
    made = trips(120, 5.0)
    whole, parts = Trades(60, 43_200), Trades(60, 43_200)
    whole.add(made)
    for each in made:
        parts.add([each])
        parts.add([])
        parts = Trades(60, 43_200).restored(parts.to_fields())
    assert whole.figures() == parts.figures()


def test_no_trades_give_zeros_and_no_interval() -> None:
    assert Trades(60, 43_200).figures() == TradeFigures(0, 0.0, 0.0, 0.0, 0.0, 0.0, None)


@pytest.mark.parametrize(
    ("interval", "sentence"),
    [
        (Interval(-8.6, -12.1, -5.2), "95 % interval -12.1 to -5.2: losing after costs"),
        (Interval(-8.6, -19.0, 1.8), "95 % interval -19.0 to +1.8: not distinguishable from zero"),
    ],
)
def test_the_verdict_is_one_sentence_a_person_can_read(interval: Interval, sentence: str) -> None:
    figures = TradeFigures(412, 1.4, 10.0, -8.6, 0.9, -18.0, interval)
    assert verdict(figures) == f"gross +1.4, cost 10.0, net -8.6 bps a trade, {sentence}"


def test_the_verdict_can_be_good() -> None:
    figures = TradeFigures(412, 21.4, 10.0, 11.4, 12.0, 3.0, Interval(11.4, 4.0, 18.8))
    assert verdict(figures).endswith(
        "net +11.4 bps a trade, 95 % interval +4.0 to +18.8: earning after costs"
    )


def test_few_trades_have_no_verdict() -> None:
    few = TradeFigures(29, 1.4, 10.0, -8.6, 0.9, -18.0, Interval(-8.6, -12.1, -5.2))
    assert verdict(few) == "too few trades to tell (29)"
    assert verdict(replace(few, count=30)).endswith("losing after costs")
    assert verdict(TradeFigures(50, 1.4, 10.0, -8.6, 0.9, -18.0, None)) == "too few trades to tell (50)"


def test_costs_are_summed_exactly_by_component() -> None:
    def fill(kind: FillKind, fee: str) -> Fill:
        return Fill(
            order_id=1,
            minute=1,
            instrument="a:B",
            kind=kind,
            quantity=Decimal(1),
            reference=Decimal(100),
            price=Decimal(101),
            best=Decimal(100),
            worst=Decimal(102),
            fee=Decimal(fee),
            spread_cost=Decimal("0.1"),
            slippage_cost=Decimal("0.2"),
            impact_cost=Decimal("0.3"),
            realised=Decimal(0),
        )

    costs = CostTotals()
    costs.add([fill(FillKind.TRADE, "0.123456789012"), fill(FillKind.DELISTED, "1")])
    costs.add([fill(FillKind.FUNDING, "-0.5")])
    again = CostTotals.from_fields(costs.to_fields())
    assert (
        again.totals()
        == costs.totals()
        == {
            "fees": Decimal("1.123456789012"),
            "half_spread": Decimal("0.2"),
            "slippage": Decimal("0.4"),
            "impact": Decimal("0.6"),
            "funding": Decimal("-0.5"),
        }
    )
