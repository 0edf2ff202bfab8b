"""What markets bring: instruments, and sealed minutes of their bars."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self

import numpy as np

from daemon.kernels import BoolArray, FloatArray, IntArray

MINUTES_PER_DAY = 1440
MINUTE_MS = 60_000
MINUTE_US = 60_000_000


@dataclass(frozen=True, slots=True)
class Instrument:
    """What an exchange says about one of its instruments.

    Attributes:
        name: `venue:SYMBOL`.
        quote: Currency its prices and our money are in.
        tick: Smallest price step; shapes orders only, never features.
        lot: Smallest quantity step.
        calendar: `24/7` or a name that the library exchange_calendars knows, e.g. `XNYS`.
    """

    name: str
    quote: str
    tick: Decimal
    lot: Decimal
    calendar: str = "24/7"

    def to_fields(self) -> tuple[str, str, Decimal, Decimal, str]:
        """Return it as plain data."""
        return self.name, self.quote, self.tick, self.lot, self.calendar

    @classmethod
    def from_fields(cls, fields: Sequence[Any]) -> Self:
        """Rebuild what `to_fields` returned."""
        return cls(*fields)

    def to_text(self) -> tuple[str, str, str, str, str]:
        """Return it as text: as the chain hashes it and a tape keeps it."""
        return self.name, self.quote, str(self.tick), str(self.lot), self.calendar


@dataclass(frozen=True, slots=True, eq=False)
class Minutes:
    """A run of sealed minutes in columns: n_minutes x n_instruments, time first.

    The rows of time are *session minutes* in ascending order: minutes in which no instrument of the run has a
    session are not there, minutes in which nothing came are there and empty. Where `present` is False the
    price and volume cells are NaN.

    Attributes:
        minute: (n_minutes,) int64, epoch minutes.
        open: (n_minutes, n_instruments) float64; `high`, `low`, `close`, `volume` alike.
        taker: Base units bought by takers; NaN where the venue does not say.
        present: Whether the instrument has a row this minute.
        synthetic: A flat row with zero volume that papertape made for a minute without a trade.
        catch_up: (n_minutes,) bool; the minute was missed live and filled from history: it teaches and marks,
            and no order is made in it.
    """

    minute: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    taker: FloatArray
    present: BoolArray
    synthetic: BoolArray
    catch_up: BoolArray

    def __len__(self) -> int:
        """Return how many minutes there are."""
        return len(self.minute)

    @property
    def n_instruments(self) -> int:
        """Width of every two-dimensional column."""
        return int(self.open.shape[1])

    def __getitem__(self, span: slice) -> Self:
        """Return the minutes of `span` as views, without copying."""
        return type(self)(*(getattr(self, name)[span] for name in self.__slots__))

    @classmethod
    def concat(cls, parts: Sequence[Self]) -> Self:
        """Join runs of minutes that follow each other."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__))

    @classmethod
    def empty(cls, minute: IntArray, n_instruments: int) -> Self:
        """Make sealed minutes in which nothing came: all NaN, nothing present, do not write."""
        shape = (len(minute), n_instruments)
        no, nan = np.zeros(shape, dtype=np.bool_), np.full(shape, np.nan)
        return cls(minute, nan, nan, nan, nan, nan, nan, no, no, np.zeros(len(minute), dtype=np.bool_))

    @property
    def tradable(self) -> BoolArray:
        """(n_minutes, n_instruments): somebody traded, so a fill or a label may use this open."""
        return self.present & ~self.synthetic & (np.nan_to_num(self.volume) > 0.0)
