"""A sequencer that goes on with other instruments: no hole between the past of a newcomer and its stream."""

from decimal import Decimal

from daemon.bars.asking import Answer
from daemon.bars.lane import LaneStart
from daemon.events import Backfill, FeedLost, FeedRestored, Instrument, UniverseChanged
from daemon.feed import PriceSeen
from tests.daemon.bars.venue import CLOSED, FEED, FIRST, Venue, bar, end_ms, instruments, names

ONE, TWO, NEW = names(3)
AT_MS = end_ms(FIRST) + 1_000


def started(**rules: object) -> Venue:
    """Two instruments, of which the first minute is sealed; the venue knows a third."""
    venue = Venue([bar(name, FIRST + m) for m in range(-9, 9) for name in names(3)], n=2, **rules)  # type: ignore[arg-type]
    for name in (ONE, TWO):
        venue.say(bar(name, FIRST), end_ms(FIRST) + 5)
    return venue


def regroup(venue: Venue, wanted: list[str], starts: dict[str, LaneStart], now_ms: int = AT_MS) -> None:
    universe = tuple(one for one in instruments(3) if one.name in wanted)
    venue.sequencer.regroup(universe, {FEED: wanted}, starts, now_ms)
    venue.names = wanted


def test_minutes_have_the_new_columns_from_the_next_one_on() -> None:
    venue = started()
    regroup(venue, [ONE, NEW], {NEW: LaneStart(FIRST, 100.0)})
    for name in (ONE, NEW):
        venue.say(bar(name, FIRST + 1), end_ms(FIRST + 1) + 5)
    assert [minutes.n_instruments for minutes in venue.minutes] == [2, 2]
    assert set(venue.rows) == {(FIRST, ONE), (FIRST, TWO), (FIRST + 1, ONE), (FIRST + 1, NEW)}


def test_what_lies_between_the_past_of_a_newcomer_and_its_stream_comes_before_its_first_minute() -> None:
    venue = started()
    regroup(venue, [ONE, TWO, NEW], {NEW: LaneStart(FIRST - 3, 100.0)})
    venue.pass_to(AT_MS + 4_000)
    for name in (ONE, TWO, NEW):
        venue.say(bar(name, FIRST + 1), end_ms(FIRST + 1) + 5)
    kinds = [type(item).__name__ for item in venue.inputs]
    assert kinds == ["Minutes", "Backfill", "Minutes"]
    (late,) = [item for item in venue.inputs if isinstance(item, Backfill)]
    assert (late.instrument, [row[0] - FIRST for row in late.bars]) == (NEW, [-2, -1, 0])
    assert venue.sealed == [FIRST, FIRST + 1]
    assert (FIRST + 1, NEW) in venue.rows


def test_one_that_is_not_known_yet_does_not_hold_the_minute_beyond_its_deadline() -> None:
    venue = started()
    venue.answers = False
    regroup(venue, [ONE, NEW], {NEW: LaneStart()})
    venue.say(bar(ONE, FIRST + 1), end_ms(FIRST + 1) + 5)
    assert venue.sealed == [FIRST]
    venue.run_to(end_ms(FIRST + 1) + 15_000)
    assert venue.sealed == [FIRST, FIRST + 1]


def test_what_still_comes_of_one_that_left_changes_nothing_and_its_counts_stay_in_the_totals() -> None:
    venue = started()
    venue.answers = False
    venue.run_to(end_ms(FIRST + 1) + 4_000)
    (ask, *_) = [one for one in venue.open_asks if one.instrument == TWO]
    venue.run_to(end_ms(FIRST + 1) + 15_000)
    regroup(venue, [ONE], {})
    venue.sequencer.answer(Answer(ask, [bar(TWO, FIRST + 1)]), end_ms(FIRST + 1) + 16_000)
    venue.sequencer.take(FEED, bar(TWO, FIRST + 1), end_ms(FIRST + 1) + 16_000)
    venue.sequencer.take("elsewhere", PriceSeen(TWO, FIRST + 2, 1.0), end_ms(FIRST + 1) + 16_000)
    assert set(venue.sequencer.counts) == {ONE}
    assert venue.sequencer.departed["streamed"] == 1
    assert venue.sequencer.frames[FEED].refused == 1


def test_a_loss_tells_of_who_is_there_and_a_newcomer_of_a_silent_feed_is_lost_with_it() -> None:
    venue = started()
    venue.say(FeedLost(feed=FEED, instruments=(TWO,), reason="cut"), AT_MS)
    regroup(venue, [ONE, NEW], {NEW: LaneStart(FIRST, 100.0)})
    venue.pass_to(AT_MS + 1_000)
    assert [item.instruments for item in venue.told] == [(TWO,)]
    assert venue.sequencer.lost == {FEED: 0}
    venue.run_to(AT_MS + 1_000 + 200_000)
    assert isinstance(venue.told[-1], FeedLost)
    assert venue.told[-1].instruments == (ONE, NEW)
    venue.say(FeedRestored(feed=FEED, instruments=()), AT_MS + 202_000)
    assert venue.told[-1] == FeedRestored(feed=FEED, instruments=(ONE, NEW))


def test_where_all_markets_are_closed_one_that_is_open_begins_now() -> None:
    saturday = 28_401_120 + 5 * 1_440  # that is 2024-01-01, a Monday, and five days
    venue = Venue(universe=[CLOSED], first=saturday, now_ms=saturday * 60_000)
    noon = saturday + 720
    venue.pass_to(noon * 60_000)
    assert venue.sealed == []
    always = Instrument("binance:YUSDT", "USDT", Decimal("0.01"), Decimal("0.001"))
    venue.sequencer.regroup(
        (CLOSED, always), {FEED: (CLOSED.name, always.name)}, {always.name: LaneStart()}, noon * 60_000
    )
    venue.names = [CLOSED.name, always.name]
    venue.say(bar(always.name, noon), end_ms(noon) + 5)
    assert venue.sealed == [noon]
    assert venue.catch_up == []


def test_an_event_says_who_joins_and_which_columns_stay() -> None:
    one, two, new = instruments(3)
    event = UniverseChanged(added=(new, two), removed=(one.name,))
    assert event.joining((one.name, two.name)) == (new,)
    assert event.after((one.name, two.name)) == (two.name, new.name)
    assert event.columns((one.name, two.name)).tolist() == [1, -1]
    again = UniverseChanged(added=(one,), removed=(one.name,))
    assert again.joining((one.name, two.name)) == (one,)
    assert again.columns((one.name, two.name)).tolist() == [-1, 1]
