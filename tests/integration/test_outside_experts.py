"""Experts of a package that is not ours, found by its entry points: trained, replayed, verified, or named."""

import json
from pathlib import Path

import pytest

from daemon.__main__ import main
from tests import runs
from tests.integration.command_line import settings_text

MODULE = '''
import numpy as np

class Reversal:
    """Expects the last hour to be undone."""

    row_stable = True

    def __init__(self, name, features):
        self.name = name
        self._column = features.index("{feature}")

    def score(self, values):
        z = np.clip(-50.0 * values[:, self._column], -2.0, 2.0)
        p = np.stack([1.0 - 0.2 * z, np.ones(len(z)), 1.0 + 0.2 * z], axis=1) / 3.0
        return np.log(p)
'''


def install(site: Path, module: str, content: str) -> None:
    """Write a distribution with one module and an entry point, as an installer leaves it."""
    (site / f"{module}.py").write_text(content)
    information = site / f"{module}-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[papertape.experts]\nreversal = {module}:Reversal\n")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Bars and settings that name the expert `reversal`, and a folder where packages are found."""
    (tmp_path / "site").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    runs.market().frame().write_parquet("bars.parquet")
    experts = {**runs.SETTINGS.model_dump(mode="json")["experts"], "entry_points": ["reversal"]}
    Path("run.yaml").write_text(settings_text(experts=experts))
    return tmp_path


TRAIN = [
    "train",
    "--bars",
    "bars.parquet",
    "--config",
    "run.yaml",
    "--to",
    "2024-01-02T16:00",
    "--out",
    "model",
]
REPLAY = ["replay", "--bars", "bars.parquet", "--config", "run.yaml", "--model", "model"]
REPLAY += ["--from", "2024-01-02T16:00", "--to", "2024-01-02T17:00", "--tape", "run.tape"]


def test_an_expert_of_another_package_is_trained_with_replayed_and_verified(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(folder / "site", "quant_expert", MODULE.format(feature="return_60"))
    assert main(TRAIN) == 0
    assert "reversal" in json.loads((folder / "model" / "bundle.json").read_text())["experts"]
    assert main(REPLAY) == 0
    assert "\n  reversal " in capsys.readouterr().out
    assert main(["verify", "run.tape"]) == 0


@pytest.mark.parametrize(
    ("module", "content", "message"),
    [
        (
            "blind_expert",
            MODULE.format(feature="moon"),
            "expert 'reversal': its entry point could not make it for this model: ValueError: ",
        ),
        (
            "broken_expert",
            "import no_such_module_anywhere",
            "'reversal' (broken_expert:Reversal) cannot be imported: ModuleNotFoundError: ",
        ),
    ],
)
def test_a_package_that_fails_is_named_and_not_taken_for_a_bug_of_ours(
    folder: Path, capsys: pytest.CaptureFixture[str], module: str, content: str, message: str
) -> None:
    install(folder / "site", module, content)
    assert main(TRAIN) == 2
    assert message in capsys.readouterr().err
    assert not (folder / "model").exists()
