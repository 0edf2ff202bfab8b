"""What is held and what it is worth: bookings, marks, and the figures of the book with their band."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Self, cast

from daemon.events import Book, Fill, FillKind, Instrument, TradingMode
from daemon.positions.bar_cursor import BarCursor
from daemon.positions.funding import Charge
from daemon.positions.ledger import Ledger
from daemon.positions.marks import Mark
from daemon.positions.money import ZERO, cash, cash_due, minus, plus, times
from daemon.positions.position import Settlement
from daemon.positions.pricing import Priced
from daemon.positions.trips import OpenTrip, RoundTrip


class Account:
    """Ledger, marks and trades of one run.

    Attributes:
        ledger: The exact books.
        marks: By index of the held instrument; exactly those of the ledger's positions.
        ordinal: Of the last minute that was marked.
        base: What weights are shares of, after the last `book`: equity, or capital where there is none.
        weights: Signed value over `base` of what is held, after the last `book`.
        trips: Trades closed since somebody took them.
    """

    __slots__ = (
        "_instruments",
        "_open_trips",
        "_peak",
        "base",
        "ledger",
        "marks",
        "ordinal",
        "trips",
        "weights",
    )

    def __init__(self, ledger: Ledger, instruments: Sequence[Instrument]) -> None:
        self._instruments = tuple(instruments)
        self.ledger = ledger
        self.marks: dict[int, Mark] = {}
        self.trips: list[RoundTrip] = []
        self.weights: dict[int, float] = {}
        self._open_trips: dict[int, OpenTrip] = {}
        self._peak = ledger.cash
        self.base = float(ledger.cash)
        self.ordinal = 0

    def held(self, instrument: int) -> Decimal:
        """Base units held, signed."""
        position = self.ledger.positions.get(instrument)
        return ZERO if position is None else position.quantity

    def trade(
        self, instrument: int, order_id: int, minute: int, fill: Priced, why: str, kind: FillKind
    ) -> Fill:
        """Book a fill; `why` says what closed a trade that ends with it."""
        settlement = self.ledger.trade(instrument, fill)
        self._follow(instrument, minute, fill, settlement, why)
        if instrument not in self.ledger.positions:
            self.marks.pop(instrument, None)
        return Fill(
            order_id=order_id,
            minute=minute,
            instrument=self._instruments[instrument].name,
            kind=kind,
            quantity=fill.quantity,
            reference=fill.reference,
            price=fill.price,
            best=fill.reference,
            worst=fill.worst,
            fee=fill.fee,
            spread_cost=fill.spread_cost,
            slippage_cost=fill.slippage_cost,
            impact_cost=fill.impact_cost,
            realised=settlement.realised,
        )

    def fund(self, minute: int, charges: Iterable[Charge]) -> list[Fill]:
        """Charge funding on what is held, at its value at its mark."""
        fills: list[Fill] = []
        for instrument, rate in charges:
            if instrument not in self.marks:
                continue
            mark = self.marks[instrument].price
            amount = cash_due(times(times(self.held(instrument), mark), rate))
            self.ledger.charge(amount)
            self._open_trips[instrument].charge(amount)
            fills.append(
                Fill(
                    order_id=0,
                    minute=minute,
                    instrument=self._instruments[instrument].name,
                    kind=FillKind.FUNDING,
                    quantity=ZERO,
                    reference=mark,
                    price=mark,
                    best=mark,
                    worst=mark,
                    fee=amount,
                    spread_cost=ZERO,
                    slippage_cost=ZERO,
                    impact_cost=ZERO,
                    realised=ZERO,
                )
            )
        return fills

    def book(self, bars: BarCursor, mode: TradingMode) -> Book:
        """Mark to the close of a minute and return the figures.

        Without equity (zero or less) shares of it mean nothing: exposures and weights are over the run's
        capital then, so that what is held still shows.
        """
        ledger = self.ledger
        self.ordinal = bars.ordinal
        equity, longs, shorts = ledger.cash, ZERO, ZERO
        values: dict[int, Decimal] = {}
        for instrument, mark in self.marks.items():
            mark.update(instrument, bars)
            value = values[instrument] = cash(times(ledger.positions[instrument].quantity, mark.price))
            equity = plus(equity, value)
            longs, shorts = (plus(longs, value), shorts) if value > 0 else (longs, plus(shorts, value))
        self._peak = max(self._peak, equity)
        base = self.base = float(equity if equity > 0 else ledger.capital)
        self.weights = {instrument: float(value) / base for instrument, value in values.items()}
        return Book(
            equity=equity,
            best=plus(equity, ledger.costs),
            worst=minus(equity, ledger.worse),
            cash=ledger.cash,
            realised=ledger.realised,
            fees=ledger.fees,
            gross=float(minus(longs, shorts)) / base,
            net=float(plus(longs, shorts)) / base,
            drawdown=1.0 - float(equity) / float(self._peak),
            mode=mode,
        )

    def regroup(self, moved: Mapping[int, int], instruments: Sequence[Instrument]) -> None:
        """Go on with other instruments: `moved` maps every held instrument's old index to its new one."""
        self._instruments = tuple(instruments)
        self.ledger.regroup(moved)
        self.marks = {moved[i]: mark for i, mark in self.marks.items()}
        self.weights = {moved[i]: weight for i, weight in self.weights.items() if i in moved}
        self._open_trips = {moved[i]: trip for i, trip in self._open_trips.items()}

    def to_fields(self) -> dict[str, object]:
        """Return the account as plain data; trades must have been taken before."""
        held = sorted(self.marks)
        return {
            "ledger": self.ledger.to_fields(),
            "instrument": held,
            "mark": [self.marks[i].to_fields() for i in held],
            "trip": [self._open_trips[i].to_fields() for i in held],
            "weight": [self.weights.get(i, 0.0) for i in held],
            "peak": self._peak,
            "ordinal": self.ordinal,
        }

    @classmethod
    def from_fields(cls, instruments: Sequence[Instrument], fields: Mapping[str, object]) -> Self:
        """Rebuild from `to_fields`."""
        new = cls(Ledger.from_fields(cast("Mapping[str, object]", fields["ledger"])), instruments)
        held = cast("list[int]", fields["instrument"])
        marks = cast("list[Mapping[str, object]]", fields["mark"])
        trips = cast("list[Mapping[str, object]]", fields["trip"])
        new.marks = {i: Mark.from_fields(mark) for i, mark in zip(held, marks, strict=True)}
        new.weights = dict(zip(held, cast("list[float]", fields["weight"]), strict=True))
        new._open_trips = {i: OpenTrip.from_fields(trip) for i, trip in zip(held, trips, strict=True)}
        new._peak = cast("Decimal", fields["peak"])
        new.ordinal = cast("int", fields["ordinal"])
        return new

    def _follow(self, instrument: int, minute: int, fill: Priced, settlement: Settlement, why: str) -> None:
        """Carry a fill into the trade it closes and into the one it opens."""
        opened = minus(fill.quantity, settlement.closed)
        if settlement.closed:
            self._open_trips[instrument].trade(settlement.closed, fill)
            if opened or instrument not in self.ledger.positions:
                self.trips.append(self._open_trips.pop(instrument).closed(instrument, minute, why))
        if opened:
            if instrument not in self._open_trips:
                self._open_trips[instrument] = OpenTrip(1 if opened > 0 else -1, minute)
            self._open_trips[instrument].trade(opened, fill)
