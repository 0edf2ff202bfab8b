"""Spearman's rank correlation, group by group, in integers."""

import numpy as np

from daemon.kernels import FloatArray, IntArray


def rank_correlations(group: IntArray, first: FloatArray, second: FloatArray, n_groups: int) -> FloatArray:
    """Return Spearman's rank correlation of the pairs in each group; equal values share their average rank.

    Ranks are doubled, which makes average ranks whole numbers: sums are exact, so neither the order of rows
    nor how many groups are computed together changes a bit.

    Args:
        group: (n,) group of each pair, from 0.
        first: (n,) finite.
        second: (n,) finite.
        n_groups: How many groups there are.

    Returns:
        (n_groups,) correlations, NaN where a group has fewer than two pairs or one side is constant.
    """
    a = doubled_ranks(group, first)
    b = doubled_ranks(group, second)
    n = np.bincount(group, minlength=n_groups)
    # Both mean doubled ranks are n + 1 whatever the ties, so deviations are whole numbers too.
    da, db = a - (n[group] + 1), b - (n[group] + 1)
    products, squares_a, squares_b = (_sums(group, each, n_groups) for each in (da * db, da * da, db * db))
    defined = (squares_a > 0) & (squares_b > 0)
    result = np.full(n_groups, np.nan)
    scale = np.sqrt(squares_a[defined].astype(np.float64)) * np.sqrt(squares_b[defined].astype(np.float64))
    result[defined] = products[defined] / scale
    return result


def doubled_ranks(group: IntArray, values: FloatArray) -> IntArray:
    """Return twice the average rank (from 1) of each value within its group, (n,) int64."""
    n = len(values)
    order = np.lexsort((values, group))
    sorted_group, sorted_values = group[order], values[order]
    new_group = np.ones(n, dtype=np.bool_)
    new_group[1:] = sorted_group[1:] != sorted_group[:-1]
    new_run = new_group.copy()
    new_run[1:] |= sorted_values[1:] != sorted_values[:-1]
    starts = np.nonzero(new_run)[0]
    ends = np.append(starts[1:], n)
    run = np.cumsum(new_run) - 1
    group_start = np.maximum.accumulate(np.where(new_group, np.arange(n), 0))
    # Positions start+1 .. end share the mean (start + 1 + end) / 2, counted from the group's start.
    ranks = np.empty(n, dtype=np.int64)
    ranks[order] = (starts + 1 + ends)[run] - 2 * group_start
    return ranks


def _sums(group: IntArray, values: IntArray, n_groups: int) -> IntArray:
    sums = np.zeros(n_groups, dtype=np.int64)
    np.add.at(sums, group, values)
    return sums
