"""What a tape holds as polars frames, a slice at a time."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec
import numpy as np
import polars as pl
from sqlalchemy import Table, func, select

from adapters.tape import schema
from adapters.tape.cells import packed_bars, read_flag, read_int
from adapters.tape.reader import TapeReader
from adapters.tape.records import BOOK, BOOK_AT, PART_TABLES, PartTable, event_of
from adapters.tape.slices import TIME, Row, Schema, TapeTable, frames, times
from adapters.tape.statements import Statement, whole
from daemon import chain
from daemon.events import (
    BAR_FLAG_BACKFILL,
    BAR_FLAG_REFUSED,
    BAR_FLAG_SYNTHETIC,
    BAR_FLAG_WARMUP,
    MINUTE_US,
    Book,
)
from daemon.kernels import BoolArray

_PRICES: Final = ("open", "high", "low", "close", "volume")
_FLAGS: Final = {
    "synthetic": BAR_FLAG_SYNTHETIC,
    "warmup": BAR_FLAG_WARMUP,
    "backfill": BAR_FLAG_BACKFILL,
    "refused": BAR_FLAG_REFUSED,
}
_KINDS: Final[dict[Any, Any]] = {int: pl.Int64, float: pl.Float64, Decimal: pl.Float64}


def bars_table(reader: TapeReader) -> TapeTable:
    """Return the bars: named as bar files name them, so that they can be replayed.

    The past that an instrument brought along when it came back stands there once.
    """
    columns: Schema = {
        "time": TIME,
        "symbol": pl.String,
        **dict.fromkeys((*_PRICES, "taker_volume"), pl.Float64),
        **dict.fromkeys(_FLAGS, pl.Boolean),
        "seq": pl.Int64,
    }
    names = {key: name for key, _, name, *_ in reader.rows(whole(schema.instrument))}
    once = _Once(names)

    def frame(rows: list[Row]) -> pl.DataFrame:
        bars, seq = packed_bars(rows)
        first = once.are_first(bars)
        bars, seq = bars[first], seq[first]
        data = {
            "time": times(bars["minute"]),
            "symbol": [names.get(key, str(key)) for key in bars["instrument"].tolist()],
            **{name: np.ascontiguousarray(bars[name]) for name in _PRICES},
            "taker_volume": pl.Series(np.ascontiguousarray(bars["taker"]), nan_to_null=True),
            **{name: (bars["flags"] & flag) > 0 for name, flag in _FLAGS.items()},
            "seq": seq,
        }
        return pl.DataFrame(data, schema=columns)

    return TapeTable(columns, _count(reader, schema.bar), frames(reader, whole(schema.bar), frame))


class _Once:
    """Tells bars from those of the same instrument and minute that stand before them, under an earlier id."""

    def __init__(self, names: Mapping[int, str]) -> None:
        self._names = names
        self._came_back = len(set(names.values())) < len(names)
        self._minute = -1
        self._seen: set[str] = set()

    def are_first(self, bars: np.ndarray) -> BoolArray:
        """Say which of the next bars are the first of their instrument and minute."""
        first = np.ones(len(bars), dtype=np.bool_)
        if self._came_back:
            for at, (key, minute) in enumerate(bars[["instrument", "minute"]].tolist()):
                if minute != self._minute:
                    self._minute, self._seen = minute, set()
                name = self._names.get(key, str(key))
                first[at] = name not in self._seen
                self._seen.add(name)
        return first


def orders_table(reader: TapeReader) -> TapeTable:
    """Return the orders that passed the limits."""
    return _items_table(reader, PART_TABLES[0])


def fills_table(reader: TapeReader) -> TapeTable:
    """Return the fills and bookings."""
    return _items_table(reader, PART_TABLES[2])


def states_table(reader: TapeReader) -> TapeTable:
    """Return the moves of the trading state."""
    return _items_table(reader, PART_TABLES[3])


def vitals_table(reader: TapeReader) -> TapeTable:
    """Return the vitals that went out of their bounds or came back."""
    return _items_table(reader, PART_TABLES[4])


def equity_table(reader: TapeReader) -> TapeTable:
    """Return the account after each minute, with its band."""
    columns = {
        "batch": pl.Int64,
        "time": TIME,
        "catch_up": pl.Boolean,
        **{field.name: _KINDS.get(field.type, pl.String) for field in msgspec.structs.fields(Book)},
        "digest": pl.String,
    }

    def cells(row: Row) -> Row:
        book = BOOK.item(row[BOOK_AT])
        catch_up = read_flag(row[3], "batch.catch_up")
        return (row[0], _time(row[2]), catch_up, *map(_plain, msgspec.structs.astuple(book)), row[16].hex())

    return _rows_table(reader, whole(schema.batch), columns, cells, _count(reader, schema.batch))


def events_table(reader: TapeReader) -> TapeTable:
    """Return the inputs that were no bars, their content as JSON."""
    columns = {"seq": pl.Int64, "batch": pl.Int64, "kind": pl.String, "content": pl.String}

    def cells(row: Row) -> Row:
        record = event_of(row)
        content = msgspec.json.encode(chain.read_event(record)).decode()
        return (record.seq, read_int(row[1], "event.batch"), record.kind, content)

    return _rows_table(reader, whole(schema.event), columns, cells, _count(reader, schema.event))


def _items_table(reader: TapeReader, part: PartTable[Any]) -> TapeTable:
    fields = msgspec.structs.fields(part.codec.kind)
    columns: Schema = {"batch": pl.Int64}
    for field in fields:
        is_time = field.name == "minute"
        columns["time" if is_time else field.name] = TIME if is_time else _KINDS.get(field.type, pl.String)
    at = [field.name for field in fields].index("minute")

    def cells(row: Row) -> Row:
        values = [_plain(value) for value in msgspec.structs.astuple(part.codec.item(row[2:]))]
        values[at] = _time(values[at])
        return (row[0], *values)

    return _rows_table(reader, whole(part.table), columns, cells, _count(reader, part.table))


def _rows_table(
    reader: TapeReader, statement: Statement, columns: Schema, cells: Callable[[Row], Row], n_rows: int
) -> TapeTable:
    def frame(rows: list[Row]) -> pl.DataFrame:
        return pl.DataFrame([cells(row) for row in rows], schema=columns, orient="row")

    return TapeTable(columns, n_rows, frames(reader, statement, frame))


def _count(reader: TapeReader, table: Table) -> int:
    ((n_rows,),) = reader.fetch(select(func.count()).select_from(table))
    return int(n_rows)


def _time(minute: int) -> int:
    return minute * MINUTE_US


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value
