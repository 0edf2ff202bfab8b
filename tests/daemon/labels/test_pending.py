"""What was said at a decision is there when its label matures, and gone when it cannot mature any more."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.kernels import BoolArray, FloatArray, IntArray
from daemon.labels import Pending
from tests.daemon.labels.markets import cuts


def rows_of(
    seed: int, n_minutes: int, n_instruments: int
) -> tuple[BoolArray, IntArray, IntArray, FloatArray]:
    rng = np.random.default_rng(seed)
    scored = rng.random((n_minutes, n_instruments)) < 0.7
    minute, instrument = np.nonzero(scored)
    return scored, minute, instrument, rng.normal(size=(len(minute), 2, 3))


@given(st.data(), st.integers(0, 1000))
def test_every_decision_within_the_span_is_found_however_minutes_are_cut(
    data: st.DataObject, seed: int
) -> None:
    n_minutes, n_instruments, span = 40, 3, 6
    scored, minute, instrument, values = rows_of(seed, n_minutes, n_instruments)
    pending = Pending(span, n_instruments, (2, 3))
    edges = data.draw(cuts(n_minutes))
    for first, last in pairwise(edges):
        inside = (minute >= first) & (minute < last)
        pending.store(first, last - first, minute[inside] - first, instrument[inside], values[inside])
        if data.draw(st.booleans()):
            pending = Pending.from_fields(span, n_instruments, (2, 3), pending.to_fields())
        wanted = [(t, i) for t in range(max(0, last - span), last) for i in range(n_instruments)]
        if not wanted:
            continue
        decided, columns = (np.array(column) for column in zip(*wanted, strict=True))
        said, known = pending.take(decided, columns)
        np.testing.assert_array_equal(known, scored[decided, columns])
        place = np.full(scored.shape, -1)
        place[minute, instrument] = np.arange(len(minute))
        np.testing.assert_array_equal(said[known], values[place[decided, columns][known]])
        assert not said[~known].any()


@given(st.data(), st.integers(0, 1000))
def test_its_fields_do_not_depend_on_how_minutes_were_cut(data: st.DataObject, seed: int) -> None:
    _, minute, instrument, values = rows_of(seed, 30, 2)
    stored = []
    for edges in ([0, 30], data.draw(cuts(30))):
        pending = Pending(5, 2, (2, 3))
        for first, last in pairwise(edges):
            inside = (minute >= first) & (minute < last)
            pending.store(first, last - first, minute[inside] - first, instrument[inside], values[inside])
        stored.append(pending.to_fields())
    for name, value in stored[0].items():
        np.testing.assert_array_equal(value, stored[1][name], err_msg=name)


def test_it_stays_bounded_and_forgets_what_can_no_longer_mature() -> None:
    pending = Pending(4, 1, 2)
    for minute in range(100):
        pending.store(minute, 1, np.array([0]), np.array([0]), np.array([[minute, 1.0]]))
        assert len(pending) <= 5
    assert np.asarray(pending.to_fields()["values"]).shape == (4, 2)
    _, known = pending.take(np.array([90, 99, 200]), np.array([0, 0, 0]))
    assert known.tolist() == [False, True, False]


def test_the_newest_span_of_ordinals_is_held_while_the_next_minute_is_still_to_come() -> None:
    pending = Pending(4, 1, 1)
    for minute in range(10):
        pending.store(minute, 1, np.array([0]), np.array([0]), np.array([[1.0]]))
    nothing = np.zeros(0, dtype=np.int64)
    pending.store(10, 0, nothing, nothing, np.zeros((0, 1)))
    assert pending.take(np.array([5, 6]), np.array([0, 0]))[1].tolist() == [False, True]


def test_nothing_stored_is_nothing_known() -> None:
    values, known = Pending(4, 2, 3).take(np.array([0, 5]), np.array([1, 0]))
    assert values.shape == (2, 3)
    assert not known.any()
    empty = Pending(4, 2, 3)
    assert len(empty) == 0
    assert len(Pending.from_fields(4, 2, 3, empty.to_fields())) == 0


def test_a_changed_universe_keeps_what_was_said_of_those_who_stay() -> None:
    pending = Pending(4, 3, 1)
    pending.store(7, 1, np.array([0, 0, 0]), np.array([0, 1, 2]), np.array([[0.0], [1.0], [2.0]]))
    other = pending.regrouped(np.array([2, -1, 0]))
    values, known = other.take(np.array([7, 7, 7]), np.array([0, 1, 2]))
    assert known.tolist() == [True, False, True]
    assert values[:, 0].tolist() == pytest.approx([2.0, 0.0, 0.0])
