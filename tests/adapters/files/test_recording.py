"""Recordings: nothing is lost or counted twice, whatever moment the writer was killed at."""

import os
from pathlib import Path

import polars as pl
import pytest

from adapters.files.frame_log import FrameLog
from adapters.files.recording import Recording, day_files
from daemon.errors import UserError
from daemon.feed import BarClosed
from daemon.settings import BarsSettings

DAY = 28_401_120
"""2024-01-01 00:00 UTC."""


def bar(minute: int, close: float = 100.1, name: str = "kraken:BTC/USD") -> BarClosed:
    return BarClosed(name, DAY + minute, 100.0, 101.0, 99.0, close, 0.1 + 0.2)


def left_by_a_kill(out: Path) -> Recording:
    """A recording whose writer is gone without a word: its lock is released, nothing else is done."""
    recording = Recording(out)
    recording.begin("kraken:BTC/USD", DAY)
    return recording


def kill(recording: Recording) -> None:
    os.close(recording._lock)


def rows(folder: Path) -> list[tuple[int, float]]:
    found: list[tuple[int, float]] = []
    for file in day_files(folder, BarsSettings()):
        for block in file.read(0, 1 << 60):
            found += zip(
                (block["time_us"] // 60_000_000 - DAY).tolist(), block["close"].tolist(), strict=True
            )
    return found


def test_what_was_kept_is_read_while_it_is_written_and_floats_are_the_same(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "rec")
    assert recording.keep([bar(1439), bar(1440), bar(0)]) == 3
    assert recording.keep([bar(1439, close=99.5)]) == 0
    assert rows(tmp_path / "rec") == [(0, 100.1), (1439, 100.1), (1440, 100.1)]
    (first, _) = day_files(tmp_path / "rec", BarsSettings())
    assert next(first.read(0, 1 << 60))["volume"][0] == 0.1 + 0.2
    kill(recording)


def test_after_a_kill_a_torn_line_is_cut_off_and_its_bar_may_come_again(tmp_path: Path) -> None:
    recording = left_by_a_kill(tmp_path)
    recording.keep([bar(1), bar(2)])
    kill(recording)
    journal = tmp_path / "2024-01-01.csv"
    journal.write_bytes(journal.read_bytes()[:-7])
    assert rows(tmp_path) == [(1, 100.1)]
    again = Recording(tmp_path)
    assert again.keep([bar(1), bar(2), bar(3)]) == 2
    assert rows(tmp_path) == [(1, 100.1), (2, 100.1), (3, 100.1)]
    assert again.finish() == 3


def test_a_day_that_was_being_closed_stands_once(tmp_path: Path) -> None:
    recording = left_by_a_kill(tmp_path)
    recording.keep([bar(1)])
    journal = (tmp_path / "2024-01-01.csv").read_bytes()
    recording.finish()
    (tmp_path / "2024-01-01.csv").write_bytes(journal)  # killed between the Parquet and the removal
    again = Recording(tmp_path)
    assert again.keep([bar(1), bar(2)]) == 1
    assert rows(tmp_path) == [(1, 100.1), (2, 100.1)]
    assert again.finish() == 2
    assert not (tmp_path / "2024-01-01.csv").exists()


def test_days_that_are_over_become_parquet_and_take_a_late_bar(tmp_path: Path) -> None:
    recording = left_by_a_kill(tmp_path)
    recording.keep([bar(3), bar(1441)])
    recording.save(DAY + 1442)
    assert sorted(file.name for file in tmp_path.glob("2024*")) == ["2024-01-01.parquet", "2024-01-02.csv"]
    recording.keep([bar(5)])
    recording.save(DAY + 1443)
    assert pl.read_parquet(tmp_path / "2024-01-01.parquet").height == 2
    assert recording.finish() == 3


def test_what_is_missing_is_known_across_a_kill(tmp_path: Path) -> None:
    recording = left_by_a_kill(tmp_path)
    recording.keep([bar(0), bar(1), bar(4)])
    assert recording.missing("kraken:BTC/USD", DAY + 5) == (DAY + 2, DAY + 5)
    recording.save(DAY + 5)
    kill(recording)
    again = Recording(tmp_path)
    assert again.begin("kraken:BTC/USD", DAY + 9) == DAY + 2
    assert again.missing("kraken:BTC/USD", DAY + 4) == (DAY + 2, DAY + 3)
    again.account("kraken:BTC/USD", DAY + 4)
    assert again.missing("kraken:BTC/USD", DAY + 4) is None
    again.finish()


def test_one_file_takes_a_second_recording_in(tmp_path: Path) -> None:
    out = tmp_path / "bars.parquet"
    first = Recording(out)
    first.begin("kraken:BTC/USD", DAY)
    first.keep([bar(1), bar(1440)])
    assert first.finish() == 2
    assert list(tmp_path.iterdir()) == [out]
    second = Recording(out)
    assert second.begin("kraken:BTC/USD", DAY + 9_999) == DAY + 1441
    second.keep([bar(1440), bar(1441)])
    assert second.finish() == 3
    assert pl.read_parquet(out)["time"].is_sorted()


def test_two_writers_are_one_too_many(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    with pytest.raises(UserError, match="is being recorded by another process"):
        Recording(tmp_path)
    recording.finish()


def test_frames_are_one_a_line_and_stay_in_step_with_their_times(tmp_path: Path) -> None:
    log = FrameLog(tmp_path)
    log.take("okx", b'{"a":\n1}', 1_704_067_199.5)
    log.take("okx", b"pong", 1_704_067_201.25)
    log.close()
    assert (tmp_path / "okx" / "2023-12-31.jsonl").read_bytes() == b'{"a": 1}\n'
    times = tmp_path / "okx" / "2024-01-01.ts"
    assert times.read_text(encoding="utf-8") == "1704067201.250000\n"
    with (tmp_path / "okx" / "2024-01-01.jsonl").open("ab") as frames:
        frames.write(b"whole\nhalf a fr")
    again = FrameLog(tmp_path)
    again.take("okx", b"next", 1_704_067_202.0)
    again.close()
    assert (tmp_path / "okx" / "2024-01-01.jsonl").read_bytes() == b"pong\nnext\n"
    assert len(times.read_bytes().splitlines()) == 2
