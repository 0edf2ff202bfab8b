"""A tape whose oldest batches are taken away: it stays a tape that verifies, reports and goes on."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from adapters.tape.intact import check_intact
from adapters.tape.reader import TapeReader
from daemon.__main__ import main
from tests.integration.command_line import Job, digest, n_batches

EXACT = ("run", "training", "state_changes", "figures", "trades", "instruments", "positions", "days", "bars")
"""What a report says of a pruned tape to the last digit; experts' sums are added in other portions."""


@pytest.fixture
def tape(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(whole, tmp_path / "run.tape"))


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What a command prints that ends well."""

    def run(*words: str) -> str:
        capsys.readouterr()
        code = main(list(words))
        out, err = capsys.readouterr()
        assert code == 0, out + err
        return out

    return run


def report(said: Callable[..., str], tape: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(said("report", str(tape), "--json", "--trials", "5"))
    return found


def counts(tape: Path) -> dict[str, int]:
    with closing(sqlite3.connect(tape)) as connection:
        tables = ("batch", "bar", "fill", "event", "snapshot", "day_summary")
        return {
            name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]  # noqa: S608 - our own names
            for name in tables
        }


def test_a_pruned_tape_is_intact_and_reproduced_from_its_oldest_snapshot(
    tape: Path, said: Callable[..., str]
) -> None:
    before, size = digest(tape), tape.stat().st_size
    told = said("tape", "prune", str(tape), "--keep-days", "0.2")
    assert told.startswith("pruned: batches 1 to 743 are gone")
    intact, since, reproduced = said("verify", str(tape)).splitlines()
    assert intact.startswith("intact: 457 batches")
    assert since.startswith("batches 1 to 743 were pruned, on 2")
    assert since.endswith("verified from batch 744")
    assert reproduced.startswith("reproduced: 336 batches from batch 865, after the oldest snapshot,")
    assert reproduced.endswith(before)
    assert tape.stat().st_size < 0.6 * size
    kept = counts(tape)
    assert (kept["batch"], kept["snapshot"], kept["day_summary"]) == (457, 4, 1)


def test_the_report_of_a_pruned_tape_is_that_of_the_whole_run(tape: Path, said: Callable[..., str]) -> None:
    before = report(said, tape)
    said("tape", "prune", str(tape), "--keep-days", "0.5")
    halfway = report(said, tape)
    said("tape", "prune", str(tape), "--keep-days", "0.2")
    after = report(said, tape)
    for name in (*EXACT, "verdict", "alarms", "missing"):
        assert halfway[name] == before[name], name
        assert after[name] == before[name], name
    for one, two in zip(before["experts"], after["experts"], strict=True):
        assert (one["labels"], one["confusion"]) == (two["labels"], two["confusion"])
        assert one["up"]["area"] == pytest.approx(two["up"]["area"])
    assert after["drift"]["features"]["days"] == ["2024-01-03"]
    curve = after["curves"]
    assert curve["minute"] == sorted(set(curve["minute"]))
    assert (curve["minute"][0], curve["equity"][0]) == (
        before["curves"]["minute"][0],
        before["curves"]["equity"][0],
    )
    assert max(curve["drawdown"]) == max(before["curves"]["drawdown"])
    marks = [[one["marks"] for one in told["prices"]] for told in (before, after)]
    assert marks[0] == marks[1]


def test_a_pruned_tape_is_gone_on_with_as_if_nothing_had_left_it(
    job: Job, whole: Path, tmp_path: Path, said: Callable[..., str]
) -> None:
    tape = tmp_path / "half.tape"
    words = job.words(str(tape), until="2024-01-03T04:00")
    assert main(words) == 0
    said("tape", "prune", str(tape), "--keep-days", "0.1")
    assert main(job.words(str(tape))) == 0
    assert n_batches(tape) == 1_200
    assert digest(tape) == digest(whole)
    assert "reproduced" in said("verify", str(tape))


def test_info_and_exports_say_from_where_a_pruned_tape_begins(
    tape: Path, said: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    said("tape", "prune", str(tape), "--keep-days", "0.2")
    assert "2024-01-03 04:23 UTC to 2024-01-03 11:59 UTC (743 batches before it were pruned)" in said(
        "tape", "info", str(tape)
    )
    capsys.readouterr()
    assert main(["tape", "export", str(tape), "--out", str(tape.parent / "out")]) == 0
    assert "from batch 744 on: those before it were pruned" in capsys.readouterr().err
    assert pl.read_parquet(tape.parent / "out" / "equity.parquet").height == 457


def test_what_the_windows_need_is_never_pruned(tape: Path, said: Callable[..., str]) -> None:
    told = said("tape", "prune", str(tape), "--max-bytes", "1")
    assert told.startswith("pruned")
    assert "reproduced: 0 batches from batch 1,201" in said("verify", str(tape))
    assert said("tape", "prune", str(tape), "--max-bytes", "1").startswith("nothing was pruned")


def test_a_limit_is_asked_for_and_a_tape_that_is_small_enough_stays_whole(
    tape: Path, said: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tape", "prune", str(tape)]) == 2
    assert "name a limit" in capsys.readouterr().err
    assert said("tape", "prune", str(tape), "--max-bytes", "1000000000").startswith("nothing was pruned")
    assert main(["tape", "prune", str(tape.with_name("none.tape")), "--keep-days", "1"]) == 2
    assert not tape.with_name("none.tape").exists()


DAMAGES = {
    "UPDATE pruned SET digest = zeroblob(32)": "pruned of id 1 does not match",
    "UPDATE day_summary SET content = zeroblob(8)": "day_summary of day 19724 does not match",
    "DELETE FROM batch WHERE number = 744": "batches 744 to 744 are missing",
    "DELETE FROM bar WHERE minute = (SELECT min(minute) FROM bar)": "bars changed",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_of_what_a_pruned_tape_begins_with_is_found(
    tape: Path, said: Callable[..., str], damage: str
) -> None:
    said("tape", "prune", str(tape), "--keep-days", "0.2")
    with closing(sqlite3.connect(tape)) as connection, connection:
        connection.execute(damage)
    with TapeReader(tape) as reader:
        found = [str(finding) for finding in check_intact(reader)]
    assert any(DAMAGES[damage] in text for text in found), found
