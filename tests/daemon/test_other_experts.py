"""Swaps to other experts: who stays goes on, who is new enters with the share, who left is judged."""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from daemon import chain, playback
from daemon.challenger import Challenger
from daemon.engine import Engine
from daemon.errors import SettingsError
from daemon.events import BatchRecord, Minutes, ModelChanged, SettingsChanged, decision_dtype
from daemon.models.bundle import Bundle
from daemon.models.online import OnlineLearner
from daemon.run_model import RunModel, assemble
from daemon.settings import Settings
from daemon.snapshot import decode_snapshot, encode_snapshot
from daemon.vitals.forms import CALIBRATED, RAW, forms_of
from daemon.vitals.outcomes import Outcomes
from daemon.vitals.skill import Skill
from tests.other_experts import NARROW, narrow
from tests.runs import (
    SETTINGS,
    bundle,
    cut,
    decided,
    digests,
    first_traded,
    fresh_engine,
    market,
    model,
    traded,
)

NAMES = tuple(instrument.name for instrument in market().instruments)
WIDE = ("trees", "online", "base_rate")
AWAY, BACK, N = 60, 140, 220
"""The learner leaves before minute `AWAY` and comes back, in another version, before minute `BACK`."""

HORIZON = SETTINGS.labels.horizon_minutes


def version_3(settings: Settings = SETTINGS) -> RunModel:
    return assemble("3", narrow(bundle(2)), settings, NAMES)


def warm_engine() -> Engine:
    engine = fresh_engine()
    engine.library |= {"1": model("1"), "3": version_3()}
    return engine


def events() -> dict[int, ModelChanged]:
    return {
        AWAY: ModelChanged(version="3", files={}, experts=NARROW),
        BACK: ModelChanged(version="2", files={}, experts=WIDE),
    }


def inputs(cuts: Sequence[int] = (), first: int = 0, last: int = N) -> list[Any]:
    """Minutes in parts with the two swaps between them."""
    items: list[Any] = []
    at = first
    for part in cut(traded(N)[first:last], [place - first for place in (*cuts, *events())]):
        items += [events()[at]] if at in events() else []
        items.append(part)
        at += len(part)
    return items


@cache
def played() -> tuple[Engine, list[BatchRecord]]:
    engine = warm_engine()
    return engine, decided(engine, inputs())[0]


def test_decisions_hold_what_the_experts_of_their_version_said() -> None:
    _, records = played()
    for number, experts in ((0, WIDE), (AWAY - 1, WIDE), (AWAY, NARROW), (BACK - 1, NARROW), (BACK, WIDE)):
        rows = np.frombuffer(records[number].decisions, decision_dtype(experts))
        assert len(rows) == len(NAMES)
        for name in (*experts, "blend"):
            np.testing.assert_allclose(rows[name].sum(axis=1), 1.0, atol=1e-9)
    assert not any(record.refusals for record in records)


@pytest.mark.parametrize("cuts", [range(N), (AWAY - 1, AWAY + 1, AWAY + HORIZON, BACK + 3), (7, 100, 199)])
def test_any_cut_gives_the_same_digests_and_vitals(cuts: Sequence[int]) -> None:
    whole, records = played()
    engine = warm_engine()
    assert digests(decided(engine, inputs(cuts))[0]) == digests(records)
    ours, theirs = engine.snapshot(), whole.snapshot()
    assert ours is not None
    assert theirs is not None
    assert encode_snapshot(ours) == encode_snapshot(theirs)


@pytest.mark.parametrize("stop", [AWAY - 1, AWAY + 1, AWAY + HORIZON // 2, AWAY + 40, BACK + 1, BACK + 60])
def test_a_start_from_a_snapshot_around_a_swap_changes_nothing(stop: int) -> None:
    whole, records = played()
    before = warm_engine()
    first = decided(before, inputs(last=stop))[0]
    snapshot = before.snapshot()
    assert snapshot is not None
    start = first_traded()
    history = [
        *market().blocks(start - 600, start - 1, 97),
        *(one for one in playback.inputs(first, NAMES, 64) if isinstance(one, Minutes)),
    ]
    after = warm_engine()
    after.restore(decode_snapshot(encode_snapshot(snapshot)), history)
    assert digests(decided(after, inputs(first=stop))[0]) == digests(records[stop:])
    ours, theirs = after.snapshot(), whole.snapshot()
    assert ours is not None
    assert theirs is not None
    assert encode_snapshot(ours) == encode_snapshot(theirs)


def test_a_tape_read_back_gives_the_same_digests() -> None:
    _, records = played()
    again = decided(warm_engine(), playback.inputs(records, NAMES, 37))[0]
    assert digests(again) == digests(records)


def weights(engine: Engine) -> dict[str, float]:
    blend: Any = engine.run.panel.to_fields()["blend"]
    return dict(zip(blend["experts"], blend["weights"], strict=True))


def test_who_stays_keeps_its_weight_and_who_is_new_enters_with_the_share() -> None:
    engine = warm_engine()
    decided(engine, inputs(last=AWAY))
    before = weights(engine)
    assert len({round(weight, 6) for weight in before.values()}) == len(before)  # they have learned something
    engine.apply(events()[AWAY])
    after = weights(engine)
    left = before["trees"] + before["base_rate"]
    assert after == pytest.approx({name: before[name] / left for name in NARROW}, rel=1e-12)
    decided(engine, inputs(first=AWAY, last=BACK)[1:])
    before = weights(engine)
    engine.apply(events()[BACK])
    after = weights(engine)
    entering = SETTINGS.blend.share / len(WIDE)
    assert after["online"] == pytest.approx(entering / (1.0 + entering), rel=1e-12)
    assert after["trees"] / after["base_rate"] == pytest.approx(
        before["trees"] / before["base_rate"], rel=1e-12
    )


def test_a_learner_that_stays_goes_on_learning_and_one_that_enters_begins_as_trained() -> None:
    engine = warm_engine()
    decided(engine, inputs(last=AWAY))
    learned: Any = engine.run.panel.to_fields()["learners"]
    engine.apply(events()[AWAY])
    kept: Any = engine.run.panel.to_fields()["learners"]
    assert set(kept) == {"base_rate"}
    np.testing.assert_equal(kept["base_rate"], learned["base_rate"])
    decided(engine, inputs(first=AWAY, last=BACK)[1:])
    engine.apply(events()[BACK])
    entered: Any = engine.run.panel.to_fields()["learners"]
    np.testing.assert_equal(entered["online"], dict(model("2").learners["online"].to_fields()))


def test_every_version_is_judged_on_all_that_it_said_itself_and_on_nothing_else() -> None:
    engine, _ = played()
    past = engine.run.skill.past_figures()
    assert {(f.name, f.form): f.rows for f in past["1"]} == {
        (name, form): AWAY * len(NAMES)
        for name, form in (
            *((name, CALIBRATED) for name in (*WIDE, "blend")),
            *((name, RAW) for name in ("trees", "online")),
        )
    }
    assert {(f.name, f.form): f.rows for f in past["3"]} == {
        (name, form): (BACK - AWAY) * len(NAMES)
        for name, form in (*((name, CALIBRATED) for name in (*NARROW, "blend")), ("trees", RAW))
    }
    now = {f.name: f.rows for f in engine.run.skill.figures()}
    assert now == dict.fromkeys((*WIDE, "blend"), (N - BACK - HORIZON - 1) * len(NAMES))
    calibration = engine.run.health.past_calibration_figures()
    assert {f.rows for f in calibration["1"]} == {AWAY * len(NAMES)}
    assert {f.rows for f in calibration["3"]} == {(BACK - AWAY) * len(NAMES)}


def test_what_left_is_forgotten_when_its_labels_have_come() -> None:
    engine = warm_engine()
    decided(engine, inputs(last=AWAY + 5))
    assert list(engine.run.panel.left) == ["online"]
    engine.apply(ModelChanged(version="1", files={}, experts=WIDE))
    decided(engine, [traded(N)[AWAY + 5 : BACK]])
    # It came back before its labels had: they are of one column with what it says now.
    assert not engine.run.panel.left
    (online,) = (f for f in engine.run.skill.figures() if (f.name, f.form) == ("online", CALIBRATED))
    assert online.rows == (BACK - 5 - HORIZON - 1) * len(NAMES)
    engine.apply(ModelChanged(version="3", files={}, experts=NARROW))
    decided(engine, [traded(N)[BACK : BACK + 100]])
    engine.library["4"] = replace(version_3(), version="4")
    engine.apply(ModelChanged(version="4", files={}, experts=NARROW))
    assert not engine.run.panel.left


@pytest.mark.parametrize("told", [WIDE, (), NARROW[::-1]])
def test_an_event_that_names_other_experts_than_the_model_has_is_refused(told: tuple[str, ...]) -> None:
    engine = warm_engine()
    engine.apply(ModelChanged(version="3", files={}, experts=told))
    (record,) = decided(engine, [traded(1)])[0]
    assert record.refusals[0].subject == "model 3"
    named = ", ".join(told or WIDE)
    assert record.refusals[0].reason == f"its experts are trees, base_rate, not {named}"
    assert engine.dtype == decision_dtype(WIDE)


def test_an_event_without_experts_is_as_it_always_was() -> None:
    plain = chain.record_event(1, ModelChanged(version="2", files={}))
    assert plain.payload == chain._encoder.encode({"kind": "ModelChanged", "version": "2", "files": {}})
    told = ModelChanged(version="3", files={"a": "b"}, experts=NARROW)
    assert chain.read_event(chain.record_event(1, told)) == told


def test_settings_that_weigh_an_expert_which_a_version_does_not_have_keep_it_out() -> None:
    blend = SETTINGS.blend.model_copy(update={"weights": {"online": 2.0}})
    told = SETTINGS.model_copy(update={"blend": blend})
    with pytest.raises(SettingsError, match="no expert is called 'online'"):
        version_3(told).panel(len(NAMES))


def test_a_challenger_is_scored_beside_champions_of_whatever_experts() -> None:
    _, records = played()
    found = Challenger(model("2"), SETTINGS, NAMES, WIDE, comparable=True)
    start = first_traded()
    found.warm(market().blocks(start - 600, start - 1, 173))
    for first in range(0, N, 50):
        found.take(records[first : first + 50], 50)
    figures = found.figures()
    assert figures.champion is not None
    assert figures.champion.rows == (N - HORIZON - 1) * len(NAMES)
    judged = played()[0].run.skill
    own = [*judged.past_figures().values(), judged.figures()]
    blends = [next(f for f in of if f.name == "blend") for of in own]
    rows = sum(f.rows for f in blends)
    right = sum(f.accuracy * f.rows for f in blends)
    assert figures.champion.accuracy == pytest.approx(right / rows, abs=1e-12)


def test_outcomes_of_an_expert_that_enters_are_counted_from_then_on() -> None:
    _, records = played()
    outcomes = Outcomes(SETTINGS.labels, NARROW, len(NAMES))
    for first, last, experts in ((AWAY, BACK, NARROW), (BACK, N, WIDE)):
        outcomes.hear_also(experts)
        rows = [np.frombuffer(record.decisions, decision_dtype(experts)) for record in records[first:last]]
        row_minute = np.repeat(np.arange(len(rows)), [len(one) for one in rows])
        outcomes.add(playback.minutes_of(records[first:last], len(NAMES)), row_minute, np.concatenate(rows))
    heard = {figures.name: int(figures.confusion.sum()) for figures in outcomes.figures()}
    judged = (N - AWAY - HORIZON - 1) * len(NAMES)
    entered = (N - BACK - HORIZON - 1) * len(NAMES)
    assert list(heard.items()) == [
        ("trees", judged),
        ("base_rate", judged),
        ("online", entered),
        ("blend", judged),
    ]
    again = Outcomes(SETTINGS.labels, NARROW, len(NAMES))
    again.restore(outcomes.to_fields(), len(NAMES))
    np.testing.assert_equal(again.to_fields(), outcomes.to_fields())
    assert [figures.name for figures in again.figures()] == list(heard)


def quicker(wide: Bundle) -> Bundle:
    """The same bundle, whose learner learns ten times as fast from now on."""
    told = json.loads(wide.settings_json)
    told["experts"]["online"]["learning_rate"] *= 10
    return replace(wide, settings_json=json.dumps(told))


@pytest.mark.parametrize("stop", [AWAY + 10, BACK + 1, BACK + 60])
def test_a_learner_learns_as_its_version_says_whether_the_run_was_started_again_or_not(stop: int) -> None:
    def engine() -> Engine:
        made = warm_engine()
        made.library["2"] = assemble("2", quicker(bundle(1)), SETTINGS, NAMES)
        return made

    records = decided(engine(), inputs())[0]
    before = engine()
    first = decided(before, inputs(last=stop))[0]
    snapshot = before.snapshot()
    assert snapshot is not None
    after = engine()
    start = first_traded()
    history = [
        *market().blocks(start - 600, start - 1, 97),
        *(one for one in playback.inputs(first, NAMES, 64) if isinstance(one, Minutes)),
    ]
    after.restore(snapshot, history)
    assert digests(decided(after, inputs(first=stop))[0]) == digests(records[stop:])
    assert digests(records) != digests(played()[1])


def test_a_learner_that_stays_keeps_what_it_learned_and_goes_on_as_the_new_version_says() -> None:
    engine = warm_engine()
    engine.library["2"] = assemble("2", quicker(bundle(1)), SETTINGS, NAMES)
    decided(engine, [traded(N)[:AWAY]])
    learned: Any = engine.run.panel.to_fields()["learners"]
    engine.apply(ModelChanged(version="2", files={}, experts=WIDE))
    kept: Any = engine.run.panel.to_fields()["learners"]
    np.testing.assert_equal(kept["online"], learned["online"])
    learner, _ = engine.run.panel._learners["online"]
    assert isinstance(learner, OnlineLearner)
    assert learner._settings.learning_rate == 10 * SETTINGS.experts.online.learning_rate


def test_a_group_that_begins_after_a_swap_is_judged_on_the_new_version_alone() -> None:
    grouped = SETTINGS.model_copy(
        update={"vitals": SETTINGS.vitals.model_copy(update={"groups": {"some": NAMES[:2]}})}
    )
    engine = warm_engine()
    minutes = traded(N)
    decided(engine, [minutes[:AWAY], events()[AWAY], minutes[AWAY : AWAY + 3]])
    decided(engine, [SettingsChanged(settings_json=grouped.identity_json()), minutes[AWAY + 3 : BACK]])
    (some,) = engine.run.groups.figures()
    # Nobody wrote down what was said of labels that matured before the group began: it waits in the panel.
    assert {f.rows for f in some.skill} == {(BACK - AWAY - HORIZON - 1) * 2}
    assert {f.rows for f in some.calibration} == {(BACK - AWAY - HORIZON - 1) * 2}
    assert [f.name for f in some.skill] == [*NARROW, "blend"]


def test_the_rank_of_a_version_is_taken_over_the_universe_that_it_begins_with() -> None:
    few, many = (Skill(("trees", "blend"), n, HORIZON, 30, 1_440, version="1") for n in (3, 30))
    many.regrouped(np.arange(3))
    for skill in (few, many):
        skill.begin("2", 100, forms_of(("trees", "blend"), ()))
    across = [skill._tracks.now.live._ic._across for skill in (few, many)]
    assert across == [False, False]
    assert [kept.live._ic._across for kept in many._tracks.past().values()] == [True]
