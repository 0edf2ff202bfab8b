"""Pages of what a tape holds, newest first, for whoever looks at a run while it is written.

A spot on the tape is (batch, position in it). A page holds what lies before a spot.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from sqlalchemy import Table

from adapters.tape import schema
from adapters.tape.cells import MalformedCellError, read_bytes, read_int
from adapters.tape.in_force import Models, Universes
from adapters.tape.reader import TapeReader
from adapters.tape.records import PART_TABLES
from adapters.tape.statements import between
from daemon.events import Fill, Order, OrderEnd, decision_dtype

Spot = tuple[int, int]

END: Final[Spot] = (2**62, 0)
"""Behind everything."""

FATE_BATCHES: Final = 130
"""An order is filled or ended within so many minutes (`costs.order_minutes` and `costs.delay_bars`)."""

SCANNED_BATCHES: Final = 1_440
SCANNED_BYTES: Final = 8_000_000
"""A page of decisions looks no further back."""

_CODECS: Final = {part.table.name: part.codec for part in PART_TABLES}
_BATCHES: Final = "SELECT number, minute, decisions FROM batch WHERE number <= ? ORDER BY number DESC LIMIT ?"
_BEFORE: Final = {
    "paper_order": "SELECT * FROM paper_order WHERE (batch, position) < (?, ?)",
    "fill": "SELECT * FROM fill WHERE (batch, position) < (?, ?)",
}
_ONE: Final = " AND instrument = ?"
_NEWEST_FIRST: Final = " ORDER BY batch DESC, position DESC LIMIT ?"


@dataclass(frozen=True, slots=True)
class Fate:
    """An order and what became of it."""

    order: Order
    fills: tuple[Fill, ...]
    end: OrderEnd | None


def newest_orders(
    reader: TapeReader, before: Spot, limit: int, instrument: str | None = None
) -> tuple[list[Fate], Spot | None]:
    """Return the newest orders before a spot, newest first, and the spot for the next page."""
    rows, following = _page(reader, schema.paper_order, before, limit, instrument)
    if not rows:
        return [], None
    span = (rows[-1][0], rows[0][0] + FATE_BATCHES)
    fills: dict[int, list[Fill]] = defaultdict(list)
    for fill in _items(reader, schema.fill, reader.fetch(between(schema.fill, "batch"), span)):
        fills[fill.order_id].append(fill)
    ended = _items(reader, schema.order_end, reader.fetch(between(schema.order_end, "batch"), span))
    ends = {end.order_id: end for end in ended}
    orders = _items(reader, schema.paper_order, rows)
    return [Fate(one, tuple(fills[one.id]), ends.get(one.id)) for one in orders], following


def newest_fills(
    reader: TapeReader, before: Spot, limit: int, instrument: str | None = None
) -> tuple[list[Fill], Spot | None]:
    """Return the newest fills and bookings before a spot alike."""
    rows, following = _page(reader, schema.fill, before, limit, instrument)
    return _items(reader, schema.fill, rows), following


def newest_decisions(
    reader: TapeReader, before: Spot, limit: int, instrument: str | None = None
) -> tuple[list[tuple[int, str, np.void]], Spot | None]:
    """Return the newest (epoch minute, instrument, row of the decision dtype) before a spot alike.

    A page of one instrument may be empty and have a next one: so far it looked back.
    """
    models = Models(reader)
    found: list[tuple[int, str, np.void]] = []
    universes, scanned = Universes(reader), 0
    last = before[0] if before[1] else before[0] - 1
    cells = (last, SCANNED_BATCHES + 1)
    for at, (number, minute, content) in enumerate(reader.rows(_BATCHES, cells)):
        if at >= SCANNED_BATCHES or scanned > SCANNED_BYTES:
            return found, (_whole(reader, number, "batch.number") + 1, 0)
        scanned += len(content)
        rows = _unpacked(reader, content, decision_dtype(models.experts_at(number)))
        names = universes.names_at(number)
        first = before[1] if number == before[0] else len(rows)
        for position in range(min(first, len(rows)) - 1, -1, -1):
            name = names[int(rows[position]["instrument"])]
            if instrument is not None and name != instrument:
                continue
            if len(found) == limit:
                return found, (number, position + 1)
            found.append((_whole(reader, minute, "batch.minute"), name, rows[position]))
    return found, None


def _page(
    reader: TapeReader, table: Table, before: Spot, limit: int, instrument: str | None
) -> tuple[list[tuple[Any, ...]], Spot | None]:
    """Return rows of a table in order from the newest on, and the spot for the next page."""
    cells = before if instrument is None else (*before, instrument)
    statement = _BEFORE[table.name] + ("" if instrument is None else _ONE) + _NEWEST_FIRST
    rows = reader.fetch(statement, (*cells, limit + 1))
    more = len(rows) > limit
    rows = rows[:limit]
    return rows, (rows[-1][0], rows[-1][1]) if more else None


def _items(reader: TapeReader, table: Table, rows: Sequence[tuple[Any, ...]]) -> list[Any]:
    codec = _CODECS[table.name]
    try:
        return [codec.item(row[2:]) for row in rows]
    except MalformedCellError as error:
        raise reader.damage(str(error)) from error


def _unpacked(reader: TapeReader, content: Any, dtype: np.dtype[np.void]) -> np.ndarray:
    try:
        return np.frombuffer(read_bytes(content, "batch.decisions"), dtype)
    except ValueError as error:
        raise reader.damage(f"batch.decisions: {error}") from error


def _whole(reader: TapeReader, cell: Any, place: str) -> int:
    try:
        return read_int(cell, place)
    except MalformedCellError as error:
        raise reader.damage(str(error)) from error
