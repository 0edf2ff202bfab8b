"""An instrument has one id on a tape from joining to leaving; the engine counts by places in its universe.

One that comes back later gets another id: to the engine it is new, and its history may be given once more.
"""

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
        known: Id of every instrument the run ever had, by name; the newest one.
        names: Those of this moment, sorted: the engine's order.
        n_ids: How many ids were given.
        is_first: Ids and the engine's places are the same numbers, as they are until the universe changes.
    """

    known: Mapping[str, int]
    names: tuple[str, ...]
    n_ids: int
    is_first: bool

    @classmethod
    def first(cls, names: tuple[str, ...]) -> Self:
        """Return the universe a run starts with."""
        return cls({name: index for index, name in enumerate(names)}, names, len(names), is_first=True)

    def changed(self, event: UniverseChanged) -> tuple[Self, dict[int, Instrument]]:
        """Return the universe after `event`, and the instruments it makes known by their new id."""
        fresh = dict(enumerate(event.joining(self.names), start=self.n_ids))
        known = {**self.known, **{instrument.name: key for key, instrument in fresh.items()}}
        names = event.after(self.names)
        is_first = all(known[name] == at for at, name in enumerate(names))
        return type(self)(known, names, self.n_ids + len(fresh), is_first), fresh

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
