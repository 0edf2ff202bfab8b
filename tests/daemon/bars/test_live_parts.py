"""The parts of the sequencer alone: where lanes begin, what they forget, what is noted, the calendar."""

from math import nan

import numpy as np
import pytest

from daemon.bars import lane as lanes
from daemon.bars import noted
from daemon.bars.fetched import FetchedBars
from daemon.bars.frame_counts import NAMES_MOST, OTHERS, FrameCounts
from daemon.bars.lane import Came, Lane, LaneStart, lane_starts
from daemon.bars.open_minutes import SPANS, OpenMinutes
from daemon.bars.sessions import SessionCalendar
from daemon.errors import BarsError
from daemon.settings import Settings
from tests.daemon.bars.venue import FIRST, bar, names

ONE, OTHER = names(2)


def test_a_lane_begins_at_its_newest_row_and_knows_how_many_flat_ones_it_ends_in() -> None:
    rows = [
        (ONE, 12, 7.0, nan, True),
        (OTHER, 11, 5.0, 1.0, False),
        (ONE, 11, 7.0, nan, True),
        (ONE, 10, 7.0, nan, False),
        (ONE, 9, 6.0, nan, False),
    ]
    read = iter(rows)
    starts = lane_starts(read, (ONE, OTHER, "binance:NEVERUSDT"))
    assert starts[OTHER] == LaneStart(11, 5.0, has_taker=True, idle=0)
    assert (starts[ONE].minute, starts[ONE].close, starts[ONE].idle) == (12, 7.0, 2)
    assert set(starts) == {ONE, OTHER}


def test_no_more_rows_are_read_than_needed() -> None:
    read = iter([(ONE, 12, 7.0, nan, False), (ONE, 11, 7.0, nan, False)])
    lane_starts(read, (ONE,))
    assert len(list(read)) == 1


def test_a_lane_holds_and_remembers_within_bounds() -> None:
    lane = Lane(ONE, OpenMinutes("24/7"), FIRST)
    for m in range(2, lanes.HELD_MINUTES + 5):
        assert lane.take(bar(ONE, FIRST + m), 0, streamed=True) is Came.TAKEN
    assert len(lane._held) > lanes.HELD_MINUTES
    assert lane.counts.given_up == 1
    assert lane.resolve(FIRST + lanes.HELD_MINUTES)
    list(lane.settle(FIRST + lanes.HELD_MINUTES, 30))
    assert len(lane._settled) == lanes.REMEMBERED_MINUTES
    assert lane.take(bar(ONE, FIRST + 2), 0, streamed=True) is Came.OLD


def test_only_so_much_is_noted_and_the_rest_counted() -> None:
    notes = noted.Noted()
    for _ in range(noted.MOST + 7):
        notes.unapplied(Came.LATE, bar(ONE, FIRST), 1)
    assert notes.dropped == 7
    assert len(notes.drain().bars) == noted.MOST
    assert not notes.drain()


def test_names_of_ignored_frames_cannot_fill_memory() -> None:
    frames = FrameCounts()
    for number in range(NAMES_MOST + 5):
        frames.ignore(f"frame {number}")
    assert len(frames.ignored) == NAMES_MOST + 1
    assert frames.ignored[OTHERS] == 5


def test_open_minutes_are_those_of_the_calendar_and_few_spans_are_kept() -> None:
    first, last = 28_500_000, 28_500_000 + 70_000
    session = set(SessionCalendar("XNYS").minutes(first, last).tolist())
    minutes = OpenMinutes("XNYS")
    assert {minute for minute in range(first, last + 1) if minute in minutes} == session
    assert minutes.after(first) == min(minute for minute in session if minute > first)
    assert len(minutes._spans) <= SPANS + 1


def test_fetched_bars_are_a_source_with_flat_rows_in_short_gaps() -> None:
    settings = Settings()
    source = FetchedBars({name: [bar(name, FIRST), bar(name, FIRST + 3)] for name in names(2)}, settings)
    (block,) = source.blocks(FIRST - 5, FIRST + 3, 100)
    assert block.minute.tolist() == list(range(FIRST, FIRST + 4))
    assert np.array_equal(block.synthetic[:, 0], [False, True, True, False])
    assert [instrument.name for instrument in source.instruments] == list(names(2))
    assert source.outside(FIRST, FIRST + 3) == {}
    cut = [part for size in (1,) for part in source.blocks(FIRST, FIRST + 3, size)]
    assert np.array_equal(np.concatenate([part.close for part in cut]), block.close)


def test_an_instrument_without_history_cannot_begin() -> None:
    with pytest.raises(BarsError, match="C1USDT"):
        FetchedBars({ONE: [bar(ONE, FIRST)], OTHER: []}, Settings())
