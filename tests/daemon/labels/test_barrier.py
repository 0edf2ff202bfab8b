"""Triple-barrier labels against their definition, and their uniqueness weights against the book's."""

import math
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.events import Backfill, Minutes
from daemon.kernels import FloatArray
from daemon.labels import Labeller, Move, Void
from daemon.settings import LabelSettings
from tests.daemon.labels.markets import quiet_minutes, random_minutes


def one_bar(minutes: Minutes, t: int, open_: float, high: float, low: float) -> None:
    minutes.open[t, 0], minutes.high[t, 0], minutes.low[t, 0], minutes.close[t, 0] = open_, high, low, open_


class Told(NamedTuple):
    """One decision followed along its path: when and how it ended (None: not), and the minutes it lived."""

    at: int
    move: Move | None
    ret: float
    life: list[int]


def told(minutes: Minutes, t: int, i: int, sigma: float, label: LabelSettings) -> Told:
    """Follow the decision of minute t, entered at t + 1."""
    h, root, entry = label.horizon_minutes, math.sqrt(label.horizon_minutes), minutes.open[t + 1, i]
    up = entry * math.exp(label.barrier_up_sigma * root * sigma)
    down = entry * math.exp(-label.barrier_down_sigma * root * sigma)
    last = t + 1 + h + label.late_minutes
    for m in range(t + 1, min(len(minutes), last + 1)):
        if not minutes.tradable[m, i]:
            continue
        first, high, low = minutes.open[m, i], minutes.high[m, i], minutes.low[m, i]
        in_time = m <= t + h
        # In this order: the open is first, then the adverse barrier.
        ends = [
            (first >= up, Move.UP, first),
            (first <= down, Move.DOWN, first),
            (not in_time, Move.FLAT, first),
            (low <= down, Move.DOWN, down),
            (high >= up, Move.UP, up),
        ]
        for reached, move, price in ends:
            if reached:
                # A touch inside a bar lives in that minute; an end at the open of a later one does not.
                return Told(m, move, math.log(price / entry), list(range(t + 1, m + in_time)))
    return Told(last, None, 0.0, list(range(t + 1, min(len(minutes), last))))


def told_row_by_row(
    minutes: Minutes, sigma: FloatArray, label: LabelSettings
) -> tuple[dict[tuple[int, int], Told], list[list[int]]]:
    """Follow every decision; return what became of each by (t, i), and the voids by minute."""
    found, void = {}, [[0, 0] for _ in range(len(minutes))]
    for t, i in np.argwhere(minutes.present[:-1] & ~np.isnan(sigma[:-1])).tolist():
        if not minutes.tradable[t + 1, i]:
            void[t + 1][Void.NO_ENTRY] += 1
            continue
        found[t, i] = told(minutes, t, i, sigma[t, i], label)
        if found[t, i].move is None and found[t, i].at < len(minutes):
            void[found[t, i].at][Void.NO_EXIT] += 1
    return found, void


@given(st.integers(0, 10_000), st.integers(1, 3), st.sampled_from([(1, 0), (4, 0), (6, 3)]))
def test_labels_returns_voids_and_weights_are_those_of_the_definition(
    seed: int, n_instruments: int, span: tuple[int, int]
) -> None:
    label = LabelSettings(
        kind="barrier",
        horizon_minutes=span[0],
        late_minutes=span[1],
        barrier_up_sigma=1.2,
        barrier_down_sigma=0.7,
    )
    minutes, sigma = random_minutes(seed, 60, n_instruments)
    labeller = Labeller(label)
    matured, _ = labeller.advance(labeller.initial(n_instruments), minutes, sigma)
    decisions, void = told_row_by_row(minutes, sigma, label)
    rows = sorted(
        (one.at, t, i, one.move, one.ret) for (t, i), one in decisions.items() if one.move is not None
    )
    columns = (matured.at, matured.decided, matured.instrument, matured.label)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == [row[:4] for row in rows]
    np.testing.assert_allclose(matured.ret, [row[4] for row in rows], rtol=0, atol=1e-14)
    assert matured.void.tolist() == void

    alive = Counter((m, i) for (_, i), one in decisions.items() for m in one.life)
    at = np.array([row[0] for row in rows])
    unique = np.array([np.mean([1.0 / alive[m, i] for m in decisions[t, i].life]) for _, t, i, *_ in rows])
    usual = np.array([unique[at <= minute].mean() for minute in at])
    np.testing.assert_allclose(matured.weight, unique / usual, rtol=1e-9)


def labels_after(minutes: Minutes, horizon: int) -> list[tuple[Any, Any]]:
    label = LabelSettings(
        kind="barrier", horizon_minutes=horizon, barrier_up_sigma=1.0, barrier_down_sigma=1.0
    )
    labeller = Labeller(label)
    sigma = np.full((len(minutes), 1), np.nan)
    sigma[0] = 0.01 / math.sqrt(horizon)  # barriers at +-1 % in logs
    matured, _ = labeller.advance(labeller.initial(1), minutes, sigma)
    return list(zip(matured.label.tolist(), matured.ret.tolist(), strict=True))


def test_both_barriers_inside_one_minute_count_as_the_lower() -> None:
    minutes = quiet_minutes([[100.0]] * 6)
    one_bar(minutes, 2, 100.0, 102.0, 98.0)
    assert labels_after(minutes, 4) == [(Move.DOWN, pytest.approx(-0.01, abs=1e-15))]


def test_a_gap_through_the_upper_barrier_ends_at_its_open_even_if_the_bar_falls_through_the_lower_later() -> (
    None
):
    minutes = quiet_minutes([[100.0]] * 6)
    one_bar(minutes, 2, 103.0, 103.0, 90.0)
    assert labels_after(minutes, 4) == [(Move.UP, pytest.approx(math.log(1.03), abs=1e-15))]


def test_a_label_that_touches_nothing_is_flat_at_the_first_open_after_its_horizon() -> None:
    minutes = quiet_minutes([[100.0], [100.0], [100.2], [100.4], [100.5]])
    assert labels_after(minutes, 3) == [(Move.FLAT, pytest.approx(math.log(1.005), abs=1e-15))]


def test_an_end_beyond_a_barrier_takes_its_side() -> None:
    minutes = quiet_minutes([[100.0], [100.0], [100.2], [98.0]])
    assert labels_after(minutes, 2) == [(Move.DOWN, pytest.approx(math.log(0.98), abs=1e-15))]


def test_a_backfilled_bar_ends_only_labels_that_were_entered_before_it() -> None:
    # Decisions at 0 and 3; minute 2 was lost and comes back with a high through both upper barriers.
    minutes = quiet_minutes([[100.0], [100.0], [np.nan], [100.0], [100.0], [100.0]])
    label = LabelSettings(kind="barrier", horizon_minutes=10)
    labeller = Labeller(label)
    sigma = np.full((6, 1), np.nan)
    sigma[[0, 3]] = 0.01 / math.sqrt(10)
    _, state = labeller.advance(labeller.initial(1), minutes[:5], sigma[:5])
    bar = (2, 100.0, 105.0, 100.0, 104.0, 1.0, None, False)
    state = labeller.extend(state, 0, [2], Backfill(instrument="binance:A", bars=(bar,)))
    matured, _ = labeller.advance(state, minutes[5:], sigma[5:])
    assert matured.decided.tolist() == [0]
    assert matured.label.tolist() == [Move.UP]
    assert matured.catch_up.tolist() == [True]


def test_weights_are_about_one_in_the_mean_on_a_long_run() -> None:
    minutes, sigma = random_minutes(11, 3000, 2)
    labeller = Labeller(LabelSettings(kind="barrier", horizon_minutes=10))
    matured, _ = labeller.advance(labeller.initial(2), minutes, sigma)
    assert matured.weight.mean() == pytest.approx(1.0, abs=0.05)
    assert matured.weight.std() > 0.1
