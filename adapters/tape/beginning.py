"""The first rows of a tape: header, instruments, model, warm-up bars and the events that come with them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec
import numpy as np
from sqlalchemy import Table

from adapters.tape import schema
from adapters.tape.cells import Cell, bar_cells
from adapters.tape.checksums import row_checksum
from adapters.tape.database import WritableDatabase
from adapters.tape.models import keep
from daemon import chain
from daemon.errors import BrokenBoundError
from daemon.events import BAR_FLAG_WARMUP, BAR_RECORD, EventRecord, Instrument, Warmup

BEGIN_BATCH: Final = 0
"""Events from before the first decided minute stand under this batch number."""

EVENTS_KEY: Final = "begin_events"
"""Header entry with the digest of these events."""


def begin(
    database: WritableDatabase,
    header: Mapping[str, str],
    instruments: Sequence[Instrument],
    files: Mapping[str, bytes],
    *,
    warmup: tuple[int, Iterable[bytes]],
    events: Iterable[EventRecord],
) -> None:
    """Insert the first rows; see `TapeWriter.begin`. The caller holds the transaction.

    Args:
        database: The writer's.
        header: With `model_version`.
        instruments: Sorted by name.
        files: The first bundle.
        warmup: Sequence number of the `Warmup` event, and the blocks.
        events: Asked for after the last block.
    """
    seq, blocks = warmup
    digest = chain.warmup_digest(_inserted(database, seq, blocks, len(instruments)))
    records = tuple(events)
    _compare(database, seq, digest, records)
    database.insert(
        schema.event,
        [(record.seq, BEGIN_BATCH, record.kind, record.payload) for record in records],
    )
    entries = {**header, EVENTS_KEY: events_digest(records)}
    _insert_checked(database, schema.header, entries.items())
    _insert_checked(
        database,
        schema.instrument,
        [(place, 0, *one.to_text()) for place, one in enumerate(instruments)],
    )
    keep(database, header["model_version"], files)


def events_digest(records: Sequence[EventRecord]) -> str:
    """Return the hex digest by which the header covers the events of batch 0."""
    return chain.content_digest(msgspec.msgpack.encode(records))


def _insert_checked(database: WritableDatabase, table: Table, rows: Iterable[tuple[Cell, ...]]) -> None:
    database.insert(table, [(*row, row_checksum(table.name, row)) for row in rows])


def _inserted(
    database: WritableDatabase, seq: int, blocks: Iterable[bytes], n_instruments: int
) -> Iterator[bytes]:
    """Yield the blocks, each after its bars have been inserted."""
    for block in blocks:
        bars = np.frombuffer(block, BAR_RECORD)
        if not (bars["flags"] & BAR_FLAG_WARMUP).all() or (bars["instrument"] >= n_instruments).any():
            message = "a warm-up bar is not flagged as one, or its instrument is unknown"
            raise BrokenBoundError(message)
        database.insert(schema.bar, bar_cells(bars, [seq] * len(bars)))
        yield block


def _compare(database: WritableDatabase, seq: int, digest: bytes, records: Sequence[EventRecord]) -> None:
    """Raise BrokenBoundError unless the `Warmup` among `records` tells of the bars just inserted."""
    ((n_bars,),) = database.fetch("SELECT count(*) FROM bar")
    told = [(record.seq, chain.read_event(record)) for record in records if record.kind == Warmup.__name__]
    expected = [(at, event.n_bars, event.digest) for at, event in told if isinstance(event, Warmup)]
    if expected != [(seq, n_bars, digest)] and (expected or n_bars):
        message = (
            f"{n_bars} warm-up bars with seq {seq} do not agree with the events {expected} that tell of them"
        )
        raise BrokenBoundError(message)
