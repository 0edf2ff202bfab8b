"""A simulated exchange in a process of its own, and a live run on it."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import runs
from tests.integration.command_line import Job, settings_text, started, wait_for

START = "2024-01-02T16:00"


@dataclass(frozen=True)
class Exchange:
    """A simulated exchange that serves, and the words of a run on it."""

    folder: Path
    tape: Path
    words: list[str]


def simulated_exchange(job: Job, tmp_path: Path, **sections: object) -> AbstractContextManager[Exchange]:
    """Serve the market of a job, and say how to run on it with these sections of the settings as well."""
    return exchange_at(300, job, tmp_path, sections)


@contextmanager
def exchange_at(speed: int, job: Job, tmp_path: Path, sections: Mapping[str, object]) -> Iterator[Exchange]:
    """Serve it so many times as fast as life; it ends with its bars, after 1,200 minutes of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    symbols = [instrument.name.partition(":")[2] for instrument in runs.market().instruments]
    universe = {**runs.SETTINGS.universe.model_dump(exclude_unset=True), "instruments": symbols}
    feeds = {
        "venues": {"binance": {"stream_url": f"ws://{address}/stream", "history_url": f"http://{address}"}},
        "clock_url": f"ws://{address}/papertape/clock",
    }
    config = tmp_path / "live.yaml"
    config.write_text(settings_text(universe=universe, feeds=feeds, **sections), encoding="utf-8")
    named = {"bars": job.bars, "config": job.config}
    paths = [word for option, name in named.items() for word in (f"--{option}", str(job.folder / name))]
    serve = ["simulate", *paths, "--from", START, "--speed", str(speed), "--port", address.rpartition(":")[2]]
    folder = tmp_path / "exchange"
    folder.mkdir()
    tape = tmp_path / "live.tape"
    model = str(job.folder / job.model)
    with started(serve, folder) as process:

        def is_open() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", int(address.rpartition(":")[2]))) == 0

        assert wait_for(process, is_open), (folder / "stderr.txt").read_text(encoding="utf-8")
        yield Exchange(
            tmp_path, tape, ["run", "--config", str(config), "--model", model, "--tape", str(tape)]
        )
