"""`papertape run` with a real mosquitto: heard, ordered about, and not held up when the broker dies."""

import asyncio
import json
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from adapters.tape.reader import TapeReader
from daemon.events import Command
from tests.integration.command_line import Job, n_batches, papertape, started, wait_for
from tests.integration.live_exchange import simulated_exchange
from tests.mosquitto import mosquitto
from tests.runs import SETTINGS

pytestmark = pytest.mark.slow

BASE = f"papertape/{SETTINGS.run.name}"


async def heard(client: aiomqtt.Client, topic: str, wanted: Callable[[Any], bool] = lambda _: True) -> Any:
    """Wait for a message on a topic that is wanted; return its payload."""
    async with asyncio.timeout(90):
        async for message in client.messages:
            if str(message.topic) == topic and wanted(said := json.loads(bytes(message.payload))):
                return said
    raise AssertionError


async def both(client: aiomqtt.Client, wanted: Mapping[str, Callable[[Any], bool]]) -> list[Any]:
    """Wait for one message on each topic that is wanted there, in whatever order they come."""
    heard: dict[str, Any] = {}
    async with asyncio.timeout(90):
        async for message in client.messages:
            topic, said = str(message.topic), json.loads(bytes(message.payload))
            if topic in wanted and wanted[topic](said):
                heard.setdefault(topic, said)
            if set(wanted) <= set(heard):
                return [heard[topic] for topic in wanted]
    raise AssertionError


async def test_a_run_is_heard_and_commanded_and_survives_its_brokers_death(job: Job, tmp_path: Path) -> None:
    async with mosquitto(tmp_path) as server:
        mqtt = {"enabled": True, "port": server.port, "commands": True}
        with (
            simulated_exchange(job, tmp_path, mqtt=mqtt) as exchange,
            started(exchange.words, exchange.folder) as process,
        ):
            log = exchange.folder / "stderr.txt"
            async with client_of(server.port) as client:
                equity = await heard(client, f"{BASE}/equity")
                assert equity["mode"] == "normal"
                await client.publish(
                    f"{BASE}/command", b'{"command": "pause", "by": "ann"}', 1, properties=reply()
                )
                # On a busy machine the feed may be lost for a while, which moves the state as well.
                told = {"ann/answers": bool, f"{BASE}/mode": lambda said: said["cause"].startswith("command")}
                answer, moved = await both(client, told)
                assert answer == {"ok": True, "mode": "no_entry", "error": None}
                assert moved["cause"] == "command:mqtt ann"
            server.kill()
            before = n_batches(exchange.tape)
            reached = wait_for(process, lambda: n_batches(exchange.tape) >= before + 10)
            assert reached, log.read_text(encoding="utf-8")
            await server.start()
            async with client_of(server.port) as client:
                after = await heard(client, f"{BASE}/equity", lambda said: said["minute"] > equity["minute"])
                assert after["mode"] == "no_entry"
                process.send_signal(signal.SIGTERM)
                assert await heard(client, f"{BASE}/status", lambda said: said["status"] == "offline")
            assert await asyncio.to_thread(process.wait, 60) == 0, log.read_text(encoding="utf-8")
            text = log.read_text(encoding="utf-8")
        assert "mqtt gone" in text
        with TapeReader(exchange.tape) as reader:
            assert len(list(reader.events_of(Command.__name__))) == 1
        assert papertape(["verify", str(exchange.tape)], exchange.folder).returncode == 0


def client_of(port: int) -> aiomqtt.Client:
    """Return a client that will hear everything of the run and the answers to Ann."""
    return _Listening("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5)


class _Listening(aiomqtt.Client):
    async def __aenter__(self) -> Self:
        await super().__aenter__()
        await self.subscribe([(f"{BASE}/#", 1), ("ann/answers", 1)])
        return self


def reply() -> Properties:
    """Return properties that ask for an answer."""
    wanted = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho has no types
    wanted.ResponseTopic = "ann/answers"
    return wanted
