"""A change of a live run's instruments, made ready: what is to happen between two minutes, all at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from daemon.bars.lane import LaneStart
from daemon.events import Backfill, Instrument, SettingsChanged, UniverseChanged
from daemon.kernels import IntArray
from daemon.ports import Feed

Bar = tuple[int, float, float, float, float, float, float | None, bool]
"""A row of `Backfill.bars`."""


@dataclass(frozen=True, slots=True)
class UniverseChange:
    """What a live run needs to go on with other instruments.

    Attributes:
        added: Those that join, with the bars of their past, ascending, flat ones included.
        removed: Names of those that leave.
        feeds: All feeds from then on, by name: each with the instruments that it brings.
        settings: Those that say so.
    """

    added: Mapping[Instrument, Sequence[Bar]]
    removed: tuple[str, ...]
    feeds: Mapping[str, tuple[Feed, tuple[str, ...]]]
    settings: SettingsChanged

    @property
    def event(self) -> UniverseChanged:
        """What the engine hears."""
        added = tuple(sorted(self.added, key=lambda instrument: instrument.name))
        return UniverseChanged(added=added, removed=self.removed)

    def after(self, instruments: Sequence[Instrument]) -> tuple[Instrument, ...]:
        """Return the instruments after these, sorted by name."""
        stay = [one for one in instruments if one.name not in self.removed]
        return tuple(sorted([*stay, *self.added], key=lambda instrument: instrument.name))

    def backfills(self, sealed: IntArray) -> tuple[Backfill, ...]:
        """Return the past of those that join, in the minutes that the engine remembers to have been sealed.

        What is newer comes as that of any lane that is behind.
        """
        known = set(sealed.tolist())
        return tuple(
            Backfill(instrument=one.name, bars=tuple(bar for bar in bars if bar[0] in known))
            for one, bars in sorted(self.added.items(), key=lambda item: item[0].name)
        )


def start_after(backfill: Backfill) -> LaneStart:
    """Return where a lane stands after its past."""
    if not backfill.bars:
        return LaneStart()
    idle = next((n for n, bar in enumerate(reversed(backfill.bars)) if not bar[7]), len(backfill.bars))
    minute, *_, close, _, taker, _ = backfill.bars[-1]
    return LaneStart(minute, close, taker is not None, idle)
