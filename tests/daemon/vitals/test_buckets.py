"""Bucket sums are the same bits for any chunking, bounded, and restored exactly."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daemon.vitals.buckets import Buckets


def rows_of(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return np.cumsum(generator.integers(0, 4, n)), generator.standard_normal((n, 3))


@given(seed=st.integers(0, 99), cuts=st.lists(st.integers(0, 120), max_size=8))
def test_any_chunking_and_restart_gives_the_same_bits(seed: int, cuts: list[int]) -> None:
    ordinals, values = rows_of(seed, 120)
    whole = Buckets(3, 5, 60)
    whole.add(ordinals, values)
    parts = Buckets(3, 5, 60)
    bounds = [0, *sorted(cuts), 120]
    for first, end in pairwise(bounds):
        parts.add(ordinals[first:end], values[first:end])
        parts = Buckets(3, 5, 60).restored(parts.to_fields())
    assert whole.cells().tobytes() == parts.cells().tobytes()


def test_sums_are_those_of_each_span_of_minutes_within_the_window() -> None:
    ordinals, values = rows_of(1, 400)
    buckets = Buckets(3, 5, 60)
    buckets.add(ordinals, values)
    newest = ordinals[-1] // 5
    expected = [values[ordinals // 5 == number].sum(axis=0) for number in range(newest - 11, newest + 1)]
    assert np.allclose(buckets.cells(), expected)
    assert np.allclose(buckets.totals(), np.sum(expected, axis=0))


def test_a_window_never_holds_more_than_its_minutes() -> None:
    buckets = Buckets(3, 5, 60)
    for start in range(0, 10_000, 100):
        buckets.add(np.arange(start, start + 100), np.ones((100, 3)))
        assert len(buckets.cells()) <= 12
    assert buckets.totals().tolist() == [60.0] * 3


def test_an_empty_window_sums_to_zero() -> None:
    buckets = Buckets(2, 5, 60)
    buckets.add(np.zeros(0, dtype=np.int64), np.zeros((0, 2)))
    assert buckets.totals().tolist() == [0.0, 0.0]
    assert buckets.cells().shape == (0, 2)
