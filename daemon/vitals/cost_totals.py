"""What trading has cost so far, by component, exact."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from daemon.events import Fill, FillKind
from daemon.positions.money import ZERO, plus

COMPONENTS: Final = ("fees", "half_spread", "slippage", "impact", "funding")


class CostTotals:
    """Sums of what fills paid, quote currency; positive is paid."""

    def __init__(self) -> None:
        self._paid = dict.fromkeys(COMPONENTS, ZERO)

    def add(self, fills: Iterable[Fill]) -> None:
        """Take the fills and bookings of a minute."""
        for fill in fills:
            if fill.kind is FillKind.FUNDING:
                self._pay("funding", fill.fee)
                continue
            self._pay("fees", fill.fee)
            self._pay("half_spread", fill.spread_cost)
            self._pay("slippage", fill.slippage_cost)
            self._pay("impact", fill.impact_cost)

    def _pay(self, component: str, amount: Decimal) -> None:
        self._paid[component] = plus(self._paid[component], amount)

    def totals(self) -> dict[str, Decimal]:
        """Return what was paid, by component in the order of `COMPONENTS`."""
        return dict(self._paid)

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data."""
        return dict(self._paid)

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "CostTotals":
        """Take up again where `to_fields` stood."""
        new = cls()
        new._paid = {component: fields[component] for component in COMPONENTS}
        return new
