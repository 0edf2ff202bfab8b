"""Funding from a file through the real commands: on the tape, verified without it, another one refused."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from adapters.tape.reader import TapeReader
from daemon.__main__ import main
from daemon.commands._model import from_files
from daemon.errors import SettingsError
from daemon.events import FillKind
from tests import runs
from tests.integration.command_line import Job, settings_text, tip

END = "2024-01-02T17:36"


def write_funding(file: Path, rate: float, prefix: str = "") -> None:
    """Write an event of every instrument but the last in every tenth minute, under their bare symbols."""
    names = [prefix + i.name.partition(":")[2] for i in runs.market().instruments][:-1]
    minutes = range(runs.first_traded(), runs.first_traded() + 1_200, 10)
    rows = [(name, minute * 60_000, rate) for minute in minutes for name in names]
    table = pl.DataFrame(rows, schema=["instrument", "time", "rate"], orient="row")
    table.with_columns(pl.col("time").cast(pl.Datetime("ms", "UTC"))).write_parquet(file)


@pytest.fixture
def funded(job: Job, tmp_path: Path) -> Job:
    """The job of these tests with funding, in a folder of its own."""
    for name in (job.bars, job.model):
        (tmp_path / name).symlink_to(job.folder / name)
    own = replace(job, folder=tmp_path)
    costs = {"taker_fee_bps": 0.5, "half_spread_bps": 0.2, "funding_file": str(tmp_path / "paid.parquet")}
    (tmp_path / own.config).write_text(settings_text(costs=costs), encoding="utf-8")
    write_funding(tmp_path / "paid.parquet", 0.0003)
    return own


def replayed(job: Job, monkeypatch: pytest.MonkeyPatch, **words: str) -> int:
    monkeypatch.chdir(job.folder)
    return main(job.words("run.tape", **words))


def test_a_tape_with_funding_is_verified_and_gone_on_with_and_another_file_is_refused(
    funded: Job, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replayed(funded, monkeypatch, until=END) == 0
    last = runs.market().instruments[-1].name
    assert f"not charged on 1 without any: {last}" in " ".join(capsys.readouterr().out.split())
    tape, file = funded.folder / "run.tape", funded.folder / "paid.parquet"
    with TapeReader(tape) as reader:
        assert reader.model_files()["funding.parquet"] == file.read_bytes()
        charged = [f for r in reader.batches() for f in r.fills if f.kind is FillKind.FUNDING]
    assert len(charged) > 5
    assert last not in {fill.instrument for fill in charged}

    content = file.read_bytes()
    file.unlink()
    assert main(["verify", str(tape)]) == 0
    assert replayed(funded, monkeypatch) == 2
    assert "costs.funding_file: " in capsys.readouterr().err

    before = tip(tape)
    write_funding(file, 0.0004)
    assert replayed(funded, monkeypatch) == 2
    assert "different funding (costs.funding_file)." in capsys.readouterr().err
    assert tip(tape) == before

    file.write_bytes(content)
    assert replayed(funded, monkeypatch) == 0
    assert tip(tape) != before
    assert main(["verify", str(tape)]) == 0


def test_funding_of_other_instruments_altogether_is_refused(
    funded: Job, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_funding(funded.folder / "paid.parquet", 0.0003, prefix="binance:")
    assert replayed(funded, monkeypatch, until=END) == 2
    said = capsys.readouterr().err
    assert "no event of any instrument of the run (simulator:" in said
    assert "only of binance:" in said
    assert not (funded.folder / "run.tape").exists()


def test_a_model_whose_run_lacks_its_funding_says_so() -> None:
    settings = runs.SETTINGS.model_copy(
        update={"costs": runs.SETTINGS.costs.model_copy(update={"funding_file": "paid.parquet"})}
    )
    with pytest.raises(SettingsError, match=r"paid.parquet is set, but funding.parquet is not there"):
        from_files("1", runs.bundle().to_files(), settings, runs.market().instruments)
