"""Ages of instruments."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from daemon.bars.presence import NEVER, Ages
from daemon.events import Minutes
from daemon.kernels import BoolArray

PRESENT = hnp.arrays(np.bool_, st.tuples(st.integers(1, 30), st.integers(1, 4)))


def minutes(present: BoolArray) -> Minutes:
    empty = Minutes.empty(np.arange(len(present), dtype=np.int64), present.shape[1])
    return Minutes(
        minute=empty.minute,
        open=empty.open,
        high=empty.high,
        low=empty.low,
        close=empty.close,
        volume=empty.volume,
        taker=empty.taker,
        present=present,
        synthetic=empty.synthetic,
        catch_up=empty.catch_up,
    )


@given(PRESENT, st.integers(0, 30))
def test_ages_count_the_minutes_since_the_last_row_after_any_cut_and_restart(
    present: BoolArray, cut: int
) -> None:
    before, behind = minutes(present)[:cut], minutes(present)[cut:]
    ages = Ages(present.shape[1])
    first = ages.advance(before)
    second = Ages.from_fields(ages.to_fields()).advance(behind)
    found = np.concatenate([first, second])
    for who in range(present.shape[1]):
        last = None
        for at in range(len(present)):
            last = at if present[at, who] else last
            if last is None:
                assert found[at, who] >= NEVER // 2
            else:
                assert found[at, who] == at - last


def test_a_backfilled_row_makes_an_instrument_younger_and_never_older() -> None:
    ages = Ages(2)
    ages.advance(minutes(np.array([[True, True], [False, False], [False, False], [False, True]])))
    ages.extend(0, 2)
    ages.extend(1, 1)
    (now,) = ages.advance(minutes(np.zeros((1, 2), dtype=np.bool_)))
    assert now.tolist() == [2, 1]


def test_ages_follow_their_instruments_into_another_universe() -> None:
    ages = Ages(2)
    ages.advance(minutes(np.array([[True, False], [False, True]])))
    (now,) = ages.regrouped(np.array([-1, 1, 0])).advance(minutes(np.zeros((1, 3), dtype=np.bool_)))
    assert now[0] >= NEVER // 2
    assert now[1:].tolist() == [1, 2]
