"""Rows that go out to the engine: in a sealed minute, or as a backfill."""

from dataclasses import dataclass
from math import isnan
from typing import Final

import numpy as np

from daemon.events import Backfill, Minutes
from daemon.feed import BarClosed

COLUMNS: Final = ("open", "high", "low", "close", "volume", "taker")


@dataclass(frozen=True, slots=True)
class Row:
    """What a settled minute holds: a bar, real or flat, and when it came (None for a flat one)."""

    bar: BarClosed
    received_ms: int | None

    @property
    def synthetic(self) -> bool:
        """Whether papertape made it."""
        return self.received_ms is None


def unfilled(minute: int, n_instruments: int, *, catch_up: bool) -> Minutes:
    """Return one sealed minute in which nothing came yet, to be filled."""
    shape = (1, n_instruments)
    return Minutes(
        minute=np.array([minute], dtype=np.int64),
        **{name: np.full(shape, np.nan) for name in COLUMNS},
        present=np.zeros(shape, dtype=np.bool_),
        synthetic=np.zeros(shape, dtype=np.bool_),
        catch_up=np.array([catch_up]),
    )


def fill(sealed: Minutes, column: int, row: Row) -> None:
    """Write a row into an `unfilled` minute."""
    for name in COLUMNS:
        getattr(sealed, name)[0, column] = getattr(row.bar, name)
    sealed.present[0, column] = True
    sealed.synthetic[0, column] = row.synthetic


def backfill(instrument: str, rows: list[Row]) -> Backfill:
    """Return rows of one instrument, ascending, as the event that brings them after their minutes."""
    return Backfill(
        instrument=instrument,
        bars=tuple(
            (
                *(row.bar.minute, row.bar.open, row.bar.high, row.bar.low, row.bar.close, row.bar.volume),
                None if isnan(row.bar.taker) else row.bar.taker,
                row.synthetic,
            )
            for row in rows
        ),
    )
