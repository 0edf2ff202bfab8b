"""One connection to a broker, kept up for ever; what it costs a run when the broker is gone is a counter.

Written against aiomqtt 2.5 (the project that was called asyncio-mqtt) on paho-mqtt 2, MQTT 5.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

KEEPALIVE_S: Final = 20
"""A connection that has said nothing for half as long again is gone for both sides."""

TIMEOUT_S: Final = 10.0
BACKOFF_S: Final = (1.0, 60.0)
"""Pause before the next attempt, doubling, with jitter."""

HEARD_AT_ONCE: Final = 1_000
"""Messages being worked off; further ones are not heard, and their senders wait for an answer in vain."""

QOS: Final = 1


@dataclass(frozen=True, slots=True)
class Address:
    """Where the broker is and who we are to it.

    Attributes:
        host: Name or number.
        port: 1883 plain, 8883 with TLS, by custom.
        username: None for a broker that lets everybody in.
        password: Never logged.
        tls: Encrypt, and check the broker's certificate.
        ca_file: Of who signed it; None takes the system's.
        cert_file: Our own certificate, where the broker asks for one; `key_file` is its key.
        key_file: See `cert_file`.
    """

    host: str
    port: int
    username: str | None = None
    password: str | None = None
    tls: bool = False
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None

    def __repr__(self) -> str:
        """Show where, never who."""
        return f"Address({self.host}:{self.port})"


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message that came.

    Attributes:
        topic: Where.
        payload: What.
        response_topic: Where its sender waits for an answer, if it does.
        correlation: What the answer must carry.
    """

    topic: str
    payload: bytes
    response_topic: str | None = None
    correlation: bytes | None = None


Heard = Callable[[Arrived], Awaitable[bytes | None]]
"""Takes a message; what it returns is sent to the message's response topic."""

Told = Callable[[str | None], None]
"""Is told when the connection came (None), and why it went."""


class Broker:
    """Publishes states and events, and hands on what comes on the topics listened to.

    A *state* is retained by the broker: of those that wait only the newest counts, and all of them are sent
    again after every reconnection, so that they are current however long the broker was away. *Events* wait
    in a queue; when it is full the oldest are dropped and counted.

    Args:
        address: Of the broker.
        will: Topic and payload that the broker publishes, retained, when we are gone without a word.
        greeting: Payload for the will's topic while we are there.
        chance: Jitter of reconnections.
        told: Hears of connections that come and go.
        most_events: Length of the queue of events.
        identifier: MQTT client id; two clients of one id throw each other out.

    Attributes:
        connected: Whether the broker is there now.
        dropped: Events that were thrown away.
        sent: Messages that the broker has confirmed.
    """

    def __init__(
        self,
        address: Address,
        will: tuple[str, bytes],
        greeting: bytes,
        chance: Random,
        told: Told,
        *,
        most_events: int = 1_000,
        identifier: str | None = None,
    ) -> None:
        self.connected = False
        self.dropped = 0
        self.sent = 0
        self._address = address
        self._will = will
        self._greeting = greeting
        self._chance = chance
        self._told = told
        self._identifier = identifier
        self._states: dict[str, bytes] = {}
        self._changed: dict[str, None] = {}
        self._events: deque[tuple[str, bytes, Properties | None]] = deque()
        self._most_events = most_events
        self._woken = asyncio.Event()
        self._heard: dict[str, Heard] = {}
        self._hearing: set[asyncio.Task[None]] = set()

    def state(self, topic: str, payload: bytes) -> None:
        """Let this be the retained message of a topic; an empty payload removes it."""
        if self._states.get(topic) != payload:
            self._states[topic] = payload
            self._changed[topic] = None
            self._woken.set()

    def event(self, topic: str, payload: bytes, properties: Properties | None = None) -> None:
        """Send a message once."""
        if len(self._events) >= self._most_events:
            self._events.popleft()
            self.dropped += 1
        self._events.append((topic, payload, properties))
        self._woken.set()

    def listen(self, topic_filter: str, heard: Heard) -> None:
        """Have messages on these topics handed to `heard`; call it before `run`."""
        self._heard[topic_filter] = heard

    async def run(self) -> None:
        """Keep the connection up until cancelled; then say goodbye."""
        pause_s, longest_s = BACKOFF_S
        while True:
            try:
                async with self._client() as client:
                    self.connected = True
                    pause_s = BACKOFF_S[0]
                    self._told(None)
                    await self._serve(client)
            except (aiomqtt.MqttError, OSError, ValueError) as error:
                # ValueError: what paho raises at names and certificates that cannot be.
                self._told(str(error) or type(error).__name__)
            finally:
                self.connected = False
            # A broker that comes back is not to be met by all its clients at once.
            await asyncio.sleep(pause_s * self._chance.uniform(0.5, 1.0))
            pause_s = min(2 * pause_s, longest_s)

    def _client(self) -> aiomqtt.Client:
        a = self._address
        topic, payload = self._will
        return aiomqtt.Client(
            a.host,
            a.port,
            username=a.username,
            password=a.password,
            identifier=self._identifier,
            protocol=aiomqtt.ProtocolVersion.V5,
            will=aiomqtt.Will(topic, payload, QOS, retain=True),
            keepalive=KEEPALIVE_S,
            timeout=TIMEOUT_S,
            tls_params=aiomqtt.TLSParameters(a.ca_file, a.cert_file, a.key_file) if a.tls else None,
        )

    async def _serve(self, client: aiomqtt.Client) -> None:
        """Send and receive until the connection breaks."""
        await client.publish(self._will[0], self._greeting, QOS, retain=True)
        self._changed = dict.fromkeys(self._states)
        self._woken.set()
        for topic_filter in self._heard:
            await client.subscribe(topic_filter, QOS)
        receiving = asyncio.ensure_future(self._receive(client))
        sending = asyncio.ensure_future(self._send(client))
        leaving = False
        try:
            done, _ = await asyncio.wait((receiving, sending), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except asyncio.CancelledError:
            leaving = True
            raise
        finally:
            left = (receiving, sending, *self._hearing)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            if leaving:
                with suppress(aiomqtt.MqttError):
                    await self._flush(client)
                    await client.publish(self._will[0], self._will[1], QOS, retain=True)

    async def _send(self, client: aiomqtt.Client) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            await self._flush(client)

    async def _flush(self, client: aiomqtt.Client) -> None:
        """Send what waits; a message leaves the queue only when the broker has confirmed it."""
        while self._changed:
            topic = next(iter(self._changed))
            payload = self._states[topic]
            await client.publish(topic, payload, QOS, retain=True)
            self.sent += 1
            if self._states[topic] == payload:
                self._changed.pop(topic, None)
            if not payload:
                self._states.pop(topic)
        while self._events:
            topic, payload, properties = event = self._events[0]
            await client.publish(topic, payload, QOS, properties=properties)
            self.sent += 1
            # A full queue may have dropped it meanwhile.
            if event is next(iter(self._events), None):
                self._events.popleft()

    async def _receive(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            for topic_filter, heard in self._heard.items():
                if message.topic.matches(topic_filter) and len(self._hearing) < HEARD_AT_ONCE:
                    # An answer may take until the next minute; what comes meanwhile is not held up by it.
                    task = asyncio.create_task(self._hear(message, heard))
                    self._hearing.add(task)
                    task.add_done_callback(self._hearing.discard)

    async def _hear(self, message: aiomqtt.Message, heard: Heard) -> None:
        properties: Mapping[str, Any] = vars(message.properties)
        arrived = Arrived(
            topic=str(message.topic),
            payload=bytes(message.payload),
            response_topic=properties.get("ResponseTopic"),
            correlation=properties.get("CorrelationData"),
        )
        answer = await heard(arrived)
        if answer is not None and arrived.response_topic is not None:
            wanted = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho has no types
            if arrived.correlation is not None:
                wanted.CorrelationData = arrived.correlation
            self.event(arrived.response_topic, answer, wanted)
