"""The price of a fill, its parts and its band."""

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.policy.costs import CostRates
from daemon.positions.pricing import priced
from daemon.settings import CostSettings

BPS = st.floats(0.0, 200.0)
TICKS = st.sampled_from(["0.01", "0.5", "0.00000001", "0.0025", "1"])


@given(
    quantity=st.decimals("-1000", "1000", places=6).filter(bool),
    opened=st.floats(1e-6, 1e6),
    up=st.floats(0.0, 0.1),
    down=st.floats(0.0, 0.1),
    impact=st.floats(0.0, 0.05),
    bps=st.tuples(BPS, BPS, BPS),
    tick=TICKS,
)
def test_every_price_is_on_the_tick_away_from_us_and_inside_its_band(
    quantity: Decimal,
    opened: float,
    up: float,
    down: float,
    impact: float,
    bps: tuple[float, float, float],
    tick: str,
) -> None:
    rates = CostRates.of(CostSettings(taker_fee_bps=bps[0], half_spread_bps=bps[1], slippage_bps=bps[2]))
    bar = (opened, opened * (1 + up), opened * (1 - down))
    fill = priced(quantity, bar, impact, Decimal(tick), rates, rates.fee)

    side = 1 if quantity > 0 else -1
    reference, price, worst = (Fraction(x) for x in (fill.reference, fill.price, fill.worst))
    assert float(fill.reference) == opened
    assert (price / Fraction(tick)).denominator == 1
    assert side * reference <= side * price <= side * worst
    # Never further away than the movement and one tick, never nearer than the movement (but a sale stops at
    # zero).
    moved = Fraction(opened) * (Fraction(rates.half_spread) + Fraction(rates.slippage) + Fraction(impact))
    assert side * (price - reference) <= moved * (1 + Fraction(1, 10**9)) + Fraction(tick) + Fraction(
        3, 10**20
    )
    assert side * (price - reference) >= min(
        moved * (1 - Fraction(1, 10**9)), reference if side < 0 else moved
    )
    parts = Fraction(fill.spread_cost) + Fraction(fill.slippage_cost) + Fraction(fill.impact_cost)
    assert parts == (price - reference) * Fraction(quantity)
    # The fee is the exact one, rounded up to the cash quantum.
    fee = abs(Fraction(quantity)) * price * Fraction(Decimal(repr(rates.fee)))
    assert 0 <= Fraction(fill.fee) - fee < Fraction(1, 10**12)


def test_a_sale_that_impact_would_push_below_zero_stops_at_zero() -> None:
    rates = CostRates.of(CostSettings())
    fill = priced(Decimal(-2), (1.0, 1.1, 0.9), 1.5, Decimal("0.01"), rates, rates.fee)
    assert (fill.price, fill.worst, fill.fee) == (0, 0, 0)
    assert fill.spread_cost + fill.slippage_cost + fill.impact_cost == 2


def test_rounding_to_the_tick_counts_as_slippage() -> None:
    rates = CostRates.of(CostSettings(half_spread_bps=10, slippage_bps=0))
    fill = priced(Decimal(3), (100.0, 100.0, 100.0), 0.0, Decimal("0.5"), rates, 0.0)
    # 100 + 0.1 -> 100.5: 0.1 a unit is spread, 0.4 the tick.
    assert (fill.price, fill.worst) == (Decimal("100.5"), Decimal("100.5"))
    assert (fill.spread_cost, fill.slippage_cost, fill.impact_cost) == (Decimal("0.3"), Decimal("1.2"), 0)


def test_impact_follows_the_square_root_law() -> None:
    rates = CostRates.of(CostSettings(impact=0.5))
    assert rates.impact_of(0.02, 1.0, 400.0) == pytest.approx(0.5 * 0.02 * 0.05, rel=1e-15)
    quadrupled = rates.impact_of(0.02, 4.0, 400.0) / rates.impact_of(0.02, 1.0, 400.0)
    assert math.isclose(quadrupled, 2.0, rel_tol=1e-15)
