"""The paper broker: orders wait, and are filled at the open of a later minute as its sealed bar states it.

An order placed at the close of ordinal o may be filled at the opens of o + 1 + delay_bars and the
`order_minutes` - 1 minutes after it. Each time it gets at most `max_volume_share` of the minute's volume; a
bar that is absent, synthetic or without volume fills nothing. What is left after its last minute ends with
the reason of that minute.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Self, cast

from daemon.events import Instrument, Order, OrderEnd
from daemon.policy.costs import rates_by_instrument
from daemon.positions.bar_cursor import BarCursor
from daemon.positions.money import exact, floored, minus, times
from daemon.positions.pricing import Priced, priced
from daemon.settings import CostSettings

REPLACED = "replaced"
NO_TRADE = "no_trade"
VOLUME_CAP = "volume_cap"


@dataclass(slots=True)
class Waiting:
    """An order that waits.

    Attributes:
        order: As it was made.
        remaining: Base units that are not filled yet, signed.
        first: First ordinal whose open may fill it.
        last: Last one.
        sigma: Volatility per minute when it was made, for its impact.
        price: Price its quantity was worked out with, quote currency per unit.
    """

    order: Order
    remaining: Decimal
    first: int
    last: int
    sigma: float
    price: float


@dataclass(frozen=True, slots=True)
class Execution:
    """One fill of one order, not booked yet; `sigma` is the order's."""

    instrument: int
    order: Order
    fill: Priced
    sigma: float


class Broker:
    """At most one waiting order per instrument."""

    __slots__ = ("_instruments", "_rates", "_settings", "waiting")

    def __init__(self, settings: CostSettings, instruments: Sequence[Instrument]) -> None:
        self.waiting: dict[int, Waiting] = {}
        self.reconfigure(settings, instruments)

    def reconfigure(self, settings: CostSettings, instruments: Sequence[Instrument]) -> None:
        """Go on under other costs or with other instruments; waiting orders keep their times."""
        self._settings = settings
        self._instruments = tuple(instruments)
        self._rates = rates_by_instrument(settings, [instrument.name for instrument in instruments])

    def place(
        self, instrument: int, order: Order, ordinal: int, sigma: float, price: float
    ) -> OrderEnd | None:
        """Let an order wait; return the end of the one it replaces, if there is one."""
        end = self.cancel(instrument, order.minute, REPLACED)
        first = ordinal + 1 + self._settings.delay_bars
        last = first + self._settings.order_minutes - 1
        self.waiting[instrument] = Waiting(order, order.quantity, first, last, sigma, price)
        return end

    def cancel(self, instrument: int, minute: int, reason: str) -> OrderEnd | None:
        """End the waiting order of an instrument, if there is one."""
        waiting = self.waiting.pop(instrument, None)
        return None if waiting is None else _ended(waiting, minute, reason)

    def fill(self, bars: BarCursor) -> Iterator[Execution | OrderEnd]:
        """Fill what the open of this minute allows, ascending by instrument, and end what has expired."""
        for instrument in sorted(self.waiting):
            waiting = self.waiting[instrument]
            if bars.ordinal < waiting.first:
                continue
            quantity = self._fillable(instrument, waiting, bars)
            if quantity:
                waiting.remaining = minus(waiting.remaining, quantity)
                fill = self._price(instrument, waiting, quantity, bars)
                yield Execution(instrument, waiting.order, fill, waiting.sigma)
            if not waiting.remaining:
                del self.waiting[instrument]
            elif bars.ordinal >= waiting.last:
                del self.waiting[instrument]
                yield _ended(waiting, bars.minute, VOLUME_CAP if bars.tradable(instrument) else NO_TRADE)

    def worst_case(
        self,
        instrument: int,
        quantity: Decimal,
        mark: tuple[float, float, float],
        sigma: float,
        volume: float,
    ) -> Priced:
        """Price a closing that nobody may be there for: the dearer fee, impact as if all went in one minute.

        Args:
            instrument: Index of the instrument.
            quantity: Base units, signed, not zero.
            mark: Last tradable close, and that bar's high and low.
            sigma: Last known volatility per minute.
            volume: That bar's volume, > 0.
        """
        rates = self._rates[instrument]
        impact = rates.impact_of(sigma, abs(float(quantity)), volume)
        tick = self._instruments[instrument].tick
        return priced(quantity, mark, impact, tick, rates, rates.worst_fee)

    def regroup(self, moved: Mapping[int, int]) -> None:
        """Go on with other instruments: `moved` maps every ordered instrument's old index to its new one."""
        self.waiting = {moved[i]: waiting for i, waiting in self.waiting.items()}

    def to_fields(self) -> dict[str, object]:
        """Return the waiting orders as plain data."""
        return {
            "waiting": [
                {
                    "index": index,
                    "id": w.order.id,
                    "minute": w.order.minute,
                    "instrument": w.order.instrument,
                    "quantity": w.order.quantity,
                    "reason": w.order.reason,
                    "remaining": w.remaining,
                    "first": w.first,
                    "last": w.last,
                    "sigma": w.sigma,
                    "price": w.price,
                }
                for index, w in sorted(self.waiting.items())
            ]
        }

    def restore(self, fields: Mapping[str, object]) -> Self:
        """Take the waiting orders of `to_fields` and return itself."""
        for row in cast("list[dict[str, object]]", fields["waiting"]):
            order = Order(
                id=cast("int", row["id"]),
                minute=cast("int", row["minute"]),
                instrument=cast("str", row["instrument"]),
                quantity=cast("Decimal", row["quantity"]),
                reason=cast("str", row["reason"]),
            )
            self.waiting[cast("int", row["index"])] = Waiting(
                order,
                cast("Decimal", row["remaining"]),
                cast("int", row["first"]),
                cast("int", row["last"]),
                cast("float", row["sigma"]),
                cast("float", row["price"]),
            )
        return self

    def _fillable(self, instrument: int, waiting: Waiting, bars: BarCursor) -> Decimal | None:
        """Return what this minute's volume lets through, signed, or None."""
        if not bars.tradable(instrument):
            return None
        cap = times(exact(bars.volume(instrument)), exact(self._settings.max_volume_share))
        most = floored(cap, self._instruments[instrument].lot)
        if most >= waiting.remaining.copy_abs():
            return waiting.remaining
        return most.copy_sign(waiting.remaining) if most else None

    def _price(self, instrument: int, waiting: Waiting, quantity: Decimal, bars: BarCursor) -> Priced:
        rates = self._rates[instrument]
        impact = rates.impact_of(waiting.sigma, abs(float(quantity)), bars.volume(instrument))
        bar = (bars.open(instrument), bars.high(instrument), bars.low(instrument))
        return priced(quantity, bar, impact, self._instruments[instrument].tick, rates, rates.fee)


def _ended(waiting: Waiting, minute: int, reason: str) -> OrderEnd:
    return OrderEnd(
        order_id=waiting.order.id,
        minute=minute,
        instrument=waiting.order.instrument,
        unfilled=waiting.remaining,
        reason=reason,
    )
