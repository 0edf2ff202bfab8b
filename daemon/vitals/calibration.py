"""Are probabilities what they say? Brier score, calibration error, MCC; accuracy beside what was expected.

Kept as whole numbers by day (probabilities in units of 2^-32), so that sums are exact in any order.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from daemon.events import MINUTES_PER_DAY
from daemon.kernels import BoolArray, FloatArray, IntArray, exp
from daemon.labels import Matured
from daemon.vitals.forms import CALIBRATED, Form, Series

UNIT: Final = 2**32
FINE_BINS: Final = 64
GROUPS: Final = 10
"""Groups of equal mass that the calibration error is taken over, made of neighbouring fine bins."""

_N_CLASSES: Final = 3
_CONFUSION: Final = _N_CLASSES * _N_CLASSES
_BINNED: Final = _N_CLASSES * FINE_BINS * 3
_WIDTH: Final = _CONFUSION + 3 + _BINNED


@dataclass(frozen=True, slots=True)
class CalibrationFigures:
    """How honest one series' probabilities are, over the window; NaN where there is nothing.

    Attributes:
        name: The expert, or `blend`.
        rows: Judged labels.
        brier: Mean squared distance of the probabilities from the label's one; 0 is best, 2 worst.
        ece: Expected calibration error, by class over groups of equal mass, the mean of the classes.
        mcc: Matthews' correlation of three classes (R_K; Gorodkin, Comput. Biol. Chem. 28, 2004).
        accuracy: Share of labels whose likeliest class was right.
        estimated: Mean probability of the likeliest class over all rows scored, labelled yet or not: the
            accuracy to expect if the probabilities are right. Less `accuracy`: concept drift.
        form: Whether it is judged before or after calibration.
    """

    name: str
    rows: int
    brier: float
    ece: float
    mcc: float
    accuracy: float
    estimated: float
    form: Form = CALIBRATED


class Calibration:
    """Judges probabilities as their labels mature, live minutes only; bounded by the window.

    Args:
        series: Whom it judges: experts, the blend; then experts before calibration.
        window_minutes: How far back figures look; whole days are kept.
    """

    def __init__(self, series: Series, window_minutes: int) -> None:
        self.series = series
        self._n_kept = -(-window_minutes // MINUTES_PER_DAY)
        self._day: IntArray = np.zeros(0, dtype=np.int64)
        self._sums: IntArray = np.zeros((0, len(self.series), _WIDTH), dtype=np.int64)

    def hear(self, ordinal: IntArray, said: FloatArray) -> None:
        """Take what was said of rows, before any label.

        Args:
            ordinal: (n_rows,) of their minutes, ascending.
            said: (n_series, n_rows, 3) log-probabilities; NaN for a silent expert.
        """
        for series in range(len(self.series)):
            heard = ~np.isnan(said[series, :, 0])
            confidence = _units(exp(said[series, heard].max(axis=1)))
            day = ordinal[heard] // MINUTES_PER_DAY
            self._add(series, day, [(_CONFUSION + 1, 1), (_CONFUSION + 2, confidence)])
        self._forget()

    def update(self, ordinal: int, matured: Matured, said: FloatArray, known: BoolArray) -> None:
        """Judge labels that matured in the next minutes.

        Args:
            ordinal: Of the first of these minutes.
            matured: All labels that matured in them.
            said: (n_labels, n_series, 3) log-probabilities said at the decision; NaN for a silent expert.
            known: (n_labels,) whether the decision was scored at all.
        """
        live = known & ~matured.catch_up
        for series in range(len(self.series)):
            heard = live & ~np.isnan(said[:, series, 0])
            day = (matured.at[heard] + ordinal) // MINUTES_PER_DAY
            self._judge(series, day, matured.label[heard].astype(np.int64), said[heard, series])
        self._forget()

    def _judge(self, series: int, day: IntArray, label: IntArray, logp: FloatArray) -> None:
        p = exp(logp)
        wrong = p - (label[:, None] == np.arange(_N_CLASSES))
        squares = wrong * wrong
        drawer = np.minimum((p * FINE_BINS).astype(np.int64), FINE_BINS - 1)
        parts: list[tuple[IntArray | int, IntArray | int]] = [
            (label * _N_CLASSES + np.argmax(logp, axis=1), 1),
            (_CONFUSION, _units(squares[:, 0] + squares[:, 1] + squares[:, 2])),
        ]
        for move in range(_N_CLASSES):
            cell = _CONFUSION + 3 + 3 * (move * FINE_BINS + drawer[:, move])
            parts += [(cell, 1), (cell + 1, label == move), (cell + 2, _units(p[:, move]))]
        self._add(series, day, parts)

    def _add(
        self, series: int, day: IntArray, parts: Sequence[tuple[IntArray | int, IntArray | int]]
    ) -> None:
        """Add whole numbers: for every row, each part's amount into the part's column."""
        if not len(day):
            return
        distinct, place = np.unique(day, return_inverse=True)
        missing = np.setdiff1d(distinct, self._day)
        if len(missing):
            order = np.argsort(np.concatenate([self._day, missing]), kind="stable")
            empty = np.zeros((len(missing), *self._sums.shape[1:]), dtype=np.int64)
            self._sums = np.concatenate([self._sums, empty])[order]
            self._day = np.concatenate([self._day, missing])[order]
        cells = np.concatenate([place * _WIDTH + column for column, _ in parts])
        amounts = np.concatenate([np.broadcast_to(amount, len(day)) for _, amount in parts])
        # Floats hold whole numbers up to 2^53 exactly: two million rows of a chunk.
        added = np.bincount(cells, weights=amounts, minlength=len(distinct) * _WIDTH)
        self._sums[np.searchsorted(self._day, distinct), series] += added.reshape(-1, _WIDTH).astype(np.int64)

    def _forget(self) -> None:
        if len(self._day):
            kept = self._day > self._day[-1] - self._n_kept
            if not kept.all():
                self._day, self._sums = self._day[kept], self._sums[kept]

    def figures(self, chosen: str | None = None) -> tuple[CalibrationFigures, ...]:
        """Return the figures of the window, one for each series.

        Args:
            chosen: Whose; default: of all.
        """
        return tuple(
            _figures_of(name, form, self._sums[:, at].sum(axis=0))
            for at, (name, form) in enumerate(self.series)
            if chosen in {None, name}
        )

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data."""
        return {"day": self._day.copy(), "sums": self._sums.copy()}

    def restored(self, fields: Mapping[str, Any]) -> Self:
        """Take the state of `to_fields` and return itself."""
        self._day = np.array(fields["day"], dtype=np.int64)
        self._sums = np.array(fields["sums"], dtype=np.int64).reshape(-1, *self._sums.shape[1:])
        return self


def _units(values: FloatArray) -> IntArray:
    return np.rint(values * UNIT).astype(np.int64)


def _figures_of(name: str, form: Form, sums: IntArray) -> CalibrationFigures:
    confusion = sums[:_CONFUSION].reshape(_N_CLASSES, _N_CLASSES)
    rows = int(confusion.sum())
    heard = int(sums[_CONFUSION + 1])
    binned = sums[_CONFUSION + 3 :].reshape(_N_CLASSES, FINE_BINS, 3)
    return CalibrationFigures(
        name=name,
        rows=rows,
        brier=int(sums[_CONFUSION]) / UNIT / rows if rows else math.nan,
        ece=sum(_calibration_error(cells) for cells in binned) / _N_CLASSES if rows else math.nan,
        mcc=_correlation(confusion) if rows else math.nan,
        accuracy=int(np.trace(confusion)) / rows if rows else math.nan,
        estimated=int(sums[_CONFUSION + 2]) / UNIT / heard if heard else math.nan,
        form=form,
    )


def _calibration_error(cells: IntArray) -> float:
    """Return the mean of |frequency - probability| over groups of about equal mass, weighted by their rows.

    Args:
        cells: (FINE_BINS, 3) rows, hits and summed probabilities, ascending in probability.
    """
    total = np.cumsum(cells[:, 0])
    # A fine bin belongs to the group in which its middle row stands.
    group = ((2 * total - cells[:, 0]) * GROUPS) // (2 * max(int(total[-1]), 1))
    group = np.minimum(group, GROUPS - 1)
    sums = np.zeros((GROUPS, 3), dtype=np.int64)
    np.add.at(sums, group, cells)
    return sum(abs(hits - said / UNIT) for _, hits, said in sums.tolist()) / int(total[-1])


def _correlation(confusion: IntArray) -> float:
    """Return R_K of a confusion matrix (labels by rows); 0 where labels or guesses are all of one class."""
    rows = int(confusion.sum())
    labels, guesses = confusion.sum(axis=1).tolist(), confusion.sum(axis=0).tolist()
    shared = sum(a * b for a, b in zip(labels, guesses, strict=True))
    spread = (rows**2 - sum(a * a for a in labels)) * (rows**2 - sum(b * b for b in guesses))
    return (int(np.trace(confusion)) * rows - shared) / math.sqrt(spread) if spread else 0.0
