"""Who may ask the control API, over real sockets."""

import asyncio
import logging
from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest

from adapters.control import guard as guard_module
from adapters.control.guard import MOST_AT_ONCE, Guard
from tests.quiet_run import LOOPBACK, TOKEN, Api, quiet_api

ORDERS = ("pause", "resume", "freeze", "flatten", "reload", "snapshot")


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    with quiet_api() as served:
        yield served


@pytest.mark.parametrize("name", ORDERS)
def test_whatever_orders_needs_the_token(api: Api, name: str) -> None:
    assert api.ask("POST", f"/api/{name}").status == 401
    wrong = api.ask("POST", f"/api/{name}", token=TOKEN[:-1] + "x")
    assert (wrong.status, wrong.headers["www-authenticate"]) == (401, "Bearer")
    assert "the token is not the run's | header Authorization | send" in wrong.problem
    assert api.ask("POST", f"/api/{name}", headers={"authorization": f"Basic {TOKEN}"}).status == 401
    assert api.ask("POST", f"/api/{name}", token=TOKEN).status in {200, 202}


def test_a_method_that_is_not_known_to_read_needs_the_token_whatever_the_path(api: Api) -> None:
    assert api.ask("DELETE", "/api/state").status == 401
    assert api.ask("DELETE", "/api/state", token=TOKEN).status == 405
    assert api.ask("POST", "/nothing").status == 401


def test_tokens_are_compared_in_constant_time(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(given: bytes, ours: bytes) -> bool:
        compared.append((given, ours))
        return False

    monkeypatch.setattr(guard_module, "compare_digest", compare)
    assert api.ask("POST", "/api/pause", token=TOKEN).status == 401
    assert compared == [(TOKEN.encode(), TOKEN.encode())]


def test_without_a_token_nothing_can_be_ordered_and_the_answer_says_what_to_do() -> None:
    with quiet_api(token=None) as api:
        for given in (None, "", TOKEN):
            refused = api.ask("POST", "/api/flatten", token=given)
            assert refused.status == 403
            assert "PAPERTAPE_CONTROL__TOKEN" in refused.problem
        assert api.ask("GET", "/api/state").status == 200
        assert api.run.asked == []


def test_beyond_loopback_reading_needs_the_token_too() -> None:
    with quiet_api(open_reads=False, hosts=None) as api:
        assert api.ask("GET", "/api/state").status == 401
        assert api.ask("GET", "/openapi.json").status == 401
        assert api.ask("GET", "/api/state", token=TOKEN, headers={"host": "trader.example"}).status == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9478", "127.0.0.1.evil.example", "[::2]", ""])
def test_on_loopback_another_host_is_refused(api: Api, host: str) -> None:
    refused = api.ask("GET", "/api/state", headers={"host": host})
    assert refused.status == 403
    assert "header Host" in refused.problem


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:9478", "[::1]", "[::1]:9478"])
def test_on_loopback_every_name_of_this_machine_is_welcome(api: Api, host: str) -> None:
    assert api.ask("GET", "/api/state", headers={"host": host}).status == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://[", ""])
def test_no_other_page_may_ask(api: Api, origin: str) -> None:
    own = f"127.0.0.1:{api.server.port}"
    refused = api.ask("POST", "/api/pause", token=TOKEN, headers={"origin": origin, "host": own})
    assert refused.status == 403
    assert "access-control-allow-origin" not in refused.headers
    assert api.ask("GET", "/api/state", headers={"origin": f"http://{own}", "host": own}).status == 200


def test_every_answer_forbids_scripts_frames_and_caches(api: Api) -> None:
    for path in ("/", "/api/state", "/nothing"):
        headers = api.ask("GET", path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "server" not in headers


def test_requests_are_counted_by_route_and_status() -> None:
    with quiet_api() as api:
        for path in ("/api/state", "/api/commands/1", "/api/commands/2", "/nothing"):
            api.ask("GET", path)
        api.ask("POST", "/api/pause")
        assert dict(api.guard.counts) == {
            ("/api/state", "200"): 1,
            ("/api/commands/{number}", "404"): 2,
            ("other", "404"): 1,
            ("other", "401"): 1,
        }


async def test_too_many_requests_at_once_are_refused_and_the_others_answered() -> None:
    free = asyncio.Event()

    async def slow(_scope: Any, _receive: Any, send: Any) -> None:
        await free.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    guard = Guard(slow, token=TOKEN, hosts=LOOPBACK, open_reads=True)
    scope = {"type": "http", "method": "GET", "headers": [(b"host", b"localhost")]}
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> MutableMapping[str, Any]:
        return {}

    asking = [asyncio.ensure_future(guard(dict(scope), receive, send)) for _ in range(MOST_AT_ONCE + 3)]
    await asyncio.sleep(0)
    assert [one["status"] for one in sent if "status" in one] == [503] * 3
    free.set()
    await asyncio.gather(*asking)
    assert [one["status"] for one in sent if "status" in one] == [503] * 3 + [200] * MOST_AT_ONCE
    await guard(dict(scope), receive, send)
    assert sent[-2]["status"] == 200


def test_the_log_never_holds_a_token(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        api.run.breaks = True
        assert api.ask("GET", "/api/state", token=TOKEN).status == 500
        api.run.breaks = False
        api.ask("POST", "/api/pause", token=TOKEN)
    assert "ZeroDivisionError" in caplog.text
    assert TOKEN not in caplog.text
