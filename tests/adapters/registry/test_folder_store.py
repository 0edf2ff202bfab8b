"""Bundles in plain folders."""

import shutil
from pathlib import Path

import pytest

from adapters.registry import FolderStore, MlflowStore, open_store
from daemon.errors import ModelNotFoundError, UserError

FILES = {"bundle.json": b"{}", "trees.txt": b"tree\n\xff"}


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "model"
    version = FolderStore(folder).register("any", "champion", FILES, {"skill": 1.0})
    assert FolderStore(folder).load(str(folder)) == (version, FILES)
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_the_version_is_the_content(tmp_path: Path) -> None:
    one, same, other = (
        FolderStore(tmp_path / name).register("any", None, files, {})
        for name, files in (
            ("a", FILES),
            ("b", dict(reversed(FILES.items()))),
            ("c", {**FILES, "trees.txt": b""}),
        )
    )
    assert one == same != other


def test_a_model_is_replaced_whole(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "model")
    store.register("any", None, {**FILES, "old.txt": b""}, {})
    store.register("any", None, FILES, {})
    assert store.load(str(tmp_path / "model"))[1] == FILES


def test_an_empty_folder_is_taken_and_another_persons_is_not(tmp_path: Path) -> None:
    empty, full = tmp_path / "empty", tmp_path / "full"
    empty.mkdir()
    full.mkdir()
    (full / "thesis.tex").write_text("precious")
    FolderStore(empty).register("any", None, FILES, {})
    with pytest.raises(UserError, match="full exists and holds no model"):
        FolderStore(full).register("any", None, FILES, {})
    assert [path.name for path in full.iterdir()] == ["thesis.tex"]
    with pytest.raises(UserError, match="holds no model"):
        FolderStore(full / "thesis.tex").register("any", None, FILES, {})


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        FolderStore(tmp_path / "file" / "model").register("any", None, FILES, {})


def test_no_folder_and_no_model_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"nowhere is no folder.*models:/NAME@ALIAS"):
        FolderStore(tmp_path).load("nowhere")
    with pytest.raises(ModelNotFoundError, match="holds no model"):
        FolderStore(tmp_path).load(str(tmp_path))


def test_a_folder_that_is_replaced_while_it_is_read_is_an_error_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "model"
    FolderStore(folder).register("any", None, FILES, {})
    read = Path.read_bytes

    def read_late(path: Path) -> bytes:
        shutil.rmtree(folder)
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", read_late)
    with pytest.raises(UserError, match="model cannot be read: No such file or directory"):
        FolderStore(folder).version_of(str(folder))


def test_the_address_says_which_store() -> None:
    assert isinstance(open_store("models:/a@b", "sqlite:///x.db"), MlflowStore)
    assert isinstance(open_store("models/a", "sqlite:///x.db"), FolderStore)
