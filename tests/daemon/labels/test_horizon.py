"""Labels at a fixed horizon: who gets one, when, and which."""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.events import Backfill, Minutes
from daemon.kernels import FloatArray
from daemon.labels import Labeller, Matured, Move, Void, dense_sigma
from daemon.settings import LabelSettings
from tests.daemon.labels.markets import columns_of, cuts, quiet_minutes, random_minutes

Kind = Literal["sigma", "bps", "barrier"]
Row = tuple[int, int, int, int, float, bool]


def told_row_by_row(
    minutes: Minutes, sigma: FloatArray, label: LabelSettings
) -> tuple[list[Row], list[list[int]]]:
    """Work out every decision on its own, in the words of the design: no arrays, no state."""
    h, late, n_minutes = label.horizon_minutes, label.late_minutes, len(minutes)
    rows: list[Row] = []
    void = [[0, 0] for _ in range(n_minutes)]
    for t in range(n_minutes):
        for i in range(minutes.n_instruments):
            if not minutes.present[t, i] or math.isnan(sigma[t, i]) or t + 1 >= n_minutes:
                continue
            if not minutes.tradable[t + 1, i]:
                void[t + 1][Void.NO_ENTRY] += 1
                continue
            window = range(t + 1 + h, t + 1 + h + late + 1)
            exits = [m for m in window if m < n_minutes and minutes.tradable[m, i]]
            if exits:
                ret = math.log(minutes.open[exits[0], i] / minutes.open[t + 1, i])
                limit = label.threshold_bps / 1e4
                if label.kind == "sigma":
                    limit = label.threshold_sigma * sigma[t, i] * math.sqrt(h)
                move = Move.UP if ret > limit else Move.DOWN if ret < -limit else Move.FLAT
                rows.append((exits[0], t, i, int(move), ret, bool(minutes.catch_up[t])))
            elif window[-1] < n_minutes:
                void[window[-1]][Void.NO_EXIT] += 1
    return sorted(rows), void


def rows_of(matured: Matured, first: int = 0) -> Iterator[Row]:
    columns = (
        matured.at + first,
        matured.decided,
        matured.instrument,
        matured.label,
        matured.ret,
        matured.catch_up,
    )
    return zip(*(column.tolist() for column in columns), strict=True)


@given(
    st.integers(0, 10_000),
    st.integers(1, 3),
    st.sampled_from([(1, 0), (3, 0), (4, 2), (7, 5)]),
    st.booleans(),
)
def test_labels_are_those_of_the_definition_row_by_row(
    seed: int, n_instruments: int, span: tuple[int, int], in_bps: bool
) -> None:
    horizon, late = span
    label = LabelSettings(
        kind="bps" if in_bps else "sigma", horizon_minutes=horizon, late_minutes=late, threshold_bps=100.0
    )
    minutes, sigma = random_minutes(seed, 60, n_instruments)
    labeller = Labeller(label)
    matured, _ = labeller.advance(labeller.initial(n_instruments), minutes, sigma)
    expected, void = told_row_by_row(minutes, sigma, label)
    found = list(rows_of(matured))
    assert [row[:4] + row[5:] for row in found] == [row[:4] + row[5:] for row in expected]
    np.testing.assert_allclose([row[4] for row in found], [row[4] for row in expected], rtol=0, atol=1e-15)
    assert matured.void.tolist() == void
    assert (matured.weight == 1.0).all()
    np.testing.assert_array_equal(matured.sigma, sigma[matured.decided, matured.instrument])


@given(st.data(), st.integers(0, 10_000), st.sampled_from(["sigma", "bps", "barrier"]))
def test_any_chunking_and_any_restart_gives_the_same_bits(data: st.DataObject, seed: int, kind: Kind) -> None:
    label = LabelSettings(kind=kind, horizon_minutes=5, late_minutes=2)
    minutes, sigma = random_minutes(seed, 50, 2)
    labeller = Labeller(label)
    whole, end = labeller.advance(labeller.initial(2), minutes, sigma)
    state, parts, void = labeller.initial(2), [], []
    edges = data.draw(cuts(50))
    for first, last in pairwise(edges):
        matured, state = labeller.advance(state, minutes[first:last], sigma[first:last])
        state = labeller.restore(state.to_fields())
        parts.append([*rows_of(matured, first)])
        void.append(matured.void)
    assert [row for part in parts for row in part] == list(rows_of(whole))
    np.testing.assert_array_equal(np.concatenate(void), whole.void)
    for name, value in end.to_fields().items():
        np.testing.assert_array_equal(value, state.to_fields()[name], err_msg=name)


@pytest.mark.parametrize("kind", ["sigma", "barrier"])
def test_a_state_keeps_its_bounded_size_whatever_passes(kind: Kind) -> None:
    labeller = Labeller(LabelSettings(kind=kind, horizon_minutes=5, late_minutes=2))
    state = labeller.initial(2)
    sizes = set()
    for seed in range(4):
        minutes, sigma = random_minutes(seed, 40, 2)
        _, state = labeller.advance(state, minutes, sigma)
        arrays = (value for value in state.to_fields().values() if isinstance(value, np.ndarray))
        sizes.add(sum(value.size for value in arrays))
    assert len(sizes) == 1


def test_a_label_runs_from_the_open_after_the_decision_and_not_from_its_close() -> None:
    # Decision at minute 0; entry at 101, exit at 102 one minute later: the jump 100 -> 101 is nobody's.
    minutes = quiet_minutes([[100.0], [101.0], [102.0]])
    labeller = Labeller(LabelSettings(kind="bps", horizon_minutes=1, threshold_bps=10.0))
    matured, _ = labeller.advance(labeller.initial(1), minutes, np.full((3, 1), 0.01))
    assert matured.decided.tolist() == [0]
    assert matured.at.tolist() == [2]
    assert matured.ret[0] == pytest.approx(math.log(102 / 101), abs=1e-15)
    assert matured.label.tolist() == [Move.UP]


def test_a_move_of_exactly_the_threshold_is_flat() -> None:
    step = math.exp(0.01)
    labeller = Labeller(LabelSettings(kind="bps", horizon_minutes=1, threshold_bps=100.0 * (1 + 1e-12)))
    matured, _ = labeller.advance(
        labeller.initial(1), quiet_minutes([[1.0], [1.0], [step]]), np.full((3, 1), 0.01)
    )
    assert matured.label.tolist() == [Move.FLAT]


@pytest.mark.parametrize("kind", ["sigma", "barrier"])
def test_a_backfilled_open_ends_a_label_that_still_waits_and_comes_as_catch_up(kind: Kind) -> None:
    # Decided at 0, entered at 1, due at 3 (horizon 2); 3 and 4 were lost; 3 comes later, 1 % above the entry.
    minutes = quiet_minutes([[100.0], [100.0], [100.0], [np.nan], [np.nan], [100.0], [100.0]])
    label = LabelSettings(
        kind=kind, horizon_minutes=2, late_minutes=3, barrier_up_sigma=5, barrier_down_sigma=5
    )
    labeller = Labeller(label)
    sigma = np.full((7, 1), 0.004)
    before, state = labeller.advance(labeller.initial(1), minutes[:5], sigma[:5])
    assert len(before) == 0
    bars = (
        (3, 101.0, 101.0, 101.0, 101.0, 1.0, None, False),
        (4, 103.0, 103.0, 103.0, 103.0, 0.0, None, True),
    )
    state = labeller.extend(state, 0, [3, 4], Backfill(instrument="binance:A", bars=bars))
    state = labeller.restore(state.to_fields())
    nothing, state = labeller.advance(state, minutes[5:5], sigma[5:5])
    assert len(nothing) == 0
    matured, _ = labeller.advance(state, minutes[5:], sigma[5:])
    # That of minute 1 entered at 2 and was due at 4: the synthetic bar does not end it, minute 5 does.
    assert next(rows_of(matured))[:4] == (0, 0, 0, Move.UP if kind == "sigma" else Move.FLAT)
    assert matured.decided.tolist() == [0, 1]
    assert matured.ret[0] == pytest.approx(math.log(1.01), abs=1e-15)
    assert matured.catch_up.tolist() == [True, False]


@pytest.mark.parametrize("kind", ["sigma", "barrier"])
def test_what_was_counted_void_is_not_revived_by_a_backfill(kind: Kind) -> None:
    minutes = quiet_minutes([[100.0], [np.nan], [np.nan], [np.nan], [100.0], [100.0], [100.0]])
    labeller = Labeller(LabelSettings(kind=kind, horizon_minutes=1, late_minutes=0))
    sigma = np.full((7, 1), 0.004)
    first, state = labeller.advance(labeller.initial(1), minutes[:4], sigma[:4])
    assert first.void.sum(axis=0).tolist() == [1, 0]
    bars = tuple((minute, 101.0, 101.0, 101.0, 101.0, 1.0, None, False) for minute in (1, 2, 3))
    state = labeller.extend(state, 0, [1, 2, 3], Backfill(instrument="binance:A", bars=bars))
    matured, _ = labeller.advance(state, minutes[4:], sigma[4:])
    assert matured.decided.tolist() == [4]


@pytest.mark.parametrize("kind", ["sigma", "barrier"])
def test_a_changed_universe_keeps_what_its_instruments_wait_for(kind: Kind) -> None:
    labeller = Labeller(LabelSettings(kind=kind, horizon_minutes=5, late_minutes=2))
    minutes, sigma = random_minutes(3, 60, 3)
    straight, _ = labeller.advance(labeller.initial(3), minutes, sigma)
    _, state = labeller.advance(labeller.initial(3), minutes[:30], sigma[:30])
    # 0 leaves, 2 and 1 stay in another order, one joins.
    order = np.array([2, -1, 1])

    rest = columns_of(minutes[30:], [2, 0, 1])
    matured, _ = labeller.advance(state.regrouped(order), rest, sigma[30:, [2, 0, 1]])
    kept = {2: 0, 1: 2}
    wanted = {
        (at - 30, decided, kept[i], label, ret)
        for at, decided, i, label, ret, _ in rows_of(straight)
        if i in kept and at >= 30
    }
    got = {(at, decided, i, label, ret) for at, decided, i, label, ret, _ in rows_of(matured) if i != 1}
    assert got == wanted
    newcomer = matured.decided[matured.instrument == 1]
    assert (newcomer >= 30).all()


@pytest.mark.parametrize("kind", ["sigma", "barrier"])
def test_labels_that_a_backfill_ended_follow_their_instrument_into_a_changed_universe(kind: Kind) -> None:
    minutes = quiet_minutes([[100.0, 1.0], [100.0, 1.0], [np.nan, np.nan], [100.0, 1.0]])
    labeller = Labeller(LabelSettings(kind=kind, horizon_minutes=1, late_minutes=3))
    sigma = np.full((4, 2), 0.01)
    _, state = labeller.advance(labeller.initial(2), minutes[:3], sigma[:3])
    for column, price in ((0, 100.0), (1, 1.0)):
        bar = (2, price, price, price, price, 1.0, None, False)
        state = labeller.extend(state, column, [2], Backfill(instrument=f"x:{column}", bars=(bar,)))
    matured, _ = labeller.advance(state.regrouped(np.array([1])), columns_of(minutes[3:], [1]), sigma[3:, 1:])
    assert list(rows_of(matured)) == [(0, 0, 0, Move.FLAT, 0.0, True)]


def test_dense_sigma_has_nan_where_there_is_no_row() -> None:
    dense = dense_sigma(2, 2, np.array([0, 1]), np.array([1, 0]), np.array([0.1, 0.2]))
    np.testing.assert_array_equal(dense, [[np.nan, 0.1], [0.2, np.nan]])


@settings(max_examples=10)
@given(st.integers(0, 1000))
def test_no_label_depends_on_a_bar_after_the_minute_it_matured_in(seed: int) -> None:
    for kind in ("sigma", "barrier"):
        labeller = Labeller(LabelSettings(kind=kind, horizon_minutes=4, late_minutes=2))
        minutes, sigma = random_minutes(seed, 40, 2)
        other, _ = random_minutes(seed + 1, 40, 2)
        changed = Minutes.concat([minutes[:25], other[25:]])
        full, _ = labeller.advance(labeller.initial(2), minutes, sigma)
        known, _ = labeller.advance(labeller.initial(2), changed, sigma)
        assert [row for row in rows_of(full) if row[0] < 25] == [row for row in rows_of(known) if row[0] < 25]
