"""`papertape train` and `papertape pack`, from files on disk to a model that loads."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import lightgbm
import numpy as np
import polars as pl
import pytest

from adapters.clock import SystemClock
from adapters.registry import FolderStore, MlflowStore
from daemon.__main__ import main
from daemon.commands._formulas import read_formulas
from daemon.commands._training import outside, place_of, shown_progress
from daemon.errors import FormulaError
from daemon.models.bundle import Bundle
from daemon.settings import Settings
from daemon.training.train import train
from tests.runs import SETTINGS, first_traded, market

FEATURES = ["return_15", "return_1", "return_5", "return_60"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bars as CSV, and settings for them."""
    place = tmp_path_factory.mktemp("training")
    market().frame().write_csv(place / "bars.csv")
    settings = json.loads(SETTINGS.identity_json())
    settings["run"]["quote"] = market().instruments[0].quote
    settings["bars"]["taker_volume"] = "taker_volume"
    settings["universe"]["venue"] = market().instruments[0].name.partition(":")[0]
    settings["model"] = {"registry": f"sqlite:///{place}/var/mlflow.db"}
    settings["training"]["folds"] = 1
    (place / "run.yaml").write_text(json.dumps(settings))
    (place / "model.txt").write_text(_foreign())
    return place


def _foreign() -> str:
    generator = np.random.default_rng(1)
    values = generator.normal(scale=1e-3, size=(500, len(FEATURES)))
    data = lightgbm.Dataset(values, label=values[:, 0], feature_name=FEATURES)
    parameters = {"objective": "regression", "verbosity": -1, "num_threads": 1, "num_leaves": 4}
    text: str = lightgbm.train(parameters, data, 5).model_to_string()
    return text


def until() -> str:
    return np.datetime_as_string(np.datetime64(first_traded(), "m"))


def common(folder: Path, *words: str) -> list[str]:
    return ["--bars", str(folder / "bars.csv"), "--config", str(folder / "run.yaml"), "--to", until(), *words]


def test_a_model_is_trained_from_csv_reported_and_registered(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *common(folder)]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[0].startswith("9,600 bars of 4 instruments, ")
    assert lines[-1] == "model: models:/papertape@champion (version 1)"
    heads = next(line for line in lines if line.strip().startswith("fold"))
    for word in ("skill", "IC", "accuracy", "majority", "base", "last", "trades/day"):
        assert word in heads
    assert "growing trees: done" in captured.err
    version, files = MlflowStore(f"sqlite:///{folder}/var/mlflow.db").load("models:/papertape@champion")
    assert version == "1"
    bundle = Bundle.from_files(files)
    assert bundle.ranges["end"] == first_traded()
    assert bundle.experts == ("trees", "online", "base_rate")


def test_a_model_from_files_is_the_model_from_memory(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before_s = int(SystemClock().epoch_s())
    assert main(["train", *common(folder, "--out", str(folder / "model"), "--name", "mine")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"model: {folder / 'model'}"
    bundle = Bundle.from_files(FolderStore(folder / "model").load(str(folder / "model"))[1])
    span = (None, first_traded() - 1)
    direct = train(
        market(), Settings.model_validate_json(bundle.settings_json), name="mine", span=span
    ).bundle
    assert bundle.trained_at is not None
    assert before_s <= bundle.trained_at <= SystemClock().epoch_s()
    assert bundle.to_files() == replace(direct, trained_at=bundle.trained_at).to_files()


def test_a_foreign_model_is_packed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--model", str(folder / "model.txt"), "--out", str(folder / "packed")]
    assert main(["pack", *words, *common(folder)]) == 0
    assert capsys.readouterr().out.startswith("calibrated on ")
    bundle = Bundle.from_files(FolderStore(folder / "packed").load(str(folder / "packed"))[1])
    assert set(bundle.schema.names) == set(FEATURES)
    assert bundle.trained_at is not None


@pytest.mark.parametrize("listed", ["file", "words"])
def test_the_features_of_a_foreign_model_are_listed_in_a_file_or_on_the_line(
    folder: Path, listed: str
) -> None:
    (folder / "features.txt").write_text(
        "return_2 # not what it was called\nreturn_1\n\nreturn_5, return_60\n"
    )
    bare = _foreign().replace(
        f"feature_names={' '.join(FEATURES)}", "feature_names=Column_0 Column_1 Column_2 Column_3"
    )
    (folder / "bare.txt").write_text(bare)
    features = str(folder / "features.txt") if listed == "file" else "return_2,return_1,return_5,return_60"
    out = folder / f"packed_{listed}"
    words = ["--model", str(folder / "bare.txt"), "--features", features, "--out", str(out)]
    assert main(["pack", *words, *common(folder)]) == 0
    assert set(Bundle.from_files(FolderStore(out).load(str(out))[1]).schema.names) == {
        "return_2",
        "return_1",
        "return_5",
        "return_60",
    }


def test_a_model_file_that_is_not_there_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pack", "--model", str(folder / "none.txt"), *common(folder)]) == 2
    assert "none.txt: the model cannot be read: No such file" in capsys.readouterr().err


def test_bars_that_cannot_train_leave_with_2(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--bars", str(folder / "bars.csv"), "--config", str(folder / "run.yaml"), "--from", "2035-01-01"]
    assert main(["train", *words]) == 2
    assert "nothing between --from and --to" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("uri", "name", "alias", "expected"),
    [
        ("models:/papertape@champion", None, None, ("papertape", "champion")),
        ("models:/papertape@champion", None, "other", ("papertape", "other")),
        ("models:/papertape@champion", "mine", None, ("mine", None)),
        ("models:/papertape@champion", "mine", "best", ("mine", "best")),
        ("models:/papertape/3", None, None, ("run", None)),
        ("var/model", None, None, ("run", None)),
        ("models/of@home", None, None, ("run", None)),
    ],
)
def test_a_model_goes_where_the_run_will_look_for_it(
    uri: str, name: str | None, alias: str | None, expected: tuple[str, str | None]
) -> None:
    settings = Settings.model_validate({"run": {"name": "run"}, "model": {"uri": uri}})
    assert place_of(settings, name, alias) == expected


def test_progress_is_drawn_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with shown_progress() as progress:
        progress("growing trees", 1, 2)
        progress("growing trees", 2, 2)
    assert "growing trees" in capsys.readouterr().err


def test_signals_are_read_where_they_are_enabled(tmp_path: Path) -> None:
    file = tmp_path / "signals.parquet"
    pl.DataFrame(
        {"instrument": ["BTCUSDT"], "known_at": [market().frame()["time"][0]], "score": [0.5]}
    ).write_parquet(file)
    enabled = Settings.model_validate({"experts": {"signals": {"enabled": True, "file": str(file)}}})
    columns = outside(enabled).signals
    assert columns is not None
    assert columns["instrument"] == ["binance:BTCUSDT"]
    assert outside(Settings()).signals is None


def test_own_formulas_come_from_files_and_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.yaml").write_text(
        "swing: ratio(high - low, close, 0)\nlong:\n  formula: change(5)\n  unit: log\n"
    )
    (tmp_path / "own_formulas_of_a_package.py").write_text("FORMULAS = {'tail': 'close'}\nNUMBER = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    file, module = str(tmp_path / "own.yaml"), "own_formulas_of_a_package"
    assert read_formulas([file, f"{module}:FORMULAS"]) == {
        "swing": "ratio(high - low, close, 0)",
        "long": {"formula": "change(5)", "unit": "log"},
        "tail": "close",
    }
    assert read_formulas([]) == {}
    with pytest.raises(FormulaError, match="long, swing is already defined"):
        read_formulas([file, file])
    with pytest.raises(FormulaError, match="no mapping"):
        read_formulas([f"{module}:NUMBER"])
    with pytest.raises(FormulaError, match="cannot be loaded"):
        read_formulas([f"{module}:NOTHING"])
    with pytest.raises(FormulaError, match=r"neither a file ending in \.yaml nor an entry point"):
        read_formulas(["own.txt"])


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"a: [", "this is no YAML"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"- a\n", "formulas are a mapping"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_holds_no_formulas_is_named(
    tmp_path: Path, content: bytes | None, complaint: str
) -> None:
    file = tmp_path / "own.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(FormulaError, match=complaint):
        read_formulas([str(file)])
