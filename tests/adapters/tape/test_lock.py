"""One writer per tape, whatever became of the one before."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.tape.lock import WriterLock
from adapters.tape.writer import TapeWriter
from daemon.errors import TapeError, TapeInUseError

HOLD = """
import sys
from pathlib import Path
from adapters.tape.lock import WriterLock
lock = WriterLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def holder(tape: Path, repository: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tape)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=repository,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def ended(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_a_second_process_is_refused_by_the_first_ones_number(tmp_path: Path, repository: Path) -> None:
    process = holder(tmp_path / "run.tape", repository)
    try:
        with pytest.raises(TapeInUseError, match=rf"run\.tape is being written by process {process.pid};"):
            TapeWriter(tmp_path / "run.tape")
    finally:
        ended(process)


def test_a_killed_holder_leaves_the_tape_free(tmp_path: Path, repository: Path) -> None:
    ended(holder(tmp_path / "run.tape", repository))
    assert (tmp_path / "run.tape.lock").exists()
    with TapeWriter(tmp_path / "run.tape"):
        assert (tmp_path / "run.tape.lock").read_text() == f"{os.getpid()}\n"
    assert list(tmp_path.iterdir()) == []  # neither a lock nor a tape on which there is nothing


def test_two_writers_in_one_process_are_one_too_many(tmp_path: Path) -> None:
    first = TapeWriter(tmp_path / "run.tape")
    with pytest.raises(TapeInUseError, match=f"process {os.getpid()}"):
        TapeWriter(tmp_path / "run.tape")
    first.close()
    with TapeWriter(tmp_path / "run.tape"):
        pass


def test_releasing_twice_does_not_release_the_next_holder(tmp_path: Path) -> None:
    first = WriterLock(tmp_path / "run.tape")
    first.release()
    second = WriterLock(tmp_path / "run.tape")
    first.release()
    with pytest.raises(TapeInUseError):
        WriterLock(tmp_path / "run.tape")
    second.release()


def test_a_lock_on_a_file_that_was_just_removed_is_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The holder removes the file between our opening it and our locking it."""
    (tmp_path / "run.tape.lock").touch()
    opened = os.open
    ghosts = [(tmp_path / "run.tape.lock")]

    def open_then_remove(path: Path, flags: int, mode: int = 0o777) -> int:
        descriptor = opened(path, flags, mode)
        if ghosts:
            ghosts.pop().unlink()
        return descriptor

    monkeypatch.setattr(os, "open", open_then_remove)
    lock = WriterLock(tmp_path / "run.tape")
    monkeypatch.undo()
    with pytest.raises(TapeInUseError):
        WriterLock(tmp_path / "run.tape")
    lock.release()


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder").touch()
    with pytest.raises(TapeError, match="folder"):
        TapeWriter(tmp_path / "folder" / "run.tape")


def test_missing_folders_are_made(tmp_path: Path) -> None:
    with TapeWriter(tmp_path / "var" / "runs" / "run.tape"):
        assert (tmp_path / "var" / "runs" / "run.tape").exists()
