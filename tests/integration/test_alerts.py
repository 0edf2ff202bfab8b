"""A run's feed is cut: Prometheus notices by its rules, Alertmanager tells a webhook, with the runbook."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from deploy.kubernetes.rules import DEPLOY, RULES
from tests.deploy.rules import OF_A_RUN_ALONE, read
from tests.integration.command_line import Job, metrics_address, n_batches, started, wait_for
from tests.integration.live_exchange import exchange_at
from tests.loopback import free_address
from tests.prometheus_server import fetched, found, prometheus, running
from tests.webhooks import Webhook

pytestmark = pytest.mark.slow

AT_ONCE = {"group_wait": "0s", "group_interval": "1s"}


def alerts(webhook: Webhook, path: str, status: str) -> dict[str, dict[str, Any]]:
    """The alerts heard at a path, by name."""
    return {
        alert["labels"]["alertname"]: alert
        for at, message in webhook.posted
        for alert in message["alerts"]
        if (at, alert["status"]) == (path, status)
    }


def impatient_rules(folder: Path) -> Path:
    """The rules as they are but for their patience."""
    path = folder / "rules.yml"
    text, n = re.subn(r"^( +)for: .*$", r"\1for: 1s", RULES.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert n > 10
    path.write_text(text, encoding="utf-8")
    return path


@contextmanager
def alertmanager(folder: Path, webhook: Webhook) -> Iterator[str]:
    """A server with the example that is shipped, which posts to the webhook without waiting."""
    config = read(DEPLOY / "alertmanager" / "alertmanager.yml")
    for route in (config["route"], *config["route"]["routes"]):
        route.update(AT_ONCE)
    for receiver in config["receivers"]:
        for hook in receiver.get("webhook_configs", ()):
            hook["url"] = hook["url"].replace(":9095", f":{webhook.port}")
    (folder / "alertmanager.yml").write_text(json.dumps(config), encoding="utf-8")
    address = free_address()
    words = [
        found("prometheus-alertmanager", "prometheus-alertmanager"),
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
    ]
    with running(words, folder, "alertmanager") as process:
        assert wait_for(process, lambda: fetched(f"http://{address}/-/ready") is not None)
        yield address


def test_a_feed_that_is_cut_alarms_until_it_is_back_and_so_do_broken_settings(
    job: Job, tmp_path: Path
) -> None:
    # Slow enough that a busy machine is done before the exchange is.
    lateness = {"health": {"stale_seconds": 60}}
    with Webhook() as webhook, exchange_at(100, job, tmp_path, lateness) as exchange:
        log = exchange.folder / "stderr.txt"
        clock: str = json.loads((tmp_path / "live.yaml").read_text())["feeds"]["clock_url"]
        with (
            started([*exchange.words, "--serve", "0"], exchange.folder) as process,
            alertmanager(tmp_path, webhook) as notified,
        ):
            assert wait_for(process, lambda: n_batches(exchange.tape) >= 3), log.read_text()
            rules = [impatient_rules(tmp_path)]
            address = metrics_address(process, log)
            with prometheus(address, tmp_path, rules=rules, alertmanager=notified) as (server, _):
                well = 'papertape_health_ok{check="feed"} == 1'
                assert wait_for(process, lambda: bool(server.query(well))), log.read_text()
                assert wait_for(
                    process, lambda: "PapertapeWatchdog" in alerts(webhook, "/watchdog", "firing")
                )
                assert "PapertapeFeedStale" not in alerts(webhook, "/alerts", "firing")
                with connect(clock.replace("/clock", "/control")) as control:
                    control.send(json.dumps({"fault": "silence", "for_s": 1e9}))
                    control.recv()
                    assert wait_for(
                        process, lambda: "PapertapeFeedStale" in alerts(webhook, "/alerts", "firing")
                    ), log.read_text()
                    control.send(json.dumps({"fault": "clear"}))
                    control.recv()
                assert wait_for(
                    process, lambda: "PapertapeFeedStale" in alerts(webhook, "/alerts", "resolved")
                ), log.read_text()
                assert all(server.query(name) for name in OF_A_RUN_ALONE)
                (tmp_path / "live.yaml").write_text("run: {name: 7", encoding="utf-8")
                assert wait_for(
                    process, lambda: "PapertapeReloadRejected" in alerts(webhook, "/alerts", "firing")
                ), log.read_text()
    stale = alerts(webhook, "/alerts", "firing")["PapertapeFeedStale"]
    assert stale["labels"]["severity"] == "critical"
    assert stale["annotations"]["runbook"] == "deploy/runbooks.md#papertapefeedstale"
    assert "gets no bars" in stale["annotations"]["summary"]
