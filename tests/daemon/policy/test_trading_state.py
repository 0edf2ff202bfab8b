"""Modes, their causes and their ways back."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.events import CommandKind, StateChange, TradingMode
from daemon.policy.trading_state import TradingState
from daemon.settings import RiskSettings

DAY = 1440
NORMAL, NO_ENTRY, FROZEN, FLATTEN = TradingMode
RISK = RiskSettings(max_drawdown=0.25, max_daily_loss=0.05)


def test_a_quiet_minute_changes_nothing() -> None:
    state = TradingState(RISK, 100.0)
    assert state.observe(0, 100.0) == state.observe(1, 100.0) == ()
    assert state.mode is NORMAL


def test_a_daily_loss_lets_nothing_in_until_the_next_utc_day() -> None:
    state = TradingState(RISK, 100.0)
    state.observe(5, 100.0)
    assert state.observe(6, 95.0) == ()  # exactly 5 % is not more than 5 %
    assert state.observe(7, 94.9) == (
        StateChange(minute=7, before=NORMAL, after=NO_ENTRY, cause="daily_loss"),
    )
    assert state.observe(8, 99.0) == ()  # recovering the same day is no way back
    assert state.mode is NO_ENTRY
    assert state.observe(DAY, 99.0) == (
        StateChange(minute=DAY, before=NO_ENTRY, after=NORMAL, cause="new_day"),
    )
    # The new day opens at the 99 it inherited: 5 % of that is 4.95.
    assert state.observe(DAY + 1, 94.1) == ()
    assert state.observe(DAY + 2, 94.0)[0].cause == "daily_loss"


def test_the_minute_that_opens_a_day_can_lose_it() -> None:
    state = TradingState(RISK, 100.0)
    state.observe(5, 100.0)
    assert [change.cause for change in state.observe(DAY, 90.0)] == ["daily_loss"]


def test_a_drawdown_flattens_until_a_hand_resumes_and_is_then_measured_anew() -> None:
    state = TradingState(RISK.model_copy(update={"max_daily_loss": None}), 100.0)
    state.observe(1, 120.0)
    assert state.observe(2, 89.0) == (StateChange(minute=2, before=NORMAL, after=FLATTEN, cause="drawdown"),)
    assert state.observe(DAY * 3, 120.0) == ()
    assert state.mode is FLATTEN
    state.observe(DAY * 3 + 1, 80.0)
    resumed = state.command(DAY * 3 + 2, CommandKind.RESUME, "anna")
    assert resumed == (StateChange(minute=DAY * 3 + 2, before=FLATTEN, after=NORMAL, cause="command:anna"),)
    assert state.observe(DAY * 3 + 3, 80.0) == ()
    assert state.observe(DAY * 3 + 4, 61.0) == ()
    assert state.observe(DAY * 3 + 5, 59.0)[0].after is FLATTEN


def test_losing_everything_flattens_whatever_the_limits_say() -> None:
    state = TradingState(RiskSettings(max_drawdown=None, max_daily_loss=None), 100.0)
    assert state.observe(1, -1.0) == (StateChange(minute=1, before=NORMAL, after=FLATTEN, cause="no_equity"),)
    # A resume without equity does not help: the rule stands at the next minute again, also at the same
    # equity.
    state.command(2, CommandKind.RESUME, "anna")
    assert state.mode is NORMAL
    assert [change.cause for change in state.observe(2, -1.0)] == ["no_equity"]


@pytest.mark.parametrize(
    ("command", "mode"),
    [(CommandKind.PAUSE, NO_ENTRY), (CommandKind.FREEZE, FROZEN), (CommandKind.FLATTEN, FLATTEN)],
)
def test_a_hand_sets_a_mode_and_takes_it_back(command: CommandKind, mode: TradingMode) -> None:
    state = TradingState(RISK, 100.0)
    assert state.command(3, command, "ben") == (
        StateChange(minute=3, before=NORMAL, after=mode, cause="command:ben"),
    )
    assert state.command(4, CommandKind.RESUME, "ben")[0].after is NORMAL
    assert state.command(5, CommandKind.RESUME, "ben") == ()


def test_the_strictest_cause_rules_but_a_hand_can_freeze_even_a_flattening() -> None:
    state = TradingState(RISK, 100.0)
    state.observe(1, 94.0)
    state.observe(2, 70.0)
    assert state.causes == {"daily_loss": NO_ENTRY, "drawdown": FLATTEN}
    assert state.mode is FLATTEN
    assert state.command(3, CommandKind.FREEZE, "anna")[0].after is FROZEN
    assert state.command(4, CommandKind.PAUSE, "anna")[0].after is FLATTEN


def test_a_lost_feed_holds_its_instruments_until_it_is_restored() -> None:
    state = TradingState(RISK, 100.0)
    (lost,) = state.feed_lost(1, "binance", [0, 2])
    assert lost == StateChange(minute=1, before=NORMAL, after=NO_ENTRY, cause="stale_feed:binance")
    assert state.mode is NORMAL
    assert [state.mode_of(i) for i in range(3)] == [NO_ENTRY, NORMAL, NO_ENTRY]
    # A resume by hand does not bring a feed back.
    state.command(2, CommandKind.RESUME, "anna")
    assert state.mode_of(0) is NO_ENTRY
    state.command(2, CommandKind.FLATTEN, "anna")
    assert state.mode_of(0) is FLATTEN
    state.command(2, CommandKind.RESUME, "anna")
    (restored,) = state.feed_restored(3, "binance")
    assert restored == StateChange(minute=3, before=NO_ENTRY, after=NORMAL, cause="feed_restored:binance")
    assert state.stale == {}
    assert state.feed_restored(4, "binance") == ()


def test_a_feed_without_instruments_is_recorded_too() -> None:
    state = TradingState(RISK, 100.0)
    assert state.feed_lost(1, "okx", [])[0].after is NORMAL
    assert state.feed_restored(2, "okx")[0].after is NORMAL


def test_other_settings_are_applied_at_the_next_minute_even_if_nothing_moves() -> None:
    state = TradingState(RISK, 100.0)
    state.observe(1, 97.0)
    state.feed_lost(1, "binance", [1])
    state.reconfigure(RiskSettings(max_daily_loss=0.02, stale_feed_mode="frozen"))
    assert state.stale == {1: FROZEN}
    assert [change.cause for change in state.observe(2, 97.0)] == ["daily_loss"]


def test_instruments_keep_their_lost_feed_in_other_columns() -> None:
    state = TradingState(RISK, 100.0)
    state.feed_lost(1, "binance", [0, 1])
    state.regroup(np.array([-1, 0]))
    assert state.stale == {1: NO_ENTRY}


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("equity"), st.integers(-20, 130)),
        st.tuples(st.just("command"), st.sampled_from(list(CommandKind))),
        st.tuples(st.just("lost"), st.integers(0, 2)),
        st.tuples(st.just("restored"), st.integers(0, 2)),
    ),
    max_size=30,
)


@given(ACTIONS, st.integers(0, 30))
def test_a_state_restored_from_its_fields_goes_on_as_if_it_had_never_stopped(
    actions: list[tuple[str, object]], stop: int
) -> None:
    whole, stopped = TradingState(RISK, 100.0), TradingState(RISK, 100.0)
    for n, (kind, value) in enumerate(actions):
        if n == stop:
            stopped = TradingState.from_fields(
                RISK, msgspec.msgpack.decode(msgspec.msgpack.encode(stopped.to_fields()))
            )
        results = []
        for state in (whole, stopped):
            minute = n * 400
            if kind == "equity":
                results.append(state.observe(minute, float(str(value))))
            elif kind == "command":
                results.append(state.command(minute, CommandKind(str(value)), "x"))
            elif kind == "lost":
                results.append(state.feed_lost(minute, f"f{value}", [int(str(value))]))
            else:
                results.append(state.feed_restored(minute, f"f{value}"))
        assert results[0] == results[1]
        assert (whole.mode, whole.stale, whole.causes) == (stopped.mode, stopped.stale, stopped.causes)
