"""The first price seen after a decision was durable, beside the price at which its order was filled.

A fill takes the open of a sealed bar, which is known a minute later. What the market said first after the
decision tells how far that open is from what a real order might have met.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from daemon.diagnostics import Indication
from daemon.events import BatchRecord, FillKind
from daemon.feed import PriceSeen

REMEMBERED: Final = 10_000
"""Most indications that wait for their fill; the oldest is forgotten."""


@dataclass(slots=True)
class IndicationFigures:
    """What indications came to.

    Attributes:
        seen: Orders for which a price was seen.
        filled: Of those, the ones that were filled since.
        last: Of the last fill: its reference less the indication over the indication, against us positive.
        total: Sum of these differences.
        delay_ms: From the last decision that was durable to its price.
    """

    seen: int = 0
    filled: int = 0
    last: float = 0.0
    total: float = 0.0
    delay_ms: int = 0


@dataclass(frozen=True, slots=True)
class _Wanted:
    order_id: int
    minute: int
    committed_ms: int


class Indications:
    """Watches orders and prices."""

    def __init__(self) -> None:
        self.figures = IndicationFigures()
        self._wanted: dict[str, _Wanted] = {}
        self._prices: dict[int, float] = {}

    def commit(self, records: Sequence[BatchRecord], committed_ms: int) -> None:
        """Take batches that are durable since `committed_ms`, and forget what they filled or ended."""
        for record in records:
            for fill in record.fills:
                price = self._prices.pop(fill.order_id, None)
                if price is not None and fill.kind is FillKind.TRADE:
                    difference = (float(fill.reference) - price) / price
                    self.figures.filled += 1
                    self.figures.last = difference if fill.quantity > 0 else -difference
                    self.figures.total += self.figures.last
            for end in record.ends:
                self._prices.pop(end.order_id, None)
            # An order of the minute before is filled or over: the price of its minute has passed.
            self._wanted = {
                order.instrument: _Wanted(order.id, order.minute, committed_ms) for order in record.orders
            }

    def see(self, seen: PriceSeen, received_ms: int) -> Indication | None:
        """Take a price; return it as an indication if a decision waits for it."""
        wanted = self._wanted.get(seen.instrument)
        if wanted is None or seen.minute <= wanted.minute or received_ms < wanted.committed_ms:
            return None
        del self._wanted[seen.instrument]
        self._prices[wanted.order_id] = seen.price
        if len(self._prices) > REMEMBERED:
            del self._prices[next(iter(self._prices))]
        self.figures.seen += 1
        self.figures.delay_ms = received_ms - wanted.committed_ms
        return Indication(
            wanted.order_id, seen.instrument, seen.minute, seen.price, wanted.committed_ms, received_ms
        )
