"""The run's trading desk: the broker's orders and the account they fill, minute by minute.

A minute passes it in this order: `open_minute` (funding, fills at the open, delistings), `close_minute`
(marks and the book), and then, when the policy has decided on `view`, `place`. A minute with nothing held and
nothing ordered costs next to nothing.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, Self, cast

from daemon.events import Book, Fill, FillKind, Instrument, Order, OrderEnd, TradingMode
from daemon.kernels import IntArray
from daemon.policy.book_view import BookView
from daemon.policy.costs import fee_fact
from daemon.policy.policy import Target
from daemon.policy.reasons import Reason
from daemon.positions.account import Account
from daemon.positions.bar_cursor import BarCursor
from daemon.positions.broker import Broker, Execution
from daemon.positions.funding import make_funding
from daemon.positions.ledger import Ledger
from daemon.positions.marks import Mark
from daemon.positions.money import ZERO, exact, floored, minus, over, plus, times
from daemon.positions.trips import RoundTrip
from daemon.settings import CostSettings, UniverseSettings

DELISTED = "delisted"
CALLED_OFF = "called_off"


class Opened(NamedTuple):
    """What the open of a minute brought."""

    fills: tuple[Fill, ...] = ()
    ends: tuple[OrderEnd, ...] = ()


class Placed(NamedTuple):
    """What became of targets.

    Attributes:
        orders: Made now, ascending by instrument.
        ends: Waiting orders that were replaced or called off.
        refused: (instrument, what was wanted, why there is no order).
    """

    orders: tuple[Order, ...] = ()
    ends: tuple[OrderEnd, ...] = ()
    refused: tuple[tuple[int, Reason, Reason], ...] = ()


NOTHING_OPENED = Opened()
NOTHING_PLACED = Placed()


class Desk:
    """Paper trading of one run in one quote currency.

    Args:
        capital: Cash at the start, quote currency.
        costs: What trading costs.
        universe: When an instrument counts as halted or delisted.
        instruments: Of the run, in the order of every column.
        funding: Columns of `costs.funding_file`, where that is set.

    Attributes:
        account: What is held and what it is worth.
        broker: The waiting orders.
        view: What the policy may see, as of the last `close_minute`.
    """

    __slots__ = (
        "_book", "_costs", "_funding", "_instruments", "_minute", "_next_order_id", "_series", "_universe",
        "account", "broker", "view",
    )  # fmt: skip

    def __init__(
        self,
        capital: Decimal,
        costs: CostSettings,
        universe: UniverseSettings,
        instruments: Sequence[Instrument],
        funding: Mapping[str, Any] | None = None,
    ) -> None:
        self._costs = costs
        self._universe = universe
        self._instruments = tuple(instruments)
        self._series = funding
        self._funding = make_funding(costs, funding, self._names)
        self._minute = 0
        self.broker = Broker(costs, instruments)
        self.account = Account(Ledger(capital), instruments)
        self._next_order_id = 1
        self._book: Book | None = None
        self.view = BookView(equity=float(capital))

    def open_minute(self, bars: BarCursor) -> Opened:
        """Charge funding on what is held, fill waiting orders at the open, close what is delisted."""
        marks = self.account.marks
        before, self._minute = self._minute, bars.minute
        if not self.broker.waiting and not marks:
            return NOTHING_OPENED
        fills: list[Fill] = []
        ends: list[OrderEnd] = []
        if marks:
            fills.extend(self.account.fund(bars.minute, self._funding.due(before, bars.minute)))
        for event in self.broker.fill(bars):
            if isinstance(event, Execution):
                fills.append(self._execute(event, bars))
            else:
                ends.append(event)
        for instrument in [i for i in sorted(marks) if bars.age(i) >= self._universe.delist_minutes]:
            fill, called_off = self.delist(bars.minute, instrument)
            fills.append(fill)
            ends.extend(called_off)
        self._book = None
        return Opened(tuple(fills), tuple(ends))

    def close_minute(self, bars: BarCursor, mode: TradingMode = TradingMode.NORMAL) -> Book:
        """Mark what is held to the close and return the book; while nothing changes it is the same object."""
        book = self._book
        if book is not None and book.mode is mode and not self.account.marks and not self.broker.waiting:
            return book
        book = self._book = self.account.book(bars, mode)
        self.view = self._look(bars, float(book.equity))
        return book

    def place(self, bars: BarCursor, targets: Sequence[Target]) -> Placed:
        """Turn target weights into orders for the next minute's open.

        The wanted quantity is the target's value at the last close, floored to the lot; the order is its
        difference to what is held, and replaces what waits for the instrument. A target of zero closes to the
        last unit.

        Args:
            bars: The decided minute.
            targets: At most one per instrument; an opening one only where there is a bar this minute.
        """
        if not targets:
            return NOTHING_PLACED
        orders: list[Order] = []
        ends: list[OrderEnd] = []
        refused: list[tuple[int, Reason, Reason]] = []
        for target in sorted(targets):
            instrument = target.instrument
            price = self._price(instrument, bars)
            quantity = minus(self._wanted(target, price), self.account.held(instrument))
            if quantity:
                order = self._order(bars.minute, instrument, quantity, target.reason)
                orders.append(order)
                sigma = self._sigma(instrument, bars)
                end = self.broker.place(instrument, order, bars.ordinal, sigma, price)
            else:
                end = self.broker.cancel(instrument, bars.minute, CALLED_OFF)
                if end is None:
                    refused.append((instrument, target.reason, Reason.BELOW_LOT))
            if end is not None:
                ends.append(end)
        return Placed(tuple(orders), tuple(ends), tuple(refused))

    def close_out(self, minute: int, instrument: int) -> Opened:
        """Close whatever an instrument that leaves still holds and orders, as `delist` does."""
        if instrument in self.account.marks:
            fill, ends = self.delist(minute, instrument)
            return Opened((fill,), ends)
        end = self.broker.cancel(instrument, minute, DELISTED)
        self._book = None
        return NOTHING_OPENED if end is None else Opened((), (end,))

    def delist(self, minute: int, instrument: int) -> tuple[Fill, tuple[OrderEnd, ...]]:
        """Close a held instrument that is not traded any more.

        It leaves at its last tradable close less worst-case costs.

        Raises:
            KeyError: The instrument is not held.
        """
        mark = self.account.marks[instrument]
        closing = self.account.held(instrument).copy_negate()
        bar = (mark.close, mark.high, mark.low)
        fill = self.broker.worst_case(instrument, closing, bar, mark.sigma, mark.volume)
        end = self.broker.cancel(instrument, minute, DELISTED)
        booked = self.account.trade(instrument, 0, minute, fill, DELISTED, FillKind.DELISTED)
        self._book = None
        return booked, () if end is None else (end,)

    def take_round_trips(self) -> list[RoundTrip]:
        """Return the trades closed since this was last asked."""
        closed, self.account.trips = self.account.trips, []
        return closed

    def mark_ages(self) -> dict[str, int]:
        """Return by held instrument how many session minutes old its mark is."""
        marks, now = self.account.marks, self.account.ordinal
        return {self._instruments[i].name: now - marks[i].ordinal for i in sorted(marks)}

    def facts(self) -> dict[str, str]:
        """Say in words what the figures hold and what they leave out, for the summary."""
        old = [f"{name} {age} min old" for name, age in self.mark_ages().items() if age]
        off = self.account.ledger.imbalance
        return {
            "books": f"off by {off}, a defect of papertape" if off else "balance to the last digit",
            "marks": ", ".join(old) or "none is older than the last minute",
            "fees": fee_fact(self._costs, self._names),
            "funding": self._funding.fact,
            "margin": "cash may go below zero: the caps on weights limit what is held",
            "band": "best fills at the open, worst at the bar's high (buys) or low (sales)",
        }

    def reconfigure(self, costs: CostSettings, universe: UniverseSettings) -> None:
        """Go on under other costs and limits of age; waiting orders keep their times."""
        self._costs, self._universe = costs, universe
        self._funding = make_funding(costs, self._series, self._names)
        self.broker.reconfigure(costs, self._instruments)

    def regroup(self, index: IntArray, instruments: Sequence[Instrument]) -> None:
        """Go on with other instruments: column j is the old column index[j], or a new one for -1.

        Raises:
            KeyError: An instrument that leaves is still held or ordered; `delist` it first.
        """
        moved = {old: new for new, old in enumerate(index.tolist()) if old >= 0}
        self._instruments = tuple(instruments)
        self.account.regroup(moved, instruments)
        self.broker.regroup(moved)
        self.reconfigure(self._costs, self._universe)
        view = self.view
        weights, leads_to = (
            {moved[i]: w for i, w in ws.items() if i in moved} for ws in (view.weights, view.leads_to)
        )
        halted = frozenset(moved[i] for i in view.halted if i in moved)
        self.view = BookView(view.equity, weights, leads_to, halted)

    def to_fields(self) -> dict[str, object]:
        """Return the state after a minute as plain data; round trips must have been taken before."""
        return {
            "account": self.account.to_fields(),
            "broker": self.broker.to_fields(),
            "next_order_id": self._next_order_id,
            "minute": self._minute,
        }

    def restore(self, fields: Mapping[str, object]) -> Self:
        """Take the state of `to_fields` and return itself."""
        account = cast("Mapping[str, object]", fields["account"])
        self.account = Account.from_fields(self._instruments, account)
        self.broker.restore(cast("Mapping[str, object]", fields["broker"]))
        self._next_order_id = cast("int", fields["next_order_id"])
        self._minute = cast("int", fields["minute"])
        self._book = None
        return self

    @property
    def _names(self) -> list[str]:
        return [instrument.name for instrument in self._instruments]

    def _execute(self, execution: Execution, bars: BarCursor) -> Fill:
        instrument, order = execution.instrument, execution.order
        sigma = execution.sigma
        fill = self.account.trade(
            instrument, order.id, bars.minute, execution.fill, order.reason, FillKind.TRADE
        )
        if instrument in self.account.ledger.positions and instrument not in self.account.marks:
            self.account.marks[instrument] = Mark.of(instrument, bars, sigma)
        return fill

    def _look(self, bars: BarCursor, equity: float) -> BookView:
        """Show the policy what is held, where waiting orders lead, and what is halted."""
        account, waiting = self.account, self.broker.waiting
        limit = self._universe.halt_minutes
        halted = frozenset(i for i in (*account.marks, *waiting) if bars.age(i) >= limit)
        leads_to: dict[int, float] = {}
        for instrument, order in waiting.items():
            quantity = plus(account.held(instrument), order.remaining)
            mark = account.marks.get(instrument)
            price = order.price if mark is None else mark.close
            leads_to[instrument] = float(quantity) * price / account.base
        return BookView(equity, account.weights, leads_to, halted)

    def _order(self, minute: int, instrument: int, quantity: Decimal, reason: Reason) -> Order:
        order = Order(
            id=self._next_order_id,
            minute=minute,
            instrument=self._instruments[instrument].name,
            quantity=quantity,
            reason=reason.label,
        )
        self._next_order_id += 1
        return order

    def _wanted(self, target: Target, price: float) -> Decimal:
        if target.weight == 0.0:
            return ZERO
        value = times(exact(target.weight), exact(self.view.equity))
        return floored(over(value, exact(price)), self._instruments[target.instrument].lot)

    def _price(self, instrument: int, bars: BarCursor) -> float:
        mark = self.account.marks.get(instrument)
        return bars.close(instrument) if mark is None else mark.close

    def _sigma(self, instrument: int, bars: BarCursor) -> float:
        mark = self.account.marks.get(instrument)
        return bars.sigma(instrument) if mark is None else mark.sigma
