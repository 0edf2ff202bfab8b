"""A live run's connection to its MQTT broker, and the commands that come over it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from adapters.mqtt import messages as m
from adapters.mqtt.bar_topics import MqttFeed
from adapters.mqtt.broker import Address, Arrived, Broker, Told
from daemon.commands._mqtt_publisher import Publisher, base_of
from daemon.commands._task_beside import begun
from daemon.errors import FeedError
from daemon.events import Command, CommandKind
from daemon.ports import Submit

if TYPE_CHECKING:
    from daemon.commands._views import Watcher
    from daemon.engine import Engine
    from daemon.settings import Settings

GOODBYE_S: Final = 5.0
"""A broker that does not take our last words in so long does without them."""


def _broker(settings: "Settings", version: str, chance: Random, told: Told) -> Broker:
    mqtt = settings.mqtt
    address = Address(
        mqtt.host,
        mqtt.port,
        mqtt.username,
        None if mqtt.password is None else mqtt.password.get_secret_value(),
        mqtt.tls,
        mqtt.ca_file,
        mqtt.cert_file,
        mqtt.key_file,
    )
    will = (f"{base_of(settings)}/status", msgspec.json.encode(m.Status(status="offline")))
    greeting = msgspec.json.encode(m.Status(status="online", version=version))
    return Broker(address, will, greeting, chance, told, most_events=mqtt.queue_events)


class MqttLink:
    """A run's connection to its broker: what it says, the commands it takes, the bars that come by topic.

    Args:
        settings: Of the run.
        version: Of papertape.
    """

    def __init__(self, settings: "Settings", version: str) -> None:
        self._settings = settings
        self._feeds: list[MqttFeed] = []
        # Only waits are drawn from it.
        self.broker = _broker(settings, version, Random(), self._told)  # noqa: S311 - nothing is secret here

    def feed(self, venue: str, instruments: Sequence[str]) -> MqttFeed:
        """Return a feed of bars that come by topic."""
        feed = MqttFeed(venue, instruments, self._settings.mqtt.bars)
        feed.listen_on(self.broker)
        self._feeds.append(feed)
        return feed

    def publisher(self, engine: "Engine", watcher: "Watcher", submit: Submit) -> Publisher:
        """Return the sink that publishes, and take commands from now on where the settings allow it."""
        if self._settings.mqtt.commands:
            self.broker.listen(f"{base_of(self._settings)}/command", Commands(engine, submit).hear)
        return Publisher(engine, watcher, self.broker)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the connection up while the block runs, and say goodbye at its end."""
        task = begun(self.broker.run())
        try:
            yield
        finally:
            task.cancel()
            done, _ = await asyncio.wait((task,), timeout=GOODBYE_S)
            if not done:
                structlog.get_logger().warning("mqtt goodbye not taken", after_s=GOODBYE_S)

    def figures(self) -> dict[str, dict[tuple[str, ...], float]]:
        """Return the connection in numbers."""
        broker = self.broker
        return {
            "mqtt_connected": {(): float(broker.connected)},
            "mqtt_messages_sent_total": {(): float(broker.sent)},
            "mqtt_messages_dropped_total": {
                ("out",): float(broker.dropped),
                ("in",): float(sum(feed.dropped for feed in self._feeds)),
            },
        }

    def _told(self, gone: str | None) -> None:
        mqtt, log = self._settings.mqtt, structlog.get_logger()
        if gone is None:
            log.info("mqtt connected", broker=f"{mqtt.host}:{mqtt.port}")
        else:
            log.warning("mqtt gone", broker=f"{mqtt.host}:{mqtt.port}", reason=gone)
        for feed in self._feeds:
            feed.link(gone)


class Commands:
    """Takes a person's orders from the broker, where the settings allow it.

    Args:
        engine: The run's.
        submit: Lets a command in.
    """

    def __init__(self, engine: "Engine", submit: Submit) -> None:
        self._engine = engine
        self._submit = submit

    async def hear(self, arrived: Arrived) -> bytes:
        """Carry a command out, and return the answer: it is given when the command is durable."""
        return msgspec.json.encode(await self._answer(arrived))

    async def _answer(self, arrived: Arrived) -> m.CommandAnswer:
        log = structlog.get_logger()
        try:
            asked = msgspec.json.decode(arrived.payload, type=m.CommandAsked)
        except msgspec.DecodeError as error:
            log.warning("mqtt command refused", reason=str(error))
            return m.CommandAnswer(ok=False, error=str(error))
        try:
            await self._submit(Command(command=CommandKind(asked.command), by=f"mqtt {asked.by}".strip()))
        except FeedError as error:
            return m.CommandAnswer(ok=False, error=str(error))
        log.info("mqtt command", command=asked.command, by=asked.by)
        return m.CommandAnswer(ok=True, mode=self._engine.run.trading.mode.value)
