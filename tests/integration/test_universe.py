"""A real daemon whose instruments change by its settings file, while it runs and while it is dead."""

import json
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from daemon import chain
from daemon.__main__ import main
from daemon.events import BatchRecord, UniverseChanged
from tests.integration.command_line import Job, batches, n_batches, said, started, wait_for
from tests.integration.live_exchange import simulated_exchange

pytestmark = pytest.mark.slow

A, B, C, D = "ALFAUSDT", "BRAVOUSDT", "CHARLIEUSDT", "DELTAUSDT"


class File:
    """The settings file of a run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._told = json.loads(path.read_text(encoding="utf-8"))

    def name(self, *symbols: str) -> None:
        """Name other instruments, as an editor does: a new file takes the place of the old."""
        universe = {**self._told["universe"], "instruments": symbols}
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps({**self._told, "universe": universe}), encoding="utf-8")
        fresh.replace(self.path)


def changes(records: Sequence[BatchRecord]) -> list[tuple[list[str], list[str]]]:
    """Who joined and who left, change by change."""
    events = [chain.read_event(event) for record in records for event in record.events]
    return [
        ([one.name.partition(":")[2] for one in event.added], [n.partition(":")[2] for n in event.removed])
        for event in events
        if isinstance(event, UniverseChanged)
    ]


def test_instruments_join_and_leave_a_running_daemon_and_a_dead_one(
    job: Job, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with simulated_exchange(job, tmp_path) as exchange:
        file, tape = File(Path(exchange.words[exchange.words.index("--config") + 1])), exchange.tape
        log = exchange.folder / "stderr.txt"

        file.name(A, B)
        with started(exchange.words, exchange.folder) as process:
            assert wait_for(process, lambda: n_batches(tape) >= 2), log.read_text()
            file.name(A, C, D)
            assert wait_for(process, lambda: bool(said(log, "universe_changed"))), log.read_text()
            file.name(A, C, "NOSUCHUSDT")
            assert wait_for(process, lambda: "Invalid symbol" in log.read_text()), log.read_text()
            seen = n_batches(tape)
            assert wait_for(process, lambda: n_batches(tape) >= seen + 2)
            process.send_signal(signal.SIGKILL)
            process.wait()
        file.name(B, C, D)
        with started(exchange.words, exchange.folder) as process:
            assert wait_for(process, lambda: bool(said(log, "universe_changed"))), log.read_text()
            seen = n_batches(tape)
            assert wait_for(process, lambda: n_batches(tape) >= seen + 2)
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 0
    records = batches(tape)
    assert changes(records) == [([C, D], [B]), ([B], [A])]
    minutes = [record.minute for record in records]
    assert minutes == list(range(minutes[0], minutes[0] + len(minutes)))
    assert main(["verify", str(tape)]) == 0
    assert f"reproduced: {len(records)} batches" in capsys.readouterr().out
