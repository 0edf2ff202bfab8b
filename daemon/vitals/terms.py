"""Vitals kept per version of the model: each is judged on what it said itself, also after it has gone.

A version's term is the minutes in which it decided. What it said in them matures later, perhaps under its
successor, and counts for it all the same; and if it comes back (a rollback), its vitals go on where they
stood.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Generic, Protocol, Self, TypeVar

import numpy as np

from daemon.kernels import BoolArray, IntArray
from daemon.vitals.forms import Series

MOST_PAST: Final = 3
"""So many versions beside the one in force are remembered, the last that were."""

MOST_TERMS: Final = 64
"""Who decided is known of so many terms, the last; labels of earlier ones count for nobody."""

ALWAYS: Final = -(2**62)
"""An ordinal before all others."""


class Vitals(Protocol):
    """What is kept of one version."""

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data."""

    def restored(self, fields: Mapping[str, Any]) -> object:
        """Take the state of `to_fields` and return itself."""


Kept = TypeVar("Kept", bound=Vitals)


class Terms(Generic[Kept]):
    """Vitals by version.

    Args:
        make: Makes those of a version that never traded, of its series.
        version: The first.
        series: What is judged of it.
    """

    def __init__(
        self,
        make: Callable[[Series], Kept],
        version: str,
        series: Series = (),
    ) -> None:
        self._make = make
        self._series: dict[str, Series] = {version: series}
        self._kept: dict[str, Kept] = {version: make(series)}
        self._terms: list[tuple[int, str]] = [(ALWAYS, version)]

    @property
    def now(self) -> Kept:
        """Of the version in force."""
        return next(reversed(self._kept.values()))

    @property
    def since(self) -> int:
        """Ordinal from which the version in force has decided; `ALWAYS` if there was no other."""
        return self._terms[-1][0]

    def ignore_before(self, ordinal: int) -> None:
        """Let what was decided before a minute be of nobody: another version decided it, unheard here."""
        self._terms = [(ordinal, self._terms[-1][1])]

    def past(self) -> dict[str, Kept]:
        """Return those of versions that were in force before, the latest first."""
        return dict(list(reversed(self._kept.items()))[1:])

    def begin(self, version: str, ordinal: int, series: Series = ()) -> None:
        """Let another version be in force from a minute on; one that was before goes on with its own."""
        own = self._kept.pop(version, None)
        self._kept[version] = self._make(series) if own is None else own
        self._series[version] = series
        for gone in list(self._kept)[: -(1 + MOST_PAST)]:
            del self._kept[gone], self._series[gone]
        self._terms = [*self._terms, (ordinal, version)][-MOST_TERMS:]

    @property
    def _is_alone(self) -> bool:
        """Whether every decision there ever was is of the version in force."""
        return len(self._terms) == 1 and self._terms[0][0] == ALWAYS

    def shares(self, decided: IntArray) -> Iterator[tuple[Kept, BoolArray]]:
        """Yield each version's vitals with (n_labels,) which of the labels are its own.

        Args:
            decided: (n_labels,) ordinals of the minutes that were decided.
        """
        if self._is_alone:
            yield self.now, np.ones(len(decided), dtype=np.bool_)
            return
        starts = np.array([start for start, _ in self._terms], dtype=np.int64)
        term = np.searchsorted(starts, decided, side="right") - 1
        for version, kept in self._kept.items():
            own = [at for at, (_, of) in enumerate(self._terms) if of == version]
            yield kept, np.isin(term, own)

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data; that of the version in force alone, if there was no other."""
        fields = self.now.to_fields()
        if self._is_alone:
            return fields
        past = [
            [version, kept.to_fields(), [list(one) for one in self._series[version]]]
            for version, kept in list(self._kept.items())[:-1]
        ]
        return {**fields, "past": past, "terms": [list(term) for term in self._terms]}

    def restored(self, fields: Mapping[str, Any]) -> Self:
        """Take the state of `to_fields`, of the same version in force, and return itself."""
        version = next(reversed(self._kept))
        series = self._series[version]
        self._kept, self._series = {}, {}
        for name, stored, *told in fields.get("past", ()):
            # A snapshot of before says nothing of them: all versions had the same.
            own = tuple((str(one), form) for one, form in told[0]) if told else series
            self._add(str(name), own, stored)
        self._add(version, series, fields)
        terms = fields.get("terms", ((ALWAYS, version),))
        self._terms = [(int(start), str(of)) for start, of in terms]
        return self

    def _add(self, version: str, series: Series, fields: Mapping[str, Any]) -> None:
        self._series[version], self._kept[version] = series, self._make(series)
        self._kept[version].restored(fields)
