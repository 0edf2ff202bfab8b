"""The experts as they ship, over the whole range: learners predict first, then learn what matures."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daemon.inputs import Chunk
from daemon.kernels import FloatArray, IntArray
from daemon.labels.matured import Matured
from daemon.models.panel import Panel, PanelRows

FixedScores = Callable[[IntArray, IntArray, FloatArray], Mapping[str, FloatArray]]
"""(rows' epoch minutes, rows' instruments, features) -> (n_rows, 3) log-probabilities by expert."""


@dataclass(frozen=True, slots=True, eq=False)
class Spoken:
    """What the experts had said of the labels that matured, ascending by (decided, instrument).

    Attributes:
        experts: Their names.
        logp: (n_experts, n_rows, 3) raw log-probabilities, NaN where one said nothing.
        decided: (n_rows,) session minute of the decision, counted from S.
        ended: (n_rows,) session minute in which the label matured, counted from S.
        instrument: (n_rows,) column of the instrument.
        sigma: (n_rows,) volatility per minute at the decision, a fraction.
        label: (n_rows,) a `Move`.
        ret: (n_rows,) log return from entry to exit, a fraction.
        weight: (n_rows,) uniqueness of the label.
    """

    experts: tuple[str, ...]
    logp: FloatArray
    decided: IntArray
    ended: IntArray
    instrument: IntArray
    sigma: FloatArray
    label: npt.NDArray[np.int8]
    ret: FloatArray
    weight: FloatArray


def listen(
    chunks: Iterable[Chunk], panel: Panel, fixed: FixedScores, first_minute: int, calibration: int
) -> Spoken:
    """Run the panel over prepared chunks and keep what it said of the labels of the calibration range.

    Args:
        chunks: From the source's first minute to B; those before S only warmed the features.
        panel: The experts without calibrators; afterwards those that learn stand as they do at B.
        fixed: Scores the experts that do not learn.
        first_minute: S, epoch minute.
        calibration: First session minute from S whose decisions are kept; experts that do not learn are
            silent
            before it, for they have seen those labels.
    """
    parts: list[tuple[npt.NDArray[Any], ...]] = []
    start: int | None = None
    for chunk in chunks:
        first = int(np.searchsorted(chunk.minutes.minute, first_minute))
        if first == len(chunk.minutes):
            continue
        start = chunk.ordinal + first if start is None else start
        rows = _rows(chunk, first, start + calibration, panel.names, fixed)
        said = panel.score(rows, chunk.matured)
        kept = said.judged_known & (chunk.matured.decided >= start + calibration)
        parts.append(
            _kept(chunk.matured, chunk.ordinal - start, start, kept, said.judged[:, : len(panel.names)])
        )
    return _joined(panel.names, parts)


def _rows(
    chunk: Chunk, first: int, calibration: int, names: tuple[str, ...], fixed: FixedScores
) -> PanelRows:
    """Return the chunk's ready rows from minute `first` on; fixed experts speak from `calibration` on."""
    features = chunk.features
    kept = features.ready & (features.minute >= first)
    minute, instrument = features.minute[kept], features.instrument[kept]
    values = np.ascontiguousarray(features.values[kept])
    late = np.flatnonzero(minute + chunk.ordinal >= calibration)
    raw = {}
    scores = fixed(chunk.minutes.minute[minute[late]], instrument[late], values[late])
    for name in names:
        if name in scores:
            raw[name] = np.full((len(minute), 3), np.nan)
            raw[name][late] = scores[name]
    return PanelRows(len(chunk.minutes), chunk.ordinal, minute, instrument, values, raw)


def _kept(
    matured: Matured, offset: int, start: int, kept: npt.NDArray[np.bool_], said: FloatArray
) -> tuple[npt.NDArray[Any], ...]:
    return (
        np.ascontiguousarray(said[kept]),
        matured.decided[kept] - start,
        matured.at[kept] + offset,
        matured.instrument[kept],
        matured.sigma[kept],
        matured.label[kept],
        matured.ret[kept],
        matured.weight[kept],
    )


def _joined(names: tuple[str, ...], parts: list[tuple[npt.NDArray[Any], ...]]) -> Spoken:
    said, decided, *rest = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((rest[1], decided))
    return Spoken(
        names,
        np.ascontiguousarray(said[order].transpose(1, 0, 2)),
        decided[order],
        *(column[order] for column in rest),
    )
