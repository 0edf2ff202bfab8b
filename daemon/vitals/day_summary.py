"""What is kept of a day whose batches have left the tape: enough for a report over the whole life."""

from typing import Final

import msgspec

from daemon.errors import TapeDamagedError
from daemon.events import StateChange, VitalChange
from daemon.positions.trips import RoundTrip
from daemon.vitals.curves import CurvePart
from daemon.vitals.day_book import Day

SUMMARY_VERSION: Final = 1


class DaySummary(msgspec.Struct, frozen=True, kw_only=True):
    """One UTC day.

    Attributes:
        version: Of this form.
        day: Its account.
        trips: Round trips closed in it.
        changes: Moves of the trading state in it.
        alarms: Vitals that went out of their bounds or came back in it.
        curve: What is drawn of it.
    """

    version: int = SUMMARY_VERSION
    day: Day
    trips: list[RoundTrip]
    changes: list[StateChange]
    alarms: list[VitalChange]
    curve: CurvePart


def read_summary(content: bytes) -> DaySummary:
    """Return the summary that `write_summary` wrote.

    Raises:
        TapeDamagedError: The bytes are none.
    """
    try:
        return msgspec.msgpack.decode(content, type=DaySummary)
    except msgspec.MsgspecError as error:
        raise TapeDamagedError(f"the summary of a day cannot be read ({error})") from error


def write_summary(summary: DaySummary) -> bytes:
    """Return the summary as bytes."""
    return msgspec.msgpack.encode(summary)
