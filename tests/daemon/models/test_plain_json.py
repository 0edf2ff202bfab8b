"""Plain data comes back from JSON bit for bit."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import BrokenBoundError
from daemon.models.plain_json import from_json, to_json

NUMBERS = st.integers() | st.floats(allow_nan=False) | st.decimals(allow_nan=False)
PLAIN = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(st.characters(exclude_characters="$", codec="utf-8"), max_size=4), inner, max_size=3
        )
    ),
    max_leaves=10,
)


@given(PLAIN)
def test_plain_data_comes_back_as_it_was(value: Any) -> None:
    assert from_json(to_json(value)) == value
    assert to_json(from_json(to_json(value))) == to_json(value)


@pytest.mark.parametrize("dtype", ["<f8", ">f8", "<i8", "u1", "?"])
def test_arrays_keep_shape_values_and_kind(dtype: str) -> None:
    array = np.arange(6).reshape(2, 3).astype(dtype)[:, ::-1]
    back = from_json(to_json({"a": array}))["a"]
    np.testing.assert_array_equal(back, array)
    assert back.dtype == array.dtype.newbyteorder("<")
    back[0, 0] = 0  # it owns its memory


def test_numbers_of_numpy_become_plain_and_nan_comes_back() -> None:
    assert from_json(to_json([np.float64(0.1), np.int64(3), np.bool_(1)])) == [0.1, 3, True]
    assert np.isnan(from_json(to_json(float("nan"))))
    assert from_json(to_json((1, Decimal("1.10")))) == [1, Decimal("1.10")]


@pytest.mark.parametrize("value", [object(), {1: 2}, {"$array": 1}, [set()]])
def test_what_is_no_plain_data_is_refused(value: Any) -> None:
    with pytest.raises(BrokenBoundError, match="is no plain data"):
        to_json(value)
