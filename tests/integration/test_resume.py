"""A replay that is stopped and taken up again, and what it refuses."""

import signal
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from daemon.__main__ import main
from tests import runs
from tests.integration.command_line import (
    POLL_S,
    Job,
    digest,
    n_batches,
    papertape,
    settings_text,
    started,
    tip,
    wait_for,
)


def test_two_replays_one_after_the_other_come_to_the_digest_of_one(job: Job, whole: Path) -> None:
    assert main(job.words("parts.tape", until="2024-01-02T21:17")) == 0
    tape = job.folder / "parts.tape"
    assert n_batches(tape) == 317
    assert main(job.words("parts.tape")) == 0
    assert tip(tape) == tip(whole)


def test_a_finished_replay_started_again_adds_nothing_and_says_the_same(job: Job, whole: Path) -> None:
    before = tip(whole)
    again = papertape(job.words("whole.tape"), job.folder)
    assert again.returncode == 0, again.stderr
    assert digest(whole) in again.stdout
    assert tip(whole) == before


def test_a_second_writer_is_refused_by_the_number_of_the_first(job: Job) -> None:
    """The first is held still in the middle of its work, so that the second meets a living writer."""
    tape = job.folder / "shared.tape"
    with started(job.words(tape.name), job.folder) as process:
        assert wait_for(process, lambda: n_batches(tape) > 0, POLL_S)
        process.send_signal(signal.SIGSTOP)
        second = papertape(job.words(tape.name), job.folder)
    assert second.returncode == 2
    assert f"is being written by process {process.pid}" in second.stderr


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT], ids=lambda ending: ending.name)
def test_a_signal_ends_a_replay_between_two_batches(job: Job, whole: Path, ending: signal.Signals) -> None:
    name = f"{ending.name}.tape"
    tape = job.folder / name
    with started(job.words(name), job.folder) as process:
        assert wait_for(process, lambda: n_batches(tape) > 0, POLL_S)
        process.send_signal(ending)
        assert process.wait() == 128 + ending
    log = (job.folder / "stderr.txt").read_text(encoding="utf-8")
    assert ending.name in log
    assert "start it again to go on" in log
    assert 0 < n_batches(tape) < n_batches(whole)
    assert main(["verify", str(tape)]) == 0
    assert main(job.words(name)) == 0
    assert tip(tape) == tip(whole)


@pytest.fixture(scope="module")
def half(job: Job) -> Path:
    """A tape of the first 96 minutes, which somebody wants to go on with."""
    assert main(job.words("half.tape", until="2024-01-02T17:36")) == 0
    return job.folder / "half.tape"


def other_bars(job: Job) -> Job:
    frame = pl.read_parquet(job.folder / job.bars)
    frame.with_columns(pl.col("volume") * 2).write_parquet(job.folder / "other.parquet")
    return replace(job, bars="other.parquet")


def other_settings(job: Job) -> Job:
    text = settings_text(costs={"taker_fee_bps": 9.0})
    (job.folder / "other.yaml").write_text(text, encoding="utf-8")
    return replace(job, config="other.yaml")


def other_model(job: Job) -> Job:
    runs.write_bundle(job.folder / "other", runs.bundle(2).to_files())
    return replace(job, model="other")


@pytest.mark.parametrize(
    ("change", "first", "named"),
    [
        (other_bars, "2024-01-02T16:00", "with different bar files."),
        (
            other_settings,
            "2024-01-02T16:00",
            "with different settings (costs.taker_fee_bps, costs.half_spread_bps, costs.slippage_bps).",
        ),
        (other_model, "2024-01-02T16:00", "with different model."),
        (lambda job: job, "2024-01-02T15:00", "with different first decided minute (--from)."),
    ],
    ids=["bars", "settings", "model", "from"],
)
def test_going_on_with_something_else_is_refused_by_name(
    job: Job, half: Path, capsys: pytest.CaptureFixture[str], change: object, first: str, named: str
) -> None:
    assert callable(change)
    words = change(job).words("half.tape", first=first)
    before, content = tip(half), half.read_bytes()
    assert main(words) == 2
    assert named in capsys.readouterr().err
    assert tip(half) == before
    assert half.read_bytes() == content
    assert main(["verify", str(half)]) == 0
