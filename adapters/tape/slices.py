"""A table of a tape as polars frames, a slice at a time: what all exported tables share."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import numpy as np
import polars as pl

from adapters.tape.cells import read_int
from adapters.tape.reader import TapeReader
from adapters.tape.statements import Statement
from daemon.events import MINUTE_US
from daemon.kernels import IntArray

Schema = dict[str, Any]
Row = tuple[Any, ...]

SLICE: Final = 32_768
"""Rows of a frame."""

TIME: Final = pl.Datetime("us", "UTC")


@dataclass(frozen=True, slots=True)
class TapeTable:
    """One table to export.

    Attributes:
        schema: Its columns.
        n_rows: How many rows it has.
        frames: The rows, in order.
    """

    schema: Schema
    n_rows: int
    frames: Iterator[pl.DataFrame]


def frames(
    reader: TapeReader, statement: Statement, frame: Callable[[list[Row]], pl.DataFrame], n_rows: int = SLICE
) -> Iterator[pl.DataFrame]:
    """Yield frames of so many rows of a statement.

    Args:
        reader: Of the tape.
        statement: Its rows.
        frame: Makes a frame of some of them.
        n_rows: So many at once.

    Raises:
        TapeDamagedError: A cell is not what it should be; says from which row on.
    """
    rows = reader.rows(statement)
    while taken := list(islice(rows, n_rows)):
        try:
            yield frame(taken)
        except (ValueError, TypeError, LookupError) as error:
            raise reader.damage(f"{error} (rows from {taken[0][:2]!r} on)") from error


def integers(rows: list[Row], at: int, place: str) -> IntArray:
    """Return (n_rows,) of one column of whole numbers; `place` names it if one is none."""
    return np.array([read_int(row[at], place) for row in rows], dtype=np.int64)


def times(minutes: np.ndarray) -> pl.Series:
    """Return epoch minutes as moments in UTC."""
    return pl.Series(minutes.astype(np.int64) * MINUTE_US).cast(TIME)
