"""The short form of the fuzzing: bounded, the same promises, every venue."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.exchanges.catalogue import VENUES
from tests.adapters.exchanges.samples import SAMPLES
from tests.fuzz.targets import Target

TARGETS = {venue: Target(venue) for venue in VENUES}


@pytest.mark.parametrize("venue", VENUES)
@given(data=st.binary(max_size=300))
def test_bytes_of_any_kind_are_refused_and_never_raise(venue: str, data: bytes) -> None:
    TARGETS[venue].give(data)


@pytest.mark.parametrize("venue", VENUES)
@given(cuts=st.lists(st.integers(0, 400), max_size=3), joined=st.permutations(range(6)))
def test_pieces_of_real_frames_are_never_taken_for_what_they_are_not(
    venue: str, cuts: list[int], joined: list[int]
) -> None:
    samples = SAMPLES[venue]
    text = "".join(samples[n % len(samples)][: cuts[n] if n < len(cuts) else None] for n in joined)
    TARGETS[venue].give(text.encode())


@pytest.mark.parametrize("venue", VENUES)
def test_frames_with_strange_values_break_no_promise_and_leave_nothing_behind(venue: str) -> None:
    target = Target(venue)
    chance = Random(5)
    for sample in SAMPLES[venue]:
        target.frame(sample.encode())
    held = target.held()
    for _ in range(3_000):
        made = target.made(chance)
        target.frame(made)
        target.history(made)
    assert target.n_bars > 100
    assert target.held() <= held + 20
