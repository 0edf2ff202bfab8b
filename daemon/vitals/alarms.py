"""Which vitals are in alarm, since when and why, and what that brings about.

Vitals are judged at the close of the first minute of every `check_minutes` (UTC), whatever chunk it came in;
what follows holds from the next minute on. An alarm ends after `clear_checks` judgements in a row within the
bound; one that cannot be told changes nothing. Other settings are heeded at the next check.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Self

import numpy as np

from daemon.events import BLEND, TradingMode, VitalChange, VitalState
from daemon.kernels import BoolArray, IntArray
from daemon.policy.trading_state import STRICTNESS
from daemon.settings import AlarmSettings
from daemon.vitals.edges import Edges
from daemon.vitals.health import Health
from daemon.vitals.judging import Judgement, judgements
from daemon.vitals.skill import Skill

RETRAIN: Final = "retrain"
_MODES: Final = frozenset(mode.value for mode in TradingMode)

Key = tuple[str, str]
"""Vital and subject."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One vital that is in alarm.

    Attributes:
        vital: Which.
        subject: Of whom.
        since: Epoch minute at whose close it was raised.
        value: What was measured at the last check.
        bound: What it is held against.
        cause: Both in words.
        consequences: What it brings about.
        clear: Judgements in a row within the bound.
    """

    vital: str
    subject: str
    since: int
    value: float
    bound: float
    cause: str
    consequences: tuple[str, ...]
    clear: int = 0


class Alarms:
    """The alarms of one run.

    Attributes:
        standing: By vital and subject, those that are in alarm.
        raised: By vital and subject, how often there was an alarm in the run; 0 for what was judged and in
            bounds.
        asked: Epoch minute of the newest ask for retraining; -1 if there was none.
    """

    def __init__(self) -> None:
        self.standing: dict[Key, Alarm] = {}
        self.raised: dict[Key, int] = {}
        self.asked = -1
        self._found: dict[str, int] = {}

    def judge(
        self,
        minute: int,
        settings: AlarmSettings,
        health: Health,
        skill: Skill,
        edges: Edges,
        horizon_minutes: int,
    ) -> tuple[VitalChange, ...]:
        """Hold the vitals after `minute` against their bounds; return what changed."""
        found = judgements(settings, health, skill, edges, horizon_minutes, self._found)
        changes = [change for one in found for change in self._heed(minute, one, settings.clear_checks)]
        self._found = {f.name: sum(f.alarms.values()) for f in health.change_figures()}
        return tuple(changes)

    def _heed(self, minute: int, judged: Judgement, clear_checks: int) -> list[VitalChange]:
        key = (str(judged.vital), judged.subject)
        before = self.standing.get(key)
        self.raised.setdefault(key, 0)
        clear = before.clear + 1 if before is not None and not judged.out else 0
        if not judged.out and (before is None or clear >= clear_checks):
            return [] if before is None else [self._end(minute, before, judged)]
        after = Alarm(
            *key,
            since=minute if before is None else before.since,
            value=judged.value,
            bound=judged.bound,
            cause=judged.cause,
            consequences=judged.consequences,
            clear=clear,
        )
        self.standing[key] = after
        if before is not None and before.consequences == after.consequences:
            return []
        self.raised[key] += before is None
        if RETRAIN in after.consequences and (before is None or RETRAIN not in before.consequences):
            self.asked = minute
        state = VitalState.CLEAR if before is None else VitalState.ALARM
        return [_change(minute, after, state, VitalState.ALARM)]

    def _end(self, minute: int, alarm: Alarm, judged: Judgement) -> VitalChange:
        del self.standing[alarm.vital, alarm.subject]
        ended = replace(alarm, value=judged.value, bound=judged.bound, cause=judged.cause)
        return _change(minute, ended, VitalState.ALARM, VitalState.CLEAR)

    def end_all(self, minute: int, cause: str) -> tuple[VitalChange, ...]:
        """End every alarm, whatever it was about: another model trades."""
        ended = [
            _change(minute, replace(alarm, cause=cause), VitalState.ALARM, VitalState.CLEAR)
            for _, alarm in sorted(self.standing.items())
        ]
        self.standing, self._found = {}, {}
        return tuple(ended)

    @property
    def muted(self) -> frozenset[str]:
        """The experts that have no weight for now."""
        return frozenset(a.subject for a in self.standing.values() if BLEND in a.consequences)

    def mode(self, vital: str, subject: str) -> TradingMode | None:
        """Return the strictest mode that a vital's alarm asks for; None if it asks for none."""
        alarm = self.standing.get((vital, subject))
        asked = [TradingMode(c) for c in alarm.consequences if c in _MODES] if alarm else []
        return max(asked, key=STRICTNESS.__getitem__, default=None)

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data."""
        return {
            "standing": [asdict(alarm) for _, alarm in sorted(self.standing.items())],
            "raised": [[*key, count] for key, count in sorted(self.raised.items())],
            "asked": self.asked,
            "found": dict(self._found),
        }

    def restored(self, fields: Mapping[str, Any]) -> Self:
        """Take the state of `to_fields` and return itself."""
        self.standing = {
            (alarm["vital"], alarm["subject"]): Alarm(
                **{**alarm, "consequences": tuple(alarm["consequences"])}
            )
            for alarm in fields["standing"]
        }
        self.raised = {(vital, subject): count for vital, subject, count in fields["raised"]}
        self.asked = int(fields["asked"])
        self._found = dict(fields["found"])
        return self


def checks(before: int, minutes: IntArray, every: int) -> BoolArray:
    """Return (n_minutes,) whether vitals are judged at the close of each minute: the first of a new span.

    Args:
        before: Epoch minute of the minute before.
        minutes: (n_minutes,) epoch minutes, ascending.
        every: Length of a span, minutes, counted from the epoch.
    """
    return np.diff(minutes // every, prepend=before // every) > 0


def _change(minute: int, alarm: Alarm, before: VitalState, after: VitalState) -> VitalChange:
    return VitalChange(
        minute=minute,
        vital=alarm.vital,
        subject=alarm.subject,
        before=before,
        after=after,
        value=alarm.value,
        bound=alarm.bound,
        cause=alarm.cause,
        consequences=",".join(alarm.consequences),
    )
