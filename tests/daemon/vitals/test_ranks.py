"""Rank correlations agree with scipy, and group by group they are the same bits as together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr

from daemon.vitals.ranks import doubled_ranks, rank_correlations

pairs = st.lists(st.tuples(st.integers(0, 4), st.integers(-3, 3), st.integers(-3, 3)), max_size=60)


@given(pairs)
def test_equal_values_share_their_average_rank(rows: list[tuple[int, int, int]]) -> None:
    group = np.array([row[0] for row in rows], dtype=np.int64)
    values = np.array([row[1] for row in rows], dtype=np.float64)
    ranks = doubled_ranks(group, values, 5)
    for each in np.unique(group):
        assert ranks[group == each].tolist() == (2 * rankdata(values[group == each])).tolist()


@given(pairs)
def test_every_group_has_its_own_spearman_correlation(rows: list[tuple[int, int, int]]) -> None:
    group = np.array([row[0] for row in rows], dtype=np.int64)
    first = np.array([row[1] for row in rows], dtype=np.float64)
    second = np.array([row[2] for row in rows], dtype=np.float64)
    together = rank_correlations(group, doubled_ranks(group, first, 5), doubled_ranks(group, second, 5), 5)
    for each in range(5):
        a, b = first[group == each], second[group == each]
        if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
            assert np.isnan(together[each])
            continue
        assert together[each] == pytest.approx(spearmanr(a, b)[0], abs=1e-12)
        own = np.zeros(len(a), dtype=np.int64)
        alone = rank_correlations(own, doubled_ranks(own, a, 1), doubled_ranks(own, b, 1), 1)
        assert alone[0].tobytes() == together[each].tobytes()


def test_more_groups_than_a_short_integer_holds_are_ranked_too() -> None:
    group = np.repeat(np.arange(70_000), 2)
    values = np.tile([3.0, 1.0], 70_000)
    assert np.array_equal(doubled_ranks(group, values, 70_000), np.tile([4, 2], 70_000))
