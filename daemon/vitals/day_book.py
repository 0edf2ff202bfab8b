"""A run's account day by day, from its batches alone: returns, profit by instrument, costs, closed trades."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np

from daemon.events import BAR_FLAG_REFUSED, BAR_RECORD, MINUTES_PER_DAY, BatchRecord, Fill, FillKind
from daemon.positions.money import ZERO, minus, plus, times
from daemon.positions.pricing import Priced
from daemon.positions.trips import OpenTrip, RoundTrip


@dataclass(slots=True)
class Holding:
    """What one instrument has brought so far.

    Attributes:
        quantity: Base units held, signed.
        flow: Cash that came in (sales) less what went out (buys, fees, funding), quote currency.
        costs: All that was paid: fees, funding, half spread, slippage, impact.
        traded: Value of everything bought and sold, at the prices paid.
        mark: Close of the newest bar in which somebody traded, quote currency; NaN before the first.
        marked: Epoch minute of that bar.
        age: Session minutes since then: how old the mark is.
        oldest: The largest age at which something held was valued.
        fills: Trades that were filled.
    """

    quantity: Decimal = ZERO
    flow: Decimal = ZERO
    costs: Decimal = ZERO
    traded: float = 0.0
    mark: float = float("nan")
    marked: int = 0
    age: int = 0
    oldest: int = 0
    fills: int = 0
    trip: OpenTrip | None = None

    @property
    def profit(self) -> float:
        """Profit after all costs so far, what is held valued at its mark; quote currency."""
        return float(self.flow) + self.value

    @property
    def value(self) -> float:
        """What is held is worth at its mark, signed; quote currency."""
        return float(self.quantity) * self.mark if self.quantity else 0.0


@dataclass(slots=True)
class Day:
    """A UTC day of a run, as of its last decided minute; money in quote currency.

    Attributes:
        number: Days since the epoch.
        equity: At its end.
        opening: Equity before its first minute.
        profit: Of the day by instrument, after costs.
        close: Newest close by instrument.
        turnover: Value bought and sold by instrument.
        exposure: Sum over its minutes of the absolute value held over equity, by instrument.
        gross: Sum over its minutes of the gross exposure, a share of equity.
        net: The same of the net exposure.
        held: Minutes in which something was held.
        minutes: Decided minutes.
        traded: Value bought and sold.
    """

    number: int
    opening: float
    equity: float
    profit: dict[str, float] = field(default_factory=dict)
    close: dict[str, float] = field(default_factory=dict)
    turnover: dict[str, float] = field(default_factory=dict)
    exposure: dict[str, float] = field(default_factory=dict)
    gross: float = 0.0
    net: float = 0.0
    held: int = 0
    minutes: int = 0
    traded: float = 0.0


class DayBook:
    """Follows the batches of a run from its first.

    Args:
        capital: Equity at the start, quote currency.
        names: Instruments at the start, sorted.

    Attributes:
        days: Ended days and the present one.
        holdings: By instrument, also of those that have left.
        trips: Closed round trips; their `instrument` counts in `order`.
        order: Instruments in the order in which they came.
        first: First close seen, by instrument.
    """

    def __init__(self, capital: float, names: Sequence[str]) -> None:
        self.days: list[Day] = []
        self.holdings: dict[str, Holding] = {name: Holding() for name in names}
        self.trips: list[RoundTrip] = []
        self.order = list(names)
        self.first: dict[str, float] = {}
        self._equity = capital
        self._before: dict[str, float] = {}

    def add(self, record: BatchRecord, names: Sequence[str]) -> None:
        """Take the next batch; `names` are the instruments of its bars."""
        number = record.minute // MINUTES_PER_DAY
        if not self.days or self.days[-1].number != number:
            self.end_day()
            self.days.append(Day(number, self._equity, self._equity))
        for fill in record.fills:
            self._take(fill)
        self._mark(record, names)
        day, book = self.days[-1], record.book
        day.equity = self._equity = float(book.equity)
        day.gross += book.gross
        day.net += book.net
        day.held += book.gross > 0.0
        day.minutes += 1
        for name, holding in self.holdings.items():
            if holding.quantity:
                holding.oldest = max(holding.oldest, holding.age)
                part = abs(holding.value) / day.equity if day.equity > 0.0 else 0.0
                day.exposure[name] = day.exposure.get(name, 0.0) + part

    def _mark(self, record: BatchRecord, names: Sequence[str]) -> None:
        """Mark what was traded to this minute's closes; the marks of the others grow older."""
        bars = np.frombuffer(record.bars, BAR_RECORD)
        bars = bars[(bars["flags"] & BAR_FLAG_REFUSED) == 0]
        for holding in self.holdings.values():
            holding.age += 1
        columns = (bars[column].tolist() for column in ("instrument", "open", "close", "volume"))
        for at, opened, close, volume in zip(*columns, strict=True):
            holding = self.holdings.setdefault(names[at], Holding())
            if volume > 0.0 or holding.mark != holding.mark:
                holding.mark, holding.marked, holding.age = close, record.minute, 0
            self.first.setdefault(names[at], opened)

    def end_day(self) -> None:
        """Fix what the present day came to; call it after the last batch too."""
        if not self.days:
            return
        now = {name: holding.profit for name, holding in self.holdings.items()}
        self.days[-1].profit = {name: now[name] - self._before.get(name, 0.0) for name in now}
        self.days[-1].close = {name: holding.mark for name, holding in self.holdings.items()}
        self._before = now

    def benchmark(self, name: str) -> list[float]:
        """Return the daily returns of an instrument's newest closes, the first day's from its first open."""
        before, returns = self.first.get(name, float("nan")), []
        for day in self.days:
            close = day.close.get(name, float("nan"))
            change = close / before - 1.0
            returns.append(change if change == change else 0.0)  # noqa: PLR0124 - not NaN
            before = close
        return returns

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data."""
        return {
            "days": [asdict(day) for day in self.days],
            "holdings": {
                name: {
                    **{part: getattr(holding, part) for part in Holding.__slots__},
                    "trip": holding.trip and holding.trip.to_fields(),
                }
                for name, holding in self.holdings.items()
            },
            "trips": [asdict(trip) for trip in self.trips],
            "order": list(self.order),
            "first": dict(self.first),
            "equity": self._equity,
            "before": dict(self._before),
        }

    def restore(self, fields: Mapping[str, Any]) -> None:
        """Take up again where `to_fields` stood."""
        self.days = [Day(**day) for day in fields["days"]]
        self.holdings = {
            name: Holding(**{**parts, "trip": parts["trip"] and OpenTrip.from_fields(parts["trip"])})
            for name, parts in fields["holdings"].items()
        }
        self.trips = [RoundTrip(**trip) for trip in fields["trips"]]
        self.order, self.first = list(fields["order"]), dict(fields["first"])
        self._equity, self._before = float(fields["equity"]), dict(fields["before"])

    def _take(self, fill: Fill) -> None:
        holding = self.holdings.setdefault(fill.instrument, Holding())
        parts = (fill.fee, fill.spread_cost, fill.slippage_cost, fill.impact_cost)
        holding.costs = plus(holding.costs, _sum(parts))
        holding.flow = minus(holding.flow, plus(times(fill.quantity, fill.price), fill.fee))
        if fill.kind is FillKind.FUNDING:
            if holding.trip is not None:
                holding.trip.charge(fill.fee)
            return
        holding.fills += 1
        value = abs(float(fill.quantity) * float(fill.price))
        holding.traded += value
        day = self.days[-1]
        day.traded += value
        day.turnover[fill.instrument] = day.turnover.get(fill.instrument, 0.0) + value
        if fill.instrument not in self.order:
            self.order.append(fill.instrument)
        self._follow(holding, fill)

    def _follow(self, holding: Holding, fill: Fill) -> None:
        """Carry a fill into the trade that it closes and into the one that it opens."""
        before = holding.quantity
        holding.quantity = plus(before, fill.quantity)
        opposed = before * fill.quantity < 0
        closing = (
            (fill.quantity if fill.quantity.copy_abs() <= before.copy_abs() else before.copy_negate())
            if opposed
            else ZERO
        )
        opening = minus(fill.quantity, closing)
        if closing and holding.trip is not None:
            holding.trip.trade(closing, _priced(fill))
            if opening or not holding.quantity:
                at = self.order.index(fill.instrument)
                self.trips.append(holding.trip.closed(at, fill.minute, str(fill.kind)))
                holding.trip = None
        if opening:
            holding.trip = holding.trip or OpenTrip(1 if opening > 0 else -1, fill.minute)
            holding.trip.trade(opening, _priced(fill))


def by_instrument(days: Iterable[Day], name: str) -> list[float]:
    """Return an instrument's daily profit over the equity at the day's start: its share of the return."""
    return [day.profit.get(name, 0.0) / day.opening if day.opening > 0.0 else 0.0 for day in days]


def returns(days: Iterable[Day]) -> list[float]:
    """Return the daily returns of equity."""
    return [day.equity / day.opening - 1.0 if day.opening > 0.0 else 0.0 for day in days]


def costs(holdings: Mapping[str, Holding]) -> float:
    """Return all that was paid, quote currency."""
    return float(_sum(holding.costs for holding in holdings.values()))


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    total = ZERO
    for amount in amounts:
        total = plus(total, amount)
    return total


def _priced(fill: Fill) -> Priced:
    return Priced(
        quantity=fill.quantity,
        reference=fill.reference,
        price=fill.price,
        worst=fill.worst,
        fee=fill.fee,
        spread_cost=fill.spread_cost,
        slippage_cost=fill.slippage_cost,
        impact_cost=fill.impact_cost,
    )
