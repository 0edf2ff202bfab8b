"""What a live run publishes over MQTT: its batches as states and events of `adapters.mqtt.messages`."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from adapters.mqtt import messages as m
from daemon.commands._in_json import known, moment
from daemon.commands._surviving import Surviving
from daemon.events import BatchRecord
from daemon.policy.reasons import Reason
from daemon.vitals.verdict import verdict

if TYPE_CHECKING:
    from adapters.mqtt.broker import Broker
    from daemon.commands._views import Watcher
    from daemon.diagnostics import Indication
    from daemon.engine import Engine
    from daemon.settings import Settings
    from daemon.vitals.skill import SkillFigures

VITALS_EVERY_MINUTES: Final = 60
"""Intervals cost milliseconds."""


def base_of(settings: "Settings") -> str:
    """Return what the run's topics begin with."""
    return f"{settings.mqtt.prefix}/{settings.run.name}"


class Publisher:
    """A sink: turns batches into states and events; returns at once, whether the broker is there or not.

    Args:
        engine: The run's; read between two minutes.
        watcher: Follows the run, and has seen a batch before this does.
        broker: Takes the messages.

    Attributes:
        surviving: Counts what could not be published.
    """

    def __init__(self, engine: "Engine", watcher: "Watcher", broker: "Broker") -> None:
        self._engine = engine
        self._watcher = watcher
        self._broker = broker
        self._base = base_of(engine.run.settings)
        self._vitals_due = 0
        self._decided: set[str] = set()
        self.surviving = Surviving("mqtt")

    def see(self, batches: Sequence[BatchRecord]) -> None:
        """Publish what these batches hold, and what is so after the last of them."""
        with self.surviving:
            if batches:
                self._publish(batches)

    def _publish(self, batches: Sequence[BatchRecord]) -> None:
        self._forget_departed()
        decided: dict[int, tuple[int, np.void]] = {}
        for record in batches:
            self._events(record)
            rows = np.frombuffer(record.decisions, self._engine.dtype)
            decided |= {int(row["instrument"]): (record.minute, row) for row in rows}
        for minute, row in decided.values():
            self._decision(minute, row)
        last = batches[-1]
        self._state("equity", _equity(last))
        self._state("positions", self._positions())
        self._state("health", self._health(last))
        if last.minute >= self._vitals_due:
            self._vitals_due = last.minute + VITALS_EVERY_MINUTES
            self._state("vitals", self._vitals(last.minute))

    def _forget_departed(self) -> None:
        """Remove the decisions of instruments that have left: of them nothing is current."""
        names = self._engine.run.names
        for name in self._decided - set(names):
            self._broker.state(f"{self._base}/decision/{_level(name)}", b"")
        self._decided &= set(names)

    def indicate(self, seen: "Indication") -> None:
        """Publish the first price after a decision."""
        with self.surviving:
            message = m.Indicated(
                order_id=seen.order_id,
                instrument=seen.instrument,
                price=seen.price,
                seen=datetime.fromtimestamp(seen.received_ms / 1000, UTC).isoformat(),
            )
            self._event("indication", message)

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
                    minute=iso(order.minute),
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
                    minute=iso(fill.minute),
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
                    minute=iso(change.minute),
                    before=change.before.value,
                    after=change.after.value,
                    cause=change.cause,
                ),
            )

    def _decision(self, minute: int, row: np.void) -> None:
        instrument = self._engine.run.names[int(row["instrument"])]
        self._decided.add(instrument)
        down, flat, up = row["blend"].tolist()
        said = m.Decision(
            minute=iso(minute),
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
        return m.Positions(
            minute=iso(self._watcher.minute),
            positions=[
                m.Held(
                    instrument=held.instrument,
                    quantity=f"{held.quantity:f}",
                    weight_ratio=held.weight,
                    unrealised=f"{held.unrealised:f}",
                    mark_age_minutes=held.mark_age_minutes,
                )
                for held in self._watcher.positions()
            ],
        )

    def _health(self, last: BatchRecord) -> m.Health:
        run = self._engine.run
        return m.Health(
            minute=iso(last.minute),
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
            minute=iso(minute),
            verdict=verdict(run.trades.figures()),
            experts=[_vital(figures) for figures in run.skill.figures()],
            drifted_features=drifted.get("features", []),
            drifted_predictions=drifted.get("predictions", []),
        )


def iso(minute: int) -> str:
    """Return an epoch minute as ISO 8601."""
    return moment(minute).isoformat()


def _level(instrument: str) -> str:
    """Return an instrument as one level of a topic."""
    return instrument.replace("/", "-").replace("+", "-").replace("#", "-")


def _equity(record: BatchRecord) -> m.Equity:
    book = record.book
    return m.Equity(
        minute=iso(record.minute),
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
        accuracy_ratio=known(figures.accuracy),
        majority_accuracy_ratio=known(figures.majority),
        skill_nats=known(figures.skill),
        skill_low_nats=None if skill is None else skill.low,
        skill_high_nats=None if skill is None else skill.high,
        information_coefficient=None if ic is None else ic.mean,
    )
