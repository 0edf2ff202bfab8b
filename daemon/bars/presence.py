"""How old each instrument's last row is."""

from collections.abc import Mapping
from typing import Any, Final, Self

import numpy as np

from daemon.events import Minutes
from daemon.kernels import IntArray

NEVER: Final = 1 << 40
"""Age of an instrument before its first row, in minutes: older than any limit, far from overflowing."""


class Ages:
    """Counts session minutes since each instrument's last row. State: one ordinal per instrument.

    Args:
        n_instruments: Width of the minutes to come.
        next_ordinal: Ordinal of the next minute.
        last_row: (n_instruments,) ordinal of each one's last row; default: none has any.
    """

    def __init__(self, n_instruments: int, next_ordinal: int = 0, last_row: IntArray | None = None) -> None:
        self._next_ordinal = next_ordinal
        self._last_row = np.full(n_instruments, -NEVER, dtype=np.int64) if last_row is None else last_row

    def advance(self, minutes: Minutes) -> IntArray:
        """Take the next minutes and return each instrument's age at the end of each of them.

        Returns:
            (n_minutes, n_instruments) session minutes since the last row: 0 where there is one, at least
            `NEVER` / 2 before the first.
        """
        ordinal = np.arange(self._next_ordinal, self._next_ordinal + len(minutes), dtype=np.int64)[:, None]
        latest = np.where(minutes.present, ordinal, -NEVER)
        if len(latest):
            np.maximum(latest[0], self._last_row, out=latest[0])
            np.maximum.accumulate(latest, axis=0, out=latest)
            self._last_row = latest[-1].copy()
        self._next_ordinal += len(minutes)
        return ordinal - latest

    def extend(self, instrument: int, ordinal: int) -> None:
        """Note a backfilled row of `instrument` at an `ordinal` that has passed."""
        self._last_row[instrument] = max(int(self._last_row[instrument]), ordinal)

    def regrouped(self, index: IntArray) -> Self:
        """Return the ages of another universe: `index[j]` is j's old column, or -1 for a new instrument."""
        last_row = np.where(index >= 0, self._last_row[index], -NEVER)
        return type(self)(len(index), self._next_ordinal, last_row)

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data."""
        return {"next_ordinal": self._next_ordinal, "last_row": self._last_row.copy()}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Take up again where `to_fields` stood."""
        last_row = np.array(fields["last_row"], dtype=np.int64)
        return cls(len(last_row), int(fields["next_ordinal"]), last_row)
