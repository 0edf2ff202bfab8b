"""Recorded bars onto the grid, against a slow and obvious oracle."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daemon.bars.columns import BarColumns
from daemon.bars.grid import Grid
from daemon.bars.sealing import seal
from daemon.events import Minutes

N_INSTRUMENTS = 3
SPAN = 60
CELLS = st.sets(st.tuples(st.integers(0, SPAN - 1), st.integers(0, N_INSTRUMENTS - 1)), max_size=80)


def bars_at(cells: set[tuple[int, int]], *, taker: bool = False) -> BarColumns:
    """Bars whose every value says which cell they stand in."""
    minute = np.array([minute for minute, _ in sorted(cells)], dtype=np.int64)
    instrument = np.array([instrument for _, instrument in sorted(cells)], dtype=np.int64)
    price = 100.0 + minute + 1000.0 * instrument
    missing = np.full(len(minute), np.nan)
    return BarColumns(
        instrument=instrument,
        minute=minute,
        open=price,
        high=price + 0.75,
        low=price - 0.5,
        close=price + 0.25,
        volume=price * 2.0,
        taker=price if taker else missing,
        row=np.arange(1, len(minute) + 1),
        file=np.zeros(len(minute), dtype=np.int64),
    )


def same(left: Minutes, right: Minutes) -> bool:
    return all(
        np.array_equal(getattr(left, name), getattr(right, name), equal_nan=True)
        for name in ("minute", "open", "high", "low", "close", "volume", "taker")
    ) and all(
        np.array_equal(getattr(left, name), getattr(right, name))
        for name in ("present", "synthetic", "catch_up")
    )


def last_before(cells: set[tuple[int, int]], minute: int, instrument: int) -> int | None:
    return max((at for at, who in cells if who == instrument and at < minute), default=None)


def next_after(cells: set[tuple[int, int]], minute: int, instrument: int) -> int | None:
    return min((at for at, who in cells if who == instrument and at > minute), default=None)


@given(CELLS, st.integers(0, 12))
def test_short_runs_of_absent_minutes_become_flat_rows_and_long_ones_stay_gaps(
    cells: set[tuple[int, int]], longest: int
) -> None:
    minute = np.arange(SPAN, dtype=np.int64)
    sealed = seal(bars_at(cells), Grid(["24/7"] * N_INSTRUMENTS), N_INSTRUMENTS, minute, longest)
    for at in range(SPAN):
        for who in range(N_INSTRUMENTS):
            before, behind = last_before(cells, at, who), next_after(cells, at, who)
            if (at, who) in cells:
                assert sealed.present[at, who]
                assert not sealed.synthetic[at, who]
                assert sealed.low[at, who] == 100.0 + at + 1000.0 * who - 0.5
            elif before is not None and behind is not None and behind - before - 1 <= longest:
                flat = 100.0 + before + 1000.0 * who + 0.25
                assert sealed.present[at, who]
                assert sealed.synthetic[at, who]
                prices = [
                    getattr(sealed, name)[at, who] for name in ("open", "high", "low", "close", "volume")
                ]
                assert prices == [flat, flat, flat, flat, 0.0]
            else:
                assert not sealed.present[at, who]
                assert np.isnan(sealed.close[at, who])
                assert np.isnan(sealed.volume[at, who])


@given(CELLS, st.integers(0, 12), st.lists(st.integers(1, SPAN - 1), max_size=6))
def test_a_minute_is_the_same_however_minutes_are_cut(
    cells: set[tuple[int, int]], longest: int, cuts: list[int]
) -> None:
    grid, bars = Grid(["24/7"] * N_INSTRUMENTS), bars_at(cells)
    minute = np.arange(SPAN, dtype=np.int64)
    whole = seal(bars, grid, N_INSTRUMENTS, minute, longest)
    edges = sorted({0, *cuts, SPAN})
    parts = [seal(bars, grid, N_INSTRUMENTS, minute[start:stop], longest) for start, stop in pairwise(edges)]
    assert same(Minutes.concat(parts), whole)


def test_no_run_is_filled_across_a_close_and_bars_outside_the_session_are_left_out() -> None:
    friday_close = int(np.datetime64("2024-03-08T21:00", "m").astype(np.int64))
    monday_open = int(np.datetime64("2024-03-11T13:30", "m").astype(np.int64))
    cells = {(friday_close - 2, 0), (friday_close, 0), (monday_open + 2, 0), (monday_open + 4, 0)}
    grid = Grid(["XNYS"])
    minute = grid.minutes(friday_close - 3, monday_open + 5)
    sealed = seal(bars_at(cells), grid, 1, minute, 10_000)
    assert minute[sealed.present[:, 0]].tolist() == [
        friday_close - 2,
        monday_open + 2,
        monday_open + 3,
        monday_open + 4,
    ]
    assert minute[sealed.synthetic[:, 0]].tolist() == [monday_open + 3]


def test_a_flat_row_has_zero_taker_volume_where_the_venue_tells_it() -> None:
    cells = {(0, 0), (2, 0)}
    minute = np.arange(3, dtype=np.int64)
    told = seal(bars_at(cells, taker=True), Grid(["24/7"]), 1, minute, 5)
    untold = seal(bars_at(cells), Grid(["24/7"]), 1, minute, 5)
    assert told.taker[:, 0].tolist() == [100.0, 0.0, 102.0]
    assert np.isnan(untold.taker).all()
