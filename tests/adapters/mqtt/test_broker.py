"""The connection to a broker, against a real mosquitto: states, events, will, TLS, password, its death."""

import asyncio
import gc
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random

import aiomqtt
import pytest
import trustme
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from adapters.mqtt.broker import Address, Arrived, Broker
from tests.mosquitto import Mosquitto, mosquitto

WILL = ("papertape/test/status", b"gone")
PATIENCE_S = 30.0
PASSWORD = "s3cret-of-the-test"  # noqa: S105 - the test's own broker


class Notes(list[str | None]):
    """What `told` heard."""

    def __init__(self) -> None:
        super().__init__()
        self.news = asyncio.Event()

    def __call__(self, gone: str | None) -> None:
        self.append(gone)
        self.news.set()


async def until(met: Callable[[], bool], news: asyncio.Event | None = None) -> None:
    """Wait for something to hold."""
    async with asyncio.timeout(PATIENCE_S):
        while not met():
            if news is None:
                await asyncio.sleep(0.005)
            else:
                await news.wait()
                news.clear()


def broker_at(port: int, notes: Notes, **fields: object) -> Broker:
    address = Address("127.0.0.1", port, **fields)  # type: ignore[arg-type]  # by name
    return Broker(address, WILL, b"here", Random(1), notes, most_events=3)


@asynccontextmanager
async def running(broker: Broker) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(broker.run())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def reader(server: Mosquitto, topics: str = "#") -> AsyncIterator[aiomqtt.Client]:
    async with aiomqtt.Client("127.0.0.1", server.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        await client.subscribe(topics, 1)
        yield client


async def next_of(client: aiomqtt.Client, topic: str) -> tuple[bytes, bool]:
    async with asyncio.timeout(PATIENCE_S):
        async for message in client.messages:
            if str(message.topic) == topic:
                return bytes(message.payload), message.retain
    raise AssertionError


async def test_states_are_kept_for_who_comes_later_and_events_are_not(tmp_path: Path) -> None:
    async with mosquitto(tmp_path) as server:
        broker = broker_at(server.port, Notes())
        async with running(broker), reader(server) as early:
            broker.state("a/equity", b"1")
            broker.event("a/fill", b"bought")
            assert await next_of(early, "a/equity") == (b"1", False)
            assert await next_of(early, "a/fill") == (b"bought", False)
            broker.state("a/equity", b"2")
            assert await next_of(early, "a/equity") == (b"2", False)
            async with reader(server) as late:
                assert await next_of(late, "a/equity") == (b"2", True)
            broker.state("a/equity", b"")
            assert await next_of(early, "a/equity") == (b"", False)


async def test_it_says_that_it_is_there_and_its_will_that_it_is_gone(tmp_path: Path) -> None:
    async with mosquitto(tmp_path) as server, reader(server, WILL[0]) as client:
        async with running(broker_at(server.port, Notes())):
            assert (await next_of(client, WILL[0]))[0] == b"here"
        assert (await next_of(client, WILL[0]))[0] == b"gone"
        # A process that is killed says nothing: the broker does it.
        script = (
            "import asyncio, os\n"
            "from random import Random\n"
            "from adapters.mqtt.broker import Address, Broker\n"
            f"b = Broker(Address('127.0.0.1', {server.port}), {WILL!r}, b'here', Random(1), "
            "lambda gone: asyncio.get_running_loop().call_later(0.2, os._exit, 9))\n"
            "asyncio.run(b.run())"
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, cwd=Path(__file__).parents[3]
        )
        assert (await next_of(client, WILL[0]))[0] == b"here"
        assert (await next_of(client, WILL[0]))[0] == b"gone"
        assert await process.wait() == 9


async def test_states_are_current_when_a_dead_broker_returns_and_old_events_are_dropped(
    tmp_path: Path,
) -> None:
    notes = Notes()
    async with mosquitto(tmp_path) as server:
        broker = broker_at(server.port, notes)
        broker.state("a/equity", b"1")
        async with running(broker):
            await until(lambda: None in notes, notes.news)
            await until(lambda: broker.sent == 1)
            server.kill()
            await until(lambda: notes[-1] is not None, notes.news)
            assert not broker.connected
            broker.state("a/equity", b"2")
            broker.state("a/equity", b"3")
            for number in range(5):
                broker.event("a/fill", str(number).encode())
            assert broker.dropped == 2
            await server.start()
            await until(lambda: broker.sent == 5)
            async with reader(server) as client:
                assert (await next_of(client, "a/equity"))[0] == b"3"


async def test_a_command_is_answered_where_and_how_its_sender_asks(tmp_path: Path) -> None:
    async def heard(arrived: Arrived) -> bytes:
        return arrived.payload.upper()

    async with mosquitto(tmp_path) as server, reader(server, "me/answers") as client:
        notes = Notes()
        broker = broker_at(server.port, notes)
        broker.listen("a/command", heard)
        async with running(broker):
            await until(lambda: None in notes, notes.news)
            wanted = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho has no types
            wanted.ResponseTopic, wanted.CorrelationData = "me/answers", b"17"
            async with asyncio.timeout(PATIENCE_S):
                # The subscription may come a moment after the connection.
                while True:
                    await client.publish("a/command", b"pause", 1, properties=wanted)
                    with suppress(TimeoutError):
                        async with asyncio.timeout(0.5):
                            async for message in client.messages:
                                assert bytes(message.payload) == b"PAUSE"
                                assert vars(message.properties)["CorrelationData"] == b"17"
                                return


def write_secrets(folder: Path) -> tuple[str, ...]:
    """Write a certificate, its authority and a user; return the broker's lines that name them."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(str(folder / "cert.pem"), append=True)
    program = shutil.which("mosquitto_passwd")
    assert program is not None
    subprocess.run([program, "-b", "-c", str(folder / "users"), "me", PASSWORD], check=True)
    (folder / "users").chmod(0o600)
    return (
        f"certfile {folder}/cert.pem",
        f"keyfile {folder}/key.pem",
        "allow_anonymous false",
        f"password_file {folder}/users",
    )


# paho leaves the socket of a handshake that failed to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_password_over_tls_opens_and_a_wrong_one_does_not(tmp_path: Path) -> None:
    async with mosquitto(tmp_path, *write_secrets(tmp_path)) as server:
        good = {"username": "me", "password": PASSWORD, "tls": True, "ca_file": str(tmp_path / "ca.pem")}

        async def first_word(**fields: object) -> str | None:
            notes = Notes()
            async with running(broker_at(server.port, notes, **{**good, **fields})):
                await until(lambda: bool(notes), notes.news)
            return notes[0]

        assert await first_word() is None
        for wrong in ({"password": "guessed"}, {"ca_file": None}, {"ca_file": "no/such"}):
            reason = await first_word(**wrong)
            assert reason is not None
            assert PASSWORD not in reason
    gc.collect()


def test_an_address_does_not_show_who_we_are() -> None:
    assert "secret" not in repr(Address("host", 1, "me", "secret"))


def test_the_schema_names_every_topic_and_every_payload() -> None:
    from adapters.mqtt.messages import TOPICS, schema

    text = json.dumps(schema())
    for topic in TOPICS:
        assert f'"{topic.name}"' in text
        assert f'"#/$defs/{topic.payload.__name__}"' in text
