"""What a live run keeps beside its inputs, as rows and back. No part of the chain: rows have checksums."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Table

from adapters.tape import schema
from adapters.tape.cells import Cell, float_cell, read_float, read_int, read_text
from adapters.tape.checksums import row_checksum
from adapters.tape.database import WritableDatabase
from adapters.tape.reader import TapeReader
from adapters.tape.statements import whole
from adapters.tape.universe import Universe
from daemon.diagnostics import Arrival, Diagnostics, Indication, StoredBar, Unapplied
from daemon.feed import BarClosed

US_PER_MS: Final = 1000
_NEXT_POSITION: Final = (
    "SELECT coalesce(max(position) + 1, 0) FROM revision WHERE minute = ? AND instrument = ?"
)
_VALUES: Final = ("open", "high", "low", "close", "volume", "taker")


def insert(database: WritableDatabase, diagnostics: Diagnostics, universe: Universe) -> None:
    """Write them inside the caller's transaction. What is of no instrument of the run is left out."""
    known = universe.known
    came = [one for one in diagnostics.arrivals if one.instrument in known]
    arrived = [(one.minute, known[one.instrument], one.received_ms * US_PER_MS) for one in came]
    _replace(database, schema.arrival, arrived)
    for stored in diagnostics.bars:
        bar = stored.bar
        if bar.instrument in known:
            place = (bar.minute, known[bar.instrument])
            ((position,),) = database.fetch(_NEXT_POSITION, place)
            values = tuple(float_cell(getattr(bar, name)) for name in _VALUES)
            cells = (*place, position, stored.kind.value, stored.received_ms * US_PER_MS, *values)
            database.insert(schema.revision, [_with_checksum(schema.revision, cells)])
    seen = [one for one in diagnostics.indications if one.instrument in known]
    told = [
        (
            one.order_id,
            known[one.instrument],
            one.minute,
            float_cell(one.price),
            one.committed_ms * US_PER_MS,
            one.received_ms * US_PER_MS,
        )
        for one in seen
    ]
    _replace(database, schema.indication, told)


def stored_bars(reader: TapeReader) -> Iterator[StoredBar]:
    """Yield the bars that entered nothing, by minute and instrument, in the order in which they came."""
    names = reader.names()
    for cells in _checked(reader, schema.revision):
        minute, key, _, kind, received_us, *values = cells
        bar = BarClosed(
            names[key],
            read_int(minute, "revision.minute"),
            *(read_float(cell, "revision") for cell in values),
        )
        yield StoredBar(
            Unapplied(read_text(kind, "revision.kind")), bar, read_int(received_us, "revision") // US_PER_MS
        )


def arrivals(reader: TapeReader) -> Iterator[Arrival]:
    """Yield when bars came, by minute and instrument."""
    names = reader.names()
    for minute, key, received_us in _checked(reader, schema.arrival):
        yield Arrival(names[key], minute, received_us // US_PER_MS)


def indications(reader: TapeReader) -> Iterator[Indication]:
    """Yield the first prices seen after decisions, by order."""
    names = reader.names()
    for order_id, key, minute, price, committed_us, received_us in _checked(reader, schema.indication):
        price_seen = read_float(price, "indication.price")
        moments = (committed_us // US_PER_MS, received_us // US_PER_MS)
        yield Indication(order_id, names[key], minute, price_seen, *moments)


def _replace(database: WritableDatabase, table: Table, rows: Sequence[tuple[Cell, ...]]) -> None:
    if rows:
        database.replace(table, [_with_checksum(table, row) for row in rows])


def _with_checksum(table: Table, row: tuple[Cell, ...]) -> tuple[Cell, ...]:
    return (*row, row_checksum(table.name, row))


def _checked(reader: TapeReader, table: Table) -> Iterator[tuple[Any, ...]]:
    for *cells, checksum in reader.rows(whole(table)):
        if row_checksum(table.name, cells) != checksum:
            raise reader.damage(f"row {cells[0]!r} of table {table.name} does not match its checksum")
        yield tuple(cells)
