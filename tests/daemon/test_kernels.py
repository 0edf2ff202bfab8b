"""The bits of a value do not depend on its neighbours."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon import kernels

POSITIVE = st.lists(st.floats(1e-300, 1e300), min_size=1, max_size=40)


@given(POSITIVE)
def test_a_logarithm_is_the_same_alone_and_in_a_column(values: list[float]) -> None:
    column = kernels.log(np.array(values))
    alone = [kernels.log(np.array([value]))[0] for value in values]
    assert column.tolist() == alone == [math.log(value) for value in values]


@given(st.lists(st.floats(-700, 700), min_size=1, max_size=40))
def test_an_exponential_is_the_same_alone_and_in_a_column(values: list[float]) -> None:
    column = kernels.exp(np.array(values))
    assert column.tolist() == [math.exp(value) for value in values]


def test_the_shape_is_kept() -> None:
    assert kernels.exp(np.zeros((2, 3, 4))).shape == (2, 3, 4)


def test_a_logarithm_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected a positive input|math domain error"):
        kernels.log(np.array([0.0]))


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(-1e9, 1e9)), max_size=50))
def test_a_segment_is_summed_strictly_in_order(rows: list[tuple[int, float]]) -> None:
    expected = [0.0] * 5
    for segment, value in rows:
        expected[segment] += value
    segments = np.array([segment for segment, _ in rows], dtype=np.int64)
    values = np.array([value for _, value in rows], dtype=np.float64)
    assert kernels.segment_sum(segments, values, 5).tolist() == expected
