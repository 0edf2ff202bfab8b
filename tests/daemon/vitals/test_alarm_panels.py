"""Alarms are told with since when, why, and what they bring about."""

from dataclasses import replace

from daemon.events import VitalChange, VitalState
from daemon.vitals.alarm_panels import alarm_tables, change_table, standing_table
from daemon.vitals.alarms import Alarm, Alarms

MINUTE = 28_401_120
SKILL = Alarm("skill", "blend", MINUTE + 60, -0.01, 0.0, "below", ("no_entry", "retrain"))
DRIFT = Alarm("feature_drift", "features", MINUTE, 0.5, 0.1, "3 of 20 over", ())


def alarms(*standing: Alarm) -> Alarms:
    made = Alarms()
    made.standing = {(alarm.vital, alarm.subject): alarm for alarm in standing}
    made.raised = {("skill", "blend"): 2, ("feature_drift", "features"): 1, ("skill", "trees"): 0}
    return made


def test_standing_alarms_are_listed_oldest_first_with_what_they_bring_about() -> None:
    _, columns, rows = standing_table((SKILL, DRIFT))
    assert rows == (
        ("feature_drift", "features", "2024-01-01 00:00", "only reported", "3 of 20 over"),
        ("skill", "blend", "2024-01-01 01:00", "no_entry, retrain", "below"),
    )
    assert len(columns) == len(rows[0])


def test_a_summary_counts_the_run_s_alarms_and_lists_those_that_stand() -> None:
    (title, _, counted), standing = alarm_tables(alarms(DRIFT))
    assert title == "alarms"
    assert counted == (
        ("judged", "3 vitals, 1 in alarm now"),
        ("feature_drift of features", "1 in the run"),
        ("skill of blend", "2 in the run"),
    )
    assert standing[2][0][0] == "feature_drift"


def test_an_ask_for_retraining_names_the_command_that_does_it() -> None:
    asked = alarms()
    asked.asked = MINUTE
    ((_, _, rows),) = alarm_tables(asked)
    assert rows[-1] == ("retraining", "last asked for at 2024-01-01 00:00 UTC; `papertape train` does it")


def test_a_run_in_which_nothing_could_be_judged_says_so() -> None:
    assert alarm_tables(Alarms()) == (("alarms", (), (("cannot tell", "no vital could be judged yet"),)),)


def test_a_report_lists_every_alarm_and_its_end() -> None:
    begin = VitalChange(
        minute=MINUTE,
        vital="skill",
        subject="trees",
        before=VitalState.CLEAR,
        after=VitalState.ALARM,
        value=-0.1,
        bound=0.0,
        cause="why",
        consequences="blend",
    )
    end = VitalChange(
        minute=MINUTE + 60,
        vital="skill",
        subject="trees",
        before=VitalState.ALARM,
        after=VitalState.CLEAR,
        value=0.1,
        bound=0.0,
        cause="fine",
        consequences="",
    )
    _, columns, rows = change_table((begin, end))
    assert rows == (
        ("2024-01-01 00:00", "skill", "trees", "alarm", "blend", "why"),
        ("2024-01-01 01:00", "skill", "trees", "clear", "only reported", "fine"),
    )
    assert len(columns) == len(rows[0])


def test_alarms_are_the_same_after_a_snapshot() -> None:
    made = alarms(SKILL, replace(DRIFT, clear=2))
    made.asked = MINUTE
    again = Alarms().restored(made.to_fields())
    assert (again.standing, again.raised, again.asked) == (made.standing, made.raised, made.asked)
