"""Batches as they stand on the tape, put together page by page from the tables that hold their parts."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
import numpy as np
from sqlalchemy import bindparam, select

from adapters.tape import schema
from adapters.tape.cells import MalformedCellError, packed_bars
from adapters.tape.database import Database, Row
from adapters.tape.records import PART_TABLES, batch_of, event_of
from adapters.tape.statements import between
from adapters.tape.universe import Universe
from daemon import chain
from daemon.errors import TapeDamagedError
from daemon.events import BatchRecord, EventRecord, UniverseChanged

_NEXT: Final = "SELECT * FROM batch WHERE number > ? ORDER BY number LIMIT ?"
_BARS: Final = (
    select(schema.batch.c.number, schema.bar)
    .select_from(schema.batch)
    .join(
        schema.bar, (schema.bar.c.minute == schema.batch.c.minute) & (schema.bar.c.seq == schema.batch.c.seq)
    )
    .where(schema.batch.c.number.between(bindparam("first"), bindparam("last")))
    .order_by(schema.batch.c.number, schema.bar.c.instrument)
)

_NO_ITEMS: Final[dict[str, tuple[Any, ...]]] = {part.field: () for part in PART_TABLES}
_UNREADABLE = (MalformedCellError, msgspec.MsgspecError, KeyError)


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """One batch of the tape.

    Attributes:
        number: Its number.
        row: Its row of table `batch`, as it stands there.
        record: What the rows hold together, or None if they cannot be read.
        problem: Why they cannot be read.
    """

    number: int
    row: tuple[Any, ...]
    record: BatchRecord | None
    problem: str = ""

    @property
    def parts(self) -> Any:
        """Cell `parts`."""
        return self.row[15]

    @property
    def digest(self) -> Any:
        """Cell `digest`."""
        return self.row[16]

    @property
    def name(self) -> str:
        """What an error calls it: number and time."""
        return f"batch {self.number} ({time_text(self.row[2])})"

    def read(self) -> BatchRecord:
        """Return the record.

        Raises:
            TapeDamagedError: It cannot be read; says which cell.
        """
        if self.record is None:
            message = f"{self.name} of the tape cannot be read: {self.problem}"
            raise TapeDamagedError(message)
        return self.record


def pages(database: Database, after: int, universe: Universe, n_batches: int) -> Iterator[list[StoredBatch]]:
    """Yield the batches with a number greater than `after`, ascending, in lists of at most `n_batches`.

    Args:
        database: The tape.
        after: Number of a batch; 0 begins with the first.
        universe: The universe after that batch.
        n_batches: Bounds the memory.
    """
    while rows := database.fetch(_NEXT, (after, n_batches)):
        page = _Page(database, rows[0][0], rows[-1][0])
        stored = []
        for row in rows:
            batch, universe = page.batch(row, universe)
            stored.append(batch)
        yield stored
        after = rows[-1][0]


class _Page:
    """The rows of a run of batches from every table but `batch`, by batch."""

    def __init__(self, database: Database, first: int, last: int) -> None:
        self._events = _by_batch(database.fetch(between(schema.event, "batch"), (first, last)), at=1)
        self._parts = {
            part.field: _by_batch(database.fetch(between(part.table, "batch"), (first, last)), at=0)
            for part in PART_TABLES
        }
        self._eventful = {number for rows in self._parts.values() for number in rows}
        rows = database.fetch(_BARS, (first, last))
        numbers = np.array([row[0] for row in rows], dtype=np.int64)
        self._first = first
        self._starts = np.searchsorted(numbers, np.arange(first, last + 2)).tolist()
        self._rows = [row[1:] for row in rows]
        try:
            self._bars: np.ndarray | None = packed_bars(self._rows)[0]
        except MalformedCellError:
            # Some bar of this page is damaged: each batch tries its own.
            self._bars = None

    def batch(self, row: tuple[Any, ...], universe: Universe) -> tuple[StoredBatch, Universe]:
        """Return the batch of a row of table `batch`, and the universe after it."""
        number = row[0]
        try:
            events = tuple(event_of(event) for event in self._events.get(number, ()))
            universe = after_events(universe, events)
            parts = self._items(number)
            record = batch_of(row, self._packed(number, universe), events, parts)
        except _UNREADABLE as error:
            return StoredBatch(number, row, None, str(error)), universe
        return StoredBatch(number, row, record), universe

    def _items(self, number: int) -> dict[str, tuple[Any, ...]]:
        if number not in self._eventful:
            return _NO_ITEMS
        return {part.field: part.items(self._parts[part.field].get(number, ())) for part in PART_TABLES}

    def _packed(self, number: int, universe: Universe) -> bytes:
        at = number - self._first
        span = slice(self._starts[at], self._starts[at + 1])
        bars = packed_bars(self._rows[span])[0] if self._bars is None else self._bars[span]
        if universe.is_first:
            return bars.tobytes()
        return universe.placed(bars).tobytes()


def after_events(universe: Universe, events: tuple[EventRecord, ...]) -> Universe:
    """Return the universe after the events of a batch."""
    for record in events:
        if record.kind == UniverseChanged.__name__:
            event = chain.read_event(record)
            if isinstance(event, UniverseChanged):
                universe, _ = universe.changed(event)
    return universe


def time_text(minute: Any) -> str:
    """Return an epoch minute as ISO 8601, UTC, or as it stands where it is none."""
    try:
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    except (OverflowError, TypeError):
        return f"minute {minute!r}"
    return at.strftime("%Y-%m-%dT%H:%MZ")


def _by_batch(rows: Iterable[Row], at: int) -> Mapping[int, list[tuple[Any, ...]]]:
    grouped: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for row in rows:
        grouped[row[at]].append(row)
    return grouped
