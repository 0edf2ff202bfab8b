"""Rows that are no minute bars are found, each with its reason."""

from dataclasses import replace

import numpy as np
import pytest

from daemon.bars.checks import MISSING_TIME, check_times, check_values, find_duplicates
from daemon.bars.columns import BarColumns


def bars(n_rows: int = 4) -> BarColumns:
    column = np.full(n_rows, 100.0)
    return BarColumns(
        instrument=np.zeros(n_rows, dtype=np.int64),
        minute=np.arange(n_rows, dtype=np.int64),
        open=column,
        high=column + 1.0,
        low=column - 1.0,
        close=column,
        volume=column,
        taker=np.full(n_rows, np.nan),
        row=np.arange(1, n_rows + 1),
        file=np.zeros(n_rows, dtype=np.int64),
    )


def with_value(name: str, value: float) -> BarColumns:
    changed = np.array(getattr(bars(), name))
    changed[2] = value
    return replace(bars(), **{name: changed})


def test_good_bars_have_no_problems() -> None:
    assert check_values(bars()) == ()
    assert check_values(BarColumns.empty()) == ()


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("open", np.nan, "open is missing"),
        ("high", np.inf, "high is missing or not a finite number"),
        ("low", -np.inf, "low is missing or not a finite number"),
        ("volume", np.nan, "volume is missing"),
        ("low", 0.0, "low is not positive"),
        ("close", -3.0, "close is not positive"),
        ("high", 99.5, "high is below open or close"),
        ("low", 100.5, "low is above open or close"),
        ("close", 101.5, "high is below open or close"),
        ("volume", -1.0, "volume is negative"),
        ("taker", -1.0, "taker volume is negative"),
        ("taker", np.inf, "taker volume is negative or infinite"),
        ("taker", 101.0, "taker volume is above volume"),
    ],
)
def test_a_row_that_is_no_bar_is_found_with_its_reason(name: str, value: float, reason: str) -> None:
    (problem,) = check_values(with_value(name, value))
    assert problem.row == 2
    assert reason in problem.text


@pytest.mark.parametrize(
    ("name", "value"), [("taker", 100.0), ("taker", 0.0), ("volume", 0.0), ("high", 100.0)]
)
def test_what_is_unusual_but_possible_passes(name: str, value: float) -> None:
    assert check_values(with_value(name, value)) == ()


def test_only_the_first_problems_are_reported() -> None:
    bad = replace(bars(50), volume=np.full(50, -1.0))
    assert [problem.row for problem in check_values(bad, limit=3)] == [0, 1, 2]


def test_a_time_off_the_minute_or_missing_is_found() -> None:
    times = np.array([0, 60_000_000, 90_500_000, MISSING_TIME])
    off, missing = check_times(times)
    assert (off.row, missing.row) == (2, 3)
    assert "30.5 s past the minute" in off.text
    assert "missing" in missing.text


def test_the_same_bar_twice_is_found() -> None:
    twice = replace(bars(), minute=np.array([0, 1, 1, 2]))
    assert find_duplicates(twice) == ((1, 2),)
    assert find_duplicates(replace(twice, instrument=np.array([0, 0, 1, 0]))) == ()
