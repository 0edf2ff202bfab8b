"""What experts said beside what came: confusion, reliability and ROC, from a tape's decisions and bars."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from daemon.events import BLEND, Minutes
from daemon.kernels import FloatArray, IntArray
from daemon.labels.labeller import Labeller, dense_sigma
from daemon.labels.matured import N_CLASSES, Move
from daemon.labels.pending import Pending
from daemon.settings import LabelSettings

N_BINS = 200
"""Probabilities are counted in so many equal bins: fine enough for a ROC curve."""

RELIABILITY_BINS = 10


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """Counts of one expert's live, matured decisions.

    Attributes:
        name: The expert, or `blend`.
        confusion: (3, 3) int64, what came (rows) by what was said most likely (columns), by `Move`.
        said: (3, N_BINS) int64, decisions by class and by the probability that was given to it.
        came: (3, N_BINS) int64, those of them in which the class came.
        total: (3, N_BINS) float64, sums of the probabilities.
    """

    name: str
    confusion: IntArray
    said: IntArray
    came: IntArray
    total: FloatArray

    def reliability(self, move: Move) -> list[tuple[float, float, int]]:
        """Return (mean probability, share in which it came, decisions) by tenth of decisions, ascending."""
        said, came, total = self.said[move], self.came[move], self.total[move]
        n_said = int(said.sum())
        if not n_said:
            return []
        # Equal mass: a bin belongs to the tenth in which its last decision stands.
        tenth = np.minimum((said.cumsum() - 1) * RELIABILITY_BINS // n_said, RELIABILITY_BINS - 1)
        rows = []
        for number in range(RELIABILITY_BINS):
            bins = (tenth == number) & (said > 0)
            count = int(said[bins].sum())
            if count:
                rows.append((float(total[bins].sum()) / count, int(came[bins].sum()) / count, count))
        return rows

    def roc(self, move: Move) -> tuple[list[tuple[float, float]], float | None]:
        """Return (share of false alarms, share found) from strict to lax, and the area below.

        The area is None where the class never came, or always.
        """
        found = self.came[move][::-1].cumsum()
        false = (self.said[move] - self.came[move])[::-1].cumsum()
        if not found[-1] or not false[-1]:
            return [], None
        x, y = np.append(0.0, false / false[-1]), np.append(0.0, found / found[-1])
        area = float(np.sum((x[1:] - x[:-1]) * (y[1:] + y[:-1])) / 2.0)
        kept = np.append(True, (np.diff(x) > 0) | (np.diff(y) > 0))
        return list(zip(x[kept].tolist(), y[kept].tolist(), strict=True)), area


class Outcomes:
    """Joins decisions with the labels that mature.

    Args:
        settings: Of the labels.
        experts: Names, in the order of the decisions' columns; the blend comes last by itself.
        n_instruments: Of the run.

    Attributes:
        names: All experts that ever spoke, and the blend.
    """

    def __init__(self, settings: LabelSettings, experts: Sequence[str], n_instruments: int) -> None:
        self.names = (*experts, BLEND)
        self._labeller = Labeller(settings)
        shape = (len(self.names), N_CLASSES, N_BINS)
        self._confusion = np.zeros((len(self.names), N_CLASSES, N_CLASSES), dtype=np.int64)
        self._said, self._came = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        self._total = np.zeros(shape)
        self.regroup(n_instruments)

    def regroup(self, n_instruments: int) -> None:
        """Go on with another universe; what waits for its label is dropped."""
        self._state = self._labeller.initial(n_instruments)
        self._pending = Pending(self._labeller.span, n_instruments, (len(self.names), N_CLASSES))
        self._ordinal = 0

    def hear_also(self, experts: Sequence[str]) -> None:
        """Let experts that were not there before speak from now on; those that left are silent."""
        new = [name for name in experts if name not in self.names]
        if not new:
            return
        before, self.names = self.names, (*self.names[:-1], *new, BLEND)
        self._pending = self._pending.rearranged(before, self.names)
        at = [len(before) - 1] * len(new)
        self._confusion = np.insert(self._confusion, at, 0, axis=0)
        self._said, self._came = (np.insert(counts, at, 0, axis=0) for counts in (self._said, self._came))
        self._total = np.insert(self._total, at, 0.0, axis=0)

    def add(self, minutes: Minutes, row_minute: IntArray, decisions: np.ndarray) -> None:
        """Take minutes that follow each other, with their decisions.

        Args:
            minutes: The sealed minutes.
            row_minute: (n_rows,) row of `minutes` in which each decision was made.
            decisions: (n_rows,) of `daemon.events.decision_dtype`; who is not among its experts is silent.
        """
        instrument = decisions["instrument"].astype(np.int64)
        spoke = decisions.dtype.names or ()
        silent = np.full((len(decisions), N_CLASSES), np.nan)
        said = np.stack([decisions[name] if name in spoke else silent for name in self.names], axis=1)
        sigma = dense_sigma(
            len(minutes),
            minutes.n_instruments,
            row_minute,
            instrument,
            np.ascontiguousarray(decisions["sigma"]),
        )
        self._pending.store(self._ordinal, len(minutes), row_minute, instrument, said)
        self._ordinal += len(minutes)
        matured, self._state = self._labeller.advance(self._state, minutes, sigma)
        values, known = self._pending.take(matured.decided, matured.instrument)
        live = known & ~matured.catch_up
        for number in range(len(self.names)):
            self._count(number, values[live, number], matured.label[live].astype(np.int64))

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data, with what waits for its label."""
        return {
            "names": list(self.names),
            "confusion": self._confusion.copy(),
            "said": self._said.copy(),
            "came": self._came.copy(),
            "total": self._total.copy(),
            "labels": self._state.to_fields(),
            "pending": self._pending.to_fields(),
            "ordinal": self._ordinal,
        }

    def restore(self, fields: Mapping[str, Any], n_instruments: int) -> None:
        """Take up again where `to_fields` stood, with so many instruments."""
        self.names = tuple(fields.get("names", self.names))
        self._confusion, self._said, self._came, self._total = (
            fields[name].copy() for name in ("confusion", "said", "came", "total")
        )
        self._state = self._labeller.restore(fields["labels"])
        shape = (len(self.names), N_CLASSES)
        self._pending = Pending.from_fields(self._labeller.span, n_instruments, shape, fields["pending"])
        self._ordinal = int(fields["ordinal"])

    def figures(self) -> tuple[Outcome, ...]:
        """Return the counts so far, by expert, the blend last."""
        return tuple(
            Outcome(name, self._confusion[i], self._said[i], self._came[i], self._total[i])
            for i, name in enumerate(self.names)
        )

    def _count(self, number: int, said: FloatArray, label: IntArray) -> None:
        known = ~np.isnan(said).any(axis=1)  # an expert may have been silent
        said, label = said[known], label[known]
        np.add.at(self._confusion[number], (label, said.argmax(axis=1)), 1)
        for move in range(N_CLASSES):
            place = np.minimum((said[:, move] * N_BINS).astype(np.int64), N_BINS - 1)
            self._said[number, move] += np.bincount(place, minlength=N_BINS)
            self._came[number, move] += np.bincount(place[label == move], minlength=N_BINS)
            self._total[number, move] += np.bincount(place, weights=said[:, move], minlength=N_BINS)
