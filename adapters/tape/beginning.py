"""The first rows of a tape: header, instruments, model, warm-up bars and the events that come with them."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec
import numpy as np

from adapters.tape import schema
from adapters.tape.cells import Cell, bar_cells
from adapters.tape.checksums import row_checksum
from adapters.tape.statements import insertion
from daemon import chain
from daemon.errors import BrokenBoundError
from daemon.events import BAR_FLAG_WARMUP, BAR_RECORD, EventRecord, Instrument, Warmup

BEGIN_BATCH: Final = 0
"""Events from before the first decided minute stand under this batch number."""

EVENTS_KEY: Final = "begin_events"
"""Header entry with the digest of these events."""


def begin(
    connection: sqlite3.Connection,
    header: Mapping[str, str],
    instruments: Sequence[Instrument],
    files: Mapping[str, bytes],
    *,
    warmup: tuple[int, Iterable[bytes]],
    events: Iterable[EventRecord],
) -> None:
    """Insert the first rows; see `SqliteTapeWriter.begin`. The caller holds the transaction.

    Args:
        connection: The writer's.
        header: With `model_version`.
        instruments: Sorted by name.
        files: The first bundle.
        warmup: Sequence number of the `Warmup` event, and the blocks.
        events: Asked for after the last block.
    """
    seq, blocks = warmup
    digest = chain.warmup_digest(_inserted(connection, seq, blocks, len(instruments)))
    records = tuple(events)
    _compare(connection, seq, digest, records)
    connection.executemany(
        insertion(schema.event),
        [(record.seq, BEGIN_BATCH, record.kind, record.payload) for record in records],
    )
    entries = {**header, EVENTS_KEY: events_digest(records)}
    _insert_checked(connection, schema.header.name, entries.items())
    _insert_checked(
        connection,
        schema.instrument.name,
        [
            (place, 0, one.name, one.quote, str(one.tick), str(one.lot), one.calendar)
            for place, one in enumerate(instruments)
        ],
    )
    _insert_model(connection, header["model_version"], files)


def events_digest(records: Sequence[EventRecord]) -> str:
    """Return the hex digest by which the header covers the events of batch 0."""
    return chain.content_digest(msgspec.msgpack.encode(records))


def _insert_checked(connection: sqlite3.Connection, table: str, rows: Iterable[tuple[Cell, ...]]) -> None:
    checked = [(*row, row_checksum(table, row)) for row in rows]
    connection.executemany(insertion(schema.metadata.tables[table]), checked)


def _insert_model(connection: sqlite3.Connection, version: str, files: Mapping[str, bytes]) -> None:
    hashes = {name: chain.content_digest(content) for name, content in files.items()}
    contents = {hashes[name]: content for name, content in files.items()}
    connection.executemany(insertion(schema.model_file), contents.items())
    rows = [(version, name, digest) for name, digest in hashes.items()]
    _insert_checked(connection, schema.model_version.name, rows)


def _inserted(
    connection: sqlite3.Connection, seq: int, blocks: Iterable[bytes], n_instruments: int
) -> Iterator[bytes]:
    """Yield the blocks, each after its bars have been inserted."""
    for block in blocks:
        bars = np.frombuffer(block, BAR_RECORD)
        if not (bars["flags"] & BAR_FLAG_WARMUP).all() or (bars["instrument"] >= n_instruments).any():
            message = "a warm-up bar is not flagged as one, or its instrument is unknown"
            raise BrokenBoundError(message)
        connection.executemany(insertion(schema.bar), bar_cells(bars, [seq] * len(bars)))
        yield block


def _compare(connection: sqlite3.Connection, seq: int, digest: bytes, records: Sequence[EventRecord]) -> None:
    """Raise BrokenBoundError unless the `Warmup` among `records` tells of the bars just inserted."""
    (n_bars,) = connection.execute("SELECT count(*) FROM bar").fetchone()
    told = [(record.seq, chain.read_event(record)) for record in records if record.kind == Warmup.__name__]
    expected = [(at, event.n_bars, event.digest) for at, event in told if isinstance(event, Warmup)]
    if expected != [(seq, n_bars, digest)] and (expected or n_bars):
        message = (
            f"{n_bars} warm-up bars with seq {seq} do not agree with the events {expected} that tell of them"
        )
        raise BrokenBoundError(message)
