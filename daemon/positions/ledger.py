"""The account: cash, positions, what was realised and paid, and how far the band reaches.

After every booking, to the last digit: cash + sum of bases = capital + realised - fees. Fees here hold all
charges: trading fees and funding.

*Best* and *worst* reprice the same quantities: the account is followed once, and beside it what better prices
would have saved and worse ones cost. The fee is the expected one in all three.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Self, cast

from daemon.positions.money import ZERO, cash, minus, plus, times
from daemon.positions.position import Position, Settlement
from daemon.positions.pricing import Priced

MONEY_FIELDS = ("capital", "cash", "realised", "fees", "funding", "costs", "worse")


class Ledger:
    """Exact books in the run's quote currency.

    Attributes:
        capital: Cash at the start.
        cash: Cash now. It may go below zero: how much may be held is for the caps on weights, as on a margin
            account.
        realised: Profit of everything that was closed, before fees.
        fees: All charges so far, funding included.
        funding: Funding paid so far; received where negative.
        costs: Half spread, slippage and impact paid so far, >= 0; they are in the prices, not in `fees`. It
            is also what the best prices would have saved.
        worse: What the worst prices would have cost so far, >= 0.
        positions: By index of the instrument; the flat ones are not there.
    """

    __slots__ = (*MONEY_FIELDS, "positions")

    def __init__(self, capital: Decimal) -> None:
        self.capital = self.cash = cash(capital)
        self.realised = self.fees = self.funding = self.costs = self.worse = ZERO
        self.positions: dict[int, Position] = {}

    def trade(self, instrument: int, fill: Priced) -> Settlement:
        """Book a fill."""
        position = self.positions.get(instrument)
        if position is None:
            position = self.positions[instrument] = Position()
        settlement = position.trade(fill.quantity, fill.price)
        if not position.quantity:
            del self.positions[instrument]
        self.cash = minus(minus(self.cash, settlement.flow), fill.fee)
        self.realised = plus(self.realised, settlement.realised)
        self.fees = plus(self.fees, fill.fee)
        self.costs = plus(self.costs, cash(times(minus(fill.price, fill.reference), fill.quantity)))
        self.worse = plus(self.worse, cash(times(minus(fill.worst, fill.price), fill.quantity)))
        return settlement

    def charge(self, amount: Decimal) -> None:
        """Book funding: paid where positive, received where negative; a multiple of the cash quantum."""
        self.cash = minus(self.cash, amount)
        self.fees = plus(self.fees, amount)
        self.funding = plus(self.funding, amount)

    @property
    def imbalance(self) -> Decimal:
        """What does not balance: cash + bases - capital - realised + fees: always exactly zero."""
        held = self.cash
        for position in self.positions.values():
            held = plus(held, position.basis)
        return minus(held, minus(plus(self.capital, self.realised), self.fees))

    def regroup(self, moved: Mapping[int, int]) -> None:
        """Go on with other instruments: `moved` maps every held instrument's old index to its new one."""
        self.positions = {moved[i]: position for i, position in self.positions.items()}

    def to_fields(self) -> dict[str, object]:
        """Return the books as plain data."""
        fields: dict[str, object] = {name: getattr(self, name) for name in MONEY_FIELDS}
        held = sorted(self.positions)
        fields["instrument"] = held
        fields["quantity"] = [self.positions[i].quantity for i in held]
        fields["basis"] = [self.positions[i].basis for i in held]
        return fields

    @classmethod
    def from_fields(cls, fields: Mapping[str, object]) -> Self:
        """Rebuild from `to_fields`."""
        new = cls(ZERO)
        for name in MONEY_FIELDS:
            setattr(new, name, cast("Decimal", fields[name]))
        columns = [cast("list[Decimal]", fields[name]) for name in ("quantity", "basis")]
        held = cast("list[int]", fields["instrument"])
        new.positions = {i: Position(q, basis) for i, q, basis in zip(held, *columns, strict=True)}
        return new
