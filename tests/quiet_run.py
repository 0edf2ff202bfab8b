"""A run that does nothing, for tests of the API before it; and the API of it on a free port."""

import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from adapters.control import answers as a
from adapters.control.app import control_app
from adapters.control.guard import Guard, Refused
from adapters.control.run_port import RunPort
from adapters.control.server import ControlServer

TOKEN = "a-token-of-24-characters"  # noqa: S105 - of a test
LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
NOW = datetime(2024, 1, 2, 16, tzinfo=UTC)


@dataclass
class QuietRun(RunPort):
    """Remembers what it was asked."""

    asked: list[tuple[Any, ...]] = field(default_factory=list)
    breaks: bool = False

    def state(self) -> a.State:
        if self.breaks:
            raise ZeroDivisionError
        zero = "0.00"
        return a.State(
            run="quiet",
            version="1",
            minute=NOW,
            age_seconds=1.0,
            batch=1,
            catch_up=False,
            mode="normal",
            causes=[],
            model="1",
            instruments=1,
            quote="USDT",
            equity=zero,
            best=zero,
            worst=zero,
            day=zero,
            cash=None,
            realised=None,
            fees=None,
            gross_ratio=None,
            net_ratio=None,
            drawdown_ratio=None,
            positions=0,
            feeds=[],
            queued_messages=0,
            alarms=[],
            waiting_commands=0,
        )

    def positions(self) -> a.Positions:
        return a.Positions(minute=None, positions=[])

    def vitals(self) -> a.Vitals:
        trades = a.TradesVital(count=0, gross_bps=None, cost_bps=None, net_bps=None)
        return a.Vitals(
            minute=None,
            verdict="too few trades to tell (0)",
            experts=[],
            drift=[],
            trades=trades,
            signals=0,
            edge_predicted_ratio=None,
            edge_realised_ratio=None,
            alarms=[],
        )

    def models(self) -> a.Models:
        trading = a.ModelState(
            version="1",
            name="quiet",
            uri="models:/quiet/1",
            trained_at=None,
            data_end=None,
            labels={"kind": "sigma"},
            horizon_minutes=60,
            features=[],
            schema_hash="",
            experts=[],
        )
        return a.Models(trading=trading, known=[], challenger=None, refused=[])

    def settings(self) -> Mapping[str, Any]:
        return {"run": {"name": "quiet"}}

    def commands(self) -> tuple[a.Ordered, ...]:
        return ()

    async def orders(self, before: str | None, limit: int, instrument: str | None) -> a.Orders:
        self.asked.append(("orders", before, limit, instrument))
        return a.Orders(orders=[], before=None)

    async def fills(self, before: str | None, limit: int, instrument: str | None) -> a.Fills:
        raise Refused(503, "the tape is away", "the tape", "wait")

    async def decisions(self, before: str | None, limit: int, instrument: str | None) -> a.Decisions:
        return a.Decisions(decisions=[], before=None)

    async def order(self, command: a.CommandName, by: str, wait_seconds: float) -> a.Ordered:
        self.asked.append((command, by, wait_seconds))
        done = wait_seconds > 0
        return a.Ordered(
            id=7,
            command=command,
            by=by,
            asked=NOW,
            status="done" if done else "waiting",
            minute=None,
            before=None,
            after=None,
            positions=None,
            orders=[],
        )

    async def reload(self, by: str) -> a.ReloadDone:
        self.asked.append(("reload", by))
        return a.ReloadDone(result="unchanged", changed=[], problems=[])

    async def snapshot(self) -> a.SnapshotMade:
        return a.SnapshotMade(batch=1, minute=NOW)


@dataclass
class Answered:
    """What came of a request."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def problem(self) -> str:
        """The first problem, in one line."""
        return " | ".join(self.json["problems"][0].values())


@dataclass
class Api:
    """An API that answers."""

    run: QuietRun
    server: ControlServer
    guard: Guard
    tls: ssl.SSLContext | None = None

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answered:
        host, port = "127.0.0.1", self.server.port
        connection = (
            http.client.HTTPConnection(host, port, timeout=20)
            if self.tls is None
            else http.client.HTTPSConnection(host, port, timeout=20, context=self.tls)
        )
        sent = dict(headers or {})
        if body is not None:
            sent.setdefault("content-type", "application/json")
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return Answered(
                answer.status,
                {name.lower(): value for name, value in answer.getheaders()},
                answer.read().decode(),
            )
        finally:
            connection.close()


@contextmanager
def quiet_api(
    *,
    token: str | None = TOKEN,
    hosts: frozenset[str] | None = LOOPBACK,
    open_reads: bool = True,
    certificate: tuple[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Api]:
    """Serve the API of a quiet run while inside."""
    run = QuietRun()
    guard = Guard(control_app(run, "1"), token=token, hosts=hosts, open_reads=open_reads)
    cert_file, key_file = certificate or (None, None)
    with ControlServer("127.0.0.1", 0, cert_file, key_file) as server:
        server.serve(guard)
        yield Api(run, server, guard, tls)
