"""One instrument's position: its quantity and what it cost.

Worked through, prices without costs:

| step     | trade     | quantity | basis | realised                                     |
|----------|-----------|----------|-------|----------------------------------------------|
| open     | +2 at 100 |        2 |   200 |                                              |
| increase | +1 at 130 |        3 |   330 |                                              |
| reduce   | -1 at 120 |        2 |   220 | 120 - 330/3 = 10                             |
| flip     | -3 at 115 |       -1 |  -115 | 2 x 115 - 220 = 10, then short 1 at 115      |
| close    | +1 at 105 |        0 |     0 | 115 - 105 = 10                               |

The basis of what is closed is its share of the whole basis, rounded to the cash quantum; the remainder stays
with what is left and is gone when the last unit is. So nothing is ever lost or made by rounding.
"""

from decimal import Decimal
from typing import NamedTuple

from daemon.positions.money import ZERO, cash, minus, over, plus, times


class Settlement(NamedTuple):
    """What a trade did to a position.

    Attributes:
        flow: Cash paid (positive) or received (negative), before fees.
        realised: Profit of the closed part.
        closed: Base units of the trade that closed, signed like the trade; the rest opened.
    """

    flow: Decimal
    realised: Decimal
    closed: Decimal


class Position:
    """Quantity (base units, signed) and basis (quote currency, signed alike: what is held was paid so)."""

    __slots__ = ("basis", "quantity")

    def __init__(self, quantity: Decimal = ZERO, basis: Decimal = ZERO) -> None:
        self.quantity = quantity
        self.basis = basis

    def trade(self, quantity: Decimal, price: Decimal) -> Settlement:
        """Open, increase, reduce, close or flip.

        Args:
            quantity: Base units, signed, not zero.
            price: Quote currency per unit, costs included, fees not.
        """
        flow = cash(times(quantity, price))
        closed = self._closing(quantity)
        closing_flow = flow if closed == quantity else cash(times(closed, price))
        if closed.copy_abs() == self.quantity.copy_abs():
            released = self.basis
        else:
            released = cash(over(times(self.basis, closed.copy_abs()), self.quantity.copy_abs()))
        self.basis = plus(minus(self.basis, released), minus(flow, closing_flow))
        self.quantity = plus(self.quantity, quantity)
        return Settlement(flow, minus(closing_flow.copy_negate(), released), closed)

    def _closing(self, quantity: Decimal) -> Decimal:
        """Return the part of a trade that goes against what is held."""
        held = self.quantity
        if not held or (held > 0) == (quantity > 0):
            return ZERO
        return quantity if quantity.copy_abs() <= held.copy_abs() else held.copy_negate()
