"""Alarms as tables for people: those that stand now, and all that a run had."""

from collections.abc import Sequence

from daemon.events import VitalChange
from daemon.vitals.alarms import Alarm, Alarms
from daemon.vitals.moment import clock
from daemon.vitals.vital_panels import Table

STANDING_COLUMNS = ("vital", "of", "since", "brings about", "why")
PAST_COLUMNS = ("minute", "vital", "of", "now", "brings about", "why")
ONLY_REPORTED = "only reported"


def standing_table(standing: Sequence[Alarm]) -> Table:
    """Return the alarms that stand, the oldest first."""
    ordered = sorted(standing, key=lambda alarm: (alarm.since, alarm.vital, alarm.subject))
    rows = tuple(
        (a.vital, a.subject, clock(a.since), ", ".join(a.consequences) or ONLY_REPORTED, a.cause)
        for a in ordered
    )
    return "alarms", STANDING_COLUMNS, rows


def alarm_tables(alarms: Alarms) -> tuple[Table, ...]:
    """Return the alarms that stand at the end of a run, and how many there were."""
    if not alarms.raised:
        return (("alarms", (), (("cannot tell", "no vital could be judged yet"),)),)
    counted = tuple(
        (f"{vital} of {subject}", f"{count:,} in the run") for (vital, subject), count in had(alarms)
    )
    judged = (("judged", f"{len(alarms.raised)} vitals, {len(alarms.standing)} in alarm now"), *counted)
    tables: list[Table] = [("alarms", (), judged)]
    if alarms.asked >= 0:
        asked = ("retraining", f"last asked for at {clock(alarms.asked)} UTC; `papertape train` does it")
        tables[0] = ("alarms", (), (*judged, asked))
    if alarms.standing:
        title, columns, rows = standing_table(tuple(alarms.standing.values()))
        tables.append((f"{title} that stand", columns, rows))
    return tuple(tables)


def had(alarms: Alarms) -> list[tuple[tuple[str, str], int]]:
    """Return vital and subject of every alarm of the run with its count, sorted."""
    return sorted(item for item in alarms.raised.items() if item[1])


def change_table(changes: Sequence[VitalChange]) -> Table:
    """Return every alarm and its end, as they came."""
    rows = tuple(
        (clock(c.minute), c.vital, c.subject, str(c.after), c.consequences or ONLY_REPORTED, c.cause)
        for c in changes
    )
    return "alarms", PAST_COLUMNS, rows
