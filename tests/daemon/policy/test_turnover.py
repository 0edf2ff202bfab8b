"""Traded value per day: by hand, in any chunks, across restarts."""

from itertools import pairwise

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daemon.events import MINUTES_PER_DAY, Minutes
from daemon.policy.turnover import Turnover


def minutes_at(minute: list[int], value: np.ndarray) -> Minutes:
    """Minutes whose bars trade `value` (n_minutes, n_instruments); NaN where there is no bar."""
    one = np.where(np.isnan(value), np.nan, 1.0)
    blank = Minutes.empty(np.array(minute, dtype=np.int64), value.shape[1])
    return Minutes(
        blank.minute,
        one,
        one,
        one,
        one,
        value,
        blank.taker,
        ~np.isnan(value),
        blank.synthetic,
        blank.catch_up,
    )


def test_it_is_the_larger_of_the_last_day_and_today_so_far() -> None:
    day = MINUTES_PER_DAY
    minute = [day - 2, day - 1, day, day + 1, 5 * day, 5 * day + 1]
    value = np.array([[1.0], [2.5], [3.0], [4.0], [0.25], [np.nan]])
    # Day 0: 1, 3.5. Day 1: 3 (day 0 had 3.5), then 7. Day 5 looks back at day 1.
    assert Turnover(1).advance(minutes_at(minute, value))[:, 0].tolist() == [1.0, 3.5, 3.5, 7.0, 7.0, 7.0]


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 60), max_size=5))
def test_any_chunking_and_any_restart_give_the_same_bits(seed: int, cuts: list[int]) -> None:
    draw = np.random.default_rng(seed)
    minute = np.cumsum(draw.integers(1, 200, 60)) + 20_000_000
    value = draw.gamma(1.0, 1e6, (60, 3)) * np.where(draw.random((60, 3)) < 0.2, np.nan, 1.0)
    whole = minutes_at(minute.tolist(), value)
    expected = Turnover(3).advance(whole)
    state, parts = Turnover(3), []
    edges = sorted({0, 60, *cuts})
    for first, end in pairwise(edges):
        parts.append(state.advance(whole[first:end]))
        state = Turnover.from_fields(state.to_fields())
    assert np.concatenate(parts).tobytes() == expected.tobytes()


def test_no_minutes_change_nothing() -> None:
    state = Turnover(2)
    before = msgspec.msgpack.encode({k: np.asarray(v).tolist() for k, v in state.to_fields().items()})
    assert state.advance(Minutes.empty(np.zeros(0, dtype=np.int64), 2)).shape == (0, 2)
    assert msgspec.msgpack.encode({k: np.asarray(v).tolist() for k, v in state.to_fields().items()}) == before


def test_instruments_keep_their_turnover_in_other_columns() -> None:
    state = Turnover(2)
    state.advance(minutes_at([0], np.array([[5.0, 7.0]])))
    moved = state.regrouped(np.array([1, -1]))
    assert moved.advance(minutes_at([1], np.array([[1.0, 1.0]]))).tolist() == [[8.0, 1.0]]
    # The old state is untouched by what the new one goes through.
    assert state.advance(minutes_at([1], np.array([[0.0, 0.0]]))).tolist() == [[5.0, 7.0]]
