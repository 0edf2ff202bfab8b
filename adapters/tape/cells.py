"""Values to database cells and back, exactly: every bit pattern of a float, every digit of a Decimal.

SQLite keeps no sign of a zero and no NaN. What it would lose goes into the cell as its eight bytes instead.
PostgreSQL keeps both; there such a cell is the float itself, on its way in and out.
Reading is strict: a cell that this module would not have written is damage, even where Python could make
sense of it (`2` for True, `1_0` for 10).
"""

import math
import struct
from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from typing import Any

import numpy as np

from daemon.events import BAR_RECORD
from daemon.kernels import FloatArray

Cell = int | float | str | bytes | None
"""What a database column holds."""

_SIGN_BIT = np.int64(-(2**63))
_NAN_BITS = np.array([np.nan]).view(np.int64)[0]
_VALUES = ("open", "high", "low", "close", "volume", "taker")


class MalformedCellError(ValueError):
    """A cell that no writer of ours wrote; the text says what stands there."""


def float_cell(value: float) -> Cell:
    """Return the cell that keeps `value`, its bits included."""
    if math.isnan(value) or (value == 0.0 and math.copysign(1.0, value) < 0.0):
        return struct.pack("<d", value)
    return value


def float_column(values: FloatArray) -> list[Cell]:
    """Return the cells of a column (n,); a NaN of the usual bits is left to SQLite, which stores NULL."""
    values = np.ascontiguousarray(values)
    bits = values.view(np.int64)
    cells: list[Cell] = values.tolist()
    for odd in np.nonzero((np.isnan(values) & (bits != _NAN_BITS)) | (bits == _SIGN_BIT))[0].tolist():
        cells[odd] = values[odd].tobytes()
    return cells


def bar_cells(packed: np.ndarray, seq: list[int]) -> Any:
    """Return the rows of table `bar` for packed bars.

    Args:
        packed: (n,) of dtype `BAR_RECORD`.
        seq: For each the sequence number of the input that admitted it.
    """
    return zip(
        packed["minute"].tolist(),
        packed["instrument"].tolist(),
        seq,
        *(float_column(packed[name]) for name in _VALUES),
        packed["flags"].tolist(),
        strict=True,
    )


def packed_bars(rows: list[tuple[Any, ...]]) -> tuple[np.ndarray, np.ndarray]:
    """Return (packed bars (n,), seq (n,)) of rows of table `bar`.

    Raises:
        MalformedCellError: A cell is none of ours.
    """
    packed = np.empty(len(rows), BAR_RECORD)
    if not rows:
        return packed, np.empty(0, np.int64)
    minute, instrument, seq, *values, flags = zip(*rows, strict=True)
    for name, column in (("minute", minute), ("instrument", instrument), ("flags", flags)):
        packed[name] = _integers(name, column, np.iinfo(BAR_RECORD[name]))
    for name, column in zip(_VALUES, values, strict=True):
        packed[name] = _floats(name, column)
    return packed, _integers("seq", seq, np.iinfo(np.int64))


def _integers(name: str, column: tuple[Any, ...], bounds: np.iinfo[Any]) -> np.ndarray:
    if set(map(type, column)) != {int}:
        raise MalformedCellError(f"bar.{name} holds something that is no integer")
    if min(column) < bounds.min or max(column) > bounds.max:
        raise MalformedCellError(f"bar.{name} holds an integer outside [{bounds.min}, {bounds.max}]")
    return np.array(column, dtype=np.int64)


def _floats(name: str, column: tuple[Any, ...]) -> FloatArray:
    kinds = set(map(type, column))
    if not kinds <= {float, type(None)}:
        column = tuple(None if cell is None else read_float(cell, f"bar.{name}") for cell in column)
        return np.array([_NAN if cell is None else cell for cell in column], dtype=np.float64)
    return np.array(column, dtype=np.float64)


_NAN = float(np.nan)


def read_int(cell: Any, place: str) -> int:
    """Return the integer of a cell; `place` names the cell in the error."""
    if type(cell) is int:
        return cell
    raise MalformedCellError(f"{place} holds {_shown(cell)}, not an integer")


def read_flag(cell: Any, place: str) -> bool:
    """Return the truth value of a cell: SQLite has numbers for them."""
    if type(cell) is bool:
        return cell
    if type(cell) is int and cell in {0, 1}:
        return cell == 1
    raise MalformedCellError(f"{place} holds {_shown(cell)}, neither 0 nor 1")


def read_float(cell: Any, place: str) -> float:
    """Return the float of a cell."""
    if type(cell) is float:
        return cell
    if type(cell) is bytes and len(cell) == 8:
        value: float = struct.unpack("<d", cell)[0]
        if type(float_cell(value)) is bytes:
            return value
    raise MalformedCellError(f"{place} holds {_shown(cell)}, not a float")


def read_text(cell: Any, place: str) -> str:
    """Return the text of a cell."""
    if type(cell) is str:
        return cell
    raise MalformedCellError(f"{place} holds {_shown(cell)}, not text")


def read_bytes(cell: Any, place: str) -> bytes:
    """Return the bytes of a cell."""
    if type(cell) is bytes:
        return cell
    raise MalformedCellError(f"{place} holds {_shown(cell)}, not bytes")


def read_decimal(cell: Any, place: str) -> Decimal:
    """Return the Decimal of a cell."""
    text = read_text(cell, place)
    try:
        value = Decimal(text)
    except ArithmeticError:
        value = None
    if value is None or str(value) != text:
        raise MalformedCellError(f"{place} holds {_shown(cell)}, not a decimal number")
    return value


def read_member(members: type[StrEnum]) -> Callable[[Any, str], StrEnum]:
    """Return the reader of cells that hold the value of one of `members`."""

    def read(cell: Any, place: str) -> StrEnum:
        try:
            return members(read_text(cell, place))
        except ValueError:
            raise MalformedCellError(f"{place} holds {_shown(cell)}, none of {', '.join(members)}") from None

    return read


def _shown(cell: Any) -> str:
    text = repr(cell)
    return text if len(text) <= 40 else text[:37] + "..."
