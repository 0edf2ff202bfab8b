"""The promises of the feature plan: exact under any chunking and restart, causal, finite, bounded."""

import os
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.errors import BrokenBoundError, FormulaError
from daemon.events import Backfill, Minutes
from daemon.features import FeatureBlock, FeaturePlan, FeatureState, catalogue, compile_plan, groups_of
from daemon.settings import FeatureSettings
from tests.daemon.features.market import START, Story, only, stories, walk

EVERYTHING = FeatureSettings(groups=groups_of(catalogue().values()), sigma_bars=60)
_PLANS: dict[tuple[str, ...], FeaturePlan] = {}


def plan_for(names: tuple[str, ...]) -> FeaturePlan:
    if names not in _PLANS:
        _PLANS[names] = compile_plan(EVERYTHING, names)
    return _PLANS[names]


def bits(*blocks: FeatureBlock) -> tuple[bytes, ...]:
    return (
        b"".join(block.values.tobytes() for block in blocks),
        b"".join(block.sigma.tobytes() for block in blocks),
        b"".join(block.ready.tobytes() for block in blocks),
        b"".join(block.instrument.tobytes() for block in blocks),
    )


def play(
    plan: FeaturePlan, story: Story, cuts: tuple[int, ...], state: FeatureState | None = None, start: int = 0
) -> tuple[list[FeatureBlock], FeatureState]:
    """Run a story from minute `start` on, cut before `cuts`, backfills before their minutes."""
    state = state or plan.initial(story.instruments)
    blocks = []
    edges = [start, *(cut for cut in cuts if cut > start), len(story.minutes)]
    for begin, end in pairwise(edges):
        for backfill in story.backfills.get(begin, ()) if begin > 0 else ():
            admitted, _ = plan.admit_backfill(state, backfill)
            if admitted.bars:
                state = plan.extend(state, admitted)
        minutes, _ = plan.admit(state, story.minutes[begin:end])
        block, state = plan.advance(state, minutes)
        blocks.append(block)
    return blocks, state


def history_of(plan: FeaturePlan, story: Story, until: int) -> list[Minutes | Backfill]:
    """The admitted inputs before minute `until`."""
    state = plan.initial(story.instruments)
    history: list[Minutes | Backfill] = []
    for begin, end in pairwise([0, *(row for row in story.backfills if row < until), until]):
        for backfill in story.backfills.get(begin, ()):
            admitted, _ = plan.admit_backfill(state, backfill)
            if admitted.bars:
                history.append(admitted)
                state = plan.extend(state, admitted)
        minutes, _ = plan.admit(state, story.minutes[begin:end])
        _, state = plan.advance(state, minutes)
        history.append(minutes)
    return history


@given(stories())
def test_any_chunking_gives_the_same_bits(story: Story) -> None:
    plan = plan_for(story.instruments)
    whole, end = play(plan, story, tuple(story.backfills))
    pieces, other_end = play(plan, story, story.cuts)
    assert bits(*whole) == bits(*pieces)
    assert end.memory.averages.tobytes() == other_end.memory.averages.tobytes()


@settings(max_examples=10)
@given(stories(max_instruments=3), st.integers(0, 150))
def test_chunks_of_one_minute_give_the_same_bits(story: Story, start: int) -> None:
    plan = plan_for(story.instruments)
    backfilled = tuple(story.backfills)
    whole, _ = play(plan, story, backfilled)
    single, _ = play(
        plan, story, tuple(sorted({*backfilled, *range(start, min(start + 25, len(story.minutes)))} - {0}))
    )
    assert bits(*whole) == bits(*single)


@given(stories(max_instruments=3), st.data())
def test_a_state_restored_from_fields_and_bars_continues_with_the_same_bits(
    story: Story, data: st.DataObject
) -> None:
    plan = plan_for(story.instruments)
    at = data.draw(st.integers(1, len(story.minutes) - 1))
    _, before = play(
        plan,
        Story(story.minutes[:at], story.backfills, (), story.instruments),
        tuple(k for k in story.backfills if k < at),
    )
    history = history_of(plan, story, at)
    restored = plan.restore(before.to_fields(), history)
    later = tuple(k for k in story.backfills if k > at)
    expected, _ = play(plan, story, later, before, at)
    got, _ = play(plan, story, later, restored, at)
    assert bits(*got) == bits(*expected)


@given(stories())
def test_every_value_of_every_feature_is_finite(story: Story) -> None:
    blocks, _ = play(plan_for(story.instruments), story, tuple(story.backfills))
    for block in blocks:
        assert np.isfinite(block.values).all()
        assert (block.sigma > 0.0).all()
        assert np.isfinite(block.sigma).all()


@given(stories(), st.data())
def test_no_feature_changes_when_a_later_bar_does(story: Story, data: st.DataObject) -> None:
    plan = plan_for(story.instruments)
    at = data.draw(st.integers(1, len(story.minutes) - 1))
    changed = story.minutes[:]
    for name in ("open", "high", "low", "close", "volume"):
        column = getattr(changed, name).copy()
        column[at:] *= 1.5
        changed = replace(changed, **{name: column})
    present = changed.present.copy()
    present[at:, 0] = False
    changed = replace(changed, present=present)
    before = tuple(row for row in story.backfills if row < at)
    expected, _ = play(plan, story, before)
    got, _ = play(plan, replace(story, minutes=changed), before)
    assert bits(*upto(expected, (0, *before), at)) == bits(*upto(got, (0, *before), at))


def upto(blocks: list[FeatureBlock], begins: tuple[int, ...], minute: int) -> list[FeatureBlock]:
    """The rows before `minute` of blocks that begin at these minutes."""
    kept = []
    for block, begin in zip(blocks, begins, strict=True):
        n_rows = int(np.searchsorted(block.minute + begin, minute))
        kept.append(FeatureBlock(*(getattr(block, name)[:n_rows] for name in FeatureBlock.__slots__)))
    return kept


@given(stories(), st.integers(0, 3), st.sampled_from(["high", "low", "volume"]))
def test_a_bar_that_would_break_an_integer_bound_is_refused_and_the_rest_computed(
    story: Story, column: int, which: str
) -> None:
    names = story.instruments
    plan = plan_for(names)
    rows = np.nonzero(story.minutes.present[:, column % len(names)])[0]
    if len(rows) < 2:
        return
    at = int(rows[-1])
    column %= len(names)
    values = getattr(story.minutes, which).copy()
    values[at, column] = values[at, column] * 1e-12 if which == "low" else (values[at, column] + 1.0) * 1e18
    state = plan.initial(names)
    admitted, refusals = plan.admit(state, replace(story.minutes, **{which: values}))
    refused = [(r.minute, r.subject) for r in refusals]
    assert (int(story.minutes.minute[at]), names[column]) in refused
    assert not admitted.present[at, column]
    assert np.isnan(admitted.close[at, column])
    block, _ = plan.advance(state, admitted)
    assert len(block) == int(story.minutes.present.sum()) - len(refusals)
    assert np.isfinite(block.values).all()


def test_a_bar_that_was_not_admitted_stops_the_engine_rather_than_wrapping() -> None:
    minutes = walk(20, 1)
    minutes.volume[10, 0] = 1e30
    plan = plan_for(("test:I0",))
    with pytest.raises(BrokenBoundError, match="test:I0 at minute"):
        plan.advance(plan.initial(("test:I0",)), minutes)


def test_a_backfill_older_than_the_lane_is_refused_bar_by_bar_and_stops_the_engine_if_forced() -> None:
    names = ("test:I0",)
    plan = plan_for(names)
    _, state = plan.advance(plan.initial(names), walk(20, 1, price=4.0))
    old = (START + 5, 50.0, 51.0, 49.0, 50.0, 1.0, None, False)
    new = (START + 25, 50.0, 51.0, 49.0, 50.0, 1.0, None, False)
    backfill = Backfill(instrument="test:I0", bars=(old, new))
    admitted, refusals = plan.admit_backfill(state, backfill)
    assert admitted.bars == (new,)
    assert [(r.minute, r.reason) for r in refusals] == [
        (START + 5, "it is not newer than the instrument's last row")
    ]
    with pytest.raises(BrokenBoundError, match="not newer"):
        plan.extend(state, backfill)


def test_the_number_of_threads_changes_no_bit(repository: Path) -> None:
    digests = set()
    for threads in ("1", "3"):
        command = [sys.executable, "-c", _DIGEST]
        environment = {**os.environ, "POLARS_MAX_THREADS": threads, "PYTHONPATH": str(repository)}
        done = subprocess.run(
            command, env=environment, cwd=repository, capture_output=True, text=True, check=True
        )
        used, digest = done.stdout.split()
        assert used == threads
        digests.add(digest)
    assert len(digests) == 1


_DIGEST = """
import hashlib, polars
from tests.daemon.features.market import walk
from tests.daemon.features.test_plan import EVERYTHING
from daemon.features import compile_plan
names = ("test:A", "test:B", "test:C")
plan = compile_plan(EVERYTHING, names)
block, _ = plan.advance(plan.initial(names), walk(3000, 3, seed=5, absent=0.05))
print(polars.thread_pool_size(), hashlib.sha256(block.values.tobytes()).hexdigest())
"""


def test_rows_are_ready_after_the_warm_up_and_again_sixty_rows_after_a_long_gap() -> None:
    plan = compile_plan(FeatureSettings(groups=(), names=("return_10",), sigma_bars=20), ("test:A",))
    # Twenty returns need twenty-one closes.
    assert plan.warmup_bars == 21
    minutes = walk(300, 1)
    minutes.present[100:161] = False
    block, _ = plan.advance(plan.initial(("test:A",)), minutes)
    ready = set(block.minute[block.ready].tolist())
    assert ready == {*range(plan.warmup_bars - 1, 100), *range(161 + 59, 300)}


def test_sixty_missing_minutes_are_no_long_gap() -> None:
    plan = compile_plan(FeatureSettings(groups=(), names=("return_10",), sigma_bars=20), ("test:A",))
    minutes = walk(300, 1)
    minutes.present[100:160] = False
    block, _ = plan.advance(plan.initial(("test:A",)), minutes)
    assert block.ready[plan.warmup_bars - 1 :].all()


def test_a_regrouped_state_keeps_its_lanes_and_starts_new_ones_empty() -> None:
    old, new = ("test:A", "test:C"), ("test:A", "test:B", "test:C")
    plan = compile_plan(FeatureSettings(groups=("returns", "trend", "seasonal"), sigma_bars=60), ("test:A",))
    minutes = walk(400, 3, seed=9)
    two = only(minutes, [0, 2])
    _, state = plan.advance(plan.initial(old), two[:200])
    joined = state.regrouped(np.array([0, -1, 1]), new)
    block, _ = plan.advance(joined, minutes[200:])
    whole, _ = plan.advance(plan.initial(old), two)
    late, _ = plan.advance(
        plan.initial(new), replace(minutes, present=minutes.present & _joins(len(minutes)))[:]
    )
    for column, expected in (
        (0, whole.values[whole.instrument == 0][200:]),
        (2, whole.values[whole.instrument == 1][200:]),
    ):
        assert block.values[block.instrument == column].tobytes() == expected.tobytes()
    assert block.values[block.instrument == 1].tobytes() == late.values[late.instrument == 1].tobytes()


def _joins(n_minutes: int) -> np.ndarray:
    """Instrument 1 of three has rows from minute 200 on."""
    present = np.ones((n_minutes, 3), np.bool_)
    present[:200, 1] = False
    return present


def test_damaged_or_foreign_fields_are_refused() -> None:
    names = ("test:I0",)
    plan = plan_for(names)
    _, state = plan.advance(plan.initial(names), walk(20, 1))
    fields = state.to_fields()
    for part, value, message in (
        ("schema", "other", "not this plan's"),
        ("rows", np.zeros(3, np.int64), "shape of rows"),
        ("ordinal", "7", "ordinal"),
        ("instruments", "test:I0", "instruments"),
        ("quanta", {"test:I0": [1.5, 2]}, "no pair of whole numbers"),
    ):
        with pytest.raises(ValueError, match=message):
            plan.restore({**fields, part: value}, [])


@pytest.mark.parametrize("absent", [0.0, 0.3])
def test_the_last_history_rows_of_every_lane_are_enough_to_restore(absent: float) -> None:
    names = ("test:A", "test:B", "test:C")
    plan = compile_plan(
        FeatureSettings(groups=("short",), names=("same_minute_move_24h",), sigma_bars=60), names
    )
    minutes = walk(3400, 3, seed=12, absent=absent)
    at = 3000
    begin = min(int(np.nonzero(minutes.present[:at, j])[0][-plan.history_rows]) for j in range(3))
    assert begin > 500
    _, state = plan.advance(plan.initial(names), minutes[:at])
    restored = plan.restore(state.to_fields(), [minutes[begin:at]])
    expected, _ = plan.advance(state, minutes[at:])
    got, _ = plan.advance(restored, minutes[at:])
    assert bits(got) == bits(expected)


def test_the_small_blocks_of_a_large_universe_give_the_same_bits_across_closed_hours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = ("test:A", "test:B")
    plan = compile_plan(FeatureSettings(groups=("seasonal", "returns"), sigma_bars=60), names)
    minutes = walk(900, 2, seed=4, absent=0.1)
    open_hours = np.arange(900) // 180 * 1440 + np.arange(900) % 180
    minutes = replace(minutes, minute=START + open_hours)
    whole, _ = plan.advance(plan.initial(names), minutes)
    monkeypatch.setattr("daemon.features.plan._BLOCK_ROWS", 16)
    small = plan.initial(names)
    assert small.block_minutes == 8
    cut, _ = plan.advance(small, minutes)
    assert bits(cut) == bits(whole)


def test_prices_beyond_any_number_are_refused_quietly() -> None:
    minutes = walk(20, 1, price=4.0)
    minutes.high[10, 0] = 1e308
    plan = plan_for(("test:I0",))
    _, refusals = plan.admit(plan.initial(("test:I0",)), minutes)
    assert [r.minute for r in refusals] == [START + 10]


def test_an_instruments_first_bar_that_breaks_its_own_bounds_sets_no_quanta() -> None:
    minutes = walk(20, 1, price=4.0)
    minutes.high[0, 0] = 1e9
    plan = plan_for(("test:I0",))
    state = plan.initial(("test:I0",))
    admitted, refusals = plan.admit(state, minutes)
    assert [(r.minute, r.subject) for r in refusals] == [(START, "test:I0")]
    assert "first bar" in refusals[0].reason
    block, _ = plan.advance(state, admitted)
    assert len(block) == 19


def test_a_users_formula_that_outgrows_floats_stops_with_its_name() -> None:
    formulas = {
        "huge": "cube ** 3 * cube ** 3 * cube ** 3 * cube ** 3",
        "cube": "close ** 3 * close ** 3 * close ** 3",
    }
    plan = compile_plan(FeatureSettings(groups=()), ("test:A",), formulas=formulas)
    minutes = walk(20, 1, price=9000.0)
    with pytest.raises(FormulaError, match="feature huge of test:A at minute"):
        plan.advance(plan.initial(("test:A",)), minutes)


def test_a_long_backfill_is_one_history_whatever_the_block() -> None:
    names = ("test:I0",)
    plan = compile_plan(FeatureSettings(groups=("twenty",), sigma_bars=60), names)
    minutes = walk(9_000, 1, seed=3, price=2.0)
    cells = zip(
        *(getattr(minutes, n)[:, 0].tolist() for n in ("open", "high", "low", "close", "volume", "taker")),
        strict=True,
    )
    bars = tuple((int(m), *cell, False) for m, cell in zip(minutes.minute, cells, strict=True))
    _, first = plan.advance(plan.initial(names), minutes[:10])
    state = plan.extend(first, Backfill(instrument="test:I0", bars=bars[10:8900]), ordinals=range(10, 8900))
    _, plain = plan.advance(plan.initial(names), minutes[:8900])
    got, _ = plan.advance(state, minutes[8900:])
    expected, _ = plan.advance(plain, minutes[8900:])
    assert got.values.tobytes() == expected.values.tobytes()
