"""Parquet and CSV files of bars, in every form that people keep them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from adapters.files.bars_file import BLOCK_ROWS, SAMPLE_ROWS, BarFile
from daemon.errors import BarsError
from daemon.settings import BarsSettings

START = datetime(2025, 1, 6, tzinfo=UTC)
START_S = int(START.timestamp())
ALL = (0, 1 << 62)


def frame(n_rows: int = 6, symbol: str = "BTCUSDT") -> pl.DataFrame:
    return pl.DataFrame(
        {
            "time": [START + timedelta(minutes=minute) for minute in range(n_rows)],
            "symbol": symbol,
            "open": [100.0 + minute for minute in range(n_rows)],
            "high": 1e6,
            "low": 1.0,
            "close": [100.5 + minute for minute in range(n_rows)],
            "volume": 2.0,
        },
        schema_overrides={"time": pl.Datetime("us", "UTC")},
    )


def rows_of(path: Path, span: tuple[int, int] = ALL, **columns: Any) -> pl.DataFrame:
    blocks = list(BarFile(path, BarsSettings(**columns)).read(*span))
    return pl.concat([pl.DataFrame(dict(block)) for block in blocks]) if blocks else pl.DataFrame()


def expected(n_rows: int = 6) -> list[int]:
    return [(START_S + 60 * minute) * 10**6 for minute in range(n_rows)]


def test_parquet_and_csv_say_the_same(tmp_path: Path) -> None:
    frame().write_parquet(tmp_path / "a.parquet")
    frame().write_csv(tmp_path / "a.csv")
    parquet, csv = rows_of(tmp_path / "a.parquet"), rows_of(tmp_path / "a.csv")
    assert parquet.equals(csv)
    assert parquet["time_us"].to_list() == expected()
    assert parquet["row"].to_list() == [1, 2, 3, 4, 5, 6]
    assert parquet["taker"].is_nan().all()


@pytest.mark.parametrize("kind", ["parquet", "csv"])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("said", ["auto", "same"])
def test_integer_times_are_read_in_their_unit(tmp_path: Path, kind: str, unit: str, said: str) -> None:
    path = tmp_path / f"a.{kind}"
    factor = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    times = pl.Series([(START_S + 60 * minute) * factor for minute in range(6)])
    rows = frame().with_columns(time=times)
    rows.write_parquet(path) if kind == "parquet" else rows.write_csv(path)
    read = rows_of(path, time_unit="auto" if said == "auto" else unit)
    assert read["time_us"].to_list() == expected()


@pytest.mark.parametrize(
    "form", ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.000+00:00", "%Y-%m-%d %H:%M"]
)
def test_times_as_text_are_read_and_naive_ones_count_as_utc(tmp_path: Path, form: str) -> None:
    frame().with_columns(pl.col("time").dt.strftime(form)).write_csv(tmp_path / "a.csv")
    assert rows_of(tmp_path / "a.csv")["time_us"].to_list() == expected()


def test_text_times_of_another_zone_are_turned_into_utc(tmp_path: Path) -> None:
    local = frame().with_columns(pl.col("time").dt.offset_by("2h").dt.strftime("%Y-%m-%dT%H:%M:%S+02:00"))
    local.write_csv(tmp_path / "a.csv")
    assert rows_of(tmp_path / "a.csv")["time_us"].to_list() == expected()


@pytest.mark.parametrize("time_unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_timestamps_of_any_unit_and_zone_are_the_same_moments(
    tmp_path: Path, time_unit: Any, zone: str | None
) -> None:
    time = pl.col("time").dt.cast_time_unit(time_unit)
    time = time.dt.replace_time_zone(None) if zone is None else time.dt.convert_time_zone(zone)
    frame().with_columns(time).write_parquet(tmp_path / "a.parquet")
    assert rows_of(tmp_path / "a.parquet")["time_us"].to_list() == expected()


def test_columns_are_called_what_the_settings_say(tmp_path: Path) -> None:
    renamed = (
        frame()
        .rename({"time": "ts", "symbol": "pair", "open": "o", "volume": "v"})
        .with_columns(buy=pl.lit(1.5))
    )
    renamed.write_parquet(tmp_path / "a.parquet")
    names: dict[str, Any] = {
        "time": "ts",
        "symbol": "pair",
        "open": "o",
        "volume": "v",
        "taker_volume": "buy",
    }
    read = rows_of(tmp_path / "a.parquet", **names)
    assert read["open"].to_list() == frame()["open"].to_list()
    assert read["taker"].to_list() == [1.5] * 6


def test_a_file_of_one_instrument_needs_no_symbol_column(tmp_path: Path) -> None:
    frame().drop("symbol").write_csv(tmp_path / "a.csv")
    file = BarFile(tmp_path / "a.csv", BarsSettings(symbol_value="okx:BTCUSDT"))
    assert list(file.symbols) == ["okx:BTCUSDT"]
    with pytest.raises(BarsError, match=r"bars.symbol: symbol \(or say in bars.symbol_value"):
        BarFile(tmp_path / "a.csv", BarsSettings())


def test_only_the_asked_range_is_read(tmp_path: Path) -> None:
    frame().write_parquet(tmp_path / "a.parquet")
    times = expected()
    assert rows_of(tmp_path / "a.parquet", (times[2], times[3]))["row"].to_list() == [3, 4]


def test_rows_keep_their_numbers_when_a_file_must_be_sorted(tmp_path: Path) -> None:
    pl.concat([frame(symbol="ETHUSDT"), frame()]).write_parquet(tmp_path / "a.parquet")
    read = rows_of(tmp_path / "a.parquet")
    assert read["time_us"].is_sorted()
    assert read["row"].to_list() == [1, 7, 2, 8, 3, 9, 4, 10, 5, 11, 6, 12]
    assert read["symbol"].to_list() == [1, 0] * 6


def test_a_long_file_comes_in_bounded_blocks_and_shows_its_first_closes(tmp_path: Path) -> None:
    n_rows = 3 * BLOCK_ROWS
    time = pl.Series([START_S + 60 * minute for minute in range(n_rows)])
    price = pl.Series(range(1, n_rows + 1), dtype=pl.Float64)
    rows = pl.DataFrame(
        {"time": time, "symbol": "X-USD", "open": price, "close": price, "high": price, "low": price}
    )
    rows.with_columns(volume=1.0).write_parquet(tmp_path / "a.parquet")
    file = BarFile(tmp_path / "a.parquet", BarsSettings())
    blocks = list(file.read(*ALL))
    assert max(len(block["row"]) for block in blocks) <= 2 * BLOCK_ROWS
    assert sum(len(block["row"]) for block in blocks) == n_rows
    assert file.symbols["X-USD"].closes.tolist() == list(range(1, SAMPLE_ROWS + 1))


def test_what_is_no_number_is_missing_and_keeps_its_row(tmp_path: Path) -> None:
    text = frame().with_columns(close=pl.Series(["1", "2", "n/a", "", "5", "1e1"]))
    text.write_csv(tmp_path / "a.csv")
    read = rows_of(tmp_path / "a.csv")
    assert read["row"].filter(read["close"].is_nan()).to_list() == [3, 4]
    assert read["close"][5] == 10.0


def test_missing_columns_are_all_named(tmp_path: Path) -> None:
    frame().drop("open", "volume").write_parquet(tmp_path / "a.parquet")
    with pytest.raises(
        BarsError, match=r"bars.open: open; bars.volume: volume.*The file has time, symbol, high"
    ):
        BarFile(tmp_path / "a.parquet", BarsSettings())


def test_a_file_that_is_not_there_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BarsError, match="no such file"):
        BarFile(tmp_path / "none.parquet", BarsSettings())
    (tmp_path / "a.xlsx").write_bytes(b"")
    with pytest.raises(BarsError, match=r"a.xlsx: bar files are Parquet"):
        BarFile(tmp_path / "a.xlsx", BarsSettings())


@pytest.mark.parametrize("name", ["a.parquet", "a.csv"])
def test_a_file_of_garbage_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(bytes(range(256)) * 4)
    with pytest.raises(BarsError, match=name):
        BarFile(tmp_path / name, BarsSettings())


def test_a_damaged_file_is_refused_when_its_damage_is_met(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    frame(5000).write_parquet(path)
    content = bytearray(path.read_bytes())
    content[10:400] = bytes(390)
    path.write_bytes(content)
    with pytest.raises(BarsError, match=r"a.parquet: cannot be read"):
        rows_of(path)


def test_a_time_column_of_another_kind_is_refused(tmp_path: Path) -> None:
    frame().with_columns(time=pl.lit(value=True)).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(BarsError, match="column time is Boolean, which is no time"):
        BarFile(tmp_path / "a.parquet", BarsSettings())


def test_a_time_that_cannot_be_read_is_missing(tmp_path: Path) -> None:
    frame().with_columns(time=pl.Series(["yesterday"] * 6)).write_csv(tmp_path / "a.csv")
    read = rows_of(tmp_path / "a.csv")
    assert read["time_us"].to_list() == [-(1 << 63)] * 6


def test_the_digest_is_the_contents(tmp_path: Path) -> None:
    for name in ("a.parquet", "b.parquet"):
        frame().write_parquet(tmp_path / name)
    frame(7).write_parquet(tmp_path / "c.parquet")
    one, other, third = (BarFile(tmp_path / f"{name}.parquet", BarsSettings()).digest for name in "abc")
    assert one == other != third
