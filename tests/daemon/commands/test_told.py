"""Alarms and moves of the trading state reach the log once, with their cause."""

import msgspec
import structlog

from daemon.commands._told import tell
from daemon.events import VitalState
from tests.adapters.tape import samples


def logged(**changes: object) -> list[dict[str, object]]:
    record = next(record for record in samples.batches(b"g" * 32, 5) if record.vitals)
    vital = msgspec.structs.replace(record.vitals[0], **changes)
    record = msgspec.structs.replace(record, vitals=(vital,))
    with structlog.testing.capture_logs() as lines:
        tell([record])
    return [dict(line) for line in lines]


def test_an_alarm_is_a_warning_with_its_cause_and_asks_for_retraining_where_opted_in() -> None:
    alarm, asked, state = logged()
    assert (alarm["event"], alarm["log_level"]) == ("alarm", "warning")
    assert (alarm["vital"], alarm["cause"]) == ("calibration", "calibration error 12 %")
    assert alarm["consequences"] == "blend,retrain"
    assert asked["event"] == "retraining_asked"
    assert "papertape train" in str(asked["hint"])
    assert (state["event"], state["cause"]) == ("trading_state", "drawdown")
    assert (state["before"], state["after"]) == ("normal", "flatten")


def test_only_reported_alarms_ask_for_nothing() -> None:
    assert [line["event"] for line in logged(consequences="blend")] == ["alarm", "trading_state"]


def test_an_alarm_whose_settings_changed_says_so_and_its_end_is_no_warning() -> None:
    changed = logged(before=VitalState.ALARM)
    assert changed[0]["event"] == "alarm_consequences_changed"
    ended = logged(before=VitalState.ALARM, after=VitalState.CLEAR)
    assert [(line["event"], line["log_level"]) for line in ended] == [
        ("alarm_ended", "info"),
        ("trading_state", "warning"),
    ]
