"""A file of funding is read into plain columns, or refused saying what is wrong with it."""

import datetime as dt
import io

import numpy as np
import polars as pl
import pytest

from adapters.files.funding_file import read_funding
from daemon.errors import SettingsError

AT = dt.datetime(1970, 1, 1, 8, 0, tzinfo=dt.UTC)
GOOD: dict[str, list[object]] = {
    "instrument": ["A", "kraken:A"],
    "time": [AT, AT],
    "rate": [0.0001, -0.00025],
}


def parquet(table: pl.DataFrame) -> bytes:
    content = io.BytesIO()
    table.write_parquet(content)
    return content.getvalue()


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_times_of_any_unit_and_zone_become_microseconds(unit: str, zone: str | None) -> None:
    time = pl.col("time").cast(pl.Datetime(unit, "UTC"))  # type: ignore[arg-type]
    time = time.dt.convert_time_zone(zone) if zone else time.dt.replace_time_zone(None)
    table = pl.DataFrame(GOOD).with_columns(time, pl.col("instrument").cast(pl.Categorical))
    found = read_funding(parquet(table), "f.parquet", "binance")
    assert found["instrument"] == ["binance:A", "kraken:A"]
    np.testing.assert_array_equal(np.asarray(found["time_us"]), [8 * 3_600_000_000] * 2)
    np.testing.assert_array_equal(np.asarray(found["rate"]), [0.0001, -0.00025])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rate": None}, "has no column rate; there is instrument, time"),
        ({"time": None, "instrument": None}, "has no column instrument, time"),
        ({"rate": [0.1, None]}, "has empty cells in rate"),
        ({"instrument": [1, 2]}, "instrument is Int64; it must be text"),
        ({"time": [1, 2]}, "time is Int64; it must be a timestamp"),
        ({"rate": ["high", "low"]}, "rate is String; it must be a number"),
        ({"rate": [0.01, 0.5]}, "row 2, kraken:A, rate 0.5: a rate is a fraction"),
        ({"rate": [float("nan"), 0.0]}, "row 1, binance:A, rate nan: a rate is a fraction"),
        ({"rate": [0.0, float("-inf")]}, "row 2, kraken:A, rate -inf"),
        ({"instrument": ["A", "binance:A"]}, "row 2, binance:A, .* stands before it; keep one"),
    ],
)
def test_what_is_wrong_is_said(change: dict[str, list[object] | None], message: str) -> None:
    table = {name: column for name, column in {**GOOD, **change}.items() if column is not None}
    with pytest.raises(SettingsError, match=rf"costs.funding_file: f.parquet: .*{message}"):
        read_funding(parquet(pl.DataFrame(table)), "f.parquet", "binance")


def test_what_is_no_parquet_is_named() -> None:
    for content in (b"", b"instrument,time,rate\n"):
        with pytest.raises(SettingsError, match=r"costs.funding_file: f.csv: is no Parquet"):
            read_funding(content, "f.csv", "binance")
