"""A group is judged as a run of its instruments alone would be, however minutes are cut."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from daemon.errors import SettingsError
from daemon.positions.trips import RoundTrip
from daemon.settings import Settings
from daemon.vitals.baselines import ONE_EACH
from daemon.vitals.calibration import Calibration
from daemon.vitals.edges import Edges
from daemon.vitals.forms import forms_of
from daemon.vitals.group_panels import group_panels
from daemon.vitals.groups import Groups, Judging, demand_known, members_of
from daemon.vitals.skill import Skill
from daemon.vitals.terms import ALWAYS

Make = Callable[..., Any]
VOICES = ("trees", "online", "blend")
INSTRUMENTS = ("a:1", "a:2", "a:3", "b:1", "b:2", "b:3")
NAMED = {"majors": ("1", "b:1"), "rest": ("a:2", "3", "b:2", "b:3")}


def settings(groups: Mapping[str, Sequence[str]] | None = None) -> Settings:
    return Settings.model_validate({"universe": {"venue": "a"}, "vitals": {"groups": groups or {}}})


def groups_of(run: Any, groups: Mapping[str, Sequence[str]] = NAMED) -> Groups:
    judging = Judging(VOICES, run.horizon, run.span, 1440, ONE_EACH)
    return Groups(settings(groups), INSTRUMENTS, judging)


def signals(run: Any, first: int, end: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    minute, instrument = np.nonzero(np.ones((end - first, run.n_instruments), dtype=np.bool_))
    edge = np.where((minute + first + instrument) % 3 == 0, 3e-4, -2e-4)
    return minute, instrument, edge


def trip(instrument: int, minute: int) -> RoundTrip:
    return RoundTrip(instrument, 1, minute - 5, minute, "horizon", 100.0, 3.0, 1.0, 2.0, 2.5, 1.5)


def played(run: Any, cuts: list[int] | None = None, *, restart: bool = False) -> Groups:
    groups = groups_of(run)
    for first, end in pairwise([0, *sorted(cuts or []), run.n_minutes]):
        ordinal, n_minutes, matured, said, known = run.cut(first, end)
        groups.judge(ordinal, n_minutes, matured, said, known)
        experts = np.ascontiguousarray(said[:, :2].transpose(1, 0, 2))
        groups.hear(ordinal + matured.at, matured.instrument, experts, said[:, 2])
        groups.promise(ordinal, n_minutes, *signals(run, first, end), matured)
        groups.add(trip(minute % 6, minute) for minute in range(first, end))
        if restart:
            groups = groups_of(run).restored(groups.to_fields())
    return groups


def test_a_group_is_what_a_run_of_its_instruments_alone_would_be(judged: Make) -> None:
    run = judged(1, n_minutes=400, catch_up=40)
    majors, rest = played(run).figures()
    assert (majors.name, majors.instruments, rest.name, rest.instruments) == ("majors", 2, "rest", 4)
    for group, members in ((majors, [0, 3]), (rest, [1, 2, 4, 5])):
        m = run.matured
        inside = np.isin(m.instrument, members)
        columns = ("at", "decided", "label", "ret", "weight", "sigma", "catch_up")
        own = replace(
            m,
            **{name: getattr(m, name)[inside] for name in columns},
            instrument=np.searchsorted(members, m.instrument[inside]),
        )
        skill = Skill(VOICES, len(members), run.horizon, run.span, 1440)
        skill.update(0, run.n_minutes, own, run.said[inside], run.known[inside])
        calibration = Calibration(forms_of(VOICES, ()), 1440)
        calibration.update(0, own, run.said[inside], run.known[inside])
        calibration.hear(own.at, np.ascontiguousarray(run.said[inside].transpose(1, 0, 2)))
        edges = Edges(run.span, len(members), run.horizon, 1440)
        minute, instrument, edge = signals(run, 0, run.n_minutes)
        of = np.isin(instrument, members)
        edges.update(0, run.n_minutes, minute[of], np.searchsorted(members, instrument[of]), edge[of], own)
        assert repr(group.skill) == repr(skill.figures())
        assert group.calibration == calibration.figures()
        assert group.edges == edges.figures()
        assert group.trades.count == sum(minute % 6 in members for minute in range(run.n_minutes))


@given(st.integers(0, 20), st.lists(st.integers(0, 200), max_size=9), st.booleans())
def test_any_chunking_and_restart_gives_the_same_figures(
    judged: Make, seed: int, cuts: list[int], restart: bool
) -> None:
    run = judged(seed, catch_up=40)
    assert repr(played(run).figures()) == repr(played(run, cuts, restart=restart).figures())


def test_where_none_is_named_every_venue_is_a_group_but_one_venue_alone_is_none() -> None:
    assert members_of(settings(), INSTRUMENTS) == {"a": INSTRUMENTS[:3], "b": INSTRUMENTS[3:]}
    assert members_of(settings(), INSTRUMENTS[:3]) == {}
    assert group_panels(()) == ()


def test_members_follow_a_changed_universe_and_an_empty_group_is_gone(judged: Make) -> None:
    run = judged(2)
    groups = played(run)
    before = groups.figures()
    # Of the majors one is left, and it moves; a new instrument belongs to the rest.
    groups.regrouped(np.array([1, 2, 3, -1]), ("a:2", "a:3", "b:1", "b:2"), ALWAYS)
    after = groups.figures()
    assert [g.instruments for g in after] == [1, 3]
    assert [g.skill for g in after] == [g.skill for g in before]
    ordinal, n_minutes, matured, said, known = run.cut(0, run.n_minutes)
    kept = np.isin(matured.instrument, [1, 2, 3])
    parts = {name: getattr(matured, name)[kept] for name in ("at", "label", "ret", "weight", "sigma")}
    later = replace(
        matured,
        **parts,
        decided=matured.decided[kept] + n_minutes,
        instrument=np.array([-1, 0, 1, 2])[matured.instrument[kept]],
        catch_up=matured.catch_up[kept],
    )
    groups.judge(ordinal + n_minutes, n_minutes, later, said[kept], known[kept])
    added = [
        now.skill[0].rows - then.skill[0].rows for now, then in zip(groups.figures(), after, strict=True)
    ]
    assert added == [
        int((known[kept] & (later.instrument == 2)).sum()),
        int((known[kept] & (later.instrument < 2)).sum()),
    ]
    groups.regrouped(np.array([0]), ("a:2",), ALWAYS)
    assert [g.name for g in groups.figures()] == ["rest"]


def test_the_tables_show_every_group_with_every_expert(judged: Make) -> None:
    skill, money = group_panels(played(judged(3)).figures())
    assert [row[:2] for row in skill[2]] == [(g, v) for g in ("majors", "rest") for v in VOICES]
    assert all(len(row) == len(columns) for _, columns, rows in (skill, money) for row in rows)
    assert money[2][0][:3] == ("majors", "2", "67")


def test_a_group_that_names_a_stranger_is_refused_with_what_there_is() -> None:
    demand_known(settings(NAMED), INSTRUMENTS)
    with pytest.raises(SettingsError, match=r"vitals\.groups\.odd names XYZ, .*It has a:1, .*now 'a'"):
        demand_known(settings({"odd": ("1", "XYZ")}), INSTRUMENTS)


@pytest.mark.parametrize(
    ("groups", "problem"),
    [
        ({"odd": ("1", "1")}, "the group odd names twice: 1"),
        ({"odd": ()}, "at least 1 item"),
        ({"no spaces": ("1",)}, "should match pattern"),
        ({f"g{number}": ("1",) for number in range(21)}, "at most 20 items"),
    ],
)
def test_groups_that_make_no_sense_are_refused(groups: dict[str, tuple[str, ...]], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        settings(groups)


def test_other_settings_keep_a_group_of_the_same_instruments_and_begin_the_others(judged: Make) -> None:
    groups = played(judged(2))
    before = {group.name: group for group in groups.figures()}
    majors, *_ = NAMED
    kept, begun = groups.reconfigured(settings({majors: NAMED[majors], "new": ["a:1"]}), ALWAYS).figures()
    assert kept == before[majors]
    assert (begun.name, begun.instruments, begun.skill[0].rows) == ("new", 1, 0)
    (moved,) = groups.reconfigured(settings({majors: ["a:3"]}), ALWAYS).figures()
    assert (moved.instruments, moved.skill[0].rows) == (1, 0)
