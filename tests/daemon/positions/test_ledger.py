"""The books against exact rational bookkeeping."""

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from daemon.policy.costs import CostRates
from daemon.positions.ledger import Ledger
from daemon.positions.position import Position
from daemon.positions.pricing import Priced, priced
from daemon.settings import CostSettings

QUANTUM = Fraction(1, 10**12)
PRICES = st.decimals("0.00000001", "1000000", places=8)
QUANTITIES = st.decimals("-1000", "1000", places=8).filter(bool)
INTENTIONS = st.sampled_from(["any", "close", "flip", "increase", "reduce"])


class RationalBooks:
    """Average-cost bookkeeping in fractions, one instrument, nothing rounded."""

    def __init__(self, capital: int) -> None:
        self.cash = Fraction(capital)
        self.quantity = self.basis = self.realised = Fraction(0)

    def trade(self, quantity: Fraction, price: Fraction, fee: Fraction) -> None:
        self.cash -= quantity * price + fee
        closing = Fraction(0)
        if self.quantity * quantity < 0:
            closing = max(-abs(self.quantity), -abs(quantity)) * (1 if self.quantity > 0 else -1)
            released = self.basis * -closing / self.quantity
            self.realised += -closing * price - released
            self.basis -= released
        self.basis += (quantity - closing) * price
        self.quantity += quantity


def intended(intention: str, held: Decimal, size: Decimal) -> Decimal:
    if not held or intention == "any":
        return size
    towards = size.copy_abs().copy_sign(held)
    return {
        "close": -held,
        "flip": -held - towards,
        "increase": towards,
        "reduce": -min(towards.copy_abs(), held.copy_abs()).copy_sign(held),
    }[intention]


@given(st.lists(st.tuples(INTENTIONS, QUANTITIES, PRICES), min_size=1, max_size=40))
def test_money_balances_to_the_last_digit_after_every_fill(steps: list[tuple[str, Decimal, Decimal]]) -> None:
    ledger, truth = Ledger(Decimal(1000)), RationalBooks(1000)
    rates = CostRates.of(CostSettings())
    for n, (intention, size, price) in enumerate(steps, start=1):
        held = ledger.positions.get(0, Position()).quantity
        quantity = intended(intention, held, size)
        opened = float(price)
        fill = priced(
            quantity, (opened, opened * 1.01, opened * 0.99), 0.0003, Decimal("0.00000001"), rates, 0.0005
        )
        ledger.trade(0, fill)
        truth.trade(Fraction(quantity), Fraction(fill.price), Fraction(fill.fee))

        position = ledger.positions.get(0, Position())
        balance = Fraction(ledger.cash) + Fraction(position.basis)
        assert balance == 1000 + Fraction(ledger.realised) - Fraction(ledger.fees)
        assert ledger.imbalance == 0
        assert Fraction(position.quantity) == truth.quantity
        # Each booking rounds to the quantum once for its flow and once for the basis it releases.
        assert abs(Fraction(ledger.cash) - truth.cash) <= n * QUANTUM
        assert abs(Fraction(ledger.realised) - truth.realised) <= 4 * n * QUANTUM
        assert abs(Fraction(position.basis) - truth.basis) <= 4 * n * QUANTUM
        if not truth.quantity:
            assert position.basis == 0
            assert ledger.positions == {}


def test_the_steps_worked_through_in_the_docstring_of_position_come_out_as_written() -> None:
    position = Position()
    for quantity, price, held, basis, realised in [
        (2, 100, 2, 200, 0),
        (1, 130, 3, 330, 0),
        (-1, 120, 2, 220, 10),
        (-3, 115, -1, -115, 10),
        (1, 105, 0, 0, 10),
    ]:
        settlement = position.trade(Decimal(quantity), Decimal(price))
        assert (position.quantity, position.basis, settlement.realised) == (held, basis, realised)


def test_a_third_of_a_basis_leaves_its_remainder_with_what_is_left() -> None:
    position = Position()
    position.trade(Decimal(3), Decimal("0.333333333333"))  # basis 0.999999999999
    position.trade(Decimal("0.5"), Decimal("0.2"))  # basis 1.099999999999 over 3.5
    realised = [position.trade(Decimal(-1), Decimal(0)).realised for _ in range(3)]
    realised.append(position.trade(Decimal("-0.5"), Decimal(0)).realised)
    # 1.099999999999 / 3.5 = 0.3142857142854..., so the first three release that rounded and the last what is
    # left.
    assert realised[0] == Decimal("-0.314285714285")
    assert sum(realised) == Decimal("-1.099999999999")
    assert position.basis == 0


def test_two_instruments_keep_separate_positions_and_one_purse() -> None:
    ledger = Ledger(Decimal(100))
    for instrument, quantity in ((0, Decimal(1)), (1, Decimal(-2))):
        ten = Decimal(10)
        zero = Decimal(0)
        ledger.trade(instrument, Priced(quantity, ten, ten, ten, zero, zero, zero, zero))
    ledger.charge(Decimal("0.5"))
    assert ledger.cash == 100 - 10 + 20 - Decimal("0.5")
    assert {i: p.quantity for i, p in ledger.positions.items()} == {0: 1, 1: -2}
    assert (ledger.funding, ledger.fees, ledger.imbalance) == (Decimal("0.5"), Decimal("0.5"), 0)
