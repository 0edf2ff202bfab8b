"""Decisions minute by minute: entries, exits, caps, refusals."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.events import TradingMode
from daemon.policy.book_view import BookView
from daemon.policy.gate import Candidate
from daemon.policy.limits import SLACK
from daemon.policy.policy import NOTHING, Decision, Policy, Target
from daemon.policy.reasons import ENTRIES, Reason
from daemon.settings import PolicySettings

EQUITY = 100_000.0
DEFAULT = PolicySettings()  # fixed sizing at 10,000: a weight of 0.1; caps 0.2, 1.0, 1.0
EXITS = {Reason.HORIZON, Reason.OPPOSITE, Reason.LIMIT, Reason.FLATTEN}
SEEDS = st.integers(0, 2**32 - 1)


def signal(
    instrument: int = 0, side: int = 1, edge: float = 0.01, block: Reason = Reason.PASSED
) -> Candidate:
    return Candidate(instrument, side, block, side * edge, 0.002, 0.001)


def view(
    weights: dict[int, float] | None = None,
    leads_to: dict[int, float] | None = None,
    halted: frozenset[int] = frozenset(),
    equity: float = EQUITY,
) -> BookView:
    return BookView(equity, weights or {}, leads_to or {}, halted)


def held(settings: PolicySettings = DEFAULT, side: int = 1, horizon: int = 5) -> Policy:
    """A policy that entered instrument 0 at ordinal 0."""
    policy = Policy(settings, horizon)
    policy.decide(0, [signal(side=side)], view())
    return policy


def test_a_minute_without_signals_or_positions_decides_nothing() -> None:
    assert Policy(DEFAULT, 60).decide(0, (), view()) is NOTHING


def test_a_signal_opens_a_position_of_the_settings_size() -> None:
    decision = Policy(DEFAULT, 60).decide(0, [signal(side=-1)], view())
    assert decision.targets == (Target(0, -0.1, Reason.ENTRY),)
    assert decision.outcomes == ((0, Reason.ENTRY),)
    assert decision.reasons == {0: Reason.ENTRY}


def test_a_position_is_closed_the_horizon_after_the_last_confirming_signal_and_not_before() -> None:
    policy = held(horizon=5)
    book = view({0: 0.1})
    assert policy.decide(3, [signal()], book).reasons == {0: Reason.CONFIRMED}
    for ordinal in range(4, 8):
        assert policy.decide(ordinal, (), book) == Decision()
    assert policy.decide(8, (), book).targets == (Target(0, 0.0, Reason.HORIZON),)


def test_a_failed_gate_is_no_exit() -> None:
    # No signal at all for three minutes: the position stays.
    policy = held(horizon=5)
    assert all(policy.decide(ordinal, (), view({0: 0.1})).targets == () for ordinal in (1, 2, 3))


def test_an_opposite_signal_turns_the_position() -> None:
    decision = held().decide(2, [signal(side=-1)], view({0: 0.1}))
    assert decision.targets == (Target(0, -0.1, Reason.REVERSAL),)
    assert decision.outcomes == ((0, Reason.REVERSAL),)


@pytest.mark.parametrize("block", [Reason.LONG_ONLY, Reason.ILLIQUID, Reason.VOLATILE])
def test_an_opposite_signal_that_may_not_open_still_closes(block: Reason) -> None:
    decision = held().decide(2, [signal(side=-1, block=block)], view({0: 0.1}))
    assert decision.targets == (Target(0, 0.0, Reason.OPPOSITE),)
    assert decision.outcomes == ((0, block),)
    assert decision.reasons == {0: Reason.OPPOSITE}


def test_a_blocked_signal_opens_nothing_but_confirms_what_is_held() -> None:
    policy = held(horizon=5)
    blocked = signal(block=Reason.ILLIQUID)
    assert policy.decide(4, [blocked], view({0: 0.1})).outcomes == ((0, Reason.CONFIRMED),)
    assert policy.decide(8, (), view({0: 0.1})).targets == ()
    assert Policy(DEFAULT, 5).decide(0, [blocked], view()).outcomes == ((0, Reason.ILLIQUID),)


def test_within_the_minimum_holding_neither_horizon_nor_opposite_signal_closes() -> None:
    policy = held(DEFAULT.model_copy(update={"min_holding_minutes": 10}), horizon=2)
    book = view({0: 0.1})
    assert policy.decide(9, (), book).targets == ()
    against = policy.decide(9, [signal(side=-1)], book)
    assert (against.targets, against.outcomes) == ((), ((0, Reason.MIN_HOLDING),))
    assert policy.decide(10, (), book).targets == (Target(0, 0.0, Reason.HORIZON),)


def test_a_position_much_smaller_than_its_target_is_filled_up_and_one_about_right_is_not() -> None:
    assert held().decide(1, [signal()], view({0: 0.05})).targets == (Target(0, 0.1, Reason.ADD),)
    assert held().decide(1, [signal()], view({0: 0.095})).outcomes == ((0, Reason.CONFIRMED),)
    assert held().decide(1, [signal()], view({0: 0.15})).outcomes == ((0, Reason.CONFIRMED),)


def test_smoothing_keeps_a_share_of_the_previous_weight_at_entries_only() -> None:
    settings = DEFAULT.model_copy(update={"smoothing": 0.75})
    policy = held(settings)
    assert policy.targets == {0: pytest.approx(0.025)}
    (grown,) = policy.decide(1, [signal()], view({0: 0.025})).targets
    assert (grown.weight, grown.reason) == (pytest.approx(0.75 * 0.025 + 0.25 * 0.1), Reason.ADD)
    # Turning against a position that smoothing would keep on its side only closes it.
    turned = policy.decide(2, [signal(side=-1)], view({0: 0.1}))
    assert turned.targets == (Target(0, 0.0, Reason.OPPOSITE),)
    assert turned.outcomes == ((0, Reason.NO_SIZE),)
    assert policy.decide(40, (), view({0: 0.1})).targets == (Target(0, 0.0, Reason.HORIZON),)


def test_kelly_without_an_edge_after_costs_gives_no_size() -> None:
    policy = Policy(DEFAULT.model_copy(update={"sizing": "kelly", "edge_multiple": 0.1}), 60)
    assert policy.decide(0, [signal(edge=0.001)], view()).outcomes == ((0, Reason.NO_SIZE),)


def test_the_strongest_signals_get_the_room_that_is_left() -> None:
    settings = DEFAULT.model_copy(update={"max_gross": 0.25, "max_net": 1.0})
    signals = [signal(i, edge=0.01 + 0.001 * i) for i in range(4)]
    decision = Policy(settings, 60).decide(0, signals, view())
    assert {t.instrument: t.weight for t in decision.targets} == {
        3: 0.1,
        2: 0.1,
        1: pytest.approx(0.05),
    }
    assert decision.outcomes[-1] == (0, Reason.CAP_GROSS)


def test_the_net_cap_leaves_room_for_the_other_side_only() -> None:
    settings = DEFAULT.model_copy(update={"max_net": 0.1})
    decision = Policy(settings, 60).decide(
        0, [signal(0, edge=0.03), signal(1, edge=0.02), signal(2, -1)], view()
    )
    assert dict(decision.outcomes) == {0: Reason.ENTRY, 1: Reason.CAP_NET, 2: Reason.ENTRY}


def test_a_position_that_outgrew_its_cap_is_cut_back_to_it() -> None:
    policy = held()
    assert policy.decide(1, (), view({0: 0.2 * (1 + SLACK) - 1e-9})).targets == ()
    assert policy.decide(1, (), view({0: 0.23})).targets == (Target(0, 0.2, Reason.LIMIT),)
    assert policy.decide(1, (), view({0: -0.23})).targets == (Target(0, -0.2, Reason.LIMIT),)


def test_a_book_that_outgrew_gross_or_net_is_scaled_back() -> None:
    gross = Policy(DEFAULT.model_copy(update={"max_gross": 0.3}), 60)
    cut = gross.decide(1, (), view({0: 0.2, 1: -0.2}))
    assert [(t.weight, t.reason) for t in cut.targets] == [
        (pytest.approx(0.15), Reason.LIMIT),
        (pytest.approx(-0.15), Reason.LIMIT),
    ]
    net = Policy(DEFAULT.model_copy(update={"max_net": 0.2}), 60)
    cut = net.decide(1, (), view({0: -0.2, 1: -0.2, 2: 0.1}))
    assert [(t.instrument, t.weight) for t in cut.targets] == [
        (0, pytest.approx(-0.15)),
        (1, pytest.approx(-0.15)),
    ]


def test_what_is_halted_is_not_ordered_and_the_rest_makes_room_for_it() -> None:
    policy = Policy(DEFAULT.model_copy(update={"max_gross": 0.3, "max_net": 1.0}), 60)
    cut = policy.decide(1, (), view({0: 0.2, 1: 0.2}, halted=frozenset({0})))
    assert [(t.instrument, t.weight) for t in cut.targets] == [(1, pytest.approx(0.1))]
    assert policy.decide(90, [signal(0)], view({1: 0.1}, {0: 0.0}, frozenset({0}))).outcomes == (
        (0, Reason.HALTED),
    )


@pytest.mark.parametrize(
    ("mode", "refusal"),
    [
        (TradingMode.NO_ENTRY, Reason.NO_ENTRY),
        (TradingMode.FROZEN, Reason.FROZEN),
        (TradingMode.FLATTEN, Reason.FLATTENING),
    ],
)
def test_a_trading_mode_refuses_entries_with_its_own_reason(mode: TradingMode, refusal: Reason) -> None:
    assert Policy(DEFAULT, 60).decide(0, [signal()], view(), mode).outcomes == ((0, refusal),)


def test_no_entry_lets_exits_through_frozen_lets_nothing_and_flatten_closes_at_once() -> None:
    book = view({0: 0.1})
    assert held().decide(5, (), book, TradingMode.NO_ENTRY).targets == (Target(0, 0.0, Reason.HORIZON),)
    assert held().decide(5, (), book, TradingMode.FROZEN).targets == ()
    assert held().decide(1, [signal()], book, TradingMode.FLATTEN).targets == (
        Target(0, 0.0, Reason.FLATTEN),
    )
    turned = held().decide(1, [signal(side=-1)], book, TradingMode.NO_ENTRY)
    assert (turned.targets, turned.outcomes) == ((Target(0, 0.0, Reason.OPPOSITE),), ((0, Reason.NO_ENTRY),))


def test_a_lost_feed_holds_its_own_instruments_only() -> None:
    decision = Policy(DEFAULT, 60).decide(0, [signal(0), signal(1)], view(), stale={0: TradingMode.NO_ENTRY})
    assert dict(decision.outcomes) == {0: Reason.STALE_FEED, 1: Reason.ENTRY}
    frozen = held().decide(5, (), view({0: 0.1}), stale={0: TradingMode.FROZEN})
    assert frozen.targets == ()


def test_without_equity_everything_is_closed_and_nothing_opened() -> None:
    decision = held().decide(1, [signal(1)], view({0: 0.1}, equity=-5.0))
    assert decision.targets == (Target(0, 0.0, Reason.FLATTEN),)
    assert decision.outcomes == ((1, Reason.FLATTENING),)


def test_a_waiting_entry_is_confirmed_not_ordered_again() -> None:
    decision = held().decide(1, [signal()], view({}, {0: 0.1}))
    assert (decision.targets, decision.outcomes) == ((), ((0, Reason.CONFIRMED),))


def test_a_waiting_entry_is_turned_by_an_opposite_signal() -> None:
    decision = held().decide(1, [signal(side=-1)], view({}, {0: 0.1}))
    assert decision.targets == (Target(0, -0.1, Reason.ENTRY),)


def test_a_waiting_exit_is_left_alone_and_a_signal_meanwhile_is_refused() -> None:
    leaving = view({0: 0.1}, {0: 0.0})
    assert held().decide(30, (), leaving).targets == ()
    decision = held().decide(30, [signal()], leaving)
    assert (decision.targets, decision.outcomes) == ((), ((0, Reason.ORDER_PENDING),))


def test_an_entry_that_was_never_filled_is_forgotten() -> None:
    policy = held()
    assert policy.decide(1, (), view()) is NOTHING
    assert policy.targets == {}
    assert policy.decide(2, [signal()], view()).outcomes == ((0, Reason.ENTRY),)


def random_minutes(seed: int, n: int = 40, instruments: int = 6) -> list[tuple[list[Candidate], TradingMode]]:
    draw = np.random.default_rng(seed)
    modes = draw.choice(list(TradingMode), n, p=[0.7, 0.1, 0.1, 0.1])
    blocks = [Reason.PASSED] * 4 + [Reason.ILLIQUID, Reason.LONG_ONLY]
    minutes = []
    for t in range(n):
        active = np.flatnonzero(draw.random(instruments) < 0.4).tolist()
        signals = [
            Candidate(
                i,
                int(draw.choice([-1, 1])),
                blocks[int(draw.integers(len(blocks)))],
                float(draw.uniform(0.001, 0.05)),
                float(draw.uniform(0.0, 0.01)),
                float(draw.uniform(1e-4, 1e-2)),
            )
            for i in active
        ]
        minutes.append((signals, TradingMode(modes[t])))
    return minutes


def random_settings(seed: int) -> PolicySettings:
    draw = np.random.default_rng(seed + 1)
    return PolicySettings(
        sizing=draw.choice(["fixed", "volatility", "kelly"]),
        max_weight=float(draw.uniform(0.05, 0.5)),
        max_gross=float(draw.uniform(0.2, 1.0)),
        max_net=float(draw.uniform(0.1, 1.0)),
        min_holding_minutes=int(draw.choice([0, 4])),
        smoothing=float(draw.choice([0.0, 0.5])),
    )


def run(
    policy: Policy,
    minutes: list[tuple[list[Candidate], TradingMode]],
    weights: dict[int, float],
    drift: np.random.Generator,
    first: int = 0,
) -> list[Decision]:
    """Fill every target at once and let prices carry the weights on."""
    decisions = []
    for ordinal, (signals, mode) in enumerate(minutes, start=first):
        for i in sorted(weights):
            weights[i] *= math.exp(drift.normal(0.0, 0.05))
        decision = policy.decide(ordinal, signals, view(dict(weights)), mode)
        decisions.append(decision)
        weights.update({target.instrument: target.weight for target in decision.targets})
        for i in [i for i, weight in weights.items() if weight == 0.0]:
            del weights[i]
    return decisions


@given(SEEDS)
def test_targets_never_exceed_a_cap_and_every_signal_gets_one_reason(seed: int) -> None:
    settings = random_settings(seed)
    weights: dict[int, float] = {}
    policy, drift = Policy(settings, 5), np.random.default_rng(seed)
    for ordinal, (signals, mode) in enumerate(random_minutes(seed)):
        (decision,) = run(policy, [(signals, mode)], weights, drift, ordinal)
        assert sorted(i for i, _ in decision.outcomes) == [s.instrument for s in signals]
        assert Reason.PASSED not in decision.reasons.values()
        assert {t.reason for t in decision.targets} <= ENTRIES | EXITS
        assert all(abs(t.weight) <= settings.max_weight for t in decision.targets)
        wanted = {i for i, reason in decision.outcomes if reason in ENTRIES}
        assert wanted == {t.instrument for t in decision.targets if t.reason in ENTRIES}
        if mode is TradingMode.FROZEN:
            assert decision.targets == ()
            continue
        if mode is not TradingMode.NORMAL:
            assert not wanted
        slack = 1.0 + SLACK + 1e-12
        assert math.fsum(map(abs, weights.values())) <= settings.max_gross * slack
        assert abs(math.fsum(weights.values())) <= settings.max_net * slack
        if wanted:
            # Outgrown by prices is one thing; a new position never goes beyond the cap itself.
            assert math.fsum(map(abs, weights.values())) <= settings.max_gross * (1 + 1e-12)


@given(SEEDS, st.integers(0, 40))
def test_a_policy_restored_from_its_fields_goes_on_as_if_it_had_never_stopped(seed: int, stop: int) -> None:
    settings, minutes = random_settings(seed), random_minutes(seed)
    whole = Policy(settings, 5)
    expected = run(whole, minutes, {}, np.random.default_rng(seed))
    weights: dict[int, float] = {}
    first, drift = Policy(settings, 5), np.random.default_rng(seed)
    got = run(first, minutes[:stop], weights, drift)
    fields = msgspec.msgpack.decode(msgspec.msgpack.encode(first.to_fields()))
    second = Policy(settings, 5).restore(fields)
    got += run(second, minutes[stop:], weights, drift, stop)
    assert got == expected
    assert second.to_fields() == whole.to_fields()


@given(SEEDS, st.permutations(range(6)))
def test_the_order_of_the_instruments_does_not_matter(seed: int, order: list[int]) -> None:
    settings, minutes = random_settings(seed), random_minutes(seed)
    renamed = [
        (sorted(s._replace(instrument=order[s.instrument]) for s in signals), mode)
        for signals, mode in minutes
    ]
    plain, turned = Policy(settings, 5), Policy(settings, 5)
    weights: dict[int, float] = {}
    for ordinal, ((signals, mode), (others, _)) in enumerate(zip(minutes, renamed, strict=True)):
        a = plain.decide(ordinal, signals, view(dict(weights)), mode)
        b = turned.decide(ordinal, others, view({order[i]: w for i, w in weights.items()}), mode)
        assert sorted(t._replace(instrument=order[t.instrument]) for t in a.targets) == list(b.targets)
        weights.update({t.instrument: t.weight for t in a.targets})
        weights = {i: w for i, w in weights.items() if w != 0.0}


def test_a_policy_follows_its_instruments_to_other_columns() -> None:
    policy = held(horizon=5)
    policy.regroup(np.array([-1, 0]))
    assert policy.targets == {1: 0.1}
    assert policy.decide(5, (), view({1: 0.1})).targets == (Target(1, 0.0, Reason.HORIZON),)
    policy.regroup(np.array([0]))
    assert policy.targets == {}
