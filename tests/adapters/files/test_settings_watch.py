"""Other content of a settings file is seen however it comes, and read when it stands still."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from adapters.files import settings_watch
from adapters.files.settings_watch import content_of, other_content, still

PATIENCE_S = 30.0


def config_map(folder: Path, content: str, revision: int) -> Path:
    """Publish a revision as the kubelet does: a new folder, and `..data` swapped onto it in one step."""
    version = folder / f"..2026_11_21_{revision}"
    version.mkdir(parents=True)
    (version / "run.yaml").write_text(content, encoding="utf-8")
    fresh = folder / "..data_tmp"
    fresh.symlink_to(version.name)
    fresh.replace(folder / "..data")
    file = folder / "run.yaml"
    if not file.is_symlink():
        file.symlink_to("..data/run.yaml")
    return file


class Seen:
    """Changes that were told, and why a folder was not watched."""

    def __init__(self) -> None:
        self.changes: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.unwatched: asyncio.Queue[str] = asyncio.Queue()

    async def next(self) -> bytes | None:
        async with asyncio.timeout(PATIENCE_S):
            return await self.changes.get()


@asynccontextmanager
async def watching(file: Path) -> AsyncIterator[Seen]:
    """Watch a file from its present content on, and be sure that the system does."""
    seen = Seen()

    async def watch() -> None:
        async for _ in other_content(file, None, seen.unwatched.put_nowait):
            seen.changes.put_nowait(content_of(file))

    task = asyncio.create_task(watch())
    try:
        yield seen
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_config_map_whose_data_link_is_swapped_has_other_content(tmp_path: Path) -> None:
    file = config_map(tmp_path, "log: {level: info}", 1)
    async with watching(file) as seen:
        assert await seen.next() == b"log: {level: info}"
        for revision in range(2, 5):
            content = f"log: {{level: debug}} # {revision}"
            config_map(tmp_path, content, revision)
            assert await seen.next() == content.encode()
        assert seen.changes.empty()


async def test_a_new_file_renamed_over_it_and_one_written_in_place_are_seen(tmp_path: Path) -> None:
    file, new = tmp_path / "run.yaml", tmp_path / "run.yaml~"
    file.write_text("run: {name: a}")
    async with watching(file) as seen:
        assert await seen.next() == b"run: {name: a}"
        new.write_text("run: {name: b}")
        new.replace(file)
        assert await seen.next() == b"run: {name: b}"
        file.write_bytes(b"run: {name: c}")
        assert await seen.next() in {b"run: {name: c}", b""}
        file.unlink()
        while await seen.next() is not None:
            pass
        file.write_text("run: {name: d}")
        while await seen.next() != b"run: {name: d}":
            pass


async def test_the_same_content_written_again_and_other_files_are_no_change(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("a")
    async with watching(file) as seen:
        await seen.next()
        os.utime(file)
        (tmp_path / "new").write_text("a")
        (tmp_path / "new").replace(file)
        (tmp_path / "other.yaml").write_text("b")
        file.write_text("z")
        assert await seen.next() in {b"z", b""}


async def test_what_a_link_leads_to_elsewhere_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings_watch, "LOOK_MS", 50)
    target, file = tmp_path / "elsewhere" / "real.yaml", tmp_path / "here" / "run.yaml"
    for path in (target, file):
        path.parent.mkdir()
    target.write_text("a")
    file.symlink_to(target)
    async with watching(file) as seen:
        assert await seen.next() == b"a"
        target.write_text("b")
        assert await seen.next() in {b"b", b""}


async def test_a_folder_that_cannot_be_watched_is_said_and_its_file_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings_watch, "LOOK_MS", 50)
    file = tmp_path / "later" / "run.yaml"
    async with watching(file) as seen:
        async with asyncio.timeout(PATIENCE_S):
            assert "later" in await seen.unwatched.get()
        assert seen.changes.empty()
        file.parent.mkdir()
        file.write_text("a")
        assert await seen.next() in {b"a", b""}


@pytest.mark.parametrize("half", ["", "run: {name: ", "run:\n\t- x", None], ids=repr)
async def test_a_file_that_is_no_yaml_yet_is_waited_for(tmp_path: Path, half: str | None) -> None:
    file = tmp_path / "run.yaml"
    if half is not None:
        file.write_text(half)
    waiting = asyncio.create_task(still(file, 0.001, PATIENCE_S))
    done, _ = await asyncio.wait((waiting,), timeout=0.05)
    assert not done
    file.write_text("run: {name: whole}")
    async with asyncio.timeout(PATIENCE_S):
        await waiting


async def test_a_file_that_stays_no_yaml_is_read_in_the_end(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_bytes(b"\xff\xfe")
    async with asyncio.timeout(PATIENCE_S):
        await still(file, 0.001, 0.01)


async def test_a_file_that_never_stands_still_is_read_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings_watch, "LONGEST_S", 2 * PATIENCE_S)
    file, writes = tmp_path / "run.yaml", 0

    def next_content(_: Path) -> bytes:
        nonlocal writes
        writes += 1
        if writes == 3:
            monkeypatch.setattr(settings_watch, "LONGEST_S", 0.0)
        return f"run: {{name: n{writes}}}".encode()

    monkeypatch.setattr(settings_watch, "content_of", next_content)
    async with asyncio.timeout(PATIENCE_S):
        await still(file, 0.001, PATIENCE_S)
    assert writes > 2
