"""What a batch holds besides its bars, as rows of the tables and back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

import msgspec
from sqlalchemy import Table

from adapters.tape import schema
from adapters.tape.cells import (
    Cell,
    MalformedCellError,
    float_cell,
    read_bytes,
    read_decimal,
    read_flag,
    read_float,
    read_int,
    read_member,
    read_text,
)
from daemon.events import (
    BatchRecord,
    Book,
    EventRecord,
    Fill,
    Order,
    OrderEnd,
    Refusal,
    StateChange,
    VitalChange,
)

Item = TypeVar("Item", bound=msgspec.Struct)

_READERS: Final[dict[type, Callable[[Any, str], object]]] = {
    int: read_int,
    float: read_float,
    str: read_text,
    bytes: read_bytes,
    Decimal: read_decimal,
}


def _as_text(value: Any) -> Cell:
    return str(value)


def _itself(value: Any) -> Cell:
    cell: Cell = value
    return cell


_WRITERS: Final[dict[type, Callable[[Any], Cell]]] = {float: float_cell, Decimal: _as_text}


class Codec(Generic[Item]):
    """Turns structures of one type, `kind`, into cells, field by field in order, and back."""

    def __init__(self, kind: type[Item], table: Table) -> None:
        fields = msgspec.structs.fields(kind)
        self.kind = kind
        self._fields = tuple(
            (field.name, _reader(field.type), _writer(field.type), f"{table.name}.{field.name}")
            for field in fields
        )

    def cells(self, item: Item) -> tuple[Cell, ...]:
        """Return the cells of an item."""
        return tuple(write(getattr(item, name)) for name, _, write, _ in self._fields)

    def item(self, cells: Sequence[Any]) -> Item:
        """Return the item that `cells` hold.

        Raises:
            MalformedCellError: A cell is none of ours.
        """
        pairs = zip(self._fields, cells, strict=True)
        return self.kind(**{name: read(cell, place) for (name, read, _, place), cell in pairs})


def _reader(kind: Any) -> Callable[[Any, str], object]:
    return read_member(kind) if issubclass(kind, StrEnum) else _READERS[kind]


def _writer(kind: Any) -> Callable[[Any], Cell]:
    return _as_text if issubclass(kind, StrEnum) else _WRITERS.get(kind, _itself)


@dataclass(frozen=True, slots=True)
class PartTable(Generic[Item]):
    """A field of `BatchRecord` that is a tuple, and the table whose rows (batch, position, ...) hold it."""

    field: str
    table: Table
    codec: Codec[Item]

    def rows(self, record: BatchRecord) -> list[tuple[Cell, ...]]:
        """Return the rows of one batch."""
        items: tuple[Item, ...] = getattr(record, self.field)
        return [(record.batch, position, *self.codec.cells(item)) for position, item in enumerate(items)]

    def items(self, rows: Sequence[tuple[Any, ...]]) -> tuple[Item, ...]:
        """Return the items of one batch from its rows in order of position.

        Raises:
            MalformedCellError: A cell is none of ours, or a position is missing.
        """
        if [row[1] for row in rows] != list(range(len(rows))):
            raise MalformedCellError(f"{self.table.name}.position does not count up from 0")
        return tuple(self.codec.item(row[2:]) for row in rows)


PART_TABLES: Final[tuple[PartTable[Any], ...]] = (
    PartTable("orders", schema.paper_order, Codec(Order, schema.paper_order)),
    PartTable("ends", schema.order_end, Codec(OrderEnd, schema.order_end)),
    PartTable("fills", schema.fill, Codec(Fill, schema.fill)),
    PartTable("changes", schema.state_change, Codec(StateChange, schema.state_change)),
    PartTable("vitals", schema.vital_change, Codec(VitalChange, schema.vital_change)),
    PartTable("refusals", schema.refusal, Codec(Refusal, schema.refusal)),
)

BOOK: Final = Codec(Book, schema.batch)
BOOK_AT: Final = slice(5, 15)


def _book_cells(book: Book) -> tuple[Cell, ...]:
    """Return what `BOOK.cells` returns, in a third of its time: there is one a minute."""
    return (
        str(book.equity),
        str(book.best),
        str(book.worst),
        str(book.cash),
        str(book.realised),
        str(book.fees),
        float_cell(book.gross),
        float_cell(book.net),
        float_cell(book.drawdown),
        book.mode.value,
    )


class BatchRows:
    """Makes the rows of table `batch`; remembers the last book's cells, because a book rarely changes."""

    def __init__(self) -> None:
        self._book: Book | None = None
        self._cells: tuple[Cell, ...] = ()

    def of(self, record: BatchRecord, parts: bytes) -> tuple[Cell, ...]:
        """Return the row of one batch."""
        if record.book is not self._book:
            self._book, self._cells = record.book, _book_cells(record.book)
        head = (record.batch, record.seq, record.minute, record.catch_up, record.decisions)
        return (*head, *self._cells, parts, record.digest)


def batch_of(
    row: tuple[Any, ...], bars: bytes, events: tuple[EventRecord, ...], parts: dict[str, tuple[Any, ...]]
) -> BatchRecord:
    """Return the batch that a row of table `batch` and its rows elsewhere hold.

    Raises:
        MalformedCellError: A cell is none of ours.
    """
    return BatchRecord(
        batch=read_int(row[0], "batch.number"),
        seq=read_int(row[1], "batch.seq"),
        minute=read_int(row[2], "batch.minute"),
        catch_up=read_flag(row[3], "batch.catch_up"),
        bars=bars,
        events=events,
        decisions=read_bytes(row[4], "batch.decisions"),
        orders=parts["orders"],
        ends=parts["ends"],
        fills=parts["fills"],
        changes=parts["changes"],
        vitals=parts["vitals"],
        refusals=parts["refusals"],
        book=BOOK.item(row[BOOK_AT]),
        digest=read_bytes(row[16], "batch.digest"),
    )


def event_of(row: tuple[Any, ...]) -> EventRecord:
    """Return the event that a row of table `event` holds.

    Raises:
        MalformedCellError: A cell is none of ours.
    """
    seq, _, kind, payload = row
    return EventRecord(
        seq=read_int(seq, "event.seq"),
        kind=read_text(kind, "event.kind"),
        payload=read_bytes(payload, "event.payload"),
    )
