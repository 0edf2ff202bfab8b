"""Instruments keep their id on a tape for ever; the engine counts them by their place in today's universe."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from daemon.events import Instrument, UniverseChanged
from daemon.kernels import IntArray


@dataclass(frozen=True, slots=True)
class Universe:
    """The instruments of one moment of a run.

    Attributes:
        known: Id of every instrument the run ever had, by name.
        names: Those of this moment, sorted: the engine's order.
        is_first: Ids and the engine's places are the same numbers, as they are until the universe changes.
    """

    known: Mapping[str, int]
    names: tuple[str, ...]
    is_first: bool

    @classmethod
    def first(cls, names: tuple[str, ...]) -> Self:
        """Return the universe a run starts with."""
        return cls({name: index for index, name in enumerate(names)}, names, is_first=True)

    def changed(self, event: UniverseChanged) -> tuple[Self, dict[int, Instrument]]:
        """Return the universe after `event`, and the instruments it makes known by their new id."""
        new = [instrument for instrument in event.added if instrument.name not in self.known]
        fresh = dict(enumerate(new, start=len(self.known)))
        known = {**self.known, **{instrument.name: key for key, instrument in fresh.items()}}
        stay = set(self.names) - set(event.removed) | {instrument.name for instrument in event.added}
        names = tuple(sorted(stay))
        return type(self)(known, names, all(known[name] == at for at, name in enumerate(names))), fresh

    @property
    def ids(self) -> IntArray:
        """(n_instruments,) id of each instrument of this moment, in the engine's order."""
        return np.array([self.known[name] for name in self.names], dtype=np.int64)

    def placed(self, bars: np.ndarray) -> np.ndarray:
        """Return packed bars that hold ids as bars that hold the engine's places, ascending by them.

        Raises:
            KeyError: An instrument is not of this moment.
        """
        place = {key: at for at, key in enumerate(self.ids.tolist())}
        bars = bars.copy()
        bars["instrument"] = [place[key] for key in bars["instrument"].tolist()]
        ordered: np.ndarray = bars[np.argsort(bars["instrument"], kind="stable")]
        return ordered
