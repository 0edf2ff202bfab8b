"""`papertape features`."""

import json
from pathlib import Path

import polars as pl
import pytest

from daemon.__main__ import main
from tests.daemon.features.market import walk


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    minutes = walk(900, 3, seed=3)
    parts = [
        pl.DataFrame(
            {
                "time": minutes.minute * 60_000_000,
                "symbol": [f"{name}USDT"] * len(minutes),
                **{
                    field: getattr(minutes, field)[:, column]
                    for field in ("open", "high", "low", "close", "volume")
                },
            }
        ).with_columns(pl.col("time").cast(pl.Datetime("us", "UTC")))
        for column, name in enumerate("ABC")
    ]
    file = tmp_path / "bars.parquet"
    pl.concat(parts).sort("time", "symbol").write_parquet(file)
    return file


def test_the_catalogue_is_listed_with_formula_unit_warm_up_and_source(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["features"]) == 0
    text = capsys.readouterr().out
    assert "rsi_14  [0 to 100]  momentum, default, short, twenty  warm-up 127 bars\n    100 * ratio(" in text
    assert "    gain = max(close - lag(close, 1), 0)\n" in text
    assert "After more than 60 missing session minutes" in text


def test_a_group_is_listed_with_the_definitions_it_needs_and_no_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["features", "--group", "direction"]) == 0
    text = capsys.readouterr().out
    assert "4 features." in text
    assert "true_range = " in text
    assert "macd_line" not in text
    assert main(["features", "--group", "calendar"]) == 0
    assert "where\n" not in capsys.readouterr().out


def test_the_catalogue_as_json_holds_every_column(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["features", "--group", "default", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["features"]
    assert len(rows) == 80
    assert {"name", "groups", "formula", "unit", "warmup_bars", "source"} <= set(rows[0])


def test_an_unknown_group_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["features", "--group", "astrology"]) == 2
    assert "no group astrology of features; there are returns" in capsys.readouterr().err


def test_check_proves_a_users_formulas_on_bars(
    tmp_path: Path, bars: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("calm: ratio(high - low, mean(high - low, 20), 1)\nalways: where(close > 0, 1, 0)\n")
    assert main(["features", "check", str(file), "--bars", str(bars)]) == 0
    text = capsys.readouterr().out
    assert text.count("\nholds  ") == 4
    assert "always: 1 to 1, median 1  (never changes)" in text
    assert "2,700 bars" in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("ahead: lag(close, -1)\n", "look ahead"),
        ("{}\n", "no formula"),
        ("bad: [1]\n", "as text, or a mapping"),
    ],
)
def test_check_refuses_formulas_that_cannot_be(
    content: str, message: str, tmp_path: Path, bars: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(content)
    assert main(["features", "check", str(file), "--bars", str(bars)]) == 2
    assert message in capsys.readouterr().err


def test_check_needs_minutes(tmp_path: Path, bars: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("calm: close / open\n")
    assert main(["features", "check", str(file), "--bars", str(bars), "--to", "2000-01-01"]) == 2
    assert "fewer than two minutes" in capsys.readouterr().err
