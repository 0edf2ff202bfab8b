"""A file of signals is read into plain columns, or refused saying what is wrong with it."""

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from adapters.files.signals_file import read_signals
from daemon.errors import SettingsError

GOOD: dict[str, list[object]] = {
    "instrument": ["A"],
    "known_at": [dt.datetime(1970, 1, 1, 0, 1, tzinfo=dt.UTC)],
    "score": [1.0],
}


def written(tmp_path: Path, table: dict[str, list[object]]) -> Path:
    path = tmp_path / "signals.parquet"
    pl.DataFrame(table).write_parquet(path)
    return path


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_times_of_any_unit_become_microseconds(tmp_path: Path, unit: str) -> None:
    path = tmp_path / "signals.parquet"
    pl.DataFrame(GOOD).with_columns(pl.col("known_at").cast(pl.Datetime(unit))).write_parquet(path)  # type: ignore[arg-type]
    columns = read_signals(path, "binance")
    assert columns["instrument"] == ["binance:A"]
    np.testing.assert_array_equal(np.asarray(columns["known_us"]), [60_000_000])
    np.testing.assert_array_equal(np.asarray(columns["score"]), [1.0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": None}, "has no column down, flat, up; there is instrument, known_at"),
        ({"known_at": None}, "has no column known_at"),
        ({"known_at": ["soon"]}, "known_at is String; it must be a timestamp"),
        ({"score": ["high"]}, "score must be numbers"),
        ({"score": [None]}, "has empty cells in score"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, change: dict[str, list[object] | None], message: str) -> None:
    table: dict[str, list[object]] = {
        name: column for name, column in {**GOOD, **change}.items() if column is not None
    }
    with pytest.raises(SettingsError, match=message):
        read_signals(written(tmp_path, table), "binance")


def test_a_file_that_is_no_parquet_or_not_there_is_named(tmp_path: Path) -> None:
    text = tmp_path / "signals.csv"
    text.write_text("instrument,known_at,score\n")
    for path in (text, tmp_path / "none.parquet"):
        with pytest.raises(SettingsError, match=rf"experts.signals.file: .*{path.name}: cannot be read"):
            read_signals(path, "binance")
