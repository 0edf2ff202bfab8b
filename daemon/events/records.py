"""A batch as the tape stores and the chain hashes it, packed rows and snapshots included."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from daemon.events.outputs import Book, Fill, Order, OrderEnd, Refusal, StateChange, VitalChange


class EventRecord(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """An event as it stands on the tape: `payload` is the msgpack encoding of the Event named `kind`."""

    seq: int
    kind: str
    payload: bytes


class BatchRecord(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """One batch with everything that went in and came out, as the tape stores and the chain hashes it.

    Attributes:
        batch: Counts up from 1 within the run: one decided minute each.
        seq: Sequence number of this sealed minute among all engine inputs.
        minute: Epoch minute.
        catch_up: The minute was missed live and filled from history.
        bars: Packed rows of dtype `BAR_RECORD`, ascending by instrument id; absent instruments have none.
        events: The events applied before this minute, ascending by seq.
        decisions: Packed rows of the run's decision dtype (`decision_dtype`), one per scored instrument.
        orders: Orders made at this minute's close.
        ends: Orders that ended unfilled in this minute.
        fills: Fills and bookings of this minute.
        changes: Moves of the trading state.
        vitals: Vitals that went out of their bounds or came back.
        refusals: What was refused.
        book: The account after this minute.
        digest: Chained digest; see `daemon.chain`. Empty until the chain has set it.
    """

    batch: int
    seq: int
    minute: int
    catch_up: bool
    bars: bytes
    events: tuple[EventRecord, ...]
    decisions: bytes
    orders: tuple[Order, ...]
    ends: tuple[OrderEnd, ...]
    fills: tuple[Fill, ...]
    changes: tuple[StateChange, ...]
    vitals: tuple[VitalChange, ...]
    refusals: tuple[Refusal, ...]
    book: Book
    digest: bytes = b""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The engine's state after `batch`, as versioned plain data (numbers, text, bytes, lists, mappings)."""

    batch: int
    seq: int
    minute: int
    version: int
    state: Mapping[str, object]


BAR_FLAG_SYNTHETIC = 1
BAR_FLAG_WARMUP = 2
BAR_FLAG_BACKFILL = 4
BAR_FLAG_REFUSED = 8

BAR_RECORD = np.dtype(
    [
        ("instrument", "<u4"),
        ("minute", "<i8"),
        ("open", "<f8"),
        ("high", "<f8"),
        ("low", "<f8"),
        ("close", "<f8"),
        ("volume", "<f8"),
        ("taker", "<f8"),
        ("flags", "u1"),
    ]
)
"""One bar, packed (61 bytes); `instrument` is its index among the run's sorted instruments."""

BLEND = "blend"
"""Name of the blend beside the experts', in figures and on the tape."""


def decision_dtype(experts: Sequence[str]) -> np.dtype[np.void]:
    """Return the packed record of one scored instrument in one minute.

    Per expert its calibrated probabilities (down, flat, up) as `<expert>` (3 x f8), then those of the blend,
    the expected edge over the horizon (a fraction), sigma per minute, the target weight, and why it is what
    it is (`daemon.policy` numbers the reasons).
    """
    return np.dtype(
        [
            ("instrument", "<u4"),
            *((name, "<f8", (3,)) for name in experts),
            (BLEND, "<f8", (3,)),
            ("edge", "<f8"),
            ("sigma", "<f8"),
            ("target", "<f8"),
            ("reason", "u1"),
        ]
    )
