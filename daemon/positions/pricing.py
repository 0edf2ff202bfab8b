"""The price of a paper fill: the reference moved by half spread, slippage, impact; and its band."""

from dataclasses import dataclass
from decimal import Decimal

from daemon.policy.costs import CostRates
from daemon.positions.money import ZERO, cash_due, exact, floored, minus, movement, plus, raised, times


@dataclass(frozen=True, slots=True)
class Priced:
    """A quantity at its price; fields as those of `daemon.events.Fill`.

    best is on our side of price and worst on the other: best <= price <= worst for a buy, reversed for a
    sale. spread_cost + slippage_cost + impact_cost = (price - reference) x quantity, to the last digit.
    """

    quantity: Decimal
    reference: Decimal
    price: Decimal
    worst: Decimal
    fee: Decimal
    spread_cost: Decimal
    slippage_cost: Decimal
    impact_cost: Decimal


def priced(quantity: Decimal, open_high_low: tuple[float, float, float], impact: float, tick: Decimal,
           rates: CostRates, fee_rate: float) -> Priced:  # fmt: skip
    """Price a fill.

    The three movements are floats, as the rates are; they are added to the reference as decimals and the sum
    is rounded away from us to the tick. A sale never goes below zero. Rounding to the tick counts as
    slippage.

    Args:
        quantity: Base units, signed, not zero.
        open_high_low: The reference price, and the bar's high and low.
        impact: Impact as a fraction of the price.
        tick: Price step of the venue.
        rates: Half spread and slippage.
        fee_rate: Fee as a fraction of the value.
    """
    opened, high, low = open_high_low
    reference = exact(opened)
    spread = movement(opened * rates.half_spread)
    pressure = movement(opened * impact)
    moved = plus(plus(spread, pressure), movement(opened * rates.slippage))
    if quantity > 0:
        price = raised(plus(reference, moved), tick)
        worst = max(exact(high), price)
    else:
        price = floored(max(minus(reference, moved), ZERO), tick)
        worst = min(exact(low), price)
    size = quantity.copy_abs()
    spread_cost, impact_cost = times(size, spread), times(size, pressure)
    whole = times(minus(price, reference), quantity)
    return Priced(
        quantity=quantity,
        reference=reference,
        price=price,
        worst=worst,
        fee=cash_due(times(times(size, price), exact(fee_rate))),
        spread_cost=spread_cost,
        slippage_cost=minus(minus(whole, spread_cost), impact_cost),
        impact_cost=impact_cost,
    )
