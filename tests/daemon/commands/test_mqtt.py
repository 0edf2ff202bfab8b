"""What a run says over MQTT, held against the run and against the documented schema."""

import asyncio
import json
from dataclasses import replace
from random import Random
from typing import Any

import aiomqtt
import msgspec
import pytest

from adapters.mqtt.broker import Address, Arrived, Broker
from adapters.mqtt.messages import TOPICS, BarCame
from adapters.prometheus.live import MQTT_FAMILIES
from daemon.__main__ import main
from daemon.commands._mqtt import Commands, MqttLink
from daemon.commands._mqtt_publisher import Publisher, base_of, iso
from daemon.commands._views import Watcher
from daemon.diagnostics import Indication
from daemon.engine import Engine
from daemon.events import AnyEvent, BatchRecord, Command, Minutes, TradingMode, UniverseChanged
from tests.mosquitto import mosquitto
from tests.runs import SETTINGS, cut, decided, first_traded, fresh_engine, traded

N_MINUTES = 240
NOWHERE = Address("127.0.0.1", 1)


class Kept(Broker):
    """A broker that is never connected, and shows what waits."""

    def __init__(self) -> None:
        super().__init__(NOWHERE, ("will", b""), b"", Random(1), lambda gone: None, most_events=10_000)

    def waiting(self) -> dict[str, Any]:
        return {topic: json.loads(payload) for topic, payload in self._states.items()}

    def queued(self) -> list[tuple[str, Any]]:
        return [(topic, json.loads(payload)) for topic, payload, _ in self._events]


@pytest.fixture
async def published() -> tuple[Engine, list[BatchRecord], Kept]:
    engine = fresh_engine()
    batches, _ = decided(engine, cut(traded(N_MINUTES), [100]))
    broker, watcher = Kept(), Watcher(engine, first_traded(), first_traded() + N_MINUTES)
    publisher = Publisher(engine, watcher, broker)
    publisher.see(())
    for group in (batches[:100], batches[100:]):
        watcher.see(group)
        publisher.see(group)
    publisher.indicate(Indication(7, "simulator:ALFAUSDT", first_traded(), 1.5, 1_000, 2_000))
    return engine, list(batches), broker


async def test_states_say_what_is_so_after_the_last_minute(
    published: tuple[Engine, list[BatchRecord], Kept],
) -> None:
    engine, batches, broker = published
    base, last, states = base_of(SETTINGS), batches[-1], broker.waiting()
    assert states[f"{base}/equity"]["equity"] == f"{last.book.equity:f}"
    assert states[f"{base}/equity"]["minute"] == iso(last.minute)
    held = {one["instrument"] for one in states[f"{base}/positions"]["positions"]}
    assert held == {engine.run.names[i] for i in engine.run.desk.account.ledger.positions}
    assert states[f"{base}/health"]["batch"] == last.batch
    assert len(states[f"{base}/health"]["feeds"]) == len(engine.run.names)
    assert {one["expert"] for one in states[f"{base}/vitals"]["experts"]} >= {"trees", "blend"}
    decisions = [topic for topic in states if "/decision/" in topic]
    assert len(decisions) == len(engine.run.names)
    assert all(sum(states[t][p] for p in ("p_down", "p_flat", "p_up")) == pytest.approx(1) for t in decisions)


async def test_every_order_and_fill_is_an_event_once(
    published: tuple[Engine, list[BatchRecord], Kept],
) -> None:
    _, batches, broker = published
    base, queued = base_of(SETTINGS), broker.queued()
    orders = [said["id"] for topic, said in queued if topic == f"{base}/order"]
    assert orders == [order.id for record in batches for order in record.orders]
    fills = [said["quantity"] for topic, said in queued if topic == f"{base}/fill"]
    assert fills == [f"{fill.quantity:f}" for record in batches for fill in record.fills]
    assert len(fills) > 3
    assert queued[-1][0] == f"{base}/indication"


async def test_every_payload_is_what_the_schema_documents(
    published: tuple[Engine, list[BatchRecord], Kept],
) -> None:
    _, _, broker = published
    payloads = {topic.name.partition("/")[0]: topic.payload for topic in TOPICS}
    base = base_of(SETTINGS)
    for topic, said in [*broker.waiting().items(), *broker.queued()]:
        payload = payloads[topic.removeprefix(f"{base}/").partition("/")[0]]
        msgspec.convert(said, payload)
        assert set(said) == set(payload.__struct_fields__)


async def test_a_command_enters_the_run_and_nonsense_does_not() -> None:
    engine, submitted = fresh_engine(), list[AnyEvent]()

    async def submit(event: AnyEvent) -> None:
        submitted.append(event)
        engine.apply(event)

    commands = Commands(engine, submit)
    answer = json.loads(await commands.hear(Arrived("c", b'{"command": "flatten", "by": "ann"}')))
    assert answer == {"ok": True, "mode": TradingMode.FLATTEN.value, "error": None}
    assert submitted == [Command(command="flatten", by="mqtt ann")]  # type: ignore[arg-type]
    for nonsense in (
        b"",
        b'{"command": "buy"}',
        b'{"command": "pause", "size": 3}',
        b'{"command":"pause","by":"\\n"}',
    ):
        answer = json.loads(await commands.hear(Arrived("c", nonsense)))
        assert answer["ok"] is False
        assert answer["error"]
    assert len(submitted) == 1


async def test_a_run_is_heard_through_a_real_broker(tmp_path: Any) -> None:
    async with mosquitto(tmp_path) as server:
        mqtt = SETTINGS.mqtt.model_copy(update={"port": server.port})
        settings = SETTINGS.model_copy(update={"mqtt": mqtt})
        link = MqttLink(settings, "1.0")
        engine = fresh_engine()
        batches, _ = decided(engine, [traded(30)])
        watcher = Watcher(engine, first_traded(), first_traded() + 30)
        watcher.see(batches)
        link.publisher(engine, watcher, _refuse).see(batches)
        async with (
            link.running(),
            aiomqtt.Client("127.0.0.1", server.port, protocol=aiomqtt.ProtocolVersion.V5) as client,
        ):
            await client.subscribe("papertape/#")
            found: dict[str, Any] = {}
            async with asyncio.timeout(30):
                async for message in client.messages:
                    found[str(message.topic)] = json.loads(bytes(message.payload))
                    if {f"{base_of(settings)}/{name}" for name in ("status", "equity", "vitals")} <= set(
                        found
                    ):
                        break
            assert link.figures()["mqtt_connected"] == {(): 1.0}
    assert found[f"{base_of(settings)}/status"] == {"status": "online", "version": "1.0"}
    assert found[f"{base_of(settings)}/equity"]["equity"] == f"{batches[-1].book.equity:f}"


async def _refuse(event: AnyEvent) -> None:
    raise AssertionError(event)


def test_topics_and_schema_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mqtt"]) == 0
    assert "| `equity` | `Equity` | yes | out |" in capsys.readouterr().out
    assert main(["mqtt", "--schema"]) == 0
    assert BarCame.__name__ in json.loads(capsys.readouterr().out)["$defs"]


async def test_the_links_figures_are_the_families_of_mqtt() -> None:
    found = MqttLink(SETTINGS, "1.0").figures()
    assert set(found) == {family.name for family in MQTT_FAMILIES}
    for family in MQTT_FAMILIES:
        assert {len(labels) for labels in found[family.name]} == {len(family.labels)}


def test_the_decision_of_an_instrument_that_left_is_removed() -> None:
    engine, broker = fresh_engine(), Kept()
    watcher = Watcher(engine, first_traded(), first_traded() + 9)
    publisher = Publisher(engine, watcher, broker)
    gone = engine.run.names[0]
    topic = f"{base_of(SETTINGS)}/decision/{gone}"
    leaving: list[AnyEvent | Minutes] = [UniverseChanged(removed=(gone,)), narrowed(traded(1, first=2))]
    for inputs in ([traded(2)], leaving):
        batches, _ = decided(engine, inputs)
        watcher.see(batches)
        publisher.see(batches)
        if len(engine.run.names) == 4:
            assert broker.waiting()[topic]["instrument"] == gone
    assert broker._states[topic] == b""


def narrowed(minutes: Minutes) -> Minutes:
    """The minutes without their first instrument."""
    wide = {name for name in Minutes.__slots__ if getattr(minutes, name).ndim == 2}
    return replace(minutes, **{name: getattr(minutes, name)[:, 1:] for name in wide})
