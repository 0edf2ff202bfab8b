"""The engine: any chunking, any stop and start, events of every kind, always the same digests."""

import json
from dataclasses import replace
from decimal import Decimal
from functools import cache

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from daemon import chain, playback
from daemon.errors import TapeVersionError
from daemon.events import (
    AnyEvent,
    ArithmeticChanged,
    Backfill,
    BatchRecord,
    Command,
    CommandKind,
    FeedLost,
    FeedRestored,
    Instrument,
    Minutes,
    ModelChanged,
    SettingsChanged,
    TradingMode,
    UniverseChanged,
)
from daemon.snapshot import decode_snapshot, encode_snapshot
from tests.runs import (
    SETTINGS,
    bundle,
    cut,
    decided,
    digests,
    first_traded,
    fresh_engine,
    market,
    traded,
    without,
)

N = 240
UNSHRUNK = (Phase.explicit, Phase.generate)
"""An example takes a second: shrinking a failure would take an hour."""
NAMES = tuple(instrument.name for instrument in market().instruments)
QUIET = 2
"""The instrument whose feed is lost and filled in later."""


def as_backfill(minutes: Minutes, column: int) -> Backfill:
    cells = zip(
        minutes.minute.tolist(),
        *(getattr(minutes, name)[:, column].tolist() for name in ("open", "high", "low", "close", "volume")),
        strict=True,
    )
    return Backfill(instrument=NAMES[column], bars=tuple((*cell, None, False) for cell in cells))


def looser() -> str:
    policy = SETTINGS.policy.model_copy(update={"edge_multiple": 0.1})
    return SETTINGS.model_copy(update={"policy": policy}).identity_json()


def regrouped() -> str:
    """Hot settings of what is no policy: other groups, snapshots and limits of age."""
    told = {
        "vitals": {"groups": {"some": NAMES[:2], "others": NAMES[1:]}},
        "tape": {"snapshot_batches": 33},
        "universe": {"halt_minutes": 3, "delist_minutes": 9},
    }
    return SETTINGS.model_validate({**SETTINGS.model_dump(), **told}).identity_json()


def eventful() -> list[tuple[int, AnyEvent]]:
    """Events of every kind, by the minute before which they come."""
    lost = traded(N)[60:75]
    cold = SETTINGS.model_copy(update={"labels": SETTINGS.labels.model_copy(update={"horizon_minutes": 20})})
    return [
        (20, Command(command=CommandKind.PAUSE, by="test")),
        (40, Command(command=CommandKind.RESUME, by="test")),
        (60, FeedLost(feed="ws", instruments=(NAMES[QUIET],), reason="silent")),
        (75, FeedRestored(feed="ws", instruments=(NAMES[QUIET],))),
        (75, as_backfill(lost, QUIET)),
        (90, SettingsChanged(settings_json=looser())),
        (91, SettingsChanged(settings_json=cold.identity_json())),
        (92, SettingsChanged(settings_json='{"policy": {"side": "sideways"}}')),
        (110, SettingsChanged(settings_json=regrouped())),
        (120, ModelChanged(version="2", files={})),
        (121, ModelChanged(version="9", files={})),
        (130, Command(command=CommandKind.FLATTEN, by="test")),
        (135, Command(command=CommandKind.RESUME, by="test")),
        (150, ArithmeticChanged(before={"a": "1"}, after={"a": "2"})),
        (170, Command(command=CommandKind.FREEZE, by="test")),
        (175, Command(command=CommandKind.RESUME, by="test")),
    ]


def with_holes() -> Minutes:
    absent = np.zeros((N, len(NAMES)), dtype=bool)
    absent[60:75, QUIET] = True
    absent[100:103, 0] = True
    return without(traded(N), absent)


def columns_of(minutes: Minutes, columns: list[int]) -> Minutes:
    """The minutes of other instruments: column j is the old columns[j]."""
    wide = {name for name in Minutes.__slots__ if getattr(minutes, name).ndim == 2}
    return replace(minutes, **{name: getattr(minutes, name)[:, columns] for name in wide})


def mixed(minutes: Minutes, events: list[tuple[int, AnyEvent]], cuts: list[int]) -> list[AnyEvent | Minutes]:
    """Minutes in parts, with the events between them."""
    items: list[AnyEvent | Minutes] = []
    at = 0
    for part in cut(minutes, [*cuts, *(place for place, _ in events)]):
        items += [event for place, event in events if place == at]
        items.append(part)
        at += len(part)
    return items


@cache
def played() -> list[BatchRecord]:
    return decided(fresh_engine(), mixed(with_holes(), eventful(), []))[0]


@pytest.fixture(scope="module")
def whole() -> list[BatchRecord]:
    return played()


def test_the_run_of_these_tests_trades(whole: list[BatchRecord]) -> None:
    fills = [fill for record in whole for fill in record.fills]
    assert len(fills) > 20
    assert {fill.instrument for fill in fills} == set(NAMES)
    assert {order.reason for record in whole for order in record.orders} >= {"entry", "horizon", "flatten"}


@settings(max_examples=8, phases=UNSHRUNK)
@given(st.lists(st.integers(1, N - 1), max_size=12))
def test_any_chunking_with_events_of_every_kind_gives_the_same_digests(cuts: list[int]) -> None:
    assert digests(decided(fresh_engine(), mixed(with_holes(), eventful(), cuts))[0]) == digests(played())


def test_minute_by_minute_is_the_same_as_all_at_once(whole: list[BatchRecord]) -> None:
    one_by_one = decided(fresh_engine(), mixed(with_holes(), eventful(), list(range(N))))[0]
    assert digests(one_by_one) == digests(whole)


@settings(max_examples=6, phases=UNSHRUNK)
@given(stop=st.integers(1, N - 1), cuts=st.lists(st.integers(1, N - 1), max_size=4))
def test_a_stop_at_any_minute_and_a_start_from_the_snapshot_changes_nothing(
    stop: int, cuts: list[int]
) -> None:
    minutes, events = with_holes(), [(at, event) for at, event in eventful() if at != stop]
    expected = decided(fresh_engine(), mixed(minutes, events, cuts))[0]
    before = fresh_engine()
    first = decided(before, mixed(minutes[:stop], [e for e in events if e[0] < stop], cuts))[0]
    snapshot = before.snapshot()
    assert snapshot is not None
    start = first_traded()
    history = [
        *market().blocks(start - 600, start - 1, 97),
        *playback.inputs(first, NAMES, 64, without_refused=True),
    ]
    after = fresh_engine()
    after.restore(
        decode_snapshot(encode_snapshot(snapshot)),
        [item for item in history if isinstance(item, Minutes | Backfill)],
    )
    rest = mixed(minutes[stop:], [(at - stop, event) for at, event in events if at > stop], [])
    assert digests(decided(after, rest)[0]) == digests(expected[stop:])


def test_snapshots_come_where_they_are_due_and_equal_those_of_a_run_that_stops_there() -> None:
    quiet = traded(120)
    _, snapshots = decided(fresh_engine(), cut(quiet, [30, 77]))
    assert [snapshot.batch for snapshot in snapshots] == [50, 100]
    stopped = fresh_engine()
    decided(stopped, [quiet[:100]])
    own = stopped.snapshot()
    assert own is not None
    assert encode_snapshot(own) == encode_snapshot(snapshots[1])


def test_a_snapshot_under_settings_of_another_version_says_so() -> None:
    engine = fresh_engine()
    decided(engine, [traded(1)])
    snapshot = engine.snapshot()
    assert snapshot is not None
    told = json.loads(str(snapshot.state["settings"]))
    told["policy"]["mood"] = "bold"
    newer = replace(snapshot, state={**snapshot.state, "settings": json.dumps(told)})
    with pytest.raises(TapeVersionError, match=r"snapshot after batch 1 has .*policy\.mood.*that wrote it"):
        fresh_engine().restore(newer, [])


def test_a_tape_read_back_gives_the_same_inputs_and_digests(whole: list[BatchRecord]) -> None:
    again = decided(fresh_engine(), playback.inputs(whole, NAMES, 37))[0]
    assert digests(again) == digests(whole)


def test_no_decision_changes_when_later_bars_change(whole: list[BatchRecord]) -> None:
    changed = with_holes()
    changed.close[200:] *= 1.5
    changed.high[200:] *= 1.5
    again = decided(fresh_engine(), mixed(changed, eventful(), []))[0]
    assert digests(again)[:200] == digests(whole)[:200]
    assert digests(again)[200:] != digests(whole)[200:]


def test_a_pause_lets_nothing_in_and_a_resume_does(whole: list[BatchRecord]) -> None:
    paused = [order.reason for record in whole[20:40] for order in record.orders]
    assert not {"entry", "add", "reversal"} & set(paused)
    assert whole[20].changes[0].after is TradingMode.NO_ENTRY
    assert whole[40].changes[0].after is TradingMode.NORMAL


def test_a_flatten_closes_everything(whole: list[BatchRecord]) -> None:
    assert whole[134].book.gross == 0.0
    assert any(order.reason == "flatten" for order in whole[130].orders)


def test_refused_changes_stand_in_the_batch_with_their_reasons(whole: list[BatchRecord]) -> None:
    reasons = {
        record.batch: [refusal.reason for refusal in record.refusals] for record in whole if record.refusals
    }
    assert reasons[92] == ["a change of labels.horizon_minutes needs a restart"]
    assert reasons[93][0].startswith("1 problems:")
    assert reasons[122] == ["this version is not loaded"]
    assert set(reasons) == {92, 93, 122}


def test_another_model_version_changes_what_the_trees_say() -> None:
    minutes = traded(60)
    swapped = decided(fresh_engine(), mixed(minutes, [(30, ModelChanged(version="2", files={}))], []))[0]
    kept = decided(fresh_engine(), [minutes])[0]
    assert digests(swapped)[:30] == digests(kept)[:30]
    dtype = fresh_engine().dtype
    ours, theirs = (np.frombuffer(records[30].decisions, dtype) for records in (kept, swapped))
    assert (ours["trees"] != theirs["trees"]).any()
    assert (ours["base_rate"] == theirs["base_rate"]).all()
    assert bundle(1).trees != bundle(2).trees


def test_a_model_with_other_labels_is_refused() -> None:
    engine = fresh_engine()
    other = engine.library["2"]
    labels = other.bundle.labels.model_copy(update={"threshold_sigma": 0.7})
    engine.library["3"] = replace(other, bundle=replace(other.bundle, labels=labels))
    engine.apply(ModelChanged(version="3", files={}))
    (record,) = decided(engine, [traded(1)])[0]
    assert record.refusals[0].subject == "model 3"
    assert record.refusals[0].reason == "labels.threshold_sigma is 0.5 here and 0.7 in the model"


def test_instruments_leave_and_join_between_two_minutes() -> None:
    engine = fresh_engine()
    before = decided(engine, [traded(80)])[0]
    held = {fill.instrument for record in before for fill in record.fills}
    assert NAMES[1] in held
    engine.apply(UniverseChanged(removed=(NAMES[1],)))
    rest = traded(80, first=80)
    narrow = columns_of(rest, [0, 2, 3])
    after = decided(engine, [narrow[:40]])[0]
    assert all(fill.instrument != NAMES[1] or fill.kind == "delisted" for r in after for fill in r.fills)
    newcomer = Instrument("simulator:AAAUSDT", "USDT", Decimal("0.01"), Decimal("0.001"))
    engine.apply(UniverseChanged(added=(newcomer,)))
    assert engine.run.names[0] == newcomer.name
    wide = columns_of(rest[40:], [1, 0, 2, 3])  # the newcomer trades at the prices of the one that left
    joined = decided(engine, [wide])[0]
    assert len(np.frombuffer(joined[0].decisions, engine.dtype)) == 3  # the newcomer is not warm yet
    all_records = [*before, *after, *joined]
    again = decided(fresh_engine(), playback.inputs(all_records, NAMES, 25))[0]
    assert digests(again) == digests(all_records)


def test_a_backfill_extends_the_lane_only_where_it_is_news() -> None:
    engine = fresh_engine()
    minutes = traded(60)
    decided(engine, [minutes[:30]])
    engine.apply(as_backfill(minutes[10:12], 0))
    engine.apply(Backfill(instrument="nowhere:X", bars=()))
    (record, *_) = decided(engine, [minutes[30:]])[0]
    assert [refusal.subject for refusal in record.refusals] == [NAMES[0], NAMES[0], "nowhere:X"]


def test_catch_up_minutes_make_no_orders_but_teach() -> None:
    minutes = traded(100)
    caught = replace(minutes, catch_up=np.arange(100) >= 50)
    live, late = decided(fresh_engine(), [minutes])[0], decided(fresh_engine(), [caught])[0]
    assert digests(live)[:50] == digests(late)[:50]
    assert not any(record.orders for record in late[50:])
    assert any(record.orders for record in live[50:])
    dtype = fresh_engine().dtype
    ours, theirs = (np.frombuffer(records[-1].decisions, dtype) for records in (live, late))
    assert (ours["online"] == theirs["online"]).all()


def test_a_bar_over_an_integer_bound_is_refused_and_the_run_goes_on() -> None:
    minutes = traded(40)
    minutes = replace(minutes, volume=minutes.volume.copy())
    minutes.volume[10, 1] = 1e30
    records = decided(fresh_engine(), [minutes])[0]
    assert [refusal.subject for refusal in records[10].refusals] == [NAMES[1]]
    assert len(np.frombuffer(records[10].decisions, fresh_engine().dtype)) == len(NAMES) - 1
    again = decided(fresh_engine(), playback.inputs(records, NAMES, 7))[0]
    assert digests(again) == digests(records)


def test_every_digest_is_chained_to_the_one_before(whole: list[BatchRecord]) -> None:
    previous = b"g" * 32
    for record in whole:
        assert chain.digest(previous, record) == record.digest
        previous = record.digest


def test_after_a_swap_each_version_is_judged_on_what_it_said_itself() -> None:
    engine = fresh_engine()
    decided(engine, mixed(traded(120), [(60, ModelChanged(version="2", files={}))], []))
    run, horizon = engine.run, SETTINGS.labels.horizon_minutes
    (past,) = run.skill.past_figures().items()
    assert past[0] == "1"
    # Its last labels came under its successor: as many as it had decided, none of the other's.
    assert {f.rows for f in past[1]} == {60 * len(NAMES)}
    assert {f.rows for f in run.health.past_calibration_figures()["1"]} == {60 * len(NAMES)}
    assert {f.rows for f in run.skill.figures()} == {(60 - horizon - 1) * len(NAMES)}
    (blend,) = run.skill.past_figures("blend")["1"]
    assert repr(blend) in map(repr, past[1])
    (honest,) = run.health.past_calibration_figures("blend")["1"]
    assert repr(honest) in map(repr, run.health.past_calibration_figures()["1"])
    assert (blend.name, honest.name) == ("blend", "blend")


def test_a_rollback_goes_on_with_the_vitals_of_the_version_that_comes_back() -> None:
    events = [(40, ModelChanged(version="2", files={})), (80, ModelChanged(version="1", files={}))]
    engine = fresh_engine()
    first = engine.run.model
    engine.library["1"] = first
    decided(engine, mixed(traded(140), list(events), []))
    (now, *_), before = engine.run.skill.figures(), engine.run.skill.past_figures()
    assert now.rows == (140 - 40 - SETTINGS.labels.horizon_minutes - 1) * len(NAMES)
    assert before["2"][0].rows == 40 * len(NAMES)
