"""The promises of the feature plan: exact under any chunking and restart, causal, finite, bounded."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daemon.events import Backfill, Minutes
from daemon.features import FeatureBlock, FeaturePlan, FeatureState, catalogue, compile_plan, groups_of
from daemon.settings import FeatureSettings
from tests.daemon.features.market import Story, stories

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
        for backfill in story.backfills.get(begin, ()) if begin > start or start > 0 else ():
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
    for row in range(until):
        for backfill in story.backfills.get(row, ()) if row else ():
            admitted, _ = plan.admit_backfill(state, backfill)
            if admitted.bars:
                history.append(admitted)
                state = plan.extend(state, admitted)
        minutes, _ = plan.admit(state, story.minutes[row : row + 1])
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


@given(stories(max_instruments=3), st.data())
def test_chunks_of_one_minute_give_the_same_bits(story: Story, data: st.DataObject) -> None:
    story = Story(
        story.minutes[:60], {k: v for k, v in story.backfills.items() if k < 60}, (), story.instruments
    )
    plan = plan_for(story.instruments)
    whole, _ = play(plan, story, tuple(story.backfills))
    single, _ = play(plan, story, tuple(range(1, len(story.minutes))))
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
