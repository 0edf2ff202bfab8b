"""What a labeller hands out: the labels that matured in a chunk, and the voids it counted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from daemon.kernels import BoolArray, FloatArray, IntArray


class Move(IntEnum):
    """The three classes, in the order in which every expert states its probabilities."""

    DOWN = 0
    FLAT = 1
    UP = 2


N_CLASSES = len(Move)


class Void(IntEnum):
    """Why a decision never gets a label; the columns of `Matured.void`."""

    NO_ENTRY = 0
    """The minute after the decision had no tradable bar: nobody could have entered."""
    NO_EXIT = 1
    """No tradable open came within `late_minutes` of the horizon."""


@dataclass(frozen=True, slots=True, eq=False)
class Matured:
    """The labels that matured in a chunk, ordered by (matured minute, decision ordinal, instrument).

    Attributes:
        at: (n_labels,) int64, row of the chunk in which the label matured.
        decided: (n_labels,) int64, ordinal of the minute at whose close the decision was made.
        instrument: (n_labels,) int64, column of the instrument.
        label: (n_labels,) int8, a `Move`.
        ret: (n_labels,) log return from entry to exit, a fraction.
        weight: (n_labels,) weight by uniqueness; 1 for fixed horizons, about 1 in the mean for barriers.
        sigma: (n_labels,) volatility per minute as it was known at the decision, a fraction.
        catch_up: (n_labels,) bool, the decision's minute was missed live, or a backfilled bar ended the
            label.
        void: (n_minutes, 2) int64, decisions that turned out void in each minute, columns by `Void`.
    """

    at: IntArray
    decided: IntArray
    instrument: IntArray
    label: npt.NDArray[np.int8]
    ret: FloatArray
    weight: FloatArray
    sigma: FloatArray
    catch_up: BoolArray
    void: IntArray

    def __len__(self) -> int:
        """Return how many labels matured."""
        return len(self.at)


LABEL_ROW = np.dtype(
    [
        ("at", "<i8"),
        ("decided", "<i8"),
        ("instrument", "<i8"),
        ("label", "i1"),
        ("ret", "<f8"),
        ("weight", "<f8"),
        ("sigma", "<f8"),
        ("catch_up", "?"),
    ]
)
"""One matured label while it is collected; the field names are those of `Matured`."""

LabelRows = npt.NDArray[np.void]


def label_rows(size: int, columns: Mapping[str, npt.ArrayLike]) -> LabelRows:
    """Return `size` rows of dtype `LABEL_ROW` filled from columns."""
    rows = np.zeros(size, dtype=LABEL_ROW)
    for name, column in columns.items():
        rows[name] = column
    return rows


def in_order(parts: Sequence[LabelRows], void: IntArray) -> Matured:
    """Join rows into one `Matured`, sorted by (matured minute, decision ordinal, instrument)."""
    rows = np.concatenate([np.zeros(0, dtype=LABEL_ROW), *parts])
    rows = rows[np.lexsort((rows["instrument"], rows["decided"], rows["at"]))]
    columns: dict[str, Any] = {name: np.ascontiguousarray(rows[name]) for name in LABEL_ROW.names or ()}
    return Matured(**columns, void=void)
