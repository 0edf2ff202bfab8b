"""The `signals` expert: probabilities or scores made outside, joined by when they were known.

A decision at the close of minute t may use a signal known by then, no later: known_at <= the end of the
minute. The newest such signal of the instrument counts for `max_age_minutes` from when it was known.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from daemon.errors import SettingsError
from daemon.events import MINUTE_US
from daemon.kernels import BoolArray, FloatArray, IntArray, log
from daemon.labels.matured import N_CLASSES
from daemon.models.simplex import UNIFORM, direction_logits, log_softmax, normalised

_SUREST_SCORE = 1e3
_SMALLEST = 1e-12


class Signals:
    """Signals of a run's instruments.

    Args:
        columns: What `adapters.files.signals_file` read: `instrument` (names), `known_us` (int64,
            microseconds since the Unix epoch), and either `p` (n, 3) probabilities of down, flat, up, or
            `score` (n,), which is read as the log-odds of up against down.
        instruments: The run's sorted instruments; signals of others are ignored.
        max_age_minutes: Older signals count as absent.
        name: Its name in decisions, weights and metrics.

    Raises:
        SettingsError: Probabilities that are negative or sum to zero, or numbers that are not finite.
    """

    def __init__(
        self,
        columns: Mapping[str, Any],
        instruments: Sequence[str],
        max_age_minutes: int,
        name: str = "signals",
    ) -> None:
        self.name = name
        self._columns, self._max_age_minutes = columns, max_age_minutes
        self._max_age_us = max_age_minutes * MINUTE_US
        place = {instrument: column for column, instrument in enumerate(instruments)}
        column = np.array([place.get(one, -1) for one in columns["instrument"]], dtype=np.int64)
        known = np.asarray(columns["known_us"], dtype=np.int64)
        logp = _log_probabilities(columns)
        # Stable: of two signals known at the same instant the later row counts.
        order = np.lexsort((known, column))
        self._column, self._known_us, self._logp = column[order], known[order], logp[order]
        self._first = np.searchsorted(self._column, np.arange(len(instruments) + 1))

    def of(self, instruments: Sequence[str]) -> Self:
        """Return the same signals for a run of other instruments."""
        return type(self)(self._columns, instruments, self._max_age_minutes, self.name)

    def score_rows(self, minute: IntArray, instrument: IntArray) -> tuple[FloatArray, BoolArray]:
        """Return what was known at the close of each row's minute.

        Args:
            minute: (n_rows,) epoch minutes.
            instrument: (n_rows,) columns.

        Returns:
            Log-probabilities (n_rows, 3), uniform where nothing was known, and known (n_rows,).
        """
        close_us = (minute + 1) * MINUTE_US
        newest = np.full(len(minute), -1, dtype=np.int64)
        for column in np.unique(instrument).tolist():
            first, end = self._first[column], self._first[column + 1]
            rows = instrument == column
            newest[rows] = (
                first + np.searchsorted(self._known_us[first:end], close_us[rows], side="right") - 1
            )
        exists = newest >= self._first[instrument]
        known = exists.copy()
        known[exists] = close_us[exists] - self._known_us[newest[exists]] <= self._max_age_us
        logp = np.full((len(minute), N_CLASSES), UNIFORM)
        logp[known] = self._logp[newest[known]]
        return logp, known


def _log_probabilities(columns: Mapping[str, Any]) -> FloatArray:
    if "score" in columns:
        score = np.asarray(columns["score"], dtype=np.float64)
        _refuse(~np.isfinite(score), "its score is not a finite number")
        return log_softmax(direction_logits(np.clip(score, -_SUREST_SCORE, _SUREST_SCORE)))
    p = np.asarray(columns["p"], dtype=np.float64).reshape(-1, N_CLASSES)
    total = p[:, 0] + p[:, 1] + p[:, 2]
    fine = np.isfinite(p).all(axis=1) & (p >= 0.0).all(axis=1) & (total > 0.0)
    _refuse(~fine, "down, flat and up must be finite, none negative, not all zero")
    return normalised(log(np.maximum(p / total[:, None], _SMALLEST)))


def _refuse(wrong: BoolArray, why: str) -> None:
    if wrong.any():
        row = int(np.argmax(wrong)) + 1
        raise SettingsError([f"experts.signals.file: row {row}: {why}; leave such rows out"])
