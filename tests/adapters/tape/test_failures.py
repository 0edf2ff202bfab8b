"""The machine fails: a killed process, a full disk, a folder that cannot be written. The tape stays whole."""

import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.tape.intact import check_intact
from adapters.tape.reader import TapeReader
from adapters.tape.writer import TapeWriter
from daemon.errors import TapeError, TapeInUseError
from tests.adapters.tape import samples
from tests.adapters.tape.homes import Home
from tests.postgresql import url_of

WRITE = """
import sys
from adapters.tape.place import place_of
from adapters.tape.writer import TapeWriter
from tests.adapters.tape import samples
writer = TapeWriter(place_of(sys.argv[1]))
number, digest = writer.tip if writer.begun else (0, samples.begin(writer))
print(number, flush=True)
while True:
    group = list(samples.batches(digest, 7, start=number))
    writer.append(group, samples.snapshot(group[-1]))
    number, digest = group[-1].batch, group[-1].digest
    print(number, flush=True)
"""


@pytest.mark.slow
def test_a_writer_killed_while_it_makes_the_file_leaves_one_that_can_be_begun(
    tmp_path: Path, repository: Path
) -> None:
    """The kill comes as soon as the file is there: somewhere between nothing in it and its first rows."""
    for number in range(2):
        path = tmp_path / f"{number}.tape"
        process = subprocess.Popen(
            [sys.executable, "-c", WRITE, str(path)], stdout=subprocess.DEVNULL, cwd=repository
        )
        while not path.exists() and process.poll() is None:
            pass
        process.kill()
        process.wait()
        with TapeWriter(path) as writer:
            if not writer.begun:
                samples.begin(writer)
        with TapeReader(path) as reader:
            assert list(check_intact(reader)) == []


@pytest.mark.slow
def test_a_writer_killed_at_any_moment_loses_no_committed_group(home: Home, repository: Path) -> None:
    """What the process said it had committed is there after kill -9 at a random moment, and intact.

    A server may notice a moment later, so the next writer waits for the lock of a killed one.
    """
    place, chance = home.place(), random.Random(11)
    where = str(place) if isinstance(place, Path) else url_of(place)
    for _ in range(6 if isinstance(place, Path) else 3):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITE, where], stdout=subprocess.PIPE, text=True, cwd=repository
        )
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(chance.randint(1, 6))]
        # From here to a few commits later, so that the kill falls anywhere in one.
        for _ in range(chance.randint(0, 40_000)):
            pass
        process.kill()
        rest, _ = process.communicate()
        said = int([*lines, *rest.split()][-1])
        with TapeReader(place) as reader:
            read = tuple(reader.batches())
            assert list(check_intact(reader)) == []
            assert read == tuple(samples.batches(reader.genesis(), len(read)))
            snapshot = reader.snapshot()
        # The last group may be committed and not yet said.
        assert len(read) in {said, said + 7}
        assert (snapshot.batch if snapshot else 0) == len(read)


def test_a_full_disk_is_said_and_the_group_can_be_tried_again(tmp_path: Path) -> None:
    """SQLite's own page limit stands for the disk: the same error comes by the same way."""
    with TapeWriter(tmp_path / "run.tape") as writer:
        genesis = samples.begin(writer)
        records = tuple(samples.batches(genesis, 400))
        writer.append(records[:10])
        connection = samples.driver_of(writer)
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count={pages + 2}")
        with pytest.raises(TapeError, match="is full"):
            writer.append(records[10:], samples.snapshot(records[-1]))
        assert writer.tip[0] == 10
        with TapeReader(tmp_path / "run.tape") as reader:
            assert tuple(reader.batches()) == records[:10]
            assert reader.snapshot() is None
        connection.execute("PRAGMA max_page_count=1000000")
        writer.append(records[10:], samples.snapshot(records[-1]))
    with TapeReader(tmp_path / "run.tape") as reader:
        assert tuple(reader.batches()) == records
        assert list(check_intact(reader)) == []


def test_a_beginning_that_fails_half_way_leaves_a_tape_that_can_be_begun(tmp_path: Path) -> None:
    def blocks() -> Iterator[bytes]:
        yield samples.warmup_blocks(3)[0]
        raise OSError("the bar file went away")

    with TapeWriter(tmp_path / "run.tape") as writer:
        with pytest.raises(OSError, match="went away"):
            writer.begin(samples.HEADER, samples.instruments(), "7", samples.FILES, warmup=blocks())
        assert not writer.begun
        samples.begin(writer)
    with TapeReader(tmp_path / "run.tape") as reader:
        assert list(check_intact(reader)) == []


def test_another_program_that_holds_the_file_is_said(tmp_path: Path) -> None:
    path = samples.write(tmp_path / "run.tape").place
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with TapeWriter(path) as writer:
        samples.driver_of(writer).execute("PRAGMA busy_timeout=1")
        with TapeReader(path) as reader:
            last = reader.last_batch()
        assert last is not None
        with pytest.raises(TapeInUseError, match="another program holds"):
            writer.append(list(samples.batches(last.digest, 1, start=40)))
        other.execute("ROLLBACK")
        other.close()
        writer.append(list(samples.batches(last.digest, 1, start=40)))


@contextmanager
def somebody() -> Iterator[Path]:
    """A folder, and rights that can be taken away: root may write everywhere, so root becomes nobody here."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO)
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if was_root:
            os.seteuid(0)
        folder.chmod(stat.S_IRWXU)
        shutil.rmtree(folder)


@contextmanager
def as_before() -> Iterator[None]:
    """Inside `somebody`: the rights that were taken away, for a moment."""
    now = os.geteuid()
    os.seteuid(os.getuid())
    try:
        yield
    finally:
        os.seteuid(now)


def test_a_folder_without_the_right_to_write_is_said() -> None:
    with somebody() as folder:
        inner = folder / "inner"
        inner.mkdir()
        inner.chmod(stat.S_IRUSR | stat.S_IXUSR)
        with pytest.raises(TapeError, match="cannot be written"):
            TapeWriter(inner / "run.tape")
        with pytest.raises(TapeError, match="cannot be made"):
            TapeWriter(inner / "deeper" / "run.tape")
        inner.chmod(stat.S_IRWXU)


def test_a_tape_in_a_read_only_folder_can_be_read() -> None:
    # Written before the rights go: making a tape reads migrations, which may lie where nobody may look.
    folder = Path(tempfile.mkdtemp())
    sample = samples.write(folder / "run.tape", n=5)
    with somebody() as elsewhere:
        inner = elsewhere / "inner"
        inner.mkdir()
        with as_before():
            shutil.copyfile(sample.place, inner / "run.tape")
            (inner / "run.tape").chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
        inner.chmod(stat.S_IRUSR | stat.S_IXUSR)
        with TapeReader(inner / "run.tape") as reader:
            assert tuple(reader.batches()) == sample.batches
            assert list(check_intact(reader)) == []
        inner.chmod(stat.S_IRWXU)
    shutil.rmtree(folder)
