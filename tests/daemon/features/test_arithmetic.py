"""The two pieces that all else stands on: 128-bit columns, and averages that are the same either way."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.features import averages, wide
from daemon.features.rows import Rows
from daemon.kernels import IntArray

SIGNED = st.integers(-(2**62), 2**62)


def signed_128(value: int) -> int:
    value %= 2**128
    return value - 2**128 if value >= 2**127 else value


def numbers(column: wide.Wide) -> list[int]:
    return [int(high) * 2**64 + int(low) for low, high in zip(*column, strict=True)]


def column_of(values: list[int]) -> wide.Wide:
    parts = [divmod(signed_128(value), 2**64) for value in values]
    return np.array([low for _, low in parts], np.uint64), np.array([high for high, _ in parts], np.int64)


@given(st.lists(st.tuples(SIGNED, SIGNED), min_size=1, max_size=30), st.integers(0, 2**31))
def test_wide_arithmetic_is_that_of_integers_modulo_2_to_128(
    pairs: list[tuple[int, int]], factor: int
) -> None:
    left, right = (np.array(side, np.int64) for side in zip(*pairs, strict=True))
    products = [a * b for a, b in pairs]
    product = wide.product(left, right)
    assert numbers(product) == products
    sums = [signed_128(sum(products[: i + 1])) for i in range(len(products))]
    assert numbers(wide.running_sum(product)) == sums
    assert numbers(wide.add(product, product)) == [2 * value for value in products]
    backwards = column_of(products[::-1])
    assert numbers(wide.subtract(product, backwards)) == [
        a - b for a, b in zip(products, products[::-1], strict=True)
    ]
    assert numbers(wide.times(product, factor)) == [signed_128(value * factor) for value in products]


@given(st.lists(st.integers(-(2**120), 2**120), min_size=1, max_size=20))
def test_wide_numbers_become_floats_with_full_precision_also_just_below_zero(values: list[int]) -> None:
    assert wide.to_float(column_of(values)).tolist() == pytest.approx([float(v) for v in values], rel=1e-15)


def rows_of(counts: list[int]) -> Rows:
    """Rows of lanes with so many rows each, the first ones of the run."""
    lane: IntArray = np.repeat(np.arange(len(counts)), counts)
    starts = np.cumsum([0, *counts[:-1]])
    within = np.arange(len(lane)) - np.repeat(starts, counts)
    return Rows(
        len(counts), within, lane, np.arange(len(counts)), starts, np.array(counts), within, {}, None, 0
    )


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=5),
    st.integers(0, 2**32 - 1),
    st.sampled_from([1e-300, 1e-8, 1.0, 1e12]),
    st.booleans(),
)
def test_stepwise_and_lanewise_averages_have_the_same_bits(
    counts: list[int], seed: int, scale: float, fresh: bool
) -> None:
    draw = np.random.default_rng(seed)
    rows = rows_of(counts)
    weights = [2.0 / 13.0, 1.0 / 14.0, 1.0 / 3.0, 1.0]
    inputs = draw.standard_normal((4, len(rows))) * scale
    entry = inputs[:, rows.starts] if fresh else draw.standard_normal((4, len(counts))) * scale
    stepwise = averages._stepwise(inputs, np.array(weights)[:, None], entry.copy(), rows, max(counts))
    lanewise = averages._lanewise(inputs, weights, entry.copy(), rows)
    assert stepwise.tobytes() == lanewise.tobytes()
    expected = entry[0, 0]
    for value, got in zip(inputs[0, : counts[0]].tolist(), stepwise[0, : counts[0]].tolist(), strict=True):
        expected = expected + (value - expected) * weights[0]
        assert got == expected
