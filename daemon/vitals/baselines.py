"""What the simplest forecasts would have said, with only what was known when the decision was made."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from daemon.kernels import BoolArray, FloatArray, IntArray, log
from daemon.labels import N_CLASSES, Matured, Move

NEVER: Final = -1
ONE_EACH: Final = np.ones(N_CLASSES, dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class BaselineRows:
    """What the baselines had said of each matured label, known at its decision.

    Attributes:
        logp: (n_labels, 3) log of the base rate: the class frequencies of all labels matured until then.
        moving_logp: (n_labels,) log of the frequency of down and up together.
        share: (n_labels,) frequency of the class that came.
        majority: (n_labels,) bool, the most frequent class until then was right.
        last: (n_labels,) bool, the instrument's label that had matured last was right.
    """

    logp: FloatArray
    moving_logp: FloatArray
    share: FloatArray
    majority: BoolArray
    last: BoolArray


class Baselines:
    """Keeps, for as long as a decision may wait, what was known in each minute.

    Args:
        span: How many ordinals a decision may wait for its label (`Labeller.span`).
        n_instruments: Width of the universe.
        prior: (3,) labels to begin with, by class, at least one each.
    """

    def __init__(self, span: int, n_instruments: int, prior: IntArray = ONE_EACH) -> None:
        self._span = span
        self._counts: IntArray = np.tile(prior, (span, 1))
        self._last: npt.NDArray[np.int8] = np.full((span, n_instruments), NEVER, dtype=np.int8)

    def judge(self, ordinal: int, n_minutes: int, matured: Matured, scored: BoolArray) -> BaselineRows:
        """Take the labels of the next minutes, and say what the baselines had said of them.

        Args:
            ordinal: Ordinal of the first of these minutes; calls follow each other.
            n_minutes: How many minutes.
            matured: The labels that matured in them.
            scored: (n_labels,) whether experts spoke at the decision: baselines learn what experts learn.
        """
        new = np.zeros((n_minutes, N_CLASSES), dtype=np.int64)
        np.add.at(new, (matured.at[scored], matured.label[scored]), 1)
        counts = np.concatenate([self._counts, self._counts[-1] + np.cumsum(new, axis=0)])
        last = self._with_last(n_minutes, matured, scored)
        # A backfilled label may be older than anything kept: then it is judged by the oldest that is.
        known_at = np.maximum(matured.decided - ordinal + self._span, 0)
        then, n_known = counts[known_at], counts.sum(axis=1)
        logs = [
            log(c.astype(np.float64)) for c in (counts, counts[:, Move.DOWN] + counts[:, Move.UP], n_known)
        ]
        result = BaselineRows(
            logp=(logs[0] - logs[2][:, None])[known_at],
            moving_logp=(logs[1] - logs[2])[known_at],
            share=then[np.arange(len(then)), matured.label] / n_known[known_at],
            majority=np.argmax(then, axis=1) == matured.label,
            last=last[known_at, matured.instrument] == matured.label,
        )
        self._counts, self._last = counts[-self._span :].copy(), last[-self._span :].copy()
        return result

    def _with_last(self, n_minutes: int, matured: Matured, scored: BoolArray) -> npt.NDArray[np.int8]:
        """Return the label that matured last, by minute and instrument, for the kept minutes and the new."""
        last = np.concatenate(
            [self._last, np.full((n_minutes, self._last.shape[1]), NEVER, dtype=np.int8)], dtype=np.int8
        )
        # Labels come in the order of their decisions: of two in one minute the later stays.
        last[self._span + matured.at[scored], matured.instrument[scored]] = matured.label[scored]
        new = last[self._span - 1 :]
        row = np.arange(len(new))[:, None]
        filled_from = np.maximum.accumulate(np.where(new == NEVER, 0, row), axis=0)
        last[self._span - 1 :] = np.take_along_axis(new, filled_from, axis=0)
        return last

    def regrouped(self, index: IntArray) -> "Baselines":
        """Return the same for another universe: `index[j]` is the old column, or -1 for a new instrument."""
        other = Baselines(self._span, len(index))
        other._counts = self._counts
        other._last = np.where(index >= 0, self._last[:, index], NEVER).astype(np.int8)
        return other

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data."""
        return {"counts": self._counts.copy(), "last": self._last.copy()}

    def restored(self, fields: Mapping[str, Any]) -> "Baselines":
        """Take the state of `to_fields` and return itself."""
        self._counts = np.array(fields["counts"], dtype=np.int64)
        self._last = np.array(fields["last"], dtype=np.int8)
        return self
