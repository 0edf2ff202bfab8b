"""`papertape run` as a service: a real process, a real socket in systemd's place, an expert that hangs."""

import json
import os
import re
import signal
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from daemon.__main__ import main
from tests import runs
from tests.integration.command_line import REPOSITORY, Job, n_batches, settings_text, started, wait_for
from tests.integration.live_exchange import simulated_exchange
from tests.integration.test_outside_experts import MODULE, TRAIN, install
from tests.listening_manager import ListeningManager
from tests.loopback import free_port
from tests.webhooks import Webhook

HANGING = (
    MODULE.replace("{feature}", "return_60")
    .replace("import numpy", "import os, time, numpy")
    .replace("score(self, values):", "score(self, values):\n        wait_while_hanging()")
    + """
def wait_while_hanging():
    while os.path.exists(os.environ["HANG"]):
        time.sleep(0.01)
"""
)
WATCHDOG_S = 4
STUCK_S = 5


@pytest.fixture
def hanging_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A job whose model has an expert that hangs while the file $HANG is there."""
    folder = tmp_path / "job"
    (folder / "site").mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder / "site"))
    monkeypatch.setenv("HANG", str(folder / "hang"))
    install(folder / "site", "hanging", HANGING)
    runs.market().frame().write_parquet("bars.parquet")
    Path("run.yaml").write_text(settings_text(experts=EXPERTS))
    assert main(TRAIN) == 0
    return Job(folder)


EXPERTS = {**runs.SETTINGS.model_dump(mode="json")["experts"], "entry_points": ["reversal"]}


def asked(port: int, path: str) -> tuple[int, dict[str, Any]]:
    """Status and content of a page; (0, {}) while nobody serves."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.loads(refusal.read())
    except OSError:
        return 0, {}


@pytest.mark.slow
def test_a_service_is_ready_when_warm_and_its_watchdog_starves_while_the_engine_hangs(
    hanging_job: Job, tmp_path: Path
) -> None:
    port, hang = free_port(), hanging_job.folder / "hang"
    sections = {
        "experts": EXPERTS,
        # Five minutes of the exchange pass in a second: being late is not what this is about.
        "health": {"stuck_seconds": STUCK_S, "stale_seconds": 1e6},
        "metrics": {"enabled": True, "port": port},
    }
    with (
        Webhook() as webhook,
        Webhook(hangs=True) as hanging,
        ListeningManager(tmp_path / "notify") as manager,
        simulated_exchange(hanging_job, tmp_path, **sections) as exchange,
        started(
            exchange.words,
            tmp_path,
            NOTIFY_SOCKET=manager.address,
            WATCHDOG_USEC=str(WATCHDOG_S * 1_000_000),
            PYTHONPATH=f"{hanging_job.folder / 'site'}{os.pathsep}{REPOSITORY}",
            HANG=str(hang),
            PAPERTAPE_NOTIFY__URLS=f"{webhook.address} {hanging.address}",
        ) as process,
    ):
        log = tmp_path / "stderr.txt"
        # It says how it is from the first moment on, and is not ready before it is warm.
        assert wait_for(process, lambda: asked(port, "/healthz")[0] == 200), log.read_text()
        manager.wait_for("STATUS=warming up")
        manager.wait_for("READY=1")
        assert n_batches(exchange.tape) >= 0
        before = manager.lines[: manager.lines.index("READY=1")]
        assert any(line.startswith("EXTEND_TIMEOUT_USEC=") for line in before)
        assert wait_for(process, lambda: asked(port, "/readyz")[0] == 200), asked(port, "/readyz")
        manager.wait_for("WATCHDOG=1", 3)

        webhook.wait(lambda titles: "papertape test: started" in titles)

        process.send_signal(signal.SIGHUP)
        manager.wait_for("READY=1", 2)
        reload = manager.lines[manager.lines.index("RELOADING=1") :]
        assert reload[1].startswith("MONOTONIC_USEC=")
        assert "READY=1" in reload

        hang.touch()
        assert wait_for(process, lambda: asked(port, "/healthz")[0] == 503)
        manager.wait_for("STATUS=engine: in the same step for ")
        fed = manager.lines.count("WATCHDOG=1")
        decided = n_batches(exchange.tape)
        # Longer than systemd would wait for the next.
        assert wait_for(process, lambda: stuck_s(asked(port, "/healthz")[1]) > STUCK_S + WATCHDOG_S + 1)
        status, said = asked(port, "/readyz")
        assert (status, said["checks"]["engine"]["ok"]) == (503, False)
        assert manager.lines.count("WATCHDOG=1") == fed
        assert n_batches(exchange.tape) == decided

        webhook.wait(lambda titles: "papertape test: no progress" in titles)
        hang.unlink()
        manager.wait_for("WATCHDOG=1", fed + 2)
        manager.wait_for("STATUS=equity ")
        assert wait_for(process, lambda: asked(port, "/healthz")[0] == 200)
        webhook.wait(lambda titles: "papertape test: over: no progress" in titles)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0, log.read_text()
        manager.wait_for("STOPPING=1")
        webhook.wait(lambda titles: titles[-1] == "papertape test: stopped")
    assert "secret-token" not in log.read_text(encoding="utf-8")
    assert hanging.titles[0] == "papertape test: started"
    lines = manager.lines
    assert (lines.count("READY=1"), lines.count("STOPPING=1")) == (2, 1)
    equity = next(line for line in lines if line.startswith("STATUS=equity "))
    form = r"STATUS=equity [0-9,.]+ USDT, \w+, decided 2024-01-0\dT\d\d:\d\dZ; binance heard \d+ s ago"
    assert re.fullmatch(form, equity)


def stuck_s(said: dict[str, Any]) -> float:
    """How long the engine says it has been in a step."""
    reason = said.get("checks", {}).get("engine", {}).get("reason", "")
    return (
        float(reason.removeprefix("in the same step for ").removesuffix(" s"))
        if "same step" in reason
        else 0.0
    )
