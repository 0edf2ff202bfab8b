"""Groups of instruments judged apart: skill, calibration, edge and trades of each, live minutes only.

The settings name the groups; where they name none and the run has instruments of several venues, every venue
is one. A group's base rate begins with what training saw of all instruments. Groups may overlap; each costs
what judging its labels costs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from daemon.bars.instruments import full_name
from daemon.errors import SettingsError
from daemon.kernels import BoolArray, FloatArray, IntArray
from daemon.labels import Matured
from daemon.positions.trips import RoundTrip
from daemon.settings import Settings
from daemon.vitals.calibration import Calibration, CalibrationFigures
from daemon.vitals.edges import EdgeFigures, Edges
from daemon.vitals.forms import Series, columns_of, forms_of, traded_of
from daemon.vitals.skill import Skill, SkillFigures
from daemon.vitals.terms import ALWAYS, Terms
from daemon.vitals.trades import TradeFigures, Trades


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """What one group shows, over the window.

    Attributes:
        name: Of the group.
        instruments: How many it has now.
        skill: Of each expert, calibrated, and the blend, on its instruments alone.
        calibration: Of the same.
        trades: Closed on its instruments.
        edges: Of its signals.
    """

    name: str
    instruments: int
    skill: tuple[SkillFigures, ...]
    calibration: tuple[CalibrationFigures, ...]
    trades: TradeFigures
    edges: EdgeFigures


@dataclass(frozen=True, slots=True)
class Judging:
    """How every group is judged; the arguments of `daemon.vitals.skill.Skill`."""

    names: tuple[str, ...]
    horizon_minutes: int
    span: int
    window_minutes: int
    prior: IntArray
    version: str = ""


def members_of(settings: Settings, instruments: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the instruments of each group that has any among `instruments`, in their order."""
    named = settings.vitals.groups
    if named:
        venue = settings.universe.venue
        wanted = {group: {full_name(symbol, venue) for symbol in symbols} for group, symbols in named.items()}
    else:
        venues = sorted({name.partition(":")[0] for name in instruments})
        wanted = {venue: {n for n in instruments if n.partition(":")[0] == venue} for venue in venues}
        if len(venues) < 2:
            return {}
    found = {group: tuple(n for n in instruments if n in names) for group, names in wanted.items()}
    return {group: names for group, names in found.items() if names}


def demand_known(settings: Settings, instruments: Sequence[str]) -> None:
    """Check that every instrument that a group names is in the run.

    Raises:
        SettingsError: One is not; says which and what there is.
    """
    venue = settings.universe.venue
    for group, symbols in settings.vitals.groups.items():
        unknown = [symbol for symbol in symbols if full_name(symbol, venue) not in instruments]
        if unknown:
            problem = (
                f"vitals.groups.{group} names {', '.join(unknown)}, which is not in the run. It has "
                f"{', '.join(instruments)}. A symbol without a venue gets universe.venue, now {venue!r}."
            )
            raise SettingsError([problem])


class Groups:
    """All groups of a run.

    Args:
        settings: For the groups.
        instruments: Names, in the order of every column.
        judging: How each is judged.
    """

    def __init__(self, settings: Settings, instruments: Sequence[str], judging: Judging) -> None:
        self._settings, self._judging = settings, judging
        self._instruments = tuple(instruments)
        self._groups = {
            name: _Group(judging, self._columns(members))
            for name, members in members_of(settings, instruments).items()
        }

    def _columns(self, members: Sequence[str]) -> IntArray:
        """Return (n_instruments,) the group's own column of each instrument, -1 for those outside it."""
        place = {name: column for column, name in enumerate(members)}
        return np.array([place.get(name, -1) for name in self._instruments], dtype=np.int64)

    def hear(self, ordinal: IntArray, instrument: IntArray, experts: FloatArray, blend: FloatArray) -> None:
        """Take scored rows; arguments as of `Health.hear`."""
        if self._groups:
            said = np.concatenate([experts, blend[None]])
            for group in self._groups.values():
                inside = group.column[instrument] >= 0
                group.calibration.now.hear(ordinal[inside], said[:, inside])

    def judge(
        self,
        ordinal: int,
        n_minutes: int,
        matured: Matured,
        said: FloatArray,
        known: BoolArray,
        series: Series | None = None,
    ) -> None:
        """Judge the labels that matured in the next minutes; arguments as of `Skill.update`.

        Experts before calibration are not judged here.
        """
        series = forms_of(self._judging.names, ()) if series is None else series
        for group in self._groups.values():
            own, inside = group.labels(matured)
            told = said[inside]
            group.skill.update(ordinal, n_minutes, own, told, known[inside], series)
            for calibration, term in group.calibration.shares(own.decided):
                spoken = columns_of(told, series, calibration.series)
                calibration.update(ordinal, own, spoken, known[inside] & term)

    def promise(
        self,
        ordinal: int,
        n_minutes: int,
        minute: IntArray,
        instrument: IntArray,
        edge: FloatArray,
        matured: Matured,
    ) -> None:
        """Take signals, and the labels that matured; arguments as of `Edges.update`."""
        for group in self._groups.values():
            column = group.column[instrument]
            inside = column >= 0
            own, _ = group.labels(matured)
            group.edges.update(ordinal, n_minutes, minute[inside], column[inside], edge[inside], own)

    def add(self, trips: Iterable[RoundTrip]) -> None:
        """Take closed round trips, ascending by exit."""
        if self._groups:
            closed = tuple(trips)
            for group in self._groups.values():
                group.trades.add(trip for trip in closed if group.column[trip.instrument] >= 0)

    def begin(self, version: str, ordinal: int, series: Series) -> None:
        """Judge another version of the model from a minute on."""
        names = traded_of(series)
        self._judging = replace(self._judging, version=version, names=names)
        for group in self._groups.values():
            group.skill.begin(version, ordinal, forms_of(names, ()))
            group.calibration.begin(version, ordinal, forms_of(names, ()))
            group.edges.begin(version, ordinal)

    def figures(self) -> tuple[GroupFigures, ...]:
        """Return the figures of the window, one for each group."""
        return tuple(
            GroupFigures(
                name=name,
                instruments=int(np.count_nonzero(group.column >= 0)),
                skill=group.skill.figures(),
                calibration=group.calibration.now.figures(),
                trades=group.trades.figures(),
                edges=group.edges.figures(),
            )
            for name, group in self._groups.items()
        )

    def regrouped(self, index: IntArray, instruments: Sequence[str], since: int) -> Self:
        """Go on with other instruments: column j is the old column index[j], or a new one for -1.

        A group without instruments is gone; should one come back, it begins anew.

        Args:
            index: (n_instruments,) old columns.
            instruments: Names, in the order of every column.
            since: Ordinal from which the version in force has decided.
        """
        self._instruments = tuple(instruments)
        before, self._groups = self._groups, {}
        for name, members in members_of(self._settings, instruments).items():
            column = self._columns(members)
            if name in before:
                old = np.where(index >= 0, before[name].column[index], -1)
                self._groups[name] = before[name].regrouped(column, old[column >= 0])
            else:
                self._groups[name] = _Group(self._judging, column, since)
        return self

    def reconfigured(self, settings: Settings, since: int) -> Self:
        """Go on under other settings; a group that is not of the same instruments begins anew.

        Args:
            settings: For the groups.
            since: Ordinal from which the version in force has decided.
        """
        self._settings = settings
        before, self._groups = self._groups, {}
        for name, members in members_of(settings, self._instruments).items():
            column = self._columns(members)
            same = name in before and np.array_equal(before[name].column, column)
            self._groups[name] = before[name] if same else _Group(self._judging, column, since)
        return self

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data."""
        return {name: group.to_fields() for name, group in self._groups.items()}

    def restored(self, fields: Mapping[str, Any]) -> Self:
        """Take the state of `to_fields` and return itself."""
        for name, group in self._groups.items():
            group.restore(fields[name])
        return self


class _Group:
    """The vitals of one group, whose instruments have columns of their own in the order of the run's."""

    def __init__(self, judging: Judging, column: IntArray, since: int = ALWAYS) -> None:
        self.column = column
        width, by = int(np.count_nonzero(column >= 0)), judging
        self.skill = Skill(
            by.names,
            width,
            by.horizon_minutes,
            by.span,
            by.window_minutes,
            by.prior,
            version=by.version,
        )
        self.calibration = Terms(
            lambda series: Calibration(series, by.window_minutes),
            by.version,
            forms_of(by.names, ()),
        )
        self.trades = Trades(by.horizon_minutes, by.window_minutes)
        self.edges = Edges(by.span, width, by.horizon_minutes, by.window_minutes, by.version)
        if since != ALWAYS:
            self.skill.ignore_before(since)
            self.calibration.ignore_before(since)

    def labels(self, matured: Matured) -> tuple[Matured, BoolArray]:
        """Return the group's labels in its own columns, and which of all they are."""
        column = self.column[matured.instrument]
        inside = column >= 0
        return (
            Matured(
                at=matured.at[inside],
                decided=matured.decided[inside],
                instrument=column[inside],
                label=matured.label[inside],
                ret=matured.ret[inside],
                weight=matured.weight[inside],
                sigma=matured.sigma[inside],
                catch_up=matured.catch_up[inside],
                void=matured.void,
            ),
            inside,
        )

    def regrouped(self, column: IntArray, old: IntArray) -> Self:
        self.column = column
        self.skill, self.edges = self.skill.regrouped(old), self.edges.regrouped(old)
        return self

    def to_fields(self) -> dict[str, object]:
        return {
            "skill": self.skill.to_fields(),
            "calibration": self.calibration.to_fields(),
            "trades": self.trades.to_fields(),
            "edges": self.edges.to_fields(),
        }

    def restore(self, fields: Mapping[str, Any]) -> None:
        self.skill.restored(fields["skill"])
        self.calibration.restored(fields["calibration"])
        self.trades.restored(fields["trades"])
        self.edges.restored(fields["edges"])
