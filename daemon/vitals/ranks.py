"""Spearman's rank correlation, group by group, in integers: average ranks are halves, so all are doubled."""

import numpy as np

from daemon.kernels import FloatArray, IntArray


def rank_correlations(group: IntArray, first: IntArray, second: IntArray, n_groups: int) -> FloatArray:
    """Return Spearman's rank correlation of the pairs in each group.

    Sums of doubled ranks are whole numbers, so neither the order of rows nor how many groups are computed
    together changes a bit.

    Args:
        group: (n,) group of each pair, from 0.
        first: (n,) `doubled_ranks` of one side.
        second: (n,) of the other.
        n_groups: How many groups there are.

    Returns:
        (n_groups,) correlations, NaN where a group has fewer than two pairs or one side is constant.
    """
    n = np.bincount(group, minlength=n_groups)
    # Both mean doubled ranks are n + 1 whatever the ties, so deviations are whole numbers too.
    da, db = first - (n[group] + 1), second - (n[group] + 1)
    products, squares_a, squares_b = (_sums(group, each, n_groups) for each in (da * db, da * da, db * db))
    defined = (squares_a > 0) & (squares_b > 0)
    result = np.full(n_groups, np.nan)
    scale = np.sqrt(squares_a[defined].astype(np.float64)) * np.sqrt(squares_b[defined].astype(np.float64))
    result[defined] = products[defined] / scale
    return result


def doubled_ranks(group: IntArray, values: FloatArray, n_groups: int) -> IntArray:
    """Return twice the average rank (from 1) of each value within its group of `n_groups`, (n,) int64."""
    n = len(values)
    # Two sorts, the second stable and by short integers (a radix sort), are faster than one by both keys.
    by_value = np.argsort(values)
    short = group.astype(np.uint16) if n_groups <= np.iinfo(np.uint16).max else group
    order = by_value[np.argsort(short[by_value], kind="stable")]
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
