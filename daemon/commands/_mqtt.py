"""What a run says over MQTT, and the commands it takes: between the engine and `adapters.mqtt`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from math import isfinite
from random import Random
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np
import structlog

from adapters.mqtt import messages as m
from adapters.mqtt.bar_topics import MqttFeed
from adapters.mqtt.broker import Address, Arrived, Broker, Told
from daemon.errors import FeedError
from daemon.events import AnyEvent, BatchRecord, Command, CommandKind
from daemon.policy.reasons import Reason
from daemon.vitals.verdict import verdict

if TYPE_CHECKING:
    from daemon.commands._views import Watcher
    from daemon.diagnostics import Indication
    from daemon.engine import Engine
    from daemon.settings import Settings
    from daemon.vitals.skill import SkillFigures

VITALS_EVERY_MINUTES: Final = 60
"""Intervals cost milliseconds."""

GOODBYE_S: Final = 5.0
"""A broker that does not take our last words in so long does without them."""

Submit = Callable[[AnyEvent], Awaitable[None]]
"""Lets an event in before the next minute, and returns when it is durable."""


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


def base_of(settings: "Settings") -> str:
    """Return what the run's topics begin with."""
    return f"{settings.mqtt.prefix}/{settings.run.name}"


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

    def publisher(self, engine: "Engine", watcher: "Watcher", submit: Submit) -> "Publisher":
        """Return the sink that publishes, and take commands from now on where the settings allow it."""
        if self._settings.mqtt.commands:
            self.broker.listen(f"{base_of(self._settings)}/command", Commands(engine, submit).hear)
        return Publisher(engine, watcher, self.broker)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the connection up while the block runs, and say goodbye at its end."""
        task = asyncio.create_task(self.broker.run())
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


class Publisher:
    """A sink: turns batches into states and events; returns at once, whether the broker is there or not.

    Args:
        engine: The run's; read between two minutes.
        watcher: Follows the run, and has seen a batch before this does.
        broker: Takes the messages.
    """

    def __init__(self, engine: "Engine", watcher: "Watcher", broker: Broker) -> None:
        self._engine = engine
        self._watcher = watcher
        self._broker = broker
        self._base = base_of(engine.run.settings)
        self._vitals_due = 0

    def see(self, batches: Sequence[BatchRecord]) -> None:
        """Publish what these batches hold, and what is so after the last of them."""
        if not batches:
            return
        for record in batches:
            self._events(record)
            self._decisions(record)
        last = batches[-1]
        self._state("equity", _equity(last))
        self._state("positions", self._positions())
        self._state("health", self._health(last))
        if last.minute >= self._vitals_due:
            self._vitals_due = last.minute + VITALS_EVERY_MINUTES
            self._state("vitals", self._vitals(last.minute))

    def indicate(self, seen: "Indication") -> None:
        """Publish the first price after a decision."""
        message = m.Indicated(
            order_id=seen.order_id,
            instrument=seen.instrument,
            price=seen.price,
            seen=datetime.fromtimestamp(seen.received_ms / 1000, UTC).isoformat(),
        )
        self._broker.event(f"{self._base}/indication", msgspec.json.encode(message))

    def _state(self, name: str, message: msgspec.Struct) -> None:
        self._broker.state(f"{self._base}/{name}", msgspec.json.encode(message))

    def _event(self, name: str, message: msgspec.Struct) -> None:
        self._broker.event(f"{self._base}/{name}", msgspec.json.encode(message))

    def _events(self, record: BatchRecord) -> None:
        for order in record.orders:
            self._event(
                "order",
                m.OrderMade(
                    id=order.id,
                    minute=moment(order.minute),
                    instrument=order.instrument,
                    quantity=f"{order.quantity:f}",
                    reason=order.reason,
                ),
            )
        for fill in record.fills:
            self._event(
                "fill",
                m.FillMade(
                    order_id=fill.order_id,
                    minute=moment(fill.minute),
                    instrument=fill.instrument,
                    kind=fill.kind.value,
                    quantity=f"{fill.quantity:f}",
                    price=f"{fill.price:f}",
                    fee=f"{fill.fee:f}",
                    realised=f"{fill.realised:f}",
                ),
            )
        for change in record.changes:
            self._event(
                "mode",
                m.ModeChanged(
                    minute=moment(change.minute),
                    before=change.before.value,
                    after=change.after.value,
                    cause=change.cause,
                ),
            )

    def _decisions(self, record: BatchRecord) -> None:
        names = self._engine.run.names
        for row in np.frombuffer(record.decisions, self._engine.dtype):
            instrument = names[int(row["instrument"])]
            down, flat, up = row["blend"].tolist()
            said = m.Decision(
                minute=moment(record.minute),
                instrument=instrument,
                p_down=down,
                p_flat=flat,
                p_up=up,
                edge_ratio=float(row["edge"]),
                target_weight_ratio=float(row["target"]),
                reason=Reason(int(row["reason"])).label,
            )
            self._state(f"decision/{_level(instrument)}", said)

    def _positions(self) -> m.Positions:
        live = self._watcher.live()
        return m.Positions(
            minute=moment(live.minute),
            positions=[
                m.Held(
                    instrument=held.instrument,
                    quantity=f"{held.quantity:f}",
                    weight_ratio=held.weight,
                    unrealised=f"{held.unrealised:f}",
                    mark_age_minutes=held.mark_age_minutes,
                )
                for held in live.positions
            ],
        )

    def _health(self, last: BatchRecord) -> m.Health:
        run = self._engine.run
        return m.Health(
            minute=moment(last.minute),
            batch=last.batch,
            mode=last.book.mode.value,
            model=run.model.version,
            feeds=[
                m.FeedHealth(instrument=c.instrument, expected=c.expected, received=c.received)
                for c in run.coverage.figures()
            ],
        )

    def _vitals(self, minute: int) -> m.Vitals:
        run = self._engine.run
        drift = run.health.figures().drift
        drifted = {
            subject: [feature.name for feature in figures.features if feature.out] if figures.in_alarm else []
            for subject, figures in drift.items()
        }
        return m.Vitals(
            minute=moment(minute),
            verdict=verdict(run.trades.figures()),
            experts=[_vital(figures) for figures in run.skill.figures()],
            drifted_features=drifted.get("features", []),
            drifted_predictions=drifted.get("predictions", []),
        )


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


def moment(minute: int) -> str:
    """Return an epoch minute as ISO 8601."""
    return datetime.fromtimestamp(60 * minute, UTC).isoformat()


def _level(instrument: str) -> str:
    """Return an instrument as one level of a topic."""
    return instrument.replace("/", "-").replace("+", "-").replace("#", "-")


def _equity(record: BatchRecord) -> m.Equity:
    book = record.book
    return m.Equity(
        minute=moment(record.minute),
        equity=f"{book.equity:f}",
        best=f"{book.best:f}",
        worst=f"{book.worst:f}",
        cash=f"{book.cash:f}",
        realised=f"{book.realised:f}",
        fees=f"{book.fees:f}",
        gross_ratio=book.gross,
        net_ratio=book.net,
        drawdown_ratio=book.drawdown,
        mode=book.mode.value,
        catch_up=record.catch_up,
    )


def _vital(figures: "SkillFigures") -> m.Vital:
    skill, ic = figures.skill_interval, figures.ic
    return m.Vital(
        expert=figures.name,
        labels=figures.rows,
        accuracy_ratio=_known(figures.accuracy),
        majority_accuracy_ratio=_known(figures.majority),
        skill_nats=_known(figures.skill),
        skill_low_nats=None if skill is None else skill.low,
        skill_high_nats=None if skill is None else skill.high,
        information_coefficient=None if ic is None else ic.mean,
    )


def _known(number: float) -> float | None:
    """Return a number, or None where there is none: JSON has no NaN."""
    return number if isfinite(number) else None
