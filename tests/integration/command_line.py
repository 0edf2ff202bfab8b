"""The real command line in processes of its own, and a small run for it to play."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from adapters.tape.place import Place
from adapters.tape.reader import TapeReader
from daemon.errors import TapeError
from daemon.events import BatchRecord
from tests import runs
from tests.test_no_network import CI_VARIABLES

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE_S = 600.0
"""Longer than anything takes here, on a busy machine too; whoever waits longer waits in vain."""

POLL_S = 0.002
"""How often to look for what is over within milliseconds, as a replay is."""

TRAINED_AT = 1_704_300_000


@dataclass(frozen=True)
class Job:
    """A folder with bars, settings and a model, all that a replay needs.

    Attributes:
        folder: Where commands run and tapes go; the others are names of what is in it.
        bars: The market of `tests.runs` as Parquet.
        config: Settings: groups and snapshots so small that a short run has many of both.
        model: The bundle's folder.
    """

    folder: Path
    bars: str = "bars.parquet"
    config: str = "run.yaml"
    model: str = "model"

    def words(self, tape: str, *, first: str = "2024-01-02T16:00", until: str | None = None) -> list[str]:
        """The words of a replay onto the tape of this name."""
        made_of = {"bars": self.bars, "config": self.config, "model": self.model, "tape": tape}
        words = ["replay", "--from", first, *(["--to", until] if until else [])]
        for option, name in made_of.items():
            words += [f"--{option}", str(self.folder / name)]
        return words


def settings_text(**sections: object) -> str:
    """The settings of `tests.runs` as a file (JSON is YAML), with `sections` in place of its own."""
    settings = runs.SETTINGS.model_dump(mode="json", exclude_unset=True)
    settings["universe"]["venue"] = "simulator"
    settings["bars"] = {"taker_volume": "taker_volume"}
    settings["tape"] = {"group_batches": 48, "snapshot_batches": 144}
    return json.dumps({**settings, **sections})


def write_job(folder: Path) -> Job:
    """Write bars, settings and model into an empty folder."""
    job = Job(folder)
    runs.market().frame().write_parquet(folder / job.bars)
    (folder / job.config).write_text(settings_text(), encoding="utf-8")
    runs.write_bundle(folder / job.model, replace(runs.bundle(), trained_at=TRAINED_AT).to_files())
    return job


def environment() -> dict[str, str]:
    """The surroundings of a person at a terminal: this repository, nothing that looks like CI."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in CI_VARIABLES and not name.startswith("PAPERTAPE_")
    }
    return {**kept, "PYTHONPATH": str(REPOSITORY), "TERM": "xterm", "COLUMNS": "110"}


def papertape(words: Sequence[str], folder: Path, **surroundings: str) -> subprocess.CompletedProcess[str]:
    """Run one command line to its end, with these variables of the environment as well."""
    return run_python(["-m", "papertape", *words], folder, **surroundings)


def run_python(words: Sequence[str], folder: Path, **surroundings: str) -> subprocess.CompletedProcess[str]:
    """Run Python to its end, with these variables of the environment as well."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**environment(), **surroundings},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


@contextmanager
def started(words: Sequence[str], folder: Path, **surroundings: str) -> Iterator[subprocess.Popen[str]]:
    """A command line that is running; killed when the block is left, whatever became of it.

    Args:
        words: After `papertape`.
        folder: Where it runs, and `stderr.txt` goes.
        surroundings: Further variables of the environment.
    """
    with (folder / "stderr.txt").open("w", encoding="utf-8") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "papertape", *words],
            cwd=folder,
            env={**environment(), **surroundings},
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def wait_for(process: subprocess.Popen[str], reached: Callable[[], bool], every_s: float = 0.02) -> bool:
    """Wait until something holds, and return True; False if the process ended before.

    Args:
        process: That it is waited for.
        reached: Says whether it holds.
        every_s: How often that is asked: the process needs the processor too.

    Raises:
        TimeoutError: Neither came.
    """
    deadline = time.monotonic() + PATIENCE_S
    while not reached():
        if process.poll() is not None:
            return reached()
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(every_s)  # another process tells nobody how far it is
    return True


def metrics_address(process: subprocess.Popen[str], log: Path) -> str:
    """Where a process serves its metrics, as soon as its log says so."""
    found: list[str] = []

    def is_said() -> bool:
        found[:] = re.findall(r"http://(127\.0\.0\.1:\d+)/metrics", log.read_text(encoding="utf-8"))
        return bool(found)

    assert wait_for(process, is_said), log.read_text(encoding="utf-8")
    return found[0]


def said(log: Path, event: str) -> list[dict[str, Any]]:
    """The lines of a log that tell of an event; the last may be half written and is left out then."""
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    whole = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}\n")]
    return [line for line in whole if line["event"] == event]


def tip(tape: Place) -> tuple[int, bytes] | None:
    """Number and digest of a tape's newest batch; None if nothing is on it, or it is only being made."""
    if isinstance(tape, Path) and not tape.exists():
        return None
    try:
        with TapeReader(tape) as reader:
            return reader.tip()
    except TapeError:
        return None


def n_batches(tape: Place) -> int:
    """How many batches are on a tape; -1 if it was not begun."""
    end = tip(tape)
    return -1 if end is None else end[0]


def digest(tape: Place) -> str:
    """The digest of a tape's newest batch."""
    end = tip(tape)
    assert end is not None
    return end[1].hex()


def batches(tape: Place) -> list[BatchRecord]:
    """All that a tape holds."""
    with TapeReader(tape) as reader:
        return list(reader.batches())
