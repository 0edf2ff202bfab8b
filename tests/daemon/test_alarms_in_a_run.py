"""Alarms end to end through the engine: what a vital out of bounds changes, and how that ends."""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from adapters.simulator.market import SimulatedMarket
from daemon.engine import Engine
from daemon.events import (
    AnyEvent,
    BatchRecord,
    Command,
    CommandKind,
    Minutes,
    ModelChanged,
    SettingsChanged,
    TradingMode,
    VitalChange,
    VitalState,
)
from daemon.models.bundle import Bundle
from daemon.run_model import assemble
from daemon.settings import Settings
from daemon.snapshot import decode_snapshot, encode_snapshot
from daemon.training.train import train
from tests.runs import SETTINGS, cut, decided

LEARNED = 10_080
TRADED = 1_680
CALM = 200
"""Minutes before the market's volatility triples."""
UNSHRUNK = (Phase.explicit, Phase.generate)
DRIFT = ("feature_drift", "features")
OPENING = {"entry", "add", "reversal"}


def with_alarms(**alarms: object) -> Settings:
    """The settings of these tests: judged every hour, an alarm ends after two hours within its bound."""
    plain = SETTINGS.model_dump()
    told = {"check_minutes": 60, "clear_checks": 2, "min_horizons": 20, **alarms}
    return Settings.model_validate(
        {
            **plain,
            "alarms": told,
            "vitals": {"drift_window_minutes": 1440},
            "experts": {**plain["experts"], "online": {"enabled": False}},
        }
    )


@cache
def market() -> SimulatedMarket:
    return SimulatedMarket(5, 1, LEARNED + TRADED)


@cache
def bundle() -> Bundle:
    last = market().first_minute + LEARNED - 1
    return train(market(), with_alarms(), name="test", span=(None, last)).bundle


@cache
def shifted() -> Minutes:
    """What is traded: after `CALM` minutes every price moves three times as far."""
    start = market().first_minute + LEARNED
    minutes = next(iter(market().blocks(start, start + TRADED - 1, TRADED)))
    base = minutes.close[CALM]
    columns = {
        name: np.where(
            np.arange(TRADED)[:, None] > CALM,
            base * (getattr(minutes, name) / base) ** 3.0,
            getattr(minutes, name),
        )
        for name in ("open", "high", "low", "close")
    }
    return replace(minutes, **columns)


def engine(told: Settings) -> Engine:
    """An engine that is warm and stands before its first batch."""
    names = tuple(instrument.name for instrument in market().instruments)
    model = assemble("1", bundle(), told, names)
    made = Engine(model, told, market().instruments, {"2": replace(model, version="2")})
    start = market().first_minute + LEARNED
    for minutes in market().blocks(start - 600, start - 1, 600):
        made.warm(minutes)
    made.begin(b"g" * 32, 1)
    return made


def mixed(events: Iterable[tuple[int, AnyEvent]], cuts: Iterable[int] = ()) -> list[AnyEvent | Minutes]:
    events = list(events)
    items: list[AnyEvent | Minutes] = []
    at = 0
    for part in cut(shifted(), [*cuts, *(place for place, _ in events)]):
        items += [event for place, event in events if place == at]
        items.append(part)
        at += len(part)
    return items


def run(
    told: Settings, events: Iterable[tuple[int, AnyEvent]] = (), cuts: Iterable[int] = ()
) -> tuple[list[BatchRecord], Engine]:
    made = engine(told)
    return decided(made, mixed(events, cuts))[0], made


def changes(records: Iterable[BatchRecord]) -> list[tuple[int, VitalChange]]:
    return [(at, change) for at, record in enumerate(records) for change in record.vitals]


@cache
def reported() -> tuple[list[BatchRecord], Engine]:
    """The run whose settings opt into nothing."""
    return run(with_alarms())


def drifted() -> int:
    """In which batch of `reported` the features' drift was found."""
    return next(at for at, change in changes(reported()[0]) if (change.vital, change.subject) == DRIFT)


def after(records: list[BatchRecord], at: int) -> list[BatchRecord]:
    return records[at + 1 :]


def reasons(records: Iterable[BatchRecord]) -> set[str]:
    return {order.reason for record in records for order in record.orders}


def test_drifted_features_are_reported_once_with_their_names_at_the_first_minute_of_an_hour() -> None:
    records, made = reported()
    found = [change for _, change in changes(records) if (change.vital, change.subject) == DRIFT]
    assert len(found) == 1
    change = found[0]
    assert (change.before, change.after) == (VitalState.CLEAR, VitalState.ALARM)
    assert change.value > change.bound > 0.0
    assert "over their bound: return_" in change.cause
    assert not change.consequences
    assert change.minute % 60 == 0
    assert change.minute == records[drifted()].minute
    assert made.run.alarms.standing[DRIFT].since == change.minute
    assert made.run.alarms.raised[DRIFT] == 1


def test_what_is_only_reported_changes_no_trade() -> None:
    records, _ = reported()
    blind = run(with_alarms(check_minutes=1440, min_horizons=10_000))[0]
    assert any(record.vitals for record in records)
    assert [(r.decisions, r.orders, r.fills, r.book) for r in records] == [
        (r.decisions, r.orders, r.fills, r.book) for r in blind
    ]
    assert not any(record.changes for record in records)


@pytest.mark.parametrize("mode", ["no_entry", "frozen", "flatten"])
def test_a_vital_whose_settings_opt_in_moves_the_trading_state_from_the_next_minute_on(mode: str) -> None:
    quiet, at = reported()[0], drifted()
    records, made = run(with_alarms(feature_drift={"consequences": [mode]}))
    assert [r.book for r in records[: at + 1]] == [r.book for r in quiet[: at + 1]]
    assert reasons(after(quiet, at)) & OPENING
    assert not reasons(after(records, at)) & OPENING
    (change,) = records[at].vitals
    assert change.consequences == mode
    (moved,) = records[at].changes
    assert (moved.before, moved.after) == (TradingMode.NORMAL, TradingMode(mode))
    assert moved.cause == "feature_drift:features"
    assert records[at].book.mode is TradingMode.NORMAL
    assert {record.book.mode for record in after(records, at)} == {TradingMode(mode)}
    assert made.run.trading.mode is TradingMode(mode)


def test_flatten_sells_what_is_held_when_the_alarm_comes() -> None:
    patient = SETTINGS.policy.model_copy(update={"min_holding_minutes": 600})
    told = with_alarms(feature_drift={"consequences": ["flatten"]})
    records, at = run(told.model_copy(update={"policy": patient}))[0], drifted()
    assert records[at].book.gross > 0.0
    assert [order.reason for order in records[at + 1].orders] == ["flatten"]
    assert records[at + 2].book.gross == 0.0


def test_an_expert_in_alarm_has_no_weight_until_its_alarm_ends() -> None:
    told = with_alarms(calibration={"bound": 0.1, "consequences": ["blend"]})
    records, _ = run(told)
    raised = [(at, c) for at, c in changes(records) if (c.vital, c.subject) == ("calibration", "trees")]
    (begin, alarm), (end, ended) = raised[:2]
    assert (alarm.after, ended.after) == (VitalState.ALARM, VitalState.CLEAR)
    assert alarm.consequences == ended.consequences == "blend"
    dtype = engine(told).dtype
    rows = [np.frombuffer(record.decisions, dtype) for record in records]
    alone = [np.allclose(row["blend"], row["base_rate"], rtol=1e-12) for row in rows]
    assert not any(alone[: begin + 1])
    assert all(alone[begin + 1 : end + 1])
    assert not any(alone[end + 1 : end + 60])
    # What it says is still judged: the weights go on as if it had been heard.
    assert all((row["trees"] != row["base_rate"]).any() for row in rows)


def test_the_blend_s_alarm_moves_no_weight_and_an_expert_s_no_trading_state() -> None:
    both = {"bound": 0.001, "consequences": ["blend", "no_entry"]}
    records, made = run(with_alarms(calibration=both))
    asked = {c.subject: c.consequences for _, c in changes(records) if c.vital == "calibration"}
    assert asked == {"trees": "blend", "base_rate": "blend", "blend": "no_entry"}
    assert made.run.alarms.muted == {"trees", "base_rate"}
    assert made.weights == {"trees": 0.0, "base_rate": 0.0}
    assert {change.cause for record in records for change in record.changes} == {"calibration:blend"}


def test_with_every_expert_silenced_the_blend_knows_nothing_and_nothing_is_entered() -> None:
    told = with_alarms(calibration={"bound": 0.001, "consequences": ["blend"]})
    records, made = run(told)
    at = next(at for at, change in changes(records) if change.vital == "calibration")
    rows = np.frombuffer(b"".join(r.decisions for r in after(records, at)), made.dtype)
    assert np.allclose(rows["blend"], 1 / 3)
    assert not reasons(after(records, at)) & OPENING


def test_an_ask_for_retraining_is_on_the_record_and_changes_nothing_else() -> None:
    records, made = run(with_alarms(feature_drift={"consequences": ["retrain"]}))
    (change,) = records[drifted()].vitals
    assert change.consequences == "retrain"
    assert made.run.alarms.asked == change.minute
    assert [r.orders for r in records] == [r.orders for r in reported()[0]]
    assert reported()[1].run.alarms.asked == -1


def test_a_hand_resumes_trading_while_the_alarm_stands() -> None:
    at = drifted()
    told = with_alarms(feature_drift={"consequences": ["no_entry"]})
    resume = Command(command=CommandKind.RESUME, by="test")
    records, made = run(told, [(at + 30, resume)])
    assert made.run.trading.mode is TradingMode.NORMAL
    assert DRIFT in made.run.alarms.standing
    assert not reasons(records[at + 1 : at + 30]) & OPENING
    assert reasons(records[at + 30 :]) & OPENING


def test_an_alarm_ends_after_so_many_checks_within_the_bound_and_takes_its_mode_along() -> None:
    strict = with_alarms(calibration={"bound": 0.001, "consequences": ["no_entry"]})
    loose = with_alarms(calibration={"bound": 0.9, "consequences": ["no_entry"]})
    records, made = run(strict, [(600, SettingsChanged(settings_json=loose.identity_json()))])
    blend = [(at, c) for at, c in changes(records) if (c.vital, c.subject) == ("calibration", "blend")]
    assert [c.after for _, c in blend] == [VitalState.ALARM, VitalState.CLEAR]
    assert blend[1][0] == 660
    assert [change.cause for _, change in blend][1].endswith("bound 90.0%")
    moves = [change for record in records for change in record.changes]
    assert [move.cause for move in moves] == ["calibration:blend", "calibration:blend:clear"]
    assert made.run.trading.mode is TradingMode.NORMAL
    assert records[660].book.mode is TradingMode.NO_ENTRY
    assert records[661].book.mode is TradingMode.NORMAL


def test_settings_that_opt_in_later_are_heeded_at_the_next_check() -> None:
    at = drifted()
    opted = with_alarms(feature_drift={"consequences": ["no_entry", "retrain"]})
    records, made = run(with_alarms(), [(at + 30, SettingsChanged(settings_json=opted.identity_json()))])
    (change,) = [c for c in records[at + 60].vitals if c.vital == "feature_drift"]
    assert (change.before, change.after) == (VitalState.ALARM, VitalState.ALARM)
    assert change.consequences == "no_entry,retrain"
    assert made.run.trading.mode is TradingMode.NO_ENTRY
    assert made.run.alarms.asked == change.minute
    assert made.run.alarms.raised[DRIFT] == 1


def test_another_model_ends_the_alarms_of_the_one_before() -> None:
    at = drifted()
    told = with_alarms(feature_drift={"consequences": ["frozen"]})
    records, made = run(told, [(at + 30, ModelChanged(version="2", files={}))])
    ended = records[at + 30].vitals
    assert ("feature_drift", "features", VitalState.CLEAR) in {(c.vital, c.subject, c.after) for c in ended}
    assert {c.cause for c in ended} == {"model 2 trades"}
    assert [c.cause for c in records[at + 30].changes] == ["feature_drift:features:clear"]
    assert records[at + 30].book.mode is TradingMode.NORMAL
    assert DRIFT not in made.run.alarms.standing


EVERYTHING = with_alarms(
    feature_drift={"consequences": ["no_entry", "retrain"]},
    calibration={"bound": 0.08, "consequences": ["blend", "retrain"]},
    error_change={"bound": 0, "consequences": ["flatten"]},
)


@cache
def everything() -> list[str]:
    records, made = run(EVERYTHING)
    assert {change.vital for _, change in changes(records)} >= {
        "feature_drift",
        "calibration",
        "error_change",
    }
    assert made.run.trading.mode is not TradingMode.NORMAL
    return [record.digest.hex() for record in records]


@settings(max_examples=4, phases=UNSHRUNK, deadline=None)
@given(st.lists(st.integers(1, TRADED - 1), max_size=12))
def test_any_chunking_gives_the_same_alarms_at_the_same_minutes(cuts: list[int]) -> None:
    assert [record.digest.hex() for record in run(EVERYTHING, cuts=cuts)[0]] == everything()


def test_minute_by_minute_around_a_check_is_the_same_as_all_at_once() -> None:
    assert [r.digest.hex() for r in run(EVERYTHING, cuts=range(1430, 1510))[0]] == everything()


@settings(max_examples=3, phases=UNSHRUNK, deadline=None)
@given(st.integers(60, TRADED - 1))
def test_a_stop_at_any_minute_and_a_start_from_the_snapshot_keeps_alarms_and_what_they_changed(
    stop: int,
) -> None:
    before = engine(EVERYTHING)
    first = decided(before, [shifted()[:stop]])[0]
    taken = before.snapshot()
    assert taken is not None
    start = market().first_minute + LEARNED
    warm = list(market().blocks(start - 600, start - 1, 600))
    again = engine(EVERYTHING)
    again.restore(decode_snapshot(encode_snapshot(taken)), [*warm, shifted()[:stop]])
    assert again.run.alarms.to_fields() == before.run.alarms.to_fields()
    rest = decided(again, [shifted()[stop:]])[0]
    assert [record.digest.hex() for record in first + rest] == everything()
