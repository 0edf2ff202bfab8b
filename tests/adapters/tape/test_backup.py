"""Copies of tapes, also of those that are being written."""

from pathlib import Path

import pytest

from adapters.tape.backup import backup
from adapters.tape.intact import check_intact
from adapters.tape.lock import WriterLock
from adapters.tape.reader import TapeReader
from adapters.tape.writer import TapeWriter
from daemon.errors import TapeError, TapeInUseError, TapePlaceError, TapeVersionError
from tests.adapters.tape import samples


def told(done: int, of: int) -> None:
    assert 0 <= done <= of


@pytest.fixture
def sample(tmp_path: Path) -> samples.Sample[Path]:
    return samples.write(tmp_path / "run.tape")


def test_a_copy_holds_what_was_committed_when_it_began_though_the_writer_goes_on(
    sample: samples.Sample[Path], tmp_path: Path
) -> None:
    copy = tmp_path / "copies" / "run.tape"
    more = list(samples.batches(sample.batches[-1].digest, 60, start=40))
    moments = []
    with TapeWriter(sample.place) as writer:

        def commit(done: int, of: int) -> None:
            """Commit a group between two parts of the copy."""
            moments.append(done)
            group = more[20 * len(moments) - 20 : 20 * len(moments)]
            if group:
                writer.append(group, samples.snapshot(group[-1]))

        monkeyed = pytest.MonkeyPatch()
        with monkeyed.context() as patch:
            patch.setattr("adapters.tape.backup._PAGES", 8)
            backup(sample.place, copy, commit)
        assert writer.tip == (100, more[-1].digest)
    assert len(moments) > 3
    assert moments == sorted(moments), "it did not begin anew"
    with TapeReader(copy) as reader:
        assert list(check_intact(reader)) == []
        assert reader.tip() == (40, sample.batches[-1].digest)
        assert tuple(reader.batches()) == sample.batches
    assert [file.name for file in copy.parent.iterdir()] == ["run.tape"]


def test_what_is_there_is_replaced_only_if_asked_for(sample: samples.Sample[Path], tmp_path: Path) -> None:
    other = samples.write(tmp_path / "other.tape", n=10).place
    content = other.read_bytes()
    with pytest.raises(TapePlaceError, match="--force"):
        backup(sample.place, other, told)
    assert other.read_bytes() == content
    # The log of what is replaced must not be taken for the copy's.
    other.with_name("other.tape-wal").write_bytes(b"stale")
    backup(sample.place, other, told, force=True)
    with TapeReader(other) as reader:
        assert reader.tip() == (40, sample.batches[-1].digest)
    with pytest.raises(TapePlaceError, match="the tape itself"):
        backup(sample.place, sample.place, told, force=True)


def test_a_tape_that_is_being_written_is_not_replaced(sample: samples.Sample[Path], tmp_path: Path) -> None:
    other = samples.write(tmp_path / "other.tape", n=10).place
    lock = WriterLock(other)
    try:
        with pytest.raises(TapeInUseError):
            backup(sample.place, other, told, force=True)
    finally:
        lock.release()
    with TapeReader(other) as reader:
        assert reader.tip()[0] == 10  # type: ignore[index]


def test_a_copy_that_fails_leaves_nothing(sample: samples.Sample[Path], tmp_path: Path) -> None:
    def fail(done: int, of: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(TapeError, match="No space left"):
        backup(sample.place, tmp_path / "copy.tape", fail)
    beneath = tmp_path / "file"
    beneath.touch()
    with pytest.raises(TapePlaceError, match="copy"):
        backup(sample.place, beneath / "copy.tape", told)
    with pytest.raises(TapeVersionError, match="there is no tape"):
        backup(tmp_path / "none.tape", tmp_path / "copy.tape", told)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "run.tape"]
