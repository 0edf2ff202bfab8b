"""How many models were tried: stated, counted in the registry, or unknown for a reason."""

from pathlib import Path

import pytest

from adapters.registry import MlflowStore
from daemon.commands._trials import trials

FILES = {"bundle.json": b"{}"}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A registry with two runs of one model."""
    address = f"sqlite:///{tmp_path_factory.mktemp('registry')}/mlflow.db"
    for _ in range(2):
        MlflowStore(address).register("mine", None, FILES, {})
    return address


def test_what_a_person_states_is_taken_and_nobody_is_asked() -> None:
    assert trials(7, "mine", "http://nowhere.invalid").count == 7


def test_the_runs_of_the_models_experiment_are_the_trials(registry: str) -> None:
    found = trials(None, "mine", registry)
    assert found.count == 2
    assert found.source == f"runs of the experiment mine in {registry}"


def test_without_an_experiment_or_a_registry_it_is_said_what_is_missing(
    registry: str, tmp_path: Path
) -> None:
    nobody = trials(None, "nobody", registry)
    assert nobody.count is None
    assert (
        nobody.source
        == f"the registry {registry} has no experiment nobody: give --trials, or its model.registry"
    )
    elsewhere = trials(None, "mine", f"sqlite:///{tmp_path}/none.db")
    assert elsewhere.count is None
    assert trials(None, None, registry).source == "the model's name cannot be read: give --trials"


def test_a_registry_that_cannot_be_used_is_a_reason_and_no_failure(tmp_path: Path) -> None:
    (tmp_path / "broken.db").write_bytes(b"this is no database" * 100)
    found = trials(None, "mine", f"sqlite:///{tmp_path}/broken.db")
    assert found.count is None
    assert "cannot be used" in found.source


@pytest.mark.parametrize("count", [3, None])
def test_the_password_of_a_registry_is_not_told(monkeypatch: pytest.MonkeyPatch, count: int | None) -> None:
    monkeypatch.setattr(MlflowStore, "count_runs", lambda _store, _name: count)
    found = trials(None, "mine", "https://joe:hidden@models.example/registry")
    assert found.count == count
    assert "https://models.example/registry" in found.source
    assert "joe" not in found.source
    assert "hidden" not in found.source
