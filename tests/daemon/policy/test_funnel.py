"""The funnel over random signals, the whole policy and the whole desk: every step adds up."""

from collections.abc import Iterator
from decimal import Decimal

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daemon.events import TradingMode
from daemon.policy.funnel import Funnel, FunnelCounts
from daemon.policy.gate import GateRows, Screened, candidates_by_minute, screen
from daemon.policy.policy import Policy
from daemon.policy.reasons import Reason
from daemon.positions.desk import Desk
from daemon.settings import CostSettings, PolicySettings, UniverseSettings
from tests.daemon.positions.market import cursor, instruments, random_market

SEEDS = st.integers(0, 2**32 - 1)
N_MINUTES, N = 60, 3


def random_run(seed: int) -> Iterator[tuple[Funnel, Screened]]:
    """Run one chunk after another; yield the funnel after each with what was screened."""
    draw = np.random.default_rng(seed)
    minutes = random_market(seed, N_MINUTES, N, thin=bool(draw.integers(2)))
    settings = PolicySettings(
        notional=Decimal(2000),
        side=draw.choice(["long_short", "long_only"]),
        min_direction=0.3,
        max_gross=0.5,
    )
    costs = CostSettings(order_minutes=int(draw.integers(1, 3)), delay_bars=int(draw.integers(0, 3)))
    desk = Desk(
        Decimal(10_000), costs, UniverseSettings(halt_minutes=3, delist_minutes=9), instruments(N, lot="0.5")
    )
    policy, funnel, bars = Policy(settings, 4), Funnel(), cursor(minutes)
    for first in range(0, N_MINUTES, 15):
        chunk = minutes[first : first + 15]
        minute, instrument = np.nonzero(chunk.present)
        n = len(minute)
        rows = GateRows(
            minute=minute,
            instrument=instrument,
            p=draw.dirichlet([1.0, 1.0, 1.0], n),
            edge=draw.normal(0.0, 0.003, n),
            sigma=np.full(n, 0.01),
            cost=np.full(n, 0.002),
            turnover=np.full(n, 1.0),
            ready=draw.random(n) < 0.9,
            catch_up=np.zeros(n, dtype=np.bool_),
        )
        screened = screen(settings, rows)
        funnel.count_screened(screened)
        candidates = candidates_by_minute(rows, screened)
        mode = TradingMode(draw.choice(list(TradingMode), p=[0.7, 0.1, 0.1, 0.1]))
        for t in range(15):
            bars.seek(first + t)
            opened = desk.open_minute(bars)
            desk.close_minute(bars, mode)
            decision = policy.decide(bars.ordinal, candidates.get(t, ()), desk.view, mode)
            placed = desk.place(bars, decision.targets)
            funnel.count_filled(opened.fills, opened.ends)
            funnel.count_decision(decision)
            # Called-off and replaced orders end when the next ones are placed.
            funnel.count_placed(placed.orders, placed.refused)
            funnel.count_filled((), placed.ends)
        yield funnel, screened


@given(SEEDS)
def test_every_step_of_the_funnel_adds_up(seed: int) -> None:
    rows = signals = 0
    counts: FunnelCounts | None = None
    for funnel, screened in random_run(seed):
        rows += len(screened.side)
        signals += int(np.count_nonzero(screened.side))
        counts = funnel.counts()
        assert counts.scored + sum(counts.not_scored.values()) == rows
        assert counts.scored == counts.has_edge + sum(counts.gate.values())
        assert counts.has_edge == signals == counts.passes_limits + sum(counts.limits.values())
        assert counts.passes_limits == counts.ordered + sum(counts.placing.values())
        assert counts.ordered == counts.filled + sum(counts.unfilled.values()) + counts.waiting
    assert counts is not None
    assert set(counts.gate) <= {"no_edge", "weak_direction"}
    assert set(counts.not_scored) <= {"not_ready"}


@given(SEEDS)
def test_a_funnel_restored_from_its_fields_counts_on(seed: int) -> None:
    for funnel, _ in random_run(seed):
        fields = msgspec.msgpack.decode(msgspec.msgpack.encode(funnel.to_fields()))
        copy = Funnel.from_fields(fields)
        assert copy.counts() == funnel.counts()
        assert copy.to_fields() == funnel.to_fields()


def test_reasons_keep_the_numbers_that_stand_on_tapes() -> None:
    assert {reason.label: int(reason) for reason in Reason} == {
        "passed": 0,
        "not_ready": 1,
        "catch_up": 2,
        "no_edge": 3,
        "weak_direction": 4,
        "long_only": 5,
        "illiquid": 6,
        "volatile": 7,
        "no_entry": 8,
        "frozen": 9,
        "flattening": 10,
        "stale_feed": 11,
        "halted": 12,
        "order_pending": 13,
        "min_holding": 14,
        "no_size": 15,
        "cap_gross": 16,
        "cap_net": 17,
        "below_lot": 18,
        "confirmed": 19,
        "entry": 30,
        "add": 31,
        "reversal": 32,
        "horizon": 40,
        "opposite": 41,
        "limit": 42,
        "flatten": 43,
    }
