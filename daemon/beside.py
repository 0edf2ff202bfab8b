"""Inputs that are no minutes: what each of them changes between two batches.

Whatever they bring about (bookings, moves of the trading state, refusals) stands in the batch of the next
minute.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import ValidationError

from daemon.events import (
    AnyEvent,
    ArithmeticChanged,
    Backfill,
    Command,
    EventRecord,
    FeedLost,
    FeedRestored,
    Fill,
    ModelChanged,
    OrderEnd,
    Refusal,
    SettingsChanged,
    StateChange,
    UniverseChanged,
    VitalChange,
    Warmup,
    model_subject,
)
from daemon.settings import changes

if TYPE_CHECKING:
    from daemon.engine import Engine


@dataclass(slots=True)
class Beside:
    """What came since the last minute and will stand in the next one's batch."""

    events: list[EventRecord] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    ends: list[OrderEnd] = field(default_factory=list)
    changes: list[StateChange] = field(default_factory=list)
    vitals: list[VitalChange] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)


def absorb(engine: "Engine", beside: Beside, event: AnyEvent) -> None:
    """Apply one event to the engine's state."""
    run = engine.run
    match event:
        case Command():
            beside.changes += run.trading.command(engine.minute, event.command, event.by)
        case FeedLost():
            lost = [run.names.index(name) for name in event.instruments if name in run.names]
            beside.changes += run.trading.feed_lost(engine.minute, event.feed, lost)
        case FeedRestored():
            beside.changes += run.trading.feed_restored(engine.minute, event.feed)
        case Backfill():
            _backfill(engine, beside, event)
        case SettingsChanged():
            _change_settings(engine, beside, event)
        case ModelChanged():
            _change_model(engine, beside, event)
        case UniverseChanged():
            _change_universe(engine, beside, event)
        case Warmup() | ArithmeticChanged():
            pass  # they say something of the tape and change nothing here


def _backfill(engine: "Engine", beside: Beside, event: Backfill) -> None:
    if event.instrument not in engine.run.names:
        beside.refusals.append(
            _refusal(engine, event.instrument, "a backfill of an instrument that is not in the run")
        )
        return
    engine.state, refusals = engine.inputs.extend(engine.state, event)
    beside.refusals += refusals


def _change_settings(engine: "Engine", beside: Beside, event: SettingsChanged) -> None:
    """Take new settings whole, or refuse them whole with what needs a restart."""
    now = engine.run.settings
    try:
        new = now.deciding_as(event.settings_json)
    except ValidationError as error:
        beside.refusals.append(
            _refusal(engine, "settings", f"{error.error_count()} problems: {error.errors()[0]['msg']}")
        )
        return
    cold = [path for path, reload in changes(now, new).items() if reload == "restart"]
    if cold:
        beside.refusals.append(_refusal(engine, "settings", f"a change of {', '.join(cold)} needs a restart"))
        return
    engine.run.reconfigure(new)


def _change_model(engine: "Engine", beside: Beside, event: ModelChanged) -> None:
    """Let another version trade, if it computes the same features and labels as the one before."""
    now, new = engine.run.model, engine.library.get(event.version)
    if event.version == now.version:
        differences = ["this version trades already"]
    elif new is None:
        differences = ["this version is not loaded"]
    else:
        differences = now.differences(new)
        told = event.experts or now.bundle.experts
        if told != new.bundle.experts:
            # Whoever reads the tape knows the columns of its decisions from the event.
            differences.append(f"its experts are {', '.join(new.bundle.experts)}, not {', '.join(told)}")
    if new is None or differences:
        beside.refusals.append(_refusal(engine, model_subject(event.version), "; ".join(differences)))
        return
    vitals, changes = engine.run.swap(new, engine.minute, engine.state.ordinal)
    beside.vitals += vitals
    beside.changes += changes


def _change_universe(engine: "Engine", beside: Beside, event: UniverseChanged) -> None:
    """Let instruments join and leave; a leaving one is closed at its last tradable close less worst costs."""
    run = engine.run
    for name in event.removed:
        if name in run.names:
            column = run.names.index(name)
            fills, ends = run.desk.close_out(engine.minute, column)
            beside.fills += fills
            beside.ends += ends
            run.costs.add(fills)
            run.funnel.count_filled(fills, ends)
    index = event.columns(run.names)
    stay = [i for i in run.instruments if i.name not in event.removed]
    instruments = tuple(sorted([*stay, *event.joining(run.names)], key=lambda instrument: instrument.name))
    run.regroup(index, instruments)
    engine.state, engine.inputs = engine.inputs.regrouped(engine.state, index, run.names)


def _refusal(engine: "Engine", subject: str, reason: str) -> Refusal:
    return Refusal(minute=engine.minute, subject=subject, reason=reason)
