"""Round trips: from flat to flat, or through flat to the other side, judged as one trade."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Self, cast

from daemon.kernels import IntArray
from daemon.positions.money import ZERO, minus, over, plus, times
from daemon.positions.pricing import Priced

PER_BPS = 1e4
RECENT_TRIPS = 5
MONEY_FIELDS = ("opened", "flow", "moved", "charged", "worse")


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """A closed trade, in basis points of everything that was opened at its reference prices.

    Attributes:
        instrument: Index of the instrument.
        side: 1 long, -1 short.
        entry_minute: Epoch minute of the first fill.
        exit_minute: Epoch minute of the last.
        exit_kind: Reason of the last order, or `delisted`.
        notional: What was opened, quote currency.
        gross_bps: Profit at the reference prices (the opens).
        cost_bps: Fees, funding, half spread, slippage and impact; net_bps = gross_bps - cost_bps.
        net_bps: Profit after all costs at the expected prices.
        best_bps: The same at the best prices.
        worst_bps: The same at the worst.
    """

    instrument: int
    side: int
    entry_minute: int
    exit_minute: int
    exit_kind: str
    notional: float
    gross_bps: float
    cost_bps: float
    net_bps: float
    best_bps: float
    worst_bps: float


class LastTrips:
    """The newest closed trades since the process started, for people: no part of a snapshot.

    Attributes:
        recent: Of all instruments, newest last; a handful.
        by_instrument: The newest of each.
        closed: How many, by what ended them.
    """

    __slots__ = ("by_instrument", "closed", "recent")

    def __init__(self) -> None:
        self.recent: deque[RoundTrip] = deque(maxlen=RECENT_TRIPS)
        self.by_instrument: dict[int, RoundTrip] = {}
        self.closed: Counter[str] = Counter()

    def add(self, trips: Iterable[RoundTrip]) -> None:
        """Take closed round trips, ascending by exit."""
        for trip in trips:
            self.recent.append(trip)
            self.by_instrument[trip.instrument] = trip
            self.closed[trip.exit_kind] += 1

    def regroup(self, index: IntArray) -> None:
        """Go on with other instruments: column j is the old column index[j]; who left is forgotten."""
        moved = {old: new for new, old in enumerate(index.tolist()) if old >= 0}
        self.by_instrument = {
            moved[old]: replace(trip, instrument=moved[old])
            for old, trip in self.by_instrument.items()
            if old in moved
        }
        kept = [
            replace(trip, instrument=moved[trip.instrument])
            for trip in self.recent
            if trip.instrument in moved
        ]
        self.recent = deque(kept, maxlen=RECENT_TRIPS)


class OpenTrip:
    """What has gone through a position since it was opened; exact until it is closed."""

    __slots__ = ("entry_minute", "side", *MONEY_FIELDS)

    def __init__(self, side: int, entry_minute: int) -> None:
        self.side = side
        self.entry_minute = entry_minute
        self.opened = self.flow = self.moved = self.charged = self.worse = ZERO

    def trade(self, quantity: Decimal, fill: Priced) -> None:
        """Take in `quantity`, all of a fill or the part of it that belongs to this trip."""
        value = times(quantity, fill.reference)
        if (quantity > 0) == (self.side > 0):
            self.opened = plus(self.opened, value.copy_abs())
        self.flow = plus(self.flow, value)
        self.moved = plus(self.moved, times(minus(fill.price, fill.reference), quantity))
        self.worse = plus(self.worse, times(minus(fill.worst, fill.price), quantity))
        whole = quantity == fill.quantity
        self.charge(fill.fee if whole else over(times(fill.fee, quantity), fill.quantity))

    def charge(self, amount: Decimal) -> None:
        """Take in a fee or funding: paid where positive."""
        self.charged = plus(self.charged, amount)

    def closed(self, instrument: int, minute: int, kind: str) -> RoundTrip:
        """Return the finished trade."""
        gross = self.flow.copy_negate()
        cost = plus(self.moved, self.charged)
        net = minus(gross, cost)
        return RoundTrip(
            instrument=instrument,
            side=self.side,
            entry_minute=self.entry_minute,
            exit_minute=minute,
            exit_kind=kind,
            notional=float(self.opened),
            gross_bps=self._bps(gross),
            cost_bps=self._bps(cost),
            net_bps=self._bps(net),
            best_bps=self._bps(plus(net, self.moved)),
            worst_bps=self._bps(minus(net, self.worse)),
        )

    def to_fields(self) -> dict[str, object]:
        """Return the trip as plain data."""
        fields: dict[str, object] = {name: getattr(self, name) for name in MONEY_FIELDS}
        return fields | {"side": self.side, "entry_minute": self.entry_minute}

    @classmethod
    def from_fields(cls, fields: Mapping[str, object]) -> Self:
        """Rebuild from `to_fields`."""
        new = cls(cast("int", fields["side"]), cast("int", fields["entry_minute"]))
        for name in MONEY_FIELDS:
            setattr(new, name, cast("Decimal", fields[name]))
        return new

    def _bps(self, amount: Decimal) -> float:
        return float(over(amount, self.opened)) * PER_BPS
