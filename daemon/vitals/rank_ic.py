"""The rank information coefficient: does a higher score go with a higher return?

With `MIN_MEMBERS` instruments or more it is measured **across** instruments, minute by minute: market-wide
moves cancel. With fewer it is measured **over time**: all pairs of a block of 24 horizons are ranked
together, one coefficient a block. Either way the coefficients are averaged, each minute or block counting
once.

The base rate has no coefficient. It says the same of all instruments, so across them there is nothing to
rank but labels that waited longer than others. Over time it is a running mean of the very labels it would be
ranked against: within a block, what has come high raises what it says next, and what is left of the block is
the lower for it. On random walks, of which nothing can be known, that alone comes to -0.28 with one
instrument, -0.20 with two and -0.14 with four.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from daemon.kernels import FloatArray, IntArray
from daemon.models.base_rate import BASE_RATE
from daemon.vitals.ranks import doubled_ranks, rank_correlations

MIN_MEMBERS: Final = 5
BLOCK_HORIZONS: Final = 24


class RankIc:
    """Turns scores and returns into coefficients, one a minute or one a block.

    Args:
        names: The expert of each series that is judged.
        n_instruments: Width of the universe: decides between across and over time.
        horizon_minutes: Of the labels.
    """

    def __init__(self, names: Sequence[str], n_instruments: int, horizon_minutes: int) -> None:
        self._unranked = [series for series, name in enumerate(names) if name == BASE_RATE]
        self._across = n_instruments >= MIN_MEMBERS
        self._block_minutes = BLOCK_HORIZONS * horizon_minutes
        self._ordinal: IntArray = np.zeros(0, dtype=np.int64)
        self._pairs: FloatArray = np.zeros((0, len(names) + 1))

    def update(
        self, ordinal: int, n_minutes: int, at: IntArray, scores: FloatArray, ret: FloatArray
    ) -> FloatArray:
        """Take the labels of the next minutes.

        Args:
            ordinal: Ordinal of the first of these minutes.
            n_minutes: How many minutes.
            at: (n_labels,) minute in which each label matured, ascending.
            scores: (n_labels, n_series) p(up) - p(down); NaN where nothing was said.
            ret: (n_labels,) log return.

        Returns:
            (n_minutes, n_series) coefficients, NaN where there is none.
        """
        scores = scores.copy()
        scores[:, self._unranked] = np.nan
        if self._across:
            return _by_group(at, scores, ret, n_minutes, MIN_MEMBERS)
        ordinals = np.concatenate([self._ordinal, at + ordinal])
        pairs = np.concatenate([self._pairs, np.column_stack([scores, ret])])
        result = np.full((n_minutes, scores.shape[1]), np.nan)
        next_block = (ordinal + n_minutes) // self._block_minutes
        block = ordinals // self._block_minutes
        closed = block < next_block
        if np.any(closed):
            first = int(block[0])
            found = _by_group(
                block[closed] - first, pairs[closed, :-1], pairs[closed, -1], next_block - first, MIN_MEMBERS
            )
            # A block closes with its last minute; its labels have all come then.
            closing = np.arange(first + 1, next_block + 1) * self._block_minutes - 1 - ordinal
            result[closing] = found
        self._ordinal, self._pairs = ordinals[~closed], pairs[~closed]
        return result

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data."""
        return {"ordinal": self._ordinal.copy(), "pairs": self._pairs.copy(), "across": self._across}

    def restored(self, fields: Mapping[str, Any]) -> "RankIc":
        """Take the state of `to_fields` and return itself."""
        self._ordinal = np.array(fields["ordinal"], dtype=np.int64)
        self._pairs = np.array(fields["pairs"], dtype=np.float64).reshape(-1, self._pairs.shape[1])
        self._across = bool(fields["across"])
        return self


def _by_group(
    group: IntArray, scores: FloatArray, ret: FloatArray, n_groups: int, min_pairs: int
) -> FloatArray:
    result = np.full((n_groups, scores.shape[1]), np.nan)
    # Most experts have spoken everywhere: the returns are ranked once for all of them.
    of_all = doubled_ranks(group, ret, n_groups)
    for series in range(scores.shape[1]):
        known = ~np.isnan(scores[:, series])
        own, ranked = group[known], of_all
        if len(own) < len(group):
            ranked = doubled_ranks(own, ret[known], n_groups)
        enough = np.bincount(own, minlength=n_groups) >= min_pairs
        found = rank_correlations(own, doubled_ranks(own, scores[known, series], n_groups), ranked, n_groups)
        result[enough, series] = found[enough]
    return result
