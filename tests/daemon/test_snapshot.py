"""Snapshots are plain data with bytes that come back whole."""

from decimal import Decimal

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import TapeDamagedError, TapeVersionError
from daemon.events import Snapshot
from daemon.snapshot import SNAPSHOT_VERSION, decode_snapshot, encode_snapshot

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.decimals(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


def snapshot_of(state: dict[str, object], version: int = SNAPSHOT_VERSION) -> Snapshot:
    return Snapshot(batch=1, seq=2, minute=3, version=version, state=state)


@given(st.dictionaries(st.text(max_size=3), PLAIN, max_size=4))
def test_plain_state_comes_back_equal_and_its_bytes_are_stable(state: dict[str, object]) -> None:
    content = encode_snapshot(snapshot_of(state))
    again = decode_snapshot(content)
    assert again.state == state
    assert (again.batch, again.seq, again.minute) == (1, 2, 3)
    assert encode_snapshot(again) == content


@pytest.mark.parametrize("dtype", ["f8", "i8", "u8", "?", "i1", ">f8"])
def test_arrays_come_back_with_shape_dtype_and_bits(dtype: str) -> None:
    array = np.arange(6).reshape(2, 3).astype(dtype)
    again = decode_snapshot(encode_snapshot(snapshot_of({"a": array}))).state["a"]
    assert isinstance(again, np.ndarray)
    assert again.shape == (2, 3)
    assert again.dtype == array.dtype.newbyteorder("=")
    assert again.astype(array.dtype).tobytes() == array.tobytes()
    again[0, 0] = 1  # a restored state must be able to go on


def test_a_decimal_keeps_its_digits_and_a_numpy_number_becomes_a_plain_one() -> None:
    state = decode_snapshot(encode_snapshot(snapshot_of({"d": Decimal("1.500"), "n": np.int64(4)}))).state
    assert str(state["d"]) == "1.500"
    assert type(state["n"]) is int


def test_another_version_is_refused_with_what_to_do() -> None:
    with pytest.raises(TapeVersionError, match=r"version 99.*papertape that wrote it"):
        decode_snapshot(encode_snapshot(snapshot_of({}, version=99)))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xc1",
        msgspec.msgpack.encode([SNAPSHOT_VERSION, 2]),
        msgspec.msgpack.encode([SNAPSHOT_VERSION, b"x"]),
        msgspec.msgpack.encode(5),
    ],
)
def test_bytes_that_are_no_snapshot_are_damage(content: bytes) -> None:
    with pytest.raises(TapeDamagedError, match="cannot be read"):
        decode_snapshot(content)
