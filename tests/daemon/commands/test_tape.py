"""`papertape tape`."""

import json
from pathlib import Path

import polars as pl
import pytest

from adapters.tape.writer import TapeWriter
from daemon.__main__ import main
from tests.adapters.tape import samples


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> samples.Sample[Path]:
    return samples.write(tmp_path_factory.mktemp("tape") / "run.tape", n=12, n_instruments=10)


def test_info_says_what_is_on_a_tape(
    sample: samples.Sample[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tape", "info", str(sample.place)]) == 0
    lines = {line[:16].strip(): line[16:] for line in capsys.readouterr().out.splitlines()}
    assert lines["run"] == "sample"
    assert lines["range"] == "2025-02-19 21:21 UTC to 2025-02-19 21:32 UTC"
    assert lines["instruments"].startswith("10: binance:C000USDT, ")
    assert lines["instruments"].endswith(" and 2 more")
    assert lines["model"] == "7"
    assert lines["digest"] == sample.batches[-1].digest.hex()
    assert lines["equity"] == "100000.50 USDT"
    assert lines["orders"] == "4"
    assert lines["fills"] == "2"


def test_info_as_json_has_the_same_figures(
    sample: samples.Sample[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tape", "info", str(sample.place), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["counts"]["decided minutes"] == 12
    assert found["size_bytes"] == sample.place.stat().st_size
    assert found["bytes_per_bar"] == pytest.approx(found["size_bytes"] / found["counts"]["bars"])
    assert found["first_minute"] == samples.FIRST_MINUTE + 1


def test_info_of_a_tape_without_batches_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with TapeWriter(tmp_path / "run.tape") as writer:
        assert main(["tape", "info", str(tmp_path / "run.tape")]) == 2
        assert "stopped before it began" in capsys.readouterr().err
        writer.begin(samples.HEADER, samples.instruments(), "1", {})
    assert main(["tape", "info", str(tmp_path / "run.tape")]) == 0
    assert "nothing yet" in capsys.readouterr().out


def test_export_writes_the_files_and_names_them(
    sample: samples.Sample[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tape", "export", str(sample.place), "--out", str(tmp_path / "out")]) == 0
    named = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert [Path(name).stem for name in named] == [
        *("bars", "decisions", "orders", "fills", "equity", "states", "vitals", "events")
    ]
    decisions = pl.read_parquet(tmp_path / "out" / "decisions.parquet")
    assert decisions["reason"].unique().to_list() == ["no_edge"]


@pytest.mark.parametrize("words", [["info"], ["export", "--out", "out"]])
def test_a_file_that_is_no_tape_is_said_in_one_line(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tape", *words, str(tmp_path / "none.tape")]) == 2
    assert capsys.readouterr().err == f"papertape: there is no tape at {tmp_path / 'none.tape'}\n"
