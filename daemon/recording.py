"""From a chunk's decisions and trades to the records that the chain hashes and the tape keeps."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from daemon import playback
from daemon.beside import Beside
from daemon.events import (
    BAR_FLAG_REFUSED,
    BAR_RECORD,
    BLEND,
    BatchRecord,
    Book,
    Fill,
    Order,
    OrderEnd,
    Refusal,
    StateChange,
    VitalChange,
    decision_dtype,
)
from daemon.inputs import Chunk
from daemon.kernels import BoolArray, IntArray, exp
from daemon.models.panel import Said
from daemon.policy.gate import GateRows, Screened
from daemon.policy.policy import Decision
from daemon.policy.reasons import Reason


class TradedMinute(NamedTuple):
    """What a minute's trading left."""

    book: Book
    fills: tuple[Fill, ...]
    ends: tuple[OrderEnd, ...]
    changes: tuple[StateChange, ...]
    orders: tuple[Order, ...]
    vitals: tuple[VitalChange, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class DecisionRows:
    """The scored rows of a chunk in the making of their records.

    Attributes:
        screened: What the gate said of all rows.
        rows: (n_scored,) of the run's decision dtype.
        starts: (n_minutes + 1,) where each minute's rows begin.
        place: (n_minutes, n_instruments) index of the row, -1 where nothing was scored.
    """

    screened: Screened
    rows: npt.NDArray[np.void]
    starts: IntArray
    place: IntArray

    @classmethod
    def of(
        cls, gate: GateRows, screened: Screened, said: Said, names: Sequence[str], shape: tuple[int, ...]
    ) -> Self:
        """Fill in what is known before any trading.

        Args:
            gate: All rows of the chunk; the ready ones are those that were scored.
            screened: Their signals and reasons.
            said: What the experts and the blend said of the ready rows.
            names: Of the experts.
            shape: (n_minutes, n_instruments).
        """
        ready: BoolArray = gate.ready
        dtype = decision_dtype(names)
        rows = np.zeros(int(ready.sum()), dtype)
        rows["instrument"] = gate.instrument[ready]
        for name, logp in zip(names, said.experts, strict=True):
            rows[name] = exp(logp)
        rows[BLEND] = gate.p[ready]
        rows["edge"] = gate.edge[ready]
        rows["sigma"] = gate.sigma[ready]
        rows["reason"] = screened.reason[ready]
        minute = gate.minute[ready]
        place = np.full(shape, -1, dtype=np.int64)
        place[minute, gate.instrument[ready]] = np.arange(len(rows))
        return cls(screened, rows, np.searchsorted(minute, np.arange(shape[0] + 1)), place)

    def note(
        self,
        t: int,
        decided: Decision,
        refused: Iterable[tuple[int, Reason, Reason]],
        targets: Mapping[int, float],
    ) -> None:
        """Write down what the policy made of minute `t`, and where every position is going."""
        place = self.place[t]
        reasons = {**decided.reasons, **{instrument: why for instrument, _, why in refused}}
        for instrument, reason in reasons.items():
            row = place[instrument]
            if row >= 0:
                self.rows["reason"][row] = reason
        for instrument, weight in targets.items():
            row = place[instrument]
            if row >= 0:
                self.rows["target"][row] = weight


def recorded(
    chunk: Chunk,
    decisions: DecisionRows,
    traded: Sequence[TradedMinute],
    batch: int,
    seq: int,
    beside: Beside,
) -> Iterator[BatchRecord]:
    """Yield the records of a chunk's minutes, without digests.

    Args:
        chunk: Its inputs.
        decisions: Its scored rows.
        traded: What trading left, minute by minute.
        batch: Number of the batch before.
        seq: Sequence number of the input before.
        beside: What stands in the first of these batches beside its minute.
    """
    bars = bars_of(chunk)
    bar_bytes, bar_size = bars.tobytes(), BAR_RECORD.itemsize
    bar_at = [*np.searchsorted(bars["minute"], chunk.minutes.minute).tolist(), len(bars)]
    rows = decisions.rows
    row_bytes, row_size, row_at = rows.tobytes(), rows.dtype.itemsize, decisions.starts.tolist()
    refusals = _refusals_by_minute(chunk)
    catch_up = chunk.minutes.catch_up.tolist()
    events, changes = tuple(beside.events), tuple(beside.changes)
    first_fills, first_refusals = tuple(beside.fills), tuple(beside.refusals)
    first_ends, vitals = tuple(beside.ends), tuple(beside.vitals)
    for t, (minute, trade) in enumerate(zip(chunk.minutes.minute.tolist(), traded, strict=True)):
        yield BatchRecord(
            batch=batch + t + 1,
            seq=seq + t + 1,
            minute=minute,
            catch_up=catch_up[t],
            bars=bar_bytes[bar_at[t] * bar_size : bar_at[t + 1] * bar_size],
            events=events,
            decisions=row_bytes[row_at[t] * row_size : row_at[t + 1] * row_size],
            orders=trade.orders,
            ends=first_ends + trade.ends,
            fills=first_fills + trade.fills,
            changes=changes + trade.changes,
            vitals=vitals + trade.vitals,
            refusals=first_refusals + refusals.get(minute, ()),
            book=trade.book,
        )
        events, changes, vitals, first_fills, first_refusals, first_ends = (), (), (), (), (), ()


def bars_of(chunk: Chunk, flags: int = 0) -> npt.NDArray[np.void]:
    """Return all bars of a chunk, refused ones flagged: (n_rows,) of dtype `BAR_RECORD`."""
    rows, at = playback.packed(chunk.offered, flags)
    if chunk.refusals:
        rows["flags"] |= ~chunk.minutes.present[at, rows["instrument"]] * np.uint8(BAR_FLAG_REFUSED)
    return rows


def _refusals_by_minute(chunk: Chunk) -> dict[int, tuple[Refusal, ...]]:
    found: dict[int, tuple[Refusal, ...]] = {}
    for refusal in chunk.refusals:
        found[refusal.minute] = (*found.get(refusal.minute, ()), refusal)
    return found
