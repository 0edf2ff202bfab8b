"""Bundles in MLflow's own registry, embedded: SQLite and a folder beside it."""

import logging
import os
import socket
import threading
import warnings
from pathlib import Path

import pytest

from adapters.registry import MlflowStore
from adapters.registry.mlflow_speaking import speaking
from daemon.errors import ModelNotFoundError, UserError

FILES = {"bundle.json": b"{}", "trees.txt": b"tree\n\xff"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("registry")


@pytest.fixture(scope="module")
def store(folder: Path) -> MlflowStore:
    """One database for all tests here: MLflow takes seconds to make one."""
    return MlflowStore(f"sqlite:///{folder}/var/mlflow.db")


def test_a_registered_model_comes_back_by_alias_and_by_version(store: MlflowStore, folder: Path) -> None:
    version = store.register("first", "champion", FILES, {"folds.skill": 0.25}, {"seed": "1"})
    assert version == "1"
    assert store.load("models:/first@champion") == ("1", FILES)
    assert store.load("models:/first/1") == ("1", FILES)
    assert sorted(path.name for path in (folder / "var").iterdir()) == ["mlartifacts", "mlflow.db"]


def test_an_alias_moves_to_the_newest_version_and_the_old_one_stays(store: MlflowStore) -> None:
    store.register("moving", "champion", FILES, {})
    version = store.register("moving", "champion", {"bundle.json": b"[]"}, {})
    assert store.load("models:/moving@champion") == (version, {"bundle.json": b"[]"})
    assert store.load("models:/moving/1") == ("1", FILES)


def test_without_an_alias_a_version_is_made_and_no_alias_moves(store: MlflowStore) -> None:
    store.register("quiet", "champion", FILES, {})
    assert store.register("quiet", None, {"bundle.json": b"2"}, {}) == "2"
    assert store.load("models:/quiet@champion")[0] == "1"


def test_metrics_and_parameters_stand_with_the_run(store: MlflowStore) -> None:
    version = store.register(
        "measured", None, FILES, {"calibration.log_loss.trees": 1.05}, {"features": "80"}
    )
    run_id = store._client.get_model_version("measured", version).run_id
    assert run_id is not None
    run = store._client.get_run(run_id)
    assert run.data.metrics == {"calibration.log_loss.trees": 1.05}
    assert run.data.params == {"features": "80"}
    assert run.info.status == "FINISHED"


@pytest.mark.parametrize("uri", ["models:/nobody@champion", "models:/first@nobody", "models:/first/999"])
def test_what_is_not_there_is_refused_with_what_is(store: MlflowStore, uri: str) -> None:
    store.register("first", "champion", FILES, {})
    with pytest.raises(ModelNotFoundError, match=r"no such model in sqlite.*first \(aliases champion\)"):
        store.load(uri)


@pytest.mark.parametrize("uri", ["models:/first", "models:/first/latest", "models:/a/b@c", "models:first@a"])
def test_an_address_of_another_form_is_refused(store: MlflowStore, uri: str) -> None:
    with pytest.raises(
        ModelNotFoundError, match="write models:/NAME@ALIAS, models:/NAME/VERSION, or a folder"
    ):
        store.load(uri)


def test_a_name_that_cannot_be_one_is_refused(store: MlflowStore) -> None:
    with pytest.raises(UserError, match="'a/b' cannot be a model's name"):
        store.register("a/b", None, FILES, {})


def test_a_run_that_fails_half_way_is_marked_and_leaves_no_version(
    store: MlflowStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.register("failing", "champion", FILES, {})
    with pytest.raises(UserError, match="cannot be used"):
        store.register("failing", "champion", {"sub/file": b""}, {})
    assert store.load("models:/failing@champion")[0] == "1"
    experiment = store._client.get_experiment_by_name("failing")
    assert experiment is not None
    runs = store._client.search_runs([experiment.experiment_id])
    assert sorted(run.info.status for run in runs) == ["FAILED", "FINISHED"]


def test_bundles_of_another_database_are_found_where_it_says(store: MlflowStore, folder: Path) -> None:
    store.register("twice", "champion", FILES, {})
    again = MlflowStore(f"sqlite:///{folder}/var/mlflow.db")
    assert again.load("models:/twice@champion") == ("1", FILES)


def test_mlflow_is_quiet(store: MlflowStore, capfd: pytest.CaptureFixture[str]) -> None:
    store.register("silent", "champion", FILES, {})
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("alembic").level == logging.WARNING


def test_an_address_that_is_no_registry_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database, however long it may be\n" * 50)
    with pytest.raises(UserError, match=r"the registry sqlite:.*text.db cannot be used.*model.registry"):
        MlflowStore(f"sqlite:///{tmp_path}/text.db").load("models:/a@b")


def test_the_runs_of_a_models_experiment_are_counted_and_no_others(store: MlflowStore) -> None:
    for _ in range(3):
        store.register("tried", None, FILES, {})
    store.register("another", None, FILES, {})
    assert store.count_runs("tried") == 3
    assert store.count_runs("nobody") is None


def test_runs_are_counted_page_by_page(store: MlflowStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.registry.mlflow_store.PAGE_RUNS", 2)
    for _ in range(5):
        store.register("paged", None, FILES, {})
    assert store.count_runs("paged") == 5


def test_where_there_is_no_registry_counting_makes_none(tmp_path: Path) -> None:
    assert MlflowStore(f"sqlite:///{tmp_path}/var/mlflow.db").count_runs("anything") is None
    assert not list(tmp_path.iterdir())


def test_a_server_that_is_not_there_is_asked_once_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: every connection is refused
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(UserError, match=f"the registry {address} cannot be used"):
            MlflowStore(address).count_runs("anything")
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ


def test_two_threads_that_speak_at_once_leave_warnings_and_environment_as_they_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    came, left = threading.Event(), threading.Event()
    patience: list[str | None] = []

    def other() -> None:
        with speaking("http://nowhere.invalid", once=True):
            came.set()
            left.wait(60)
            patience.append(os.environ.get("MLFLOW_HTTP_REQUEST_MAX_RETRIES"))

    before = list(warnings.filters)
    thread = threading.Thread(target=other)
    with speaking("http://nowhere.invalid", once=True):
        thread.start()
        came.wait(0.2)  # it must not come in; where it does, it goes after the first has gone
    left.set()
    thread.join()
    assert patience == ["0"]
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ
    assert list(warnings.filters) == before
