"""Minute bars as long columns: one row per bar, before they stand on the grid."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from daemon.kernels import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class BarColumns:
    """Bars in columns of equal length (n_rows,).

    Attributes:
        instrument: Position in the source's sorted instruments.
        minute: The bar's open, epoch minutes.
        open: First price; `high`, `low`, `close` alike, quote currency per unit of base.
        high: Highest price.
        low: Lowest price.
        close: Last price.
        volume: Base units traded.
        taker: Base units bought by takers; NaN where the venue does not say.
        row: The bar's row in its file, counting data rows from 1: for messages.
        file: Position of its file in the source: for messages.
    """

    instrument: IntArray
    minute: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    taker: FloatArray
    row: IntArray
    file: IntArray

    def __len__(self) -> int:
        """Return the number of bars."""
        return len(self.minute)

    def take(self, rows: IntArray | BoolArray | slice) -> Self:
        """Return the bars that `rows` selects, in its order."""
        return type(self)(*(getattr(self, name)[rows] for name in self.__slots__))

    @classmethod
    def concat(cls, parts: Sequence[Self]) -> Self:
        """Join bars one behind the other; at least one part."""
        if len(parts) == 1:
            return parts[0]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__))

    @classmethod
    def empty(cls) -> Self:
        """Return columns without a bar."""
        whole, real = np.empty(0, np.int64), np.empty(0, np.float64)
        return cls(whole, whole, real, real, real, real, real, real, whole, whole)
