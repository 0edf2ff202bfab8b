"""`/healthz` and `/readyz` beside `/metrics`, and `papertape health`, which asks for them."""

import http.client
import json
from pathlib import Path

import pytest

from adapters.prometheus.server import MetricsServer
from daemon.__main__ import main
from daemon.commands._health import health_of, pages_of, served, tape_problem
from daemon.settings import Settings

HOST = "127.0.0.1"


def asked(server: MetricsServer, path: str, method: str = "GET") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(HOST, server.port, timeout=10)
    connection.request(method, path)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_what_is_found_is_served_with_reasons_beside_the_metrics(tmp_path: Path) -> None:
    health = health_of(Settings(), tmp_path / "a.tape")
    with MetricsServer(HOST, 0, {}, pages_of(health)) as server, served(health, server):
        alive, ready = asked(server, "/healthz"), asked(server, "/readyz")
        metrics = asked(server, "/metrics")
        head = asked(server, "/readyz", "HEAD")
        refused = asked(server, "/healthz", "POST")
    assert alive[0] == 200
    assert json.loads(alive[1])["ok"] is True
    assert set(json.loads(alive[1])["checks"]) == {"loop", "engine"}
    assert ready[0] == 503
    said = json.loads(ready[1])
    assert said["ok"] is False
    assert said["reasons"][0] == "warm: warming up: no minute can be decided yet"
    assert said["checks"]["tape"] == {"ok": True, "reason": "writable"}
    assert metrics[0] == 200
    assert b'papertape_health_ok{check="engine"} 1.0' in metrics[1]
    assert b'papertape_health_ok{check="warm"} 0.0' in metrics[1]
    assert head == (503, b"")
    assert refused[0] == 405


def test_without_pages_every_path_is_metrics_as_before() -> None:
    with MetricsServer(HOST, 0, {}) as server:
        assert b"process_" in asked(server, "/healthz")[1]


def test_health_prints_the_answer_and_ends_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    health = health_of(Settings(), tmp_path / "a.tape")
    with MetricsServer(HOST, 0, {}, pages_of(health)) as server:
        url = f"http://{HOST}:{server.port}"
        assert main(["health", url]) == 0
        assert json.loads(capsys.readouterr().out)["ok"] is True
        assert main(["health", url, "--ready"]) == 1
        assert "warming up" in capsys.readouterr().out
        assert main(["health", f"{url}/readyz"]) == 1
        assert "warming up" in capsys.readouterr().out
    assert main(["health", url]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is False
    assert url in said["reasons"][0]


@pytest.mark.parametrize("url", ["localhost:9477", "ftp://x", "http://"])
def test_what_is_no_address_is_the_users_to_mend(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["health", url]) == 2
    assert "http://127.0.0.1:9477" in capsys.readouterr().err


def test_a_tape_without_room_or_not_yet_made_is_judged_by_its_nearest_folder(tmp_path: Path) -> None:
    tape = tmp_path / "not" / "yet" / "a.tape"
    assert tape_problem(tape) is None
    problem = tape_problem(tape, least_free_bytes=1 << 62)
    assert problem is not None
    assert f"bytes are free at {tmp_path}" in problem
