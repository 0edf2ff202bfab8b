"""A simulated exchange in a process of its own, and a live run on it."""

import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import runs
from tests.integration.command_line import Job, settings_text, started, wait_for
from tests.loopback import free_port

START = "2024-01-02T16:00"


@dataclass(frozen=True)
class Exchange:
    """A simulated exchange that serves, and the words of a run on it."""

    folder: Path
    tape: Path
    words: list[str]


@contextmanager
def serving(words: Sequence[str], folder: Path) -> Iterator[str]:
    """Run `papertape simulate` with these words; where it serves, as soon as it does.

    Args:
        words: All but the port.
        folder: Where it runs, and `stderr.txt` goes.
    """
    port = free_port()

    def is_open() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    with started(["simulate", *words, "--port", str(port)], folder) as process:
        assert wait_for(process, is_open), (folder / "stderr.txt").read_text(encoding="utf-8")
        yield f"127.0.0.1:{port}"


def feeds_at(address: str) -> dict[str, Any]:
    """The settings' section `feeds` of who listens to an exchange, and to its clock."""
    return {
        "venues": {"binance": {"stream_url": f"ws://{address}/stream", "history_url": f"http://{address}"}},
        "clock_url": f"ws://{address}/papertape/clock",
    }


def simulated_exchange(job: Job, tmp_path: Path, **sections: object) -> AbstractContextManager[Exchange]:
    """Serve the market of a job, and say how to run on it with these sections of the settings as well."""
    return exchange_at(300, job, tmp_path, sections)


@contextmanager
def exchange_at(speed: int, job: Job, tmp_path: Path, sections: Mapping[str, object]) -> Iterator[Exchange]:
    """Serve it so many times as fast as life; it ends with its bars, after 1,200 minutes of its own."""
    symbols = [instrument.name.partition(":")[2] for instrument in runs.market().instruments]
    universe = {**runs.SETTINGS.universe.model_dump(exclude_unset=True), "instruments": symbols}
    config = tmp_path / "live.yaml"
    named = {"bars": job.bars, "config": job.config}
    paths = [word for option, name in named.items() for word in (f"--{option}", str(job.folder / name))]
    folder = tmp_path / "exchange"
    folder.mkdir()
    tape = tmp_path / "live.tape"
    model = str(job.folder / job.model)
    with serving([*paths, "--from", START, "--speed", str(speed)], folder) as address:
        text = settings_text(universe=universe, feeds=feeds_at(address), **sections)
        config.write_text(text, encoding="utf-8")
        yield Exchange(
            tmp_path, tape, ["run", "--config", str(config), "--model", model, "--tape", str(tape)]
        )
