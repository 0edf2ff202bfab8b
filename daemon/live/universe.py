"""A change of a live run's instruments, made ready: what is to happen between two minutes, all at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan

from daemon.bars.lane import LaneStart, lane_starts
from daemon.events import Backfill, BackfillBar, Instrument, SettingsChanged, UniverseChanged
from daemon.kernels import IntArray
from daemon.ports import Feed


@dataclass(frozen=True, slots=True)
class UniverseChange:
    """What a live run needs to go on with other instruments.

    Attributes:
        added: Those that join, with the bars of their past, ascending, flat ones included.
        removed: Names of those that leave.
        feeds: All feeds from then on, by name: each with the instruments that it brings.
        settings: Those that say so.
    """

    added: Mapping[Instrument, Sequence[BackfillBar]]
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


def starts_after(backfills: Sequence[Backfill]) -> dict[str, LaneStart]:
    """Return where lanes stand after their past, by name; also those that have none."""
    names = [one.instrument for one in backfills]
    newest_first = (
        (one.instrument, minute, close, nan if taker is None else taker, synthetic)
        for one in backfills
        for minute, *_, close, _, taker, synthetic in reversed(one.bars)
    )
    return {name: LaneStart() for name in names} | lane_starts(newest_first, names)
