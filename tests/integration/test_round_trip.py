"""From bars to a verified tape, as a person does it: train, replay, look, export, verify."""

import json
from pathlib import Path

import msgspec
import polars as pl
import pytest

from adapters.tape.reader import TapeReader
from daemon.__main__ import main
from daemon.events import BatchRecord
from tests import runs
from tests.integration.command_line import digest, papertape, settings_text

SPLIT = "2024-01-02T16:00"
N_DECIDED = 1_200


def batches(tape: Path) -> list[BatchRecord]:
    """The batches without their digests, which begin with the hash of the files that bars came from."""
    with TapeReader(tape) as reader:
        return [msgspec.structs.replace(record, digest=b"") for record in reader.batches()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The market's bars twice, and settings whose registry is here: commands run in this folder."""
    monkeypatch.chdir(tmp_path)
    model = {"uri": "models:/papertape@champion", "registry": "sqlite:///mlflow.db"}
    Path("run.yaml").write_text(settings_text(model=model), encoding="utf-8")
    runs.market().frame().write_parquet("bars.parquet")
    runs.market().frame().write_csv("bars.csv")
    return tmp_path


def lesson(files: dict[str, bytes]) -> dict[str, bytes]:
    """A model's files without the moment at which it was made, and without their checksums."""
    about = json.loads(files["bundle.json"])
    assert about.pop("trained_at") > 0
    rest = {name: content for name, content in files.items() if name not in {"bundle.json", "SHA256SUMS"}}
    return {"about": json.dumps(about).encode(), **rest}


def done(folder: Path, line: str) -> str:
    """What a command line that succeeds prints."""
    ended = papertape(line.split(), folder)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


LEARN = f"train --config run.yaml --to {SPLIT} --name tried"
PLAY = f"replay --config run.yaml --from {SPLIT} --model models:/tried@best"


@pytest.mark.slow
def test_train_replay_look_export_and_verify_from_parquet_and_from_csv(folder: Path) -> None:
    said = done(folder, f"{LEARN} --bars bars.parquet --alias best")
    assert "models:/tried@best" in said.splitlines()[-1]
    done(folder, f"{PLAY} --bars bars.parquet --tape run.tape")
    tape = folder / "run.tape"

    info = json.loads(done(folder, "tape info run.tape --json"))
    assert info["digest"] == digest(tape)
    assert info["counts"]["decided minutes"] == N_DECIDED
    done(folder, "tape export run.tape --out exported")
    bars = pl.read_parquet("exported/bars.parquet").filter(~pl.col("warmup"))
    decided = runs.market().frame().tail(N_DECIDED * len(runs.market().instruments))
    columns = ["time", "open", "high", "low", "close", "volume", "taker_volume"]
    assert bars.select(columns).equals(decided.select(columns))
    assert pl.read_parquet("exported/equity.parquet")["digest"][-1] == digest(tape)
    assert digest(tape) in done(folder, "verify run.tape").splitlines()[-1]

    # The same from CSV, in this process: other files, so other digests, but all that was decided is the same.
    assert main([*LEARN.split(), "--bars", "bars.csv", "--out", "from_csv"]) == 0
    with TapeReader(tape) as reader:
        on_tape = dict(reader.model_files())
    from_csv = {path.name: path.read_bytes() for path in Path("from_csv").iterdir()}
    assert from_csv.keys() == on_tape.keys()
    assert lesson(from_csv) == lesson(on_tape)
    assert main([*PLAY.split(), "--bars", "bars.csv", "--tape", "csv.tape"]) == 0
    assert batches(folder / "csv.tape") == batches(tape)
