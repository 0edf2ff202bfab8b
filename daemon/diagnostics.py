"""What the tape keeps beside a live run's inputs: it explains them and decides nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from daemon.feed import BarClosed


class Unapplied(StrEnum):
    """Why a bar that came entered nothing."""

    LATE = "late"
    REVISION = "revision"


@dataclass(frozen=True, slots=True)
class StoredBar:
    """A bar that is kept and entered nothing.

    Attributes:
        kind: Late: its minute was settled without it. Revision: its minute has a bar with other values.
        bar: It.
        received_ms: When it came, epoch milliseconds.
    """

    kind: Unapplied
    bar: BarClosed
    received_ms: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """When the bar that entered reached this machine, epoch milliseconds."""

    instrument: str
    minute: int
    received_ms: int


@dataclass(frozen=True, slots=True)
class Indication:
    """The first price seen after the commit of the decision that made an order: what it might have got.

    Attributes:
        order_id: The order.
        instrument: `venue:SYMBOL`.
        minute: Minute of the price.
        price: Quote currency per unit.
        committed_ms: When the decision was durable, epoch milliseconds.
        received_ms: When the price came.
    """

    order_id: int
    instrument: str
    minute: int
    price: float
    committed_ms: int
    received_ms: int


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """What is to be stored with a batch."""

    bars: Sequence[StoredBar] = ()
    arrivals: Sequence[Arrival] = ()
    indications: Sequence[Indication] = ()

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.bars or self.arrivals or self.indications)


NO_DIAGNOSTICS = Diagnostics()
