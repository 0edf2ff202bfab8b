"""A replay's memory reaches a plateau: bars are streamed, every window and queue is bounded."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.simulator.market import SimulatedMarket
from tests import runs
from tests.integration.command_line import environment, settings_text, write_job

DAYS = 1_440
SHORT, LONG = 12 * DAYS, 36 * DAYS
MOST_GROWTH = 1.10
"""Three times as long a run may take a tenth more: mapped pages of the bar file count too."""


def peak_mb(folder: Path, n_minutes: int) -> float:
    """Peak resident memory of a replay over so many minutes of four instruments."""
    job = write_job(folder)
    market = SimulatedMarket(runs.market().seed, 4, runs.LEARNED + n_minutes)
    market.frame().write_parquet(folder / job.bars, row_group_size=8 * DAYS)
    tape = {"group_batches": DAYS, "snapshot_batches": DAYS}
    vitals = {"window_minutes": 2 * DAYS}
    (folder / job.config).write_text(settings_text(tape=tape, vitals=vitals), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "papertape", *job.words("run.tape")],
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss / 1024


@pytest.mark.slow
def test_a_replay_three_times_as_long_needs_hardly_more_memory(tmp_path: Path) -> None:
    peaks = []
    for n_minutes in (SHORT, LONG):
        folder = tmp_path / str(n_minutes)
        folder.mkdir()
        peaks.append(peak_mb(folder, n_minutes))
    assert peaks[1] < MOST_GROWTH * peaks[0], f"peaks in MB: {peaks}"
