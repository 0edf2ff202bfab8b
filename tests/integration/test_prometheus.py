"""A real Prometheus server scrapes a replay that is running, and has every family."""

import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from adapters.prometheus.families import FAMILIES
from adapters.prometheus.judged import judged_families
from adapters.prometheus.live import (
    CONTROL_FAMILIES,
    LIVE_FAMILIES,
    MODEL_FAMILIES,
    MQTT_FAMILIES,
    RELOAD_FAMILIES,
    TAPE_FAMILIES,
)
from adapters.tape.reader import TapeReader
from daemon.__main__ import main
from daemon.events import BatchRecord
from tests.integration.command_line import PATIENCE_S, Job, metrics_address, settings_text, started, wait_for
from tests.prometheus_server import Prometheus, fetched, found, prometheus

ABSENT = (
    *("drift_psi", "drift_psi_threshold", "drift_long_psi", "drift_long_psi_threshold"),
    *(family.name for family in judged_families("catch_up", (), "")),
    "instrument_bars_outside_sessions",
    *(family.name for family in FAMILIES if family.name.startswith("group_")),
    *(f"vital_alarm_{what}" for what in ("since_timestamp_seconds", "value", "bound", "consequence")),
    "retraining_asked_timestamp_seconds",
    *(
        family.name
        for families in (
            *(RELOAD_FAMILIES, TAPE_FAMILIES, LIVE_FAMILIES),
            *(MODEL_FAMILIES, MQTT_FAMILIES, CONTROL_FAMILIES),
        )
        for family in families
    ),
)
"""A replay of 20 hours fills no window of drift, catches nothing up and raises no alarm; it has no
feed, and its market is of one venue and never closes."""


@dataclass(frozen=True)
class Served:
    """A replay that serves its figures, and long after its end still does."""

    process: "subprocess.Popen[str]"
    address: str
    tape: Path


@pytest.fixture(scope="module")
def served(job: Job, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One for the tests of this file."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "serve.yaml").write_text(settings_text(metrics={"linger_seconds": 600}), encoding="utf-8")
    words = Job(job.folder, config=str(folder / "serve.yaml")).words(str(folder / "served.tape"))
    with started([*words, "--serve", "0"], folder) as process:
        yield Served(process, metrics_address(process, folder / "stderr.txt"), folder / "served.tape")


def all_figures(served: Served) -> str:
    """What a scrape finds when the replay is done."""
    text: list[str] = []

    def is_done() -> bool:
        text[:] = [fetched(f"http://{served.address}/metrics") or ""]
        return "papertape_batches_total 1200.0" in text[0]

    assert wait_for(served.process, is_done)
    return text[0]


def last_batch(tape: Path) -> BatchRecord:
    """The newest batch of a tape."""
    with TapeReader(tape) as reader:
        last = reader.last_batch()
    assert last is not None
    return last


def awaited(server: Prometheus, process: "subprocess.Popen[str]", words: str) -> list[dict[str, Any]]:
    """The series of a query that finds some, sooner or later.

    A busy machine may miss a scrape; then all series are stale until the next.
    """
    series: list[dict[str, Any]] = []

    def is_there() -> bool:
        series[:] = server.query(words)
        return bool(series)

    assert wait_for(process, is_there), words
    return series


def test_a_prometheus_server_scrapes_a_replay_and_has_every_family(served: Served, tmp_path: Path) -> None:
    with prometheus(served.address, tmp_path) as (server, process):
        assert wait_for(process, lambda: server.value("papertape_batches_total") == 1200.0), (
            tmp_path / "prometheus.log"
        ).read_text(encoding="utf-8")
        for family in FAMILIES:
            if family.name in ABSENT:
                assert not server.query(family.full_name)
                continue
            name = family.full_name + ("_count" if family.kind == "histogram" else "")
            series = awaited(server, process, name)
            assert all(set(family.labels) <= set(one["metric"]) for one in series), name
        (equity,) = awaited(server, process, 'papertape_equity{fills="expected"}')
        assert float(equity["value"][1]) == float(last_batch(served.tape).book.equity)
        assert awaited(server, process, "time() - papertape_last_commit_timestamp_seconds < 600")
        stages = {
            one["metric"]["stage"] for one in awaited(server, process, "papertape_stage_seconds_sum > 0")
        }
        assert stages == {"prepare", "score", "process", "commit"}


def test_promtool_has_no_remark(served: Served) -> None:
    words = [found("promtool"), "check", "metrics"]
    checked = subprocess.run(words, input=all_figures(served), capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_figures_that_are_served_change_no_digest(served: Served, whole: Path) -> None:
    assert all_figures(served)
    assert last_batch(served.tape).digest == last_batch(whole).digest


def test_an_interrupt_ends_the_lingering_of_a_replay_that_is_done_and_is_no_failure(served: Served) -> None:
    # Last in this file: the others need what it ends.
    assert all_figures(served)
    log = served.tape.parent / "stderr.txt"
    assert wait_for(served.process, lambda: "metrics_linger" in log.read_text(encoding="utf-8"))
    served.process.send_signal(signal.SIGINT)
    assert served.process.wait(PATIENCE_S) == 0


def test_a_port_in_use_is_said_before_anything_is_decided(
    job: Job, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main([*job.words(str(tmp_path / "refused.tape")), "--serve", str(port)]) == 2
    said = capsys.readouterr().err
    assert f"cannot serve on 127.0.0.1:{port}" in said
    assert "Traceback" not in said
