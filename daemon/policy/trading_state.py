"""The trading state: what may be ordered at all, why, and how it comes back.

- `drawdown`: equity is more than `max_drawdown` below its peak; `drawdown_mode`, until a hand resumes.
- `daily_loss`: the UTC day lost more than `max_daily_loss` of its opening equity; `daily_loss_mode`, until
  the next UTC day, or a hand resumes.
- `no_equity`: equity is zero or less; flatten, until a hand resumes.
- `command`: a hand's pause (no_entry), freeze (frozen) or flatten, until a hand resumes.
- a vital in alarm, where the settings opt in (`alarms`): its mode, until the alarm ends, or a hand resumes.
- a lost feed: `stale_feed_mode`, for its instruments only, until it is restored.

The strictest cause rules (normal, no_entry, frozen, flatten), except that a hand's freeze stops everything. A
resume clears every cause but a stale feed and measures drawdown and daily loss anew from the present equity;
otherwise the same rule would fire again in the next minute. An alarm that stands sets its mode once: after a
resume only a new one does.
"""

from collections.abc import Mapping, Sequence
from typing import Self, cast

from daemon.events import MINUTES_PER_DAY, CommandKind, StateChange, TradingMode
from daemon.kernels import IntArray
from daemon.settings import RiskSettings

STRICTNESS = {TradingMode.NORMAL: 0, TradingMode.NO_ENTRY: 1, TradingMode.FROZEN: 2, TradingMode.FLATTEN: 3}
BY_COMMAND = {
    CommandKind.PAUSE: TradingMode.NO_ENTRY,
    CommandKind.FREEZE: TradingMode.FROZEN,
    CommandKind.FLATTEN: TradingMode.FLATTEN,
}


class TradingState:
    """Modes with their causes. `mode` is the run's, `stale` that of each instrument whose feed is lost.

    Changing a mode in the settings changes what the next cause does, not the causes that stand.
    """

    __slots__ = (
        "_causes",
        "_day",
        "_equity",
        "_lost",
        "_opening",
        "_peak",
        "_settings",
        "_settled",
        "mode",
        "stale",
    )

    def __init__(self, settings: RiskSettings, capital: float) -> None:
        self._settings = settings
        self._causes: dict[str, TradingMode] = {}
        self._lost: dict[str, list[int]] = {}
        self._equity = self._peak = self._opening = capital
        self._day = -1
        # Whether the rules have been applied to the present equity under the present settings and causes.
        self._settled = False
        self.mode = TradingMode.NORMAL
        self.stale: dict[int, TradingMode] = {}

    @property
    def causes(self) -> Mapping[str, TradingMode]:
        """The causes that stand, with the mode each asks for."""
        return self._causes

    @property
    def lost(self) -> Mapping[str, Sequence[int]]:
        """By lost feed, its instruments (indices)."""
        return self._lost

    def observe(self, minute: int, equity: float) -> tuple[StateChange, ...]:
        """Take in the equity after a minute's marks; call it for every minute before the policy decides.

        Args:
            minute: Epoch minute.
            equity: Quote currency.
        """
        day = minute // MINUTES_PER_DAY
        if self._settled and equity == self._equity and day == self._day:
            return ()
        changes: list[StateChange] = []
        if day != self._day:
            self._day = day
            self._opening = self._equity
            if "daily_loss" in self._causes:
                changes.append(self._clear(minute, ("daily_loss",), "new_day"))
        self._settled = True
        self._equity = equity
        self._peak = max(self._peak, equity)
        changes.extend(
            self._set(minute, cause, mode) for cause, mode in self._broken() if cause not in self._causes
        )
        return tuple(changes)

    def command(self, minute: int, command: CommandKind, by: str) -> tuple[StateChange, ...]:
        """Apply a person's order. A resume with nothing to clear changes nothing."""
        if command is not CommandKind.RESUME:
            return (self._set(minute, "command", BY_COMMAND[command], f"command:{by}"),)
        self._settled = False
        self._peak = self._opening = self._equity
        if not self._causes:
            return ()
        return (self._clear(minute, tuple(self._causes), f"command:{by}"),)

    def vital(self, minute: int, vital: str, mode: TradingMode | None) -> tuple[StateChange, ...]:
        """Apply a vital's alarm (`feature_drift:features`), or with no mode its end."""
        if mode is not None:
            return () if self._causes.get(vital) is mode else (self._set(minute, vital, mode),)
        return (self._clear(minute, (vital,), f"{vital}:clear"),) if vital in self._causes else ()

    def feed_lost(self, minute: int, feed: str, instruments: list[int]) -> tuple[StateChange, ...]:
        """Let nothing into the instruments (indices) of a lost feed; `before` and `after` are theirs."""
        before = self.mode_of(instruments[0]) if instruments else self.mode
        self._lost[feed] = sorted(instruments)
        self._restate_stale()
        after = self.mode_of(instruments[0]) if instruments else self.mode
        return (StateChange(minute=minute, before=before, after=after, cause=f"stale_feed:{feed}"),)

    def feed_restored(self, minute: int, feed: str) -> tuple[StateChange, ...]:
        """Free the instruments of a feed that is back; of a feed that was not lost, nothing."""
        instruments = self._lost.pop(feed, None)
        if instruments is None:
            return ()
        before = self.mode_of(instruments[0]) if instruments else self.mode
        self._restate_stale()
        after = self.mode_of(instruments[0]) if instruments else self.mode
        return (StateChange(minute=minute, before=before, after=after, cause=f"feed_restored:{feed}"),)

    def mode_of(self, instrument: int) -> TradingMode:
        """Return what holds for one instrument: the stricter of the run's mode and its feed's."""
        stale = self.stale.get(instrument, TradingMode.NORMAL)
        return stale if STRICTNESS[stale] > STRICTNESS[self.mode] else self.mode

    def reconfigure(self, settings: RiskSettings) -> None:
        """Go on under other settings."""
        self._settings = settings
        self._settled = False
        self._restate_stale()

    def regroup(self, index: IntArray) -> None:
        """Go on with other instruments: column j is the old column index[j], or a new one for -1."""
        moved = {old: new for new, old in enumerate(index.tolist()) if old >= 0}
        lost = {feed: [moved[i] for i in at if i in moved] for feed, at in self._lost.items()}
        self._lost = {feed: at for feed, at in lost.items() if at}
        self._restate_stale()

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data."""
        return {
            "causes": {cause: str(mode) for cause, mode in self._causes.items()},
            "lost": {feed: list(lost) for feed, lost in self._lost.items()},
            "equity": self._equity,
            "peak": self._peak,
            "opening": self._opening,
            "day": self._day,
        }

    @classmethod
    def from_fields(cls, settings: RiskSettings, fields: Mapping[str, object]) -> Self:
        """Rebuild from `to_fields`."""
        new = cls(settings, cast("float", fields["equity"]))
        new._peak = cast("float", fields["peak"])
        new._opening = cast("float", fields["opening"])
        new._day = cast("int", fields["day"])
        causes = cast("Mapping[str, str]", fields["causes"])
        new._causes = {cause: TradingMode(mode) for cause, mode in causes.items()}
        lost = cast("Mapping[str, list[int]]", fields["lost"])
        new._lost = {feed: list(instruments) for feed, instruments in lost.items()}
        new.mode = new._ruling()
        new._restate_stale()
        return new

    def _broken(self) -> list[tuple[str, TradingMode]]:
        """List the rules that the present equity breaks, with the mode each asks for."""
        settings, equity = self._settings, self._equity
        broken: list[tuple[str, TradingMode]] = []
        if equity <= 0.0:
            broken.append(("no_equity", TradingMode.FLATTEN))
        if settings.max_drawdown is not None and _lost(self._peak, equity, settings.max_drawdown):
            broken.append(("drawdown", TradingMode(settings.drawdown_mode)))
        if settings.max_daily_loss is not None and _lost(self._opening, equity, settings.max_daily_loss):
            broken.append(("daily_loss", TradingMode(settings.daily_loss_mode)))
        return broken

    def _set(self, minute: int, cause: str, mode: TradingMode, said: str = "") -> StateChange:
        before = self.mode
        self._causes[cause] = mode
        self.mode = self._ruling()
        return StateChange(minute=minute, before=before, after=self.mode, cause=said or cause)

    def _clear(self, minute: int, causes: tuple[str, ...], said: str) -> StateChange:
        before = self.mode
        for cause in causes:
            del self._causes[cause]
        self.mode = self._ruling()
        return StateChange(minute=minute, before=before, after=self.mode, cause=said)

    def _ruling(self) -> TradingMode:
        """Return the mode of the strictest cause; a hand's freeze beats even a rule that wants to flatten."""
        if self._causes.get("command") is TradingMode.FROZEN:
            return TradingMode.FROZEN
        return max(self._causes.values(), key=STRICTNESS.__getitem__, default=TradingMode.NORMAL)

    def _restate_stale(self) -> None:
        mode = TradingMode(self._settings.stale_feed_mode)
        self.stale = {instrument: mode for lost in self._lost.values() for instrument in lost}


def _lost(base: float, equity: float, share: float) -> bool:
    """Say whether more than `share` of `base` is lost."""
    return base - equity > share * base
