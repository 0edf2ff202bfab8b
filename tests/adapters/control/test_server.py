"""The control API's answers, its description, and its server."""

import re
import socket
import ssl
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
import trustme

from adapters.control.app import MOST_ROWS
from adapters.control.client import ControlClient
from adapters.control.guard import BODY_BYTES
from adapters.control.server import ControlServer
from daemon.errors import ControlError, ControlUnreachableError
from tests.quiet_run import TOKEN, Api, quiet_api

READS = (
    "state",
    "positions",
    "vitals",
    "models",
    "settings",
    "orders",
    "decisions",
    "commands",
)


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    with quiet_api() as served:
        yield served


@pytest.mark.parametrize("name", READS)
def test_everything_that_can_be_read_is_json(api: Api, name: str) -> None:
    answer = api.ask("GET", f"/api/{name}")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert isinstance(answer.json, dict)


def test_a_command_that_waits_is_accepted_and_says_where_to_look(api: Api) -> None:
    answer = api.ask("POST", "/api/pause", b'{"by": "ann"}', token=TOKEN)
    assert (answer.status, answer.headers["location"]) == (202, "/api/commands/7")
    assert api.run.asked[-1] == ("pause", "ann", 0.0)
    done = api.ask("POST", "/api/flatten?wait_seconds=90", token=TOKEN)
    assert (done.status, done.json["status"]) == (200, "done")
    assert api.run.asked[-1] == ("flatten", "", 90.0)


@pytest.mark.parametrize(
    ("path", "body", "status", "where"),
    [
        ("/api/pause", b'{"by": 3}', 422, "body.by"),
        ("/api/pause", b'{"by": "ann\\n"}', 422, "body.by"),
        ("/api/pause", b'{"by": "ann", "why": "so"}', 422, "body.why"),
        ("/api/pause", b"{", 422, "body.1"),
        ("/api/pause", b"[]", 422, "body"),
        ("/api/pause", b"{\xff}", 400, "the body"),
        ("/api/pause?wait_seconds=1e9", None, 422, "query.wait_seconds"),
        ("/api/pause", b'{"by": "' + b"a" * BODY_BYTES + b'"}', 413, "the body"),
        ("/api/nothing", None, 404, "the path"),
        ("/api/state", None, 405, "the method"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_what_where_and_what_to_do(
    api: Api, path: str, body: bytes | None, status: int, where: str
) -> None:
    before = list(api.run.asked)
    answer = api.ask("POST", path, body, token=TOKEN)
    assert (answer.status, answer.json["problems"][0]["where"]) == (status, where)
    assert set(answer.json["problems"][0]) == {"what", "where", "what_to_do"}
    assert api.run.asked == before


def test_a_body_without_a_length_is_refused(api: Api) -> None:
    chunked = {"transfer-encoding": "chunked"}
    assert api.ask("POST", "/api/pause", b"0\r\n\r\n", token=TOKEN, headers=chunked).status == 411


def test_a_body_is_taken_as_json_alone(api: Api) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert api.ask("POST", "/api/pause", b'{"by": "ann"}', token=TOKEN, headers=form).status == 422


@pytest.mark.parametrize(
    "query", [f"limit={MOST_ROWS + 1}", "limit=0", "limit=x", "before=1", "before=-1.0", "instrument="]
)
def test_pages_are_bounded(api: Api, query: str) -> None:
    assert api.ask("GET", f"/api/orders?{query}").status == 422


def test_what_the_run_refuses_and_a_bug_are_answered_as_problems_too(api: Api) -> None:
    assert api.ask("GET", "/api/fills").problem == "the tape is away | the tape | wait"
    api.run.breaks = True
    failed = api.ask("GET", "/api/state")
    api.run.breaks = False
    assert failed.status == 500
    assert "its log says where" in failed.problem
    assert "Zero" not in failed.text


class _Parts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in {"href", "src", "action"}:
                self.addresses.append(value or "")
            if name == "id":
                self.anchors.add(value or "")


def test_the_page_describes_every_path_and_loads_nothing(api: Api) -> None:
    described = api.ask("GET", "/openapi.json").json
    page = api.ask("GET", "/").text
    parts = _Parts()
    parts.feed(page)
    assert {path for path in described["paths"] if path in page} == set(described["paths"])
    assert "script" not in parts.tags
    assert not [one for one in parts.addresses if not re.match(r"(/api/|#|openapi\.json$|data:,$)", one)]
    assert {one[1:] for one in parts.addresses if one.startswith("#")} <= parts.anchors
    assert "url(" not in page
    assert "needs the token" in page
    assert "<code>Authorization: Bearer TOKEN</code>" in page
    assert "&lt;" not in page


def test_every_answer_is_described_with_its_meaning(api: Api) -> None:
    described = api.ask("GET", "/openapi.json").json
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert operation.get("description"), path
            assert ("security" in operation) == (method == "post"), path
            assert {"401", "403", "422"} <= set(operation["responses"]), path
    for name, schema in described["components"]["schemas"].items():
        assert schema.get("description"), name


def test_the_server_is_gone_with_its_thread_and_its_address_is_free_again() -> None:
    before = set(threading.enumerate())
    with quiet_api() as api:
        port = api.server.port
        assert set(threading.enumerate()) > before
        # A connection that is kept alive does not hold the end back.
        idle = socket.create_connection(("127.0.0.1", port))
    idle.close()
    assert set(threading.enumerate()) <= before
    with ControlServer("127.0.0.1", port):
        pass


def test_an_address_that_cannot_be_had_is_said_before_anything_is_begun() -> None:
    with ControlServer("127.0.0.1", 0) as server, pytest.raises(ControlError, match="cannot serve on"):
        ControlServer("127.0.0.1", server.port).__enter__()
    with pytest.raises(ControlError, match=r"192\.0\.2\.1:9478"):
        ControlServer("192.0.2.1", 9478).__enter__()


def test_it_serves_over_ipv6_too() -> None:
    try:
        with ControlServer("::1", 0) as server:
            assert server.url == f"http://[::1]:{server.port}"
    except ControlError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[str, str]]:
    """A file with an authority's certificate, and (certificate, key) for this machine signed by it."""
    folder = tmp_path_factory.mktemp("tls")
    ca = trustme.CA()
    ca.cert_pem.write_to_path(folder / "ca.pem")
    made = ca.issue_cert("localhost", "127.0.0.1")
    made.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    made.private_key_pem.write_to_path(folder / "key.pem")
    return folder / "ca.pem", (str(folder / "cert.pem"), str(folder / "key.pem"))


def test_over_tls_the_client_checks_who_answers(authority: tuple[Path, tuple[str, str]]) -> None:
    ca_file, certificate = authority
    trusting = ssl.create_default_context(cafile=str(ca_file))
    with quiet_api(certificate=certificate, tls=trusting) as api:
        assert api.ask("GET", "/api/state").status == 200
        url = f"https://localhost:{api.server.port}"
        assert ControlClient(url, TOKEN, str(ca_file)).get("/api/state")["run"] == "quiet"
        assert ControlClient(url, TOKEN, str(ca_file)).post("/api/pause", {"by": "ann"})["id"] == 7
        with pytest.raises(ControlError, match=r"not trusted.*--ca FILE"):
            ControlClient(url).get("/api/state")
        assert ControlClient(url, TOKEN, certificate[0]).get("/api/state")["run"] == "quiet"
        with pytest.raises(ControlError, match="holds no certificate"):
            ControlClient(url, None, certificate[1]).get("/api/state")
        with pytest.raises(ControlUnreachableError, match="nobody answers"):
            ControlClient(f"http://localhost:{api.server.port}").get("/api/state")
    with quiet_api() as api, pytest.raises(ControlError, match="is it http://"):
        ControlClient(f"https://localhost:{api.server.port}").get("/api/state")


def test_a_certificate_that_is_none_is_refused(authority: tuple[Path, tuple[str, str]]) -> None:
    _, (cert_file, _) = authority
    for key_file in (cert_file, "missing.pem"):
        with pytest.raises(ControlError, match="cannot be used"):
            ControlServer("127.0.0.1", 0, cert_file, key_file).__enter__()


def test_the_client_says_what_is_wrong(api: Api) -> None:
    url = f"http://127.0.0.1:{api.server.port}"
    with pytest.raises(ControlError, match=r"a token is needed.*PAPERTAPE_CONTROL__TOKEN"):
        ControlClient(url).post("/api/pause")
    with pytest.raises(ControlUnreachableError, match="the tape is away"):
        ControlClient(url).get("/api/fills", limit=1, before=None)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        nobody = deaf.getsockname()[1]
    with pytest.raises(ControlUnreachableError, match="Does `papertape run` run there"):
        ControlClient(f"http://127.0.0.1:{nobody}").get("/api/state")
    with pytest.raises(ControlUnreachableError, match="no control API of papertape"):
        ControlClient(url).get("/")
    for wrong in ("127.0.0.1:9478", "ftp://127.0.0.1", "http://127.0.0.1:x", "http://"):
        with pytest.raises(ControlError, match="is no address"):
            ControlClient(wrong).get("/api/state")
