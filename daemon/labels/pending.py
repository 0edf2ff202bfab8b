"""What was said at each decision, kept until its label matures.

Rows are kept in the blocks in which they were stored (a replay's chunk is not copied), so a decision made and
matured inside one chunk is joined like any other. Blocks older than `span` minutes are dropped: memory is
bounded by `span` minutes and one chunk.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from daemon.kernels import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """Rows of minutes from ordinal `first` on; `place` (n_minutes x n_instruments) gives the row or -1."""

    first: int
    n_minutes: int
    place: IntArray
    row_ordinal: IntArray
    row_instrument: IntArray
    values: FloatArray


class Pending:
    """Values by (ordinal, instrument) of the newest `span` ordinals.

    Args:
        span: How many ordinals back a decision may mature: horizon + late + 2 at least.
        n_instruments: Width of the universe.
        shape: Shape of one decision's values, e.g. `(n_experts, 3)`, or their number.
    """

    def __init__(self, span: int, n_instruments: int, shape: int | tuple[int, ...]) -> None:
        self._span = span
        self._n_instruments = n_instruments
        self._shape = (shape,) if isinstance(shape, int) else shape
        self._blocks: list[_Block] = []

    def __len__(self) -> int:
        """Return how many ordinals are held: never more than `span` and the newest chunk."""
        return (
            self._blocks[-1].first + self._blocks[-1].n_minutes - self._blocks[0].first if self._blocks else 0
        )

    def store(
        self, first: int, n_minutes: int, row_minute: IntArray, row_instrument: IntArray, values: FloatArray
    ) -> None:
        """Keep the rows of a chunk. `values` is held, not copied: the caller must not change it afterwards.

        Args:
            first: Ordinal of the chunk's first minute; chunks follow each other.
            n_minutes: Minutes of the chunk, empty ones included.
            row_minute: (n_rows,) row of the chunk.
            row_instrument: (n_rows,) column of the instrument.
            values: (n_rows, *shape).
        """
        self._drop_before(first - self._span)
        place = np.full(n_minutes * self._n_instruments, -1, dtype=np.int64)
        place[row_minute * self._n_instruments + row_instrument] = np.arange(len(row_minute))
        self._blocks.append(_Block(first, n_minutes, place, row_minute + first, row_instrument, values))

    def take(self, decided: IntArray, instrument: IntArray) -> tuple[FloatArray, BoolArray]:
        """Return what was said at these decisions.

        Args:
            decided: (n_labels,) ordinals.
            instrument: (n_labels,) columns.

        Returns:
            values (n_labels, *shape), zeros where nothing was said, and known (n_labels,) bool.
        """
        values = np.zeros((len(decided), *self._shape))
        known = np.zeros(len(decided), dtype=np.bool_)
        starts = [block.first for block in self._blocks]
        for number in np.unique(np.searchsorted(starts, decided, side="right")).tolist():
            if number == 0:  # older than all that is held
                continue
            block = self._blocks[number - 1]
            inside = (decided >= block.first) & (decided < block.first + block.n_minutes)
            spots = np.nonzero(inside)[0]
            rows = block.place[(decided[spots] - block.first) * self._n_instruments + instrument[spots]]
            spots, rows = spots[rows >= 0], rows[rows >= 0]
            values[spots] = block.values[rows]
            known[spots] = True
        return values, known

    def to_fields(self) -> dict[str, object]:
        """Return the newest `span` ordinals as plain data; the same however the minutes were chunked."""
        end = self._blocks[-1].first + self._blocks[-1].n_minutes if self._blocks else 0
        first = max(end - self._span, self._blocks[0].first) if self._blocks else 0
        ordinal = np.concatenate([np.zeros(0, dtype=np.int64), *(b.row_ordinal for b in self._blocks)])
        instrument = np.concatenate([np.zeros(0, dtype=np.int64), *(b.row_instrument for b in self._blocks)])
        values = np.concatenate([np.zeros((0, *self._shape)), *(b.values for b in self._blocks)])
        kept = ordinal >= first
        return {
            "first": first,
            "n_minutes": end - first,
            "ordinal": ordinal[kept],
            "instrument": instrument[kept],
            "values": values[kept],
        }

    @classmethod
    def from_fields(
        cls, span: int, n_instruments: int, shape: int | tuple[int, ...], fields: Mapping[str, Any]
    ) -> Self:
        """Rebuild what `to_fields` returned."""
        pending = cls(span, n_instruments, shape)
        first, n_minutes = int(fields["first"]), int(fields["n_minutes"])
        if n_minutes:
            pending.store(first, n_minutes, fields["ordinal"] - first, fields["instrument"], fields["values"])
        return pending

    def regrouped(self, index: IntArray) -> "Pending":
        """Return the same for another universe: `index[j]` is the old column, or -1 for a new instrument."""
        new = np.full(self._n_instruments, -1, dtype=np.int64)
        new[index[index >= 0]] = np.nonzero(index >= 0)[0]
        other = Pending(self._span, len(index), self._shape)
        for block in self._blocks:
            column = new[block.row_instrument]
            kept = column >= 0
            minute = block.row_ordinal[kept] - block.first
            other.store(block.first, block.n_minutes, minute, column[kept], block.values[kept])
        return other

    def rearranged(self, before: Sequence[str], after: Sequence[str]) -> "Pending":
        """Return the same with other parts of each decision's values: NaN for one that was not there.

        Args:
            before: What the first axis of the values (`shape[0]`) names.
            after: What it names from now on.
        """
        if tuple(before) == tuple(after):
            return self
        place = {name: at for at, name in enumerate(before)}
        kept = [(at, place[name]) for at, name in enumerate(after) if name in place]
        new, old = (np.array([pair[side] for pair in kept], dtype=np.int64) for side in (0, 1))
        other = Pending(self._span, self._n_instruments, (len(after), *self._shape[1:]))
        for block in self._blocks:
            values = np.full((len(block.values), *other._shape), np.nan)
            values[:, new] = block.values[:, old]
            other._blocks.append(replace(block, values=values))
        return other

    def _drop_before(self, ordinal: int) -> None:
        first_kept = bisect_right([block.first + block.n_minutes for block in self._blocks], ordinal)
        del self._blocks[:first_kept]
