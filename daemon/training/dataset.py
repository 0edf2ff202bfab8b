"""Features and labels of a range of recorded bars, by the same code that prepares them live.

Memory: 4 bytes per feature and labelled row (a million rows of 80 features: 320 MB, twice that while
they are joined), and what LightGBM makes of it, about 1 byte per feature and row.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from daemon.events import Minutes
from daemon.inputs import Chunk, Inputs
from daemon.kernels import FloatArray, IntArray
from daemon.ports import BarSource

CHUNK_MINUTES: Final = 4_096
"""Most minutes prepared at once; fewer where there are many instruments."""

CHUNK_CELLS: Final = 65_536

Progress = Callable[[str, int, int], None]
"""Told (what is being done, steps done, steps in all)."""


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a source that is trained on.

    Attributes:
        source: The recorded bars.
        first_minute: S, epoch minute: the first decided minute. What the source holds before it warms up.
        last_minute: The last minute that is looked at, B - 1.
    """

    source: BarSource
    first_minute: int
    last_minute: int

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the instruments, sorted."""
        return tuple(instrument.name for instrument in self.source.instruments)

    def blocks(self, first_minute: int | None = None) -> Iterator[Minutes]:
        """Yield the source's minutes from `first_minute` (default: its first) to the last one looked at."""
        start = self.source.first_minute if first_minute is None else first_minute
        size = max(1, min(CHUNK_MINUTES, CHUNK_CELLS // max(1, len(self.source.instruments))))
        yield from self.source.blocks(start, self.last_minute, size)


def prepared(window: Window, inputs: Inputs, what: str, progress: Progress) -> Iterator[Chunk]:
    """Yield the window's minutes prepared as they are live, the warm-up included."""
    state = inputs.initial()
    n_minutes = window.last_minute - window.source.first_minute + 1
    for minutes in window.blocks():
        chunk, state = inputs.prepare(state, minutes)
        progress(what, int(minutes.minute[-1]) - window.source.first_minute + 1, n_minutes)
        yield chunk


@dataclass(frozen=True, slots=True, eq=False)
class LabelledRows:
    """Decisions with their features and what became of them, ascending by (decided, instrument).

    Attributes:
        decided: (n_rows,) session minute of the decision, counted from S.
        ended: (n_rows,) session minute in which the label matured, counted from S.
        instrument: (n_rows,) column of the instrument.
        values: (n_rows, n_features) features as float32, for LightGBM's training.
        sigma: (n_rows,) volatility per minute at the decision, a fraction.
        turnover: (n_rows,) traded value of the decided minute, quote currency.
        label: (n_rows,) a `Move`.
        ret: (n_rows,) log return from entry to exit, a fraction.
        weight: (n_rows,) uniqueness of the label.
    """

    decided: IntArray
    ended: IntArray
    instrument: IntArray
    values: npt.NDArray[np.float32]
    sigma: FloatArray
    turnover: FloatArray
    label: npt.NDArray[np.int8]
    ret: FloatArray
    weight: FloatArray

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.decided)

    def between(self, first: int, end: int, ended_before: int | None = None) -> Self:
        """Return the decisions in [first, end), as views unless labels end too late."""
        span = slice(*np.searchsorted(self.decided, [first, end]).tolist())
        part = type(self)(*(getattr(self, name)[span] for name in self.__slots__))
        if ended_before is None or not np.any(late := part.ended >= ended_before):
            return part
        return type(self)(*(getattr(part, name)[~late] for name in self.__slots__))


class RowCollector:
    """Joins the rows of prepared chunks with the labels that mature later.

    Args:
        first_minute: S, epoch minute.
        n_instruments: Width of the source.
        n_features: Columns of the features.
    """

    def __init__(self, first_minute: int, n_instruments: int, n_features: int) -> None:
        self._first_minute = first_minute
        self._n_instruments = n_instruments
        self._n_features = n_features
        self._start: int | None = None
        self._rows: list[tuple[npt.NDArray[Any], ...]] = []
        self._labels: list[tuple[npt.NDArray[Any], ...]] = []

    def add(self, chunk: Chunk) -> None:
        """Take the ready rows and the matured labels of the next chunk."""
        first = int(np.searchsorted(chunk.minutes.minute, self._first_minute))
        if self._start is None and first < len(chunk.minutes):
            self._start = chunk.ordinal + first
        rows, minutes, labels = chunk.features, chunk.minutes, chunk.matured
        kept = rows.ready & (rows.minute >= first)
        at, who = rows.minute[kept], rows.instrument[kept]
        turnover = minutes.close[at, who] * minutes.volume[at, who]
        self._rows.append((at + chunk.ordinal, who, rows.values[kept].astype(np.float32), turnover))
        outcome = (labels.label, labels.ret, labels.weight, labels.sigma)
        self._labels.append((labels.decided, labels.at + chunk.ordinal, labels.instrument, *outcome))

    def joined(self) -> LabelledRows:
        """Return the labelled rows and forget the parts."""
        start = self._start or 0
        # Every column is let go as soon as it is joined: the features are large.
        decided, who, values, turnover = _columns(self._rows, 4)
        known, ended, whose, label, ret, weight, sigma = _columns(self._labels, 7)
        row_key, label_key = decided * self._n_instruments + who, known * self._n_instruments + whose
        order = np.argsort(label_key, kind="stable")
        place = np.searchsorted(row_key, label_key[order])
        fits = place < len(row_key)
        fits[fits] = row_key[place[fits]] == label_key[order][fits]
        order, place = order[fits], place[fits]
        return LabelledRows(
            decided=decided[place] - start,
            ended=ended[order] - start,
            instrument=who[place],
            values=values.reshape(-1, self._n_features)[place],
            sigma=sigma[order],
            turnover=turnover[place],
            label=label[order],
            ret=ret[order],
            weight=weight[order],
        )


def _columns(parts: list[tuple[npt.NDArray[Any], ...]], n: int) -> list[npt.NDArray[Any]]:
    columns = [np.concatenate([part[column] for part in parts]) for column in range(n)]
    parts.clear()
    return columns
