"""Commands that came over the control API: each waits for its minute, and is followed until it is done."""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Final

import structlog

from adapters.control import answers as a
from adapters.control.guard import Refused
from adapters.tape.newest import Fate
from daemon import chain
from daemon.commands._control_views import order_of
from daemon.commands._in_json import moment
from daemon.errors import FeedError
from daemon.events import BatchRecord, Command, CommandKind, Fill, Order, OrderEnd, TradingMode
from daemon.ports import Submit

if TYPE_CHECKING:
    from daemon.engine import Engine

REMEMBERED: Final = 100
MOST_ORDERS: Final = 1_000
"""Of a flatten the oldest orders are told, no more than so many."""


class Commands:
    """The commands that were given; everything is called on the run's event loop.

    Args:
        engine: The run's; read between two chunks.
        submit: Lets a command in.
    """

    def __init__(self, engine: "Engine", submit: Submit) -> None:
        self._engine = engine
        self._submit = submit
        self._given: deque[_Given] = deque(maxlen=REMEMBERED)
        self._count = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.shown: tuple[a.Ordered, ...] = ()
        """The newest first; never changed, only replaced."""

    async def give(self, command: a.CommandName, by: str, asked: datetime, wait_seconds: float) -> a.Ordered:
        """Let a command in; return it when it is done, or after the wait.

        Raises:
            Refused: Too many wait already.
        """
        event = Command(command=CommandKind(command), by=f"control {by}".strip())
        self._count += 1
        said = a.Ordered(
            id=self._count,
            command=command,
            by=event.by,
            asked=asked,
            status="waiting",
            minute=None,
            before=None,
            after=None,
            positions=None,
            orders=[],
        )
        given = _Given(event, said)
        submitting = asyncio.ensure_future(self._submitted(given))
        self._tasks.add(submitting)
        submitting.add_done_callback(self._tasks.discard)
        # Where too many wait already it fails at once.
        await asyncio.sleep(0)
        if given.refused is not None:
            raise Refused(503, given.refused, "the run", "try again in a minute", (("retry-after", "60"),))
        self._given.append(given)
        self._show()
        structlog.get_logger().info("control command", command=command, by=event.by)
        with suppress(TimeoutError):
            await asyncio.wait_for(given.settled.wait(), wait_seconds)
        return given.said

    def end(self) -> None:
        """Let nobody wait any longer: the run has ended."""
        for given in self._given:
            given.lose()
        self._show()

    def see(self, batches: Sequence[BatchRecord]) -> None:
        """Take batches that are durable; a sink."""
        if not any(not one.settled.is_set() for one in self._given):
            return
        for record in batches:
            self._meet(record)
            for given in self._given:
                given.follow(record, len(self._engine.run.desk.account.ledger.positions))
        self._show()

    def _meet(self, record: BatchRecord) -> None:
        """Find the commands that this batch brought onto the tape."""
        for event in map(chain.read_event, record.events):
            if not isinstance(event, Command):
                continue
            for given in self._given:
                if given.said.status == "waiting" and given.event == event:
                    given.arrive(record)
                    break

    async def _submitted(self, given: "_Given") -> None:
        try:
            await self._submit(given.event)
        except FeedError as error:
            given.refused = str(error)
        except asyncio.CancelledError:
            given.lose()
            self._show()

    def _show(self) -> None:
        self.shown = tuple(given.said for given in reversed(self._given))


class _Given:
    """One command, followed."""

    def __init__(self, event: Command, said: a.Ordered) -> None:
        self.event = event
        self.said = said
        self.settled = asyncio.Event()
        self.refused: str | None = None
        self._orders: dict[int, Order] = {}
        self._fills: dict[int, list[Fill]] = {}
        self._ends: dict[int, OrderEnd] = {}

    def arrive(self, record: BatchRecord) -> None:
        """It is on the tape, with this batch."""
        cause = f"command:{self.event.by}"
        moves = [change for change in record.changes if change.cause == cause]
        closing = self.event.command is CommandKind.FLATTEN
        self.said = self.said.model_copy(
            update={
                "status": "closing" if closing else "done",
                "minute": moment(record.minute),
                "before": moves[0].before.value if moves else record.book.mode.value,
                "after": moves[0].after.value if moves else record.book.mode.value,
            }
        )
        if not closing:
            self.settled.set()

    def follow(self, record: BatchRecord, positions: int) -> None:
        """Say what this batch brought of what the command set going."""
        if (self.settled.is_set() and self.said.positions is not None) or self.said.status == "waiting":
            return
        if self.said.status == "closing":
            for order in record.orders:
                if order.reason == "flatten" and len(self._orders) < MOST_ORDERS:
                    self._orders[order.id] = order
            for fill in record.fills:
                if fill.order_id in self._orders:
                    self._fills.setdefault(fill.order_id, []).append(fill)
            self._ends.update({end.order_id: end for end in record.ends if end.order_id in self._orders})
        over = not positions or record.book.mode is not TradingMode.FLATTEN
        orders = [
            order_of(Fate(order, tuple(self._fills.get(number, ())), self._ends.get(number)))
            for number, order in self._orders.items()
        ]
        self.said = self.said.model_copy(update={"positions": positions, "orders": orders})
        if self.said.status == "closing" and over:
            self.said = self.said.model_copy(update={"status": "done"})
            self.settled.set()

    def lose(self) -> None:
        """The run ended, perhaps before its minute came: nobody need wait any longer."""
        if self.said.status == "waiting":
            self.said = self.said.model_copy(update={"status": "lost"})
        self.settled.set()
