"""A group of batches as rows of the tables, checked for what the tape promises about their order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from sqlalchemy import Table

from adapters.tape import schema
from adapters.tape.cells import Cell, bar_cells
from adapters.tape.checksums import PartsChecksums, row_checksum
from adapters.tape.records import PART_TABLES, BatchRows
from adapters.tape.universe import Universe
from daemon import chain
from daemon.errors import BrokenBoundError
from daemon.events import (
    BAR_FLAG_BACKFILL,
    BAR_FLAG_SYNTHETIC,
    BAR_RECORD,
    Backfill,
    BatchRecord,
    EventRecord,
    Instrument,
    UniverseChanged,
)
from daemon.kernels import IntArray

Rows = Iterator[tuple[Cell, ...]]

_SLICE = 16_384


@dataclass(frozen=True, slots=True)
class GroupRows:
    """The rows of a group, ready to be inserted table by table.

    Attributes:
        batches: The group.
        bars: Their bars, packed, instruments by id; then those of backfills.
        seq: (n_bars,) sequence number of the input that admitted each bar.
        joined: Instruments that came to be known, with their id and the seq of their event.
        universe: The universe after the group.
    """

    batches: Sequence[BatchRecord]
    bars: np.ndarray
    seq: IntArray
    joined: Sequence[tuple[int, int, Instrument]]
    universe: Universe

    @classmethod
    def of(
        cls, batches: Sequence[BatchRecord], last_batch: int, last_minute: int, universe: Universe
    ) -> Self:
        """Check a group against the tape's end and lay out its bars.

        Args:
            batches: The group.
            last_batch: Number of the tape's newest batch; 0 for none.
            last_minute: Its minute.
            universe: The universe after it.

        Raises:
            BrokenBoundError: A number, minute or bar is not where the tape can give it back.
        """
        _check_heads(batches, last_batch, last_minute)
        bars = np.frombuffer(b"".join(record.bars for record in batches), BAR_RECORD)
        counts = np.array([len(record.bars) // BAR_RECORD.itemsize for record in batches], dtype=np.int64)
        _check_bars(bars, counts, batches)
        seq = np.repeat(np.array([record.seq for record in batches], dtype=np.int64), counts)
        joined: list[tuple[int, int, Instrument]] = []
        extra: list[tuple[int, np.ndarray]] = []
        ends = np.cumsum(counts).tolist()
        for record, end, count in zip(batches, ends, counts.tolist(), strict=True):
            for event in record.events:
                universe = _apply(event, universe, joined, extra)
            if not universe.is_first and count:
                bars = bars if bars.flags.writeable else bars.copy()
                bars["instrument"][end - count : end] = universe.ids[bars["instrument"][end - count : end]]
        if extra:
            seq = np.concatenate([seq, *(np.full(len(rows), at, dtype=np.int64) for at, rows in extra)])
            bars = np.concatenate([bars, *(rows for _, rows in extra)])
        return cls(batches, bars, seq, joined, universe)

    def rows(self) -> Iterator[tuple[Table, Rows]]:
        """Yield each table that gets rows, and those rows; batches come first, others refer to them."""
        if not self.batches:
            return
        if self.joined:
            yield schema.instrument, self._instruments()
        checksums, rows = PartsChecksums(), BatchRows()
        yield schema.batch, (rows.of(record, checksums.of(record)) for record in self.batches)
        yield schema.bar, self._bars()
        events = [(e.seq, record.batch, e.kind, e.payload) for record in self.batches for e in record.events]
        yield schema.event, iter(events)
        for part in PART_TABLES:
            holders = [record for record in self.batches if getattr(record, part.field)]
            yield part.table, (row for record in holders for row in part.rows(record))

    def _bars(self) -> Rows:
        # Cells are Python objects, ten times the size of a packed bar: never all of a group's at once.
        for start in range(0, len(self.bars), _SLICE):
            span = slice(start, start + _SLICE)
            yield from bar_cells(self.bars[span], self.seq[span].tolist())

    def _instruments(self) -> Rows:
        for key, seq, one in self.joined:
            row = (key, seq, *one.to_text())
            yield (*row, row_checksum("instrument", row))


def backfilled(event: Backfill, key: int) -> np.ndarray:
    """Return the bars of a backfill, packed, of the instrument with id `key`."""
    rows = np.empty(len(event.bars), BAR_RECORD)
    for at, (minute, *values, taker, synthetic) in enumerate(event.bars):
        flags = BAR_FLAG_BACKFILL | (BAR_FLAG_SYNTHETIC if synthetic else 0)
        rows[at] = (key, minute, *values, np.nan if taker is None else taker, flags)
    return rows


def _apply(
    record: EventRecord,
    universe: Universe,
    joined: list[tuple[int, int, Instrument]],
    extra: list[tuple[int, np.ndarray]],
) -> Universe:
    """Return the universe after an event; what the event brings goes into `joined` and `extra`."""
    if record.kind not in {UniverseChanged.__name__, Backfill.__name__}:
        return universe
    event = chain.read_event(record)
    if isinstance(event, UniverseChanged):
        universe, fresh = universe.changed(event)
        joined += [(key, record.seq, instrument) for key, instrument in fresh.items()]
    elif isinstance(event, Backfill):
        if event.instrument not in universe.known:
            message = f"a backfill (seq {record.seq}) is about {event.instrument}, which the run never had"
            raise BrokenBoundError(message)
        extra.append((record.seq, backfilled(event, universe.known[event.instrument])))
    return universe


def _check_heads(batches: Sequence[BatchRecord], last_batch: int, last_minute: int) -> None:
    for record in batches:
        if record.batch != last_batch + 1 or record.minute <= last_minute:
            this, last = f"{record.batch} of minute {record.minute}", f"{last_batch} of minute {last_minute}"
            message = f"batch {this} cannot follow batch {last}"
            raise BrokenBoundError(message)
        if len(record.digest) != chain.DIGEST_BYTES or len(record.bars) % BAR_RECORD.itemsize:
            message = f"batch {record.batch} has no digest, or its bars are cut within a row"
            raise BrokenBoundError(message)
        last_batch, last_minute = record.batch, record.minute


def _check_bars(bars: np.ndarray, counts: IntArray, batches: Sequence[BatchRecord]) -> None:
    """Refuse bars that would not come back the same: they are given back by minute and instrument."""
    owner = np.repeat(np.arange(len(batches)), counts)
    minutes = np.array([record.minute for record in batches], dtype=np.int64)[owner]
    same = owner[1:] == owner[:-1]
    rising = bars["instrument"][1:] > bars["instrument"][:-1]
    if not (bars["minute"] == minutes).all() or not rising[same].all():
        message = (
            "a bar stands in another minute's batch, or the bars of a batch are not ascending by instrument"
        )
        raise BrokenBoundError(message)
