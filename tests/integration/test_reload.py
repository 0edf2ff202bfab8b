"""A running daemon whose settings change: by a ConfigMap's link, by SIGHUP, while it was dead."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.tape.reader import TapeReader
from daemon import chain
from daemon.commands._verify import reproduced
from daemon.events import SettingsChanged
from tests.adapters.files.test_settings_watch import config_map
from tests.integration.command_line import Job, n_batches, said, started, wait_for
from tests.integration.live_exchange import Exchange, simulated_exchange

pytestmark = pytest.mark.slow


class Mounted:
    """An exchange, and the settings of a run on it in a folder as Kubernetes mounts a ConfigMap."""

    def __init__(self, exchange: Exchange, folder: Path) -> None:
        at = exchange.words.index("--config") + 1
        self.told = json.loads(Path(exchange.words[at]).read_text(encoding="utf-8"))
        self.folder, self.tape = folder, exchange.tape
        self.revision = 0
        self.file = self.publish()
        self.words = [*exchange.words[:at], str(self.file), *exchange.words[at + 1 :]]
        self.log = exchange.folder / "stderr.txt"

    def publish(self, **policy: object) -> Path:
        """Swap the link onto settings with another policy."""
        self.revision += 1
        told = {**self.told, "policy": {**self.told["policy"], **policy}}
        return config_map(self.folder, json.dumps(told), self.revision)

    def said(self, event: str) -> list[dict[str, Any]]:
        """The lines of the log with this event."""
        return said(self.log, event)


@pytest.fixture
def mounted(job: Job, tmp_path: Path) -> Iterator[Mounted]:
    with simulated_exchange(job, tmp_path) as exchange:
        yield Mounted(exchange, tmp_path / "etc")


def test_settings_change_under_a_running_daemon_and_under_a_dead_one(mounted: Mounted) -> None:
    with started(mounted.words, mounted.tape.parent) as process:
        assert wait_for(process, lambda: n_batches(mounted.tape) >= 2), mounted.log.read_text()
        mounted.publish(notional=20_000)
        assert wait_for(process, lambda: len(mounted.said("settings_applied")) == 1)
        mounted.publish(notional=-1, side="up")
        assert wait_for(process, lambda: len(mounted.said("settings_rejected")) == 1)
        mounted.publish(notional=20_000)
        assert wait_for(process, lambda: len(mounted.said("settings_unchanged")) == 1)
        process.send_signal(signal.SIGHUP)
        assert wait_for(process, lambda: len(mounted.said("settings_unchanged")) == 2)
        seen = n_batches(mounted.tape)
        assert wait_for(process, lambda: n_batches(mounted.tape) >= seen + 2)
        applied, rejected = mounted.said("settings_applied"), mounted.said("settings_rejected")
        assert [line["by"] for line in mounted.said("settings_unchanged")] == ["file", "SIGHUP"]
    assert applied[0]["changed"] == ["policy.notional (10000 -> 20000)"]
    problems = rejected[0]["problems"]
    assert isinstance(problems, list)
    assert [problem.split(": ")[1] for problem in problems] == ["policy.side", "policy.notional"]
    mounted.publish(notional=30_000)
    killed_at = n_batches(mounted.tape)
    with started(mounted.words, mounted.tape.parent) as process:
        assert wait_for(process, lambda: n_batches(mounted.tape) >= killed_at + 2), mounted.log.read_text()
        (taken_up,) = mounted.said("settings_applied")
        assert (taken_up["by"], taken_up["changed"]) == ("start", ["policy.notional (20000 -> 30000)"])
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    with TapeReader(mounted.tape) as reader:
        events = [event for record in reader.batches() for event in map(chain.read_event, record.events)]
        minutes = [record.minute for record in reader.batches()]
        assert reproduced(reader)
    changed = [event for event in events if isinstance(event, SettingsChanged)]
    assert [json.loads(event.settings_json)["policy"]["notional"] for event in changed] == ["20000", "30000"]
    assert minutes == list(range(minutes[0], minutes[0] + len(minutes)))
