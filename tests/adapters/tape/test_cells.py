"""Every bit pattern and every digit survives the database, and nothing else is taken for one."""

import sqlite3
import struct
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from adapters.tape import cells
from adapters.tape.cells import MalformedCellError
from daemon.events import BAR_RECORD, TradingMode

# Floats by their bits: NaNs of every kind, both zeros, infinities, denormals.
ANY_FLOAT = st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("<d", bits.to_bytes(8, "little"))[0])
EDGES = (0.0, -0.0, float("nan"), -float("nan"), float("inf"), -float("inf"), 5e-324, 1e15, 2.0**63, -5.0)


def through_sqlite(value: object) -> Any:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE one (cell DOUBLE)")
    connection.execute("INSERT INTO one VALUES (?)", (value,))
    (cell,) = connection.execute("SELECT cell FROM one").fetchone()
    connection.close()
    return cell


@given(st.one_of(ANY_FLOAT, st.sampled_from(EDGES)))
def test_a_float_comes_back_with_its_bits(value: float) -> None:
    back = cells.read_float(through_sqlite(cells.float_cell(value)), "here")
    assert struct.pack("<d", back) == struct.pack("<d", value)


@given(hnp.arrays(np.uint8, st.integers(0, 12).map(lambda n: n * BAR_RECORD.itemsize)))
def test_any_bytes_that_are_bars_come_back_as_they_were(content: np.ndarray) -> None:
    packed = np.frombuffer(content.tobytes(), BAR_RECORD).copy()
    packed["taker"][::2] = np.nan
    packed["volume"][1::3] = -0.0
    connection = sqlite3.connect(":memory:")
    values = ", ".join(f"{name} DOUBLE" for name in ("o", "h", "l", "c", "v", "t"))
    connection.execute(f"CREATE TABLE bar (minute BIGINT, instrument INTEGER, seq BIGINT, {values}, flags)")
    seq = list(range(len(packed)))
    connection.executemany("INSERT INTO bar VALUES (?,?,?,?,?,?,?,?,?,?)", cells.bar_cells(packed, seq))
    rows = connection.execute("SELECT * FROM bar ORDER BY seq").fetchall()
    connection.close()
    back, back_seq = cells.packed_bars(rows)
    assert back.tobytes() == packed.tobytes()
    assert back_seq.tolist() == seq


@given(st.decimals())
def test_a_decimal_comes_back_with_every_digit_and_its_exponent(value: Decimal) -> None:
    assert cells.read_decimal(str(value), "here").as_tuple() == value.as_tuple()


@pytest.mark.parametrize("text", ["", " 1", "1 ", "1_0", "+1", "\u0661", "one", "1e5", "1.", "0x1"])
def test_other_ways_to_write_a_number_are_damage(text: str) -> None:
    with pytest.raises(MalformedCellError, match=r"here holds .*, not a decimal number"):
        cells.read_decimal(text, "here")


WRONG: list[tuple[Any, Any]] = [
    (cells.read_int, 1.0),
    (cells.read_int, None),
    (cells.read_int, "1"),
    (cells.read_flag, 2),
    (cells.read_flag, 1.0),
    (cells.read_float, 1),
    (cells.read_float, b"1234567"),
    (cells.read_float, struct.pack("<d", 1.5)),
    (cells.read_float, None),
    (cells.read_text, b"text"),
    (cells.read_bytes, "text"),
    (cells.read_decimal, 1),
    (cells.read_member(TradingMode), "asleep"),
]


@pytest.mark.parametrize(("read", "cell"), WRONG)
def test_a_cell_of_another_kind_is_damage_and_is_shown(read: Any, cell: object) -> None:
    with pytest.raises(MalformedCellError, match="here holds"):
        read(cell, "here")


def test_a_long_cell_is_shown_in_part() -> None:
    with pytest.raises(MalformedCellError) as caught:
        cells.read_int("x" * 1000, "here")
    assert len(str(caught.value)) < 100


GOOD_BAR = (29_000_000, 1, 5, 1.0, 1.0, 1.0, 1.0, 1.0, None, 0)


@pytest.mark.parametrize(
    ("at", "cell"),
    [(0, 1.0), (1, -1), (1, 2**32), (9, 256), (9, "1"), (2, None), (3, 1), (4, "1"), (8, b"12345678")],
)
def test_a_bar_with_one_cell_of_another_kind_is_damage(at: int, cell: object) -> None:
    row = list(GOOD_BAR)
    assert cells.packed_bars([GOOD_BAR])[0]["minute"] == 29_000_000
    row[at] = cell  # type: ignore[call-overload]
    with pytest.raises(MalformedCellError, match=r"bar\."):
        cells.packed_bars([GOOD_BAR, tuple(row)])
