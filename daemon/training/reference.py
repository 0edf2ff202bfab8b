"""What features looked like in training, kept small: the reference that drift is later measured against.

Per feature ten bins of equal mass, and per instrument and span of hours how many rows fell in each. The spans
follow each other in time, so that contiguous windows of any length can be put together per instrument.
"""

import base64
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from daemon.features import FeaturePlan
from daemon.inputs import Chunk
from daemon.kernels import FloatArray, IntArray

N_BINS: Final = 10
SPAN_HOURS: Final = (1, 2, 3, 4, 6, 8, 12, 24)
MAX_CELLS: Final = 1_000_000
"""Counts kept in all; spans are as short as that allows."""

MAX_SAMPLE_ROWS: Final = 100_000
CALENDAR: Final = "calendar"
"""Group of the features that go round by themselves."""

MINUTES_PER_HOUR: Final = 60
_LARGEST: Final = np.iinfo(np.uint16).max


class Reference:
    """Counts feature values by instrument, span of time, feature and bin.

    Args:
        names: The features to watch, a subset of the columns.
        columns: Their columns.
        edges: (n_features, N_BINS - 1) inner edges of the bins, ascending; see `equal_mass_edges`.
        instruments: Names, sorted.
        first_minute: Epoch minute at which the first span begins.
        last_minute: Epoch minute that the last span holds.
    """

    def __init__(
        self,
        names: Sequence[str],
        columns: IntArray,
        edges: FloatArray,
        instruments: Sequence[str],
        first_minute: int,
        last_minute: int,
    ) -> None:
        self._names, self._columns, self._edges = tuple(names), columns, edges
        self._instruments, self._first_minute = tuple(instruments), first_minute
        hours = (last_minute - first_minute) // MINUTES_PER_HOUR + 1
        per_span = max(1, len(self._instruments) * len(self._names) * N_BINS)
        fitting = (span for span in SPAN_HOURS if -(-hours // span) * per_span <= MAX_CELLS)
        self._span_minutes = next(fitting, SPAN_HOURS[-1]) * MINUTES_PER_HOUR
        n_spans = (last_minute - first_minute) // self._span_minutes + 1
        self._counts = np.zeros((len(self._instruments), n_spans, len(self._names), N_BINS), dtype=np.int64)

    def add(self, minute: IntArray, instrument: IntArray, values: FloatArray) -> None:
        """Count rows: epoch minutes and columns of instruments (n_rows,), values (n_rows, n_columns)."""
        span = (minute - self._first_minute) // self._span_minutes
        n_cells = self._counts[:, :, 0].size
        for position, column in enumerate(self._columns.tolist()):
            drawer = np.searchsorted(self._edges[position], values[:, column], side="right")
            cell = (instrument * self._counts.shape[1] + span) * N_BINS + drawer
            counted = np.bincount(cell, minlength=n_cells).reshape(self._counts[:, :, 0].shape)
            self._counts[:, :, position] += counted

    def watching(self, chunks: Iterable[Chunk], first_minute: int) -> Iterator[Chunk]:
        """Pass prepared chunks on, counting their ready rows from epoch minute `first_minute` on."""
        for chunk in chunks:
            rows = chunk.features
            minute = chunk.minutes.minute[rows.minute]
            kept = rows.ready & (minute >= first_minute)
            self.add(minute[kept], rows.instrument[kept], rows.values[kept])
            yield chunk

    def to_fields(self) -> dict[str, object]:
        """Return it as plain data; the counts are deflated 16-bit integers in base 64."""
        counts = np.minimum(self._counts, _LARGEST).astype("<u2")
        return {
            "features": list(self._names),
            "edges": self._edges.tolist(),
            "instruments": list(self._instruments),
            "first_minute": self._first_minute,
            "span_minutes": self._span_minutes,
            "shape": list(counts.shape),
            "counts": base64.b64encode(zlib.compress(counts.tobytes())).decode(),
        }


def watched(plan: FeaturePlan) -> tuple[tuple[str, ...], IntArray]:
    """Return the features whose drift means something, and their columns: all but the calendar's."""
    kept = [column for column, formula in enumerate(plan.formulas) if CALENDAR not in formula.groups]
    return tuple(plan.names[column] for column in kept), np.array(kept, dtype=np.int64)


def equal_mass_edges(values: npt.NDArray[np.floating[Any]]) -> FloatArray:
    """Return the inner edges of bins of equal mass: (n_features, N_BINS - 1) of rows (n_rows, n_features).

    Of more than `MAX_SAMPLE_ROWS` rows an evenly spaced sample is taken.
    """
    sample = values[:: -(-len(values) // MAX_SAMPLE_ROWS) or 1].astype(np.float64)
    return np.ascontiguousarray(np.quantile(sample, np.arange(1, N_BINS) / N_BINS, axis=0).T)
