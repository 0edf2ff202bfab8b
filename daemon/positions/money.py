"""Exact decimal arithmetic for prices, quantities and cash.

Prices enter in the shortest decimal form of their float, quantities are multiples of the lot, and at 60
digits their products are exact. Cash is kept in whole 1e-12 of the quote currency. Everything goes through
one context of our own: Python's operators would round to the thread's context, 28 digits by default.
"""

from decimal import (
    ROUND_CEILING,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
)

CONTEXT = Context(
    prec=60,
    rounding=ROUND_HALF_EVEN,
    Emin=-999_999,
    Emax=999_999,
    traps=[InvalidOperation, DivisionByZero, Overflow],
)
_UPWARD = CONTEXT.copy()
_UPWARD.rounding = ROUND_CEILING

QUANTUM = Decimal("1e-12")
MOVE_QUANTUM = Decimal("1e-20")
ZERO = Decimal(0)

plus = CONTEXT.add
minus = CONTEXT.subtract
times = CONTEXT.multiply
over = CONTEXT.divide


def exact(value: float) -> Decimal:
    """Return the shortest decimal that reads back as the same float."""
    return Decimal(repr(value))


def cash(value: Decimal) -> Decimal:
    """Round to the cash quantum, half to even; never a negative zero."""
    return CONTEXT.quantize(value, QUANTUM) if value else ZERO


def cash_due(value: Decimal) -> Decimal:
    """Round an amount that we pay up to the cash quantum."""
    return _UPWARD.quantize(value, QUANTUM) if value else ZERO


def movement(value: float) -> Decimal:
    """Return a movement of a price >= 0, rounded up at 20 decimals, so that products with it stay exact."""
    return _UPWARD.quantize(exact(value), MOVE_QUANTUM) if value else ZERO


def floored(value: Decimal, step: Decimal) -> Decimal:
    """Return the multiple of `step` next to `value` towards zero, with the sign of `value`."""
    return times(CONTEXT.divide_int(value, step), step)


def raised(value: Decimal, step: Decimal) -> Decimal:
    """Return the smallest multiple of `step` that is not below `value` >= 0."""
    below = floored(value, step)
    return below if below == value else plus(below, step)
