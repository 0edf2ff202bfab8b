"""`papertape models` on a real registry: what there is, what trades, and moving that."""

import json
from pathlib import Path

import pytest

from adapters.registry import MlflowStore
from daemon.__main__ import main

FILES = {"bundle.json": b"{}"}
LEARNED = {"range.start": "2024-01-01 00:00", "range.end": "2024-01-02 16:00", "experts": "trees"}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One database for all tests here: MLflow takes seconds to make one."""
    return f"sqlite:///{tmp_path_factory.mktemp('models')}/mlflow.db"


class Desk:
    """Somebody at a terminal, with a model of their own of three versions, the last of them champion."""

    def __init__(self, name: str, registry: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.store = MlflowStore(registry)
        self.name = name
        self.config = folder / "run.yaml"
        sections = {"model": {"uri": f"models:/{name}@champion", "registry": registry}}
        self.config.write_text(json.dumps(sections), encoding="utf-8")
        self._capsys = capsys
        for loss in (1.09, 1.08, 1.07):
            self.store.register(name, "champion", FILES, {"calibration.log_loss.blend": loss}, LEARNED)

    def types(self, words: str) -> tuple[int, str]:
        code = main(["models", *words.split(), "--config", str(self.config)])
        captured = self._capsys.readouterr()
        return code, captured.out + captured.err

    @property
    def champion(self) -> str:
        return self.store.version_of(f"models:/{self.name}@champion")


@pytest.fixture
def desk(
    request: pytest.FixtureRequest, registry: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Desk:
    return Desk(request.node.originalname[:60], registry, tmp_path, capsys)


def test_the_list_shows_versions_what_they_learned_from_and_which_trades(desk: Desk) -> None:
    code, told = desk.types("list")
    head, newest, *older, last = told.splitlines()
    assert code == 0
    assert head.split()[:2] == ["version", "aliases"]
    assert newest.split()[:3] == ["*", "3", "champion"]
    assert newest.split()[5:] == ["2024-01-01", "00:00", "2024-01-02", "16:00", "1.0700", "trees"]
    assert [line.split()[0] for line in older] == ["2", "1"]
    assert f"models:/{desk.name}@champion" in last
    code, told = desk.types("list --json")
    assert [record["version"] for record in json.loads(told)] == ["3", "2", "1"]


def test_a_promotion_moves_what_trades_and_a_rollback_moves_it_back(desk: Desk) -> None:
    code, told = desk.types("promote 1")
    assert (code, desk.champion) == (0, "1")
    assert "version 3 -> version 1" in told
    assert "a running daemon looks every 30 s; back again: papertape models rollback" in told
    code, told = desk.types("rollback")
    assert (code, desk.champion) == (0, "3")
    assert "version 1 -> version 3" in told


def test_rollbacks_go_back_through_registrations_too_and_end_where_nothing_is_known(desk: Desk) -> None:
    assert desk.types("rollback")[0] == 0
    assert desk.champion == "2"
    assert desk.types("rollback")[0] == 0
    assert desk.champion == "1"
    code, told = desk.types("rollback")
    assert (code, desk.champion) == (2, "1")
    assert "it is not known which version" in told
    assert "name one (1, 2, 3)" in told


def test_a_promotion_to_where_the_alias_points_is_no_move(desk: Desk) -> None:
    assert "points at version 3 already" in desk.types("promote 3")[1]
    desk.types("rollback")
    assert desk.champion == "2"


def test_a_version_that_was_deleted_since_is_passed_over_by_a_rollback(desk: Desk) -> None:
    desk.store._client.delete_model_version(desk.name, "2")
    assert desk.types("rollback")[0] == 0
    assert desk.champion == "1"


def test_a_challenger_is_named_and_cleared_and_what_trades_stays(desk: Desk) -> None:
    code, told = desk.types("challenge 1")
    assert code == 0
    assert "@challenger: new -> version 1" in told
    assert "model.challenger is null: set it to" in told
    assert desk.store.version_of(f"models:/{desk.name}@challenger") == "1"
    assert "version 1, cleared" in desk.types("challenge --clear")[1]
    assert "was not set" in desk.types("challenge --clear")[1]
    assert desk.champion == "3"


@pytest.mark.parametrize(
    ("watched", "alias", "told_of"),
    [
        ("models:/{name}@rival", "rival", None),
        ("models:/other@rival", "challenger", "model.challenger is models:/other@rival: set"),
        ("runs/of@home", "challenger", "model.challenger is runs/of@home: set"),
    ],
)
def test_the_alias_of_another_models_challenger_is_not_taken(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, watched: str, alias: str, told_of: str | None
) -> None:
    monkeypatch.setenv("PAPERTAPE_MODEL__CHALLENGER", watched.format(name=desk.name))
    code, told = desk.types("challenge 1")
    assert code == 0
    assert f"models:/{desk.name}@{alias}: new -> version 1" in told
    assert told_of in told if told_of else "model.challenger is" not in told
    assert f"models:/{desk.name}@{alias}: version 1, cleared" in desk.types("challenge --clear")[1]


def test_a_folder_with_an_at_sign_gives_no_alias(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAPERTAPE_MODEL__URI", "models/of@home")
    code, told = desk.types(f"promote 1 --name {desk.name}")
    assert code == 0
    assert f"models:/{desk.name}@champion: version 3 -> version 1" in told


def test_what_is_no_address_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAPERTAPE_MODEL__URI", f"models:/{desk.name}")
    code, told = desk.types("list")
    assert code == 2
    assert "is no model's address: write models:/NAME@ALIAS" in told


@pytest.mark.parametrize("words", ["challenge", "challenge 1 --clear"])
def test_a_challenge_needs_a_version_or_clear_and_not_both(desk: Desk, words: str) -> None:
    code, told = desk.types(words)
    assert code == 2
    assert "name a VERSION, or give --clear" in told


def test_unknown_versions_and_names_are_refused_with_what_there_is(desk: Desk) -> None:
    code, told = desk.types("promote 9")
    assert code == 2
    assert "has no version 9; it has 1, 2, 3" in told
    code, told = desk.types("list --name nobody")
    assert code == 2
    assert "there is no model 'nobody'" in told
    assert desk.name in told


def test_another_models_versions_have_no_star(desk: Desk) -> None:
    desk.store.register("other", None, FILES, {})
    code, told = desk.types("list --name other")
    assert code == 0
    assert "*" not in told


def test_a_registry_that_is_not_there_is_named_without_its_password(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAPERTAPE_MODEL__REGISTRY", "http://joe:hidden@127.0.0.1:9/hidden-too")
    code, told = desk.types("list")
    assert code == 2
    assert "the registry http://127.0.0.1:9" in told
    assert "joe" not in told
    assert "hidden@" not in told
    monkeypatch.setenv("PAPERTAPE_MODEL__REGISTRY", "sqlite:////nowhere/mlflow.db")
    assert "there is no such file" in desk.types("list")[1]


def test_a_folder_has_no_versions(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAPERTAPE_MODEL__URI", "some/folder")
    code, told = desk.types("list")
    assert code == 2
    assert "a folder has no versions" in told
