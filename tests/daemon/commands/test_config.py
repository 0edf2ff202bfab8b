"""`papertape config`."""

import json
from pathlib import Path

import pytest

from daemon.__main__ import main
from daemon.settings import Settings


def test_check_says_that_a_file_is_valid_and_what_the_environment_adds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("run: {name: x}\n")
    assert main(["config", "check", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: valid\n"
    monkeypatch.setenv("PAPERTAPE_COSTS__IMPACT", "1")
    assert main(["config", "check", str(file)]) == 0
    assert "1 setting from the environment" in capsys.readouterr().out


def test_check_names_every_problem_and_leaves_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("run: {nam: x}\ncosts: {impact: -1}\n")
    assert main(["config", "check", str(file)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"{file}:1: run.nam" in captured.err
    assert f"{file}:2: costs.impact" in captured.err


def test_show_prints_the_settings_in_effect(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("run: {name: x}\n")
    monkeypatch.setenv("PAPERTAPE_COSTS__IMPACT", "1")
    assert main(["config", "show", str(file)]) == 0
    text = capsys.readouterr().out
    assert "  name: x\n" in text
    assert "  impact: 1.0  # from PAPERTAPE_COSTS__IMPACT\n" in text


def test_schema_describes_every_section(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert set(schema["properties"]) == set(Settings.model_fields)
    assert schema["additionalProperties"] is False
