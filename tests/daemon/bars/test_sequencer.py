"""Whatever a feed does to its bars, what is sealed is the venue's history, each bar once."""

import random
from itertools import pairwise
from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.bars.lane import LaneStart
from daemon.bars.sessions import SessionCalendar
from daemon.diagnostics import Unapplied
from daemon.events import Backfill, FeedLost, FeedRestored
from daemon.feed import BarClosed, FrameIgnored, FrameRefused, PriceSeen
from daemon.settings import Settings
from tests.daemon.bars.venue import CLOSED, FIRST, Venue, bar, end_ms, names

ONE, OTHER = names(2)
N = 6


def whole(n_minutes: int = N, n: int = 2) -> list[BarClosed]:
    return [bar(name, FIRST + m) for m in range(n_minutes) for name in names(n)]


def test_a_minute_is_sealed_with_its_last_bar_and_not_before() -> None:
    venue = Venue()
    venue.say(bar(ONE, FIRST), end_ms(FIRST) + 5)
    assert venue.sealed == []
    venue.say(bar(OTHER, FIRST), end_ms(FIRST) + 9)
    assert venue.sealed == [FIRST]
    assert venue.rows == {(FIRST, ONE): (100.0, False, False), (FIRST, OTHER): (100.0, False, False)}
    assert venue.arrivals == {(FIRST, ONE): end_ms(FIRST) + 5, (FIRST, OTHER): end_ms(FIRST) + 9}
    assert not venue.asks


def test_a_missing_bar_is_asked_for_after_the_grace_and_sealed_as_history_has_it() -> None:
    venue = Venue(whole())
    venue.say(bar(ONE, FIRST), end_ms(FIRST) + 5)
    venue.pass_to(end_ms(FIRST) + 3_999)
    assert not venue.asks
    venue.pass_to(end_ms(FIRST) + 4_000)
    assert [(ask.instrument, ask.first_minute, ask.last_minute) for ask in venue.asks] == [
        (OTHER, FIRST, FIRST)
    ]
    assert venue.sealed == [FIRST]
    assert venue.rows[FIRST, OTHER] == (100.0, False, False)
    assert venue.sequencer.counts[OTHER].fetched == 1
    assert venue.sequencer.counts[ONE].streamed == 1


def test_a_minute_that_history_has_not_either_becomes_a_flat_row() -> None:
    venue = Venue([bar(name, FIRST) for name in names(2)])
    venue.run_to(end_ms(FIRST + 1) + 4_000)
    assert venue.rows[FIRST + 1, ONE] == (100.0, True, False)
    assert venue.minutes[1].volume[0, 0] == 0.0
    assert venue.sequencer.counts[ONE].flat == 1


def test_flat_rows_end_after_the_longest_run_and_the_halted_are_asked_for_seldom() -> None:
    venue = Venue(
        [bar(OTHER, FIRST + m) for m in range(100)] + [bar(ONE, FIRST)], universe_rules={"halt_minutes": 30}
    )
    for m in range(100):
        venue.say(bar(OTHER, FIRST + m), end_ms(FIRST + m) + 50)
        venue.run_to(end_ms(FIRST + m) + 30_000)
    flat = [minute for (minute, name), value in venue.rows.items() if name == ONE and value[1]]
    assert flat == list(range(FIRST + 1, FIRST + 31))
    asked = [ask for ask in venue.asks if ask.first_minute > FIRST + 31]
    assert 5 <= len(asked) <= 8
    assert venue.sealed == list(range(FIRST, FIRST + 100))


def test_nothing_is_made_up_before_an_instruments_first_bar() -> None:
    venue = Venue()
    venue.run_to(end_ms(FIRST + 3))
    assert venue.sealed == [FIRST, FIRST + 1, FIRST + 2]
    assert not venue.rows


def test_gaps_are_left_where_the_settings_say_so() -> None:
    venue = Venue([bar(ONE, FIRST), bar(OTHER, FIRST)], rules={"empty": "gap"})
    venue.run_to(end_ms(FIRST + 2))
    assert set(venue.rows) == {(FIRST, ONE), (FIRST, OTHER)}


def test_a_healthy_stream_is_believed_where_empty_minutes_need_no_confirmation() -> None:
    venue = Venue(rules={"confirm_empty": False})
    for name in names(2):
        venue.say(bar(name, FIRST), end_ms(FIRST) + 5)
    venue.say(bar(ONE, FIRST + 1), end_ms(FIRST + 1) + 5)
    venue.run_to(end_ms(FIRST + 1) + 4_000)
    assert venue.rows[FIRST + 1, OTHER] == (100.0, True, False)
    assert not venue.asks


def test_at_the_deadline_a_minute_is_sealed_with_what_there_is_and_the_rest_comes_as_a_backfill() -> None:
    venue = Venue(whole())
    venue.answers = False
    for m in range(3):
        venue.say(bar(ONE, FIRST + m), end_ms(FIRST + m) + 5)
        venue.run_to(end_ms(FIRST + m) + 14_999)
        assert venue.sealed == list(range(FIRST, FIRST + m))
        venue.run_to(end_ms(FIRST + m) + 15_000)
        assert venue.sealed == list(range(FIRST, FIRST + m + 1))
    assert {name for _, name in venue.rows} == {ONE}
    assert len(venue.open_asks) == 1
    venue.answers = True
    venue.answer(venue.open_asks[0], end_ms(FIRST + 2) + 20_000)
    for name in names(2):
        venue.say(bar(name, FIRST + 3), end_ms(FIRST + 3) + 5)
    assert venue.sealed[-1] == FIRST + 3
    assert {name: venue.rows[FIRST + 1, name][2] for name in names(2)} == {ONE: False, OTHER: True}
    assert venue.rows[FIRST + 3, OTHER][2] is False
    backfills = [at for at, item in enumerate(venue.inputs) if isinstance(item, Backfill)]
    assert backfills == [len(venue.inputs) - 2]


def test_bars_behind_a_gap_wait_for_it() -> None:
    venue = Venue(whole())
    venue.answers = False
    for name in names(2):
        venue.say(bar(name, FIRST), end_ms(FIRST) + 5)
    venue.say(bar(ONE, FIRST + 1), end_ms(FIRST + 1) + 5)
    venue.run_to(end_ms(FIRST + 1) + 20_000)
    for name in names(2):
        venue.say(bar(name, FIRST + 2), end_ms(FIRST + 2) + 5)
    venue.run_to(end_ms(FIRST + 2) + 20_000)
    assert venue.sealed[-1] == FIRST + 2
    assert (FIRST + 2, OTHER) not in venue.rows
    venue.answers = True
    venue.answer(venue.open_asks[0], end_ms(FIRST + 2) + 30_000)
    for name in names(2):
        venue.say(bar(name, FIRST + 3), end_ms(FIRST + 3) + 5)
    assert venue.rows[FIRST + 1, OTHER][2]
    assert venue.rows[FIRST + 2, OTHER][2]


def test_a_gap_that_history_cannot_fill_stays_after_its_time_and_later_bars_go_on() -> None:
    venue = Venue(rules={"gap_minutes": 2, "retry_seconds": 1})
    venue.fails = True
    for name in names(2):
        venue.say(bar(name, FIRST), end_ms(FIRST) + 5)
    for m in range(2, 8):
        for name in names(2):
            venue.say(bar(name, FIRST + m), end_ms(FIRST + m) + 5)
        venue.run_to(end_ms(FIRST + m) + 30_000)
    assert venue.sealed == list(range(FIRST, FIRST + 8))
    assert {minute for minute, name in venue.rows if name == ONE} == {FIRST, *range(FIRST + 2, FIRST + 8)}
    assert venue.sequencer.counts[ONE].given_up == 1
    assert not any(value[1] for value in venue.rows.values())


def test_a_bar_after_its_flat_row_is_stored_as_late_and_enters_nothing() -> None:
    venue = Venue([bar(name, FIRST) for name in names(2)])
    venue.run_to(end_ms(FIRST + 1) + 10_000)
    late = bar(ONE, FIRST + 1, 140.0)
    venue.say(late, end_ms(FIRST + 1) + 11_000)
    assert [(one.kind, one.bar, one.received_ms) for one in venue.stored] == [
        (Unapplied.LATE, late, end_ms(FIRST + 1) + 11_000)
    ]
    assert venue.rows[FIRST + 1, ONE][1]


def test_duplicates_are_dropped_and_revisions_stored_before_and_after_the_seal() -> None:
    venue = Venue()
    first, changed = bar(ONE, FIRST), bar(ONE, FIRST, 123.0)
    for message in (first, first, changed, bar(OTHER, FIRST), first, changed):
        venue.say(message, end_ms(FIRST) + 50)
    assert venue.rows[FIRST, ONE] == (100.0, False, False)
    assert [(one.kind, one.bar) for one in venue.stored] == [(Unapplied.REVISION, changed)] * 2
    counts = venue.sequencer.counts[ONE]
    assert (counts.streamed, counts.duplicates, counts.revised) == (1, 2, 2)


def test_a_taker_volume_that_only_history_tells_is_no_revision() -> None:
    venue = Venue()
    venue.say(bar(ONE, FIRST), end_ms(FIRST) + 5)
    same = bar(ONE, FIRST)
    venue.say(BarClosed(ONE, FIRST, same.open, same.high, same.low, same.close, 1.0, 0.5), end_ms(FIRST) + 6)
    assert venue.sequencer.counts[ONE].duplicates == 1


@pytest.mark.parametrize(
    "wrong",
    [
        bar(ONE, FIRST, nan),
        bar(ONE, FIRST + 1),
        bar("binance:STRANGEUSDT", FIRST),
        BarClosed(ONE, FIRST, 5.0, 4.0, 3.0, 4.0, 1.0),
    ],
)
def test_what_cannot_be_a_final_bar_is_refused_and_counted(wrong: BarClosed) -> None:
    venue = Venue()
    venue.say(wrong, end_ms(FIRST))
    assert venue.sequencer.frames["binance"].refused == 1
    assert not venue.rows


def test_frames_are_counted_by_what_they_are() -> None:
    venue = Venue()
    venue.say(FrameRefused("binance", "not JSON", "{"), end_ms(FIRST))
    for _ in range(3):
        venue.say(FrameIgnored("binance", "subscribed"), end_ms(FIRST))
    frames = venue.sequencer.frames["binance"]
    assert (frames.refused, frames.ignored) == (1, {"subscribed": 3})


def test_the_clock_skew_is_the_least_lag_of_late() -> None:
    venue = Venue()
    venue.say(bar(ONE, FIRST), end_ms(FIRST) - 1_200)
    venue.say(bar(OTHER, FIRST), end_ms(FIRST) + 80)
    assert venue.sequencer.frames["binance"].skew_ms == -1_200
    assert venue.sealed == [FIRST]


# --- lost feeds ---


def test_a_lost_feed_is_polled_and_its_minutes_stay_whole() -> None:
    venue = Venue(whole())
    venue.say(FeedLost(feed="binance", instruments=(), reason="cut"), FIRST * 60_000)
    venue.run_to(end_ms(FIRST + 3))
    assert venue.told == [FeedLost(feed="binance", instruments=names(2), reason="cut")]
    assert set(venue.rows) == {(FIRST + m, name) for m in range(3) for name in names(2)}
    assert venue.sequencer.lost == {"binance": 2}


def test_a_feed_says_itself_what_is_proven_back() -> None:
    venue = Venue(whole())
    venue.say(FeedLost(feed="binance", instruments=(), reason="cut"), FIRST * 60_000)
    venue.say(bar(ONE, FIRST - 1), FIRST * 60_000 + 1)
    assert len(venue.told) == 1
    venue.say(FeedRestored(feed="binance", instruments=(ONE,)), FIRST * 60_000 + 2)
    assert venue.told[1:] == [FeedLost(feed="binance", instruments=(OTHER,), reason="cut")]
    venue.say(FeedRestored(feed="binance", instruments=()), FIRST * 60_000 + 3)
    assert venue.told[2:] == [FeedRestored(feed="binance", instruments=(OTHER,))]


def test_a_quiet_market_is_no_silent_feed() -> None:
    venue = Venue([bar(name, FIRST) for name in names(2)], rules={"silence_seconds": 90})
    for second in range(1, 300, 10):
        venue.run_to(FIRST * 60_000 + second * 1000)
        venue.say(FrameIgnored("binance", "heartbeat"), FIRST * 60_000 + second * 1000)
    assert not venue.told


def test_a_feed_that_is_connected_and_silent_is_lost_until_it_speaks() -> None:
    venue = Venue(whole(), rules={"silence_seconds": 90})
    venue.say(PriceSeen(ONE, FIRST, 100.0), FIRST * 60_000)
    venue.run_to(FIRST * 60_000 + 90_000)
    assert not venue.told
    venue.run_to(FIRST * 60_000 + 92_000)
    (lost,) = venue.told
    assert isinstance(lost, FeedLost)
    assert (lost.instruments, lost.reason) == (names(2), "connected, and silent for 90 s")
    venue.say(bar(OTHER, FIRST + 1), end_ms(FIRST + 1))
    assert venue.told[1:] == [FeedRestored(feed="binance", instruments=names(2))]


def test_an_instrument_that_only_history_brings_is_lost_alone() -> None:
    venue = Venue(whole(), rules={"mute_minutes": 3})
    for m in range(5):
        venue.say(bar(ONE, FIRST + m), end_ms(FIRST + m) + 5)
        venue.run_to(end_ms(FIRST + m) + 10_000)
    (lost,) = venue.told
    assert isinstance(lost, FeedLost)
    assert lost.instruments == (OTHER,)
    venue.say(PriceSeen(OTHER, FIRST + 5, 100.0), end_ms(FIRST + 4) + 15_000)
    assert len(venue.told) == 1
    venue.say(bar(OTHER, FIRST + 5), end_ms(FIRST + 5) + 5)
    assert venue.told[1:] == [FeedRestored(feed="binance", instruments=(OTHER,))]


def test_a_venue_that_is_away_with_its_history_delays_nobody_and_comes_back_whole() -> None:
    truth = whole(20)
    venue = Venue(truth, rules={"retry_seconds": 5})
    venue.fails = True
    venue.sequencer.take(
        "binance", FeedLost(feed="binance", instruments=(OTHER,), reason="cut"), end_ms(FIRST)
    )
    for m in range(10):
        venue.say(bar(ONE, FIRST + m), end_ms(FIRST + m) + 5)
        venue.run_to(end_ms(FIRST + m) + 40_000)
    assert venue.sealed == list(range(FIRST, FIRST + 10))
    venue.fails = False
    for m in range(10, 20):
        for name in names(2):
            venue.say(bar(name, FIRST + m), end_ms(FIRST + m) + 5)
        venue.run_to(end_ms(FIRST + m) + 40_000)
    assert set(venue.rows) == {(one.minute, one.instrument) for one in truth}
    assert not any(value[1] for value in venue.rows.values())


def test_a_history_that_answers_again_is_asked_soon_for_all_that_waits() -> None:
    n = 6
    truth = [bar(name, FIRST + m) for m in range(30) for name in names(n)]
    venue = Venue(truth, n=n)
    venue.fails = True
    venue.run_to(end_ms(FIRST + 20))
    assert not venue.rows
    venue.fails = False
    venue.run_to(end_ms(FIRST + 23))
    assert {name for _, name in venue.rows} == set(names(n))
    assert {minute for minute, _ in venue.rows} >= set(range(FIRST, FIRST + 21))


def test_what_was_lost_before_a_restart_is_restored_by_the_first_message() -> None:
    venue = Venue(whole(), lost={"binance": names(2)})
    venue.pass_to(FIRST * 60_000 + 1)
    assert not venue.told
    venue.say(PriceSeen(ONE, FIRST, 100.0), FIRST * 60_000 + 2)
    assert venue.told == [FeedRestored(feed="binance", instruments=names(2))]


# --- catching up ---


def test_missed_minutes_are_filled_from_history_and_marked_and_then_it_is_live() -> None:
    truth = whole(40)
    starts = {name: LaneStart(FIRST - 1, 99.0, has_taker=False, idle=0) for name in names(2)}
    now_ms = end_ms(FIRST + 29) + 20_000
    venue = Venue(truth, now_ms=now_ms, starts=starts)
    venue.pass_to(now_ms)
    assert venue.sealed == list(range(FIRST, FIRST + 30))
    assert venue.catch_up == list(range(FIRST, FIRST + 29))
    assert len(venue.asks) == 2
    for name in names(2):
        venue.say(bar(name, FIRST + 30), end_ms(FIRST + 30) + 5)
    assert venue.catch_up[-1] == FIRST + 28
    assert set(venue.rows) == {(FIRST + m, name) for m in range(31) for name in names(2)}


def test_catching_up_waits_for_a_slow_history_and_not_for_ever() -> None:
    venue = Venue(whole(40), now_ms=end_ms(FIRST + 9), rules={"catch_up_seconds": 100})
    venue.answers = False
    venue.pass_to(end_ms(FIRST + 9))
    venue.run_to(end_ms(FIRST + 9) + 99_000)
    assert venue.sealed == []
    venue.run_to(end_ms(FIRST + 9) + 101_000)
    assert venue.sealed[0] == FIRST
    assert not venue.rows


def test_after_the_clock_jumps_history_has_its_time() -> None:
    venue = Venue(whole(40))
    for name in names(2):
        venue.say(bar(name, FIRST), end_ms(FIRST) + 5)
    venue.answers = False
    venue.pass_to(end_ms(FIRST + 20))
    assert venue.sealed == [FIRST]
    venue.answers = True
    for ask in venue.open_asks:
        venue.answer(ask, end_ms(FIRST + 20) + 500)
    venue.run_to(end_ms(FIRST + 20) + 10_000)
    assert venue.sealed == list(range(FIRST, FIRST + 21))
    assert len(venue.rows) == 42


def test_flat_rows_go_on_after_a_restart_as_they_would_have() -> None:
    starts = {ONE: LaneStart(FIRST - 1, 77.0, has_taker=True, idle=28)}
    venue = Venue([bar(OTHER, FIRST + m) for m in range(4)], starts=starts)
    venue.run_to(end_ms(FIRST + 3))
    assert {minute: value[0] for (minute, name), value in venue.rows.items() if name == ONE} == {
        FIRST: 77.0,
        FIRST + 1: 77.0,
    }


def test_a_long_absence_is_read_page_by_page_and_within_bounds() -> None:
    n = 1_600
    truth = [bar(name, FIRST + m) for m in range(n) for name in names(2)]
    venue = Venue(truth, now_ms=end_ms(FIRST + n - 1) + 5_000)
    venue.pass_to(end_ms(FIRST + n - 1) + 5_000)
    assert venue.sealed == list(range(FIRST, FIRST + n))
    assert max(ask.last_minute - ask.first_minute for ask in venue.asks) < 1_000
    assert len(venue.rows) == 2 * n


def test_minutes_without_any_session_are_not_sealed_and_bars_in_them_are_refused() -> None:
    # Two sessions in July 2024: the day between the closes is not there.
    session = SessionCalendar("XNYS").minutes(28_676_000, 28_680_000).tolist()
    close = next(a for a, b in pairwise(session) if b > a + 1)
    opening = session[session.index(close) + 1]
    venue = Venue([bar(CLOSED.name, close)], universe=[CLOSED], first=close)
    venue.run_to(end_ms(close) + 60_000 * 10)
    assert venue.sealed == [close]
    venue.say(bar(CLOSED.name, close + 5), end_ms(close + 10))
    assert venue.sequencer.counts[CLOSED.name].refused == 1
    venue.say(bar(CLOSED.name, opening), end_ms(opening) + 10)
    assert venue.sealed == [close, opening]
    assert not venue.told


def test_minutes_older_than_any_history_are_given_up_and_the_rest_is_fetched() -> None:
    venue = Venue(whole(30), now_ms=end_ms(FIRST + 29) + 5_000)
    venue.begins = FIRST + 10
    venue.pass_to(end_ms(FIRST + 29) + 5_000)
    assert venue.sealed == list(range(FIRST, FIRST + 30))
    assert {minute for minute, _ in venue.rows} == set(range(FIRST + 10, FIRST + 30))
    assert venue.sequencer.counts[ONE].given_up == 10


# --- laws ---

deliveries = st.lists(
    st.tuples(st.integers(0, N - 1), st.sampled_from(names(2)), st.integers(0, 14_000), st.booleans()),
    max_size=40,
)


@given(
    deliveries,
    st.sets(st.tuples(st.integers(0, N - 1), st.sampled_from(names(2))), max_size=6),
    st.integers(0, 2**32),
)
def test_any_order_delay_and_duplication_within_the_deadline_seals_the_same_minutes(
    extra: list[tuple[int, str, int, bool]], absent: set[tuple[int, str]], seed: int
) -> None:
    """A bar comes at some moment before its deadline, some come twice; history knows the truth."""
    chance = random.Random(seed)
    truth = [one for one in whole() if (one.minute - FIRST, one.instrument) not in absent]
    venue = Venue(truth)
    arrivals = [(end_ms(one.minute) + chance.randrange(3_900), one) for one in truth]
    known = {(one.minute, one.instrument): one for one in truth}
    arrivals += [
        (end_ms(FIRST + m) + delay, known[FIRST + m, name])
        for m, name, delay, _ in extra
        if (FIRST + m, name) in known
    ]
    arrivals.sort(key=lambda pair: (pair[0], chance.random()))
    for at, one in arrivals:
        venue.run_to(at)
        venue.say(one, at)
    venue.run_to(end_ms(FIRST + N - 1) + 5_000)
    expected = Venue(truth)
    for m in range(N):
        for one in truth:
            if one.minute == FIRST + m:
                expected.say(one, end_ms(one.minute))
        expected.run_to(end_ms(FIRST + m) + 4_000)
    assert venue.sealed == expected.sealed == list(range(FIRST, FIRST + N))
    assert venue.rows == expected.rows
    assert not venue.catch_up


@given(st.integers(0, 2**32))
def test_whatever_is_lost_late_or_cut_off_history_and_tape_agree_in_the_end(seed: int) -> None:
    """Bars are dropped, hours late or doubled, history fails now and then, the feed goes and comes."""
    chance = random.Random(seed)
    n = 40
    truth = [bar(name, FIRST + m) for m in range(n) for name in names(3)]
    venue = Venue(truth, n=3, rules={"retry_seconds": 2, "gap_minutes": 500, "catch_up_seconds": 5})
    pending: list[tuple[int, BarClosed]] = []
    for m in range(n):
        venue.fails = chance.random() < 0.4
        if chance.random() < 0.1:
            venue.say(FeedLost(feed="binance", instruments=(), reason="cut"), end_ms(FIRST + m) - 30_000)
        if chance.random() < 0.3:
            venue.say(FeedRestored(feed="binance", instruments=()), end_ms(FIRST + m) - 20_000)
        for name in names(3):
            one = bar(name, FIRST + m)
            pending += [
                (end_ms(FIRST + m) + chance.choice((5, 900, 9_000, 200_000, 2_000_000)), one)
                for _ in range(chance.choice((0, 1, 1, 1, 2)))
            ]
        pending.sort(key=lambda pair: pair[0])
        while pending and pending[0][0] < end_ms(FIRST + m + 1):
            at, one = pending.pop(0)
            venue.run_to(at)
            venue.say(one, at)
        venue.run_to(end_ms(FIRST + m + 1) - 1)
    venue.fails = False
    # The retries of a failed history are up to ten minutes apart.
    venue.run_to(end_ms(FIRST + n + 25))
    bars = {cell: value for cell, value in venue.rows.items() if not value[1]}
    assert set(bars) == {(one.minute, one.instrument) for one in truth}
    assert venue.sealed[:n] == list(range(FIRST, FIRST + n))


def test_the_same_messages_at_the_same_times_give_the_same_inputs() -> None:
    def played() -> list[object]:
        venue = Venue(whole())
        for m in range(N):
            venue.say(bar(ONE, FIRST + m), end_ms(FIRST + m) + 700)
            venue.run_to(end_ms(FIRST + m) + 20_000)
        return [(*venue.sealed,), dict(venue.rows), venue.asks]

    assert played() == played()


def test_other_rules_hold_from_now_on_for_minutes_that_wait_too() -> None:
    venue = Venue(whole(), rules={"grace_seconds": 10.0, "deadline_seconds": 30.0})
    venue.answers = False
    venue.say(bar(ONE, FIRST), end_ms(FIRST) + 5)
    venue.pass_to(end_ms(FIRST) + 6_000)
    assert not venue.asks
    hasty = {"grace_seconds": 5.0, "deadline_seconds": 8.0, "empty": "gap"}
    venue.sequencer.reconfigure(Settings.model_validate({"sealing": hasty}))
    venue.pass_to(end_ms(FIRST) + 6_001)
    assert [ask.instrument for ask in venue.asks] == [OTHER]
    venue.pass_to(end_ms(FIRST) + 7_999)
    assert venue.sealed == []
    venue.pass_to(end_ms(FIRST) + 8_000)
    assert venue.sealed == [FIRST]


def test_who_is_halted_follows_other_rules() -> None:
    venue = Venue(whole(1), universe_rules={"halt_minutes": 30})
    for name in names(2):
        venue.say(bar(name, FIRST), end_ms(FIRST) + 5)
    for m in range(1, 5):
        venue.say(bar(ONE, FIRST + m), end_ms(FIRST + m) + 5)
        venue.run_to(end_ms(FIRST + m) + 4_000)
    asked = len(venue.asks)
    venue.sequencer.reconfigure(Settings.model_validate({"universe": {"halt_minutes": 2}}))
    venue.say(bar(ONE, FIRST + 5), end_ms(FIRST + 5) + 5)
    assert venue.sealed[-1] == FIRST + 5
    assert len(venue.asks) == asked
