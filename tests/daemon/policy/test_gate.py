"""The gate, row by row against plain Python, and in any chunks."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.policy.costs import CostRates, RoundTripCosts, fee_fact
from daemon.policy.gate import Candidate, GateRows, candidates_by_minute, screen
from daemon.policy.reasons import Reason
from daemon.settings import CostSettings, PolicySettings

SEEDS = st.integers(0, 2**32 - 1)


def rows(edge: list[float], p: list[list[float]] | None = None, **columns: list[float]) -> GateRows:
    """Rows of one minute; what is not given is harmless."""
    n = len(edge)
    harmless = {"sigma": [1e-3] * n, "cost": [1e-3] * n, "turnover": [1e9] * n}
    floats = {name: np.array(values) for name, values in (harmless | columns).items()}
    return GateRows(
        minute=np.zeros(n, dtype=np.int64),
        instrument=np.arange(n),
        p=np.array(p or [[0.3, 0.4, 0.3]] * n),
        edge=np.array(edge),
        ready=np.ones(n, dtype=np.bool_),
        catch_up=np.zeros(n, dtype=np.bool_),
        **floats,
    )


def random_rows(seed: int, n_minutes: int, n: int) -> GateRows:
    draw = np.random.default_rng(seed)
    present = draw.random((n_minutes, n)) < 0.8
    minute, instrument = np.nonzero(present)
    count = len(minute)
    ready = draw.random(count) < 0.9
    nan = np.where(ready, 1.0, np.nan)
    return GateRows(
        minute=minute,
        instrument=instrument,
        p=draw.dirichlet([1.0, 1.0, 1.0], count) * nan[:, None],
        edge=draw.normal(0.0, 0.002, count) * nan,
        sigma=draw.choice([1e-3, 2e-3, 3e-3], count) * nan,
        cost=draw.uniform(0.0, 0.003, count),
        turnover=draw.uniform(0.0, 100.0, count),
        ready=ready,
        catch_up=(draw.random(n_minutes) < 0.2)[minute],
    )


SETTINGS = PolicySettings(min_direction=0.4, max_volatility_share=0.5, min_turnover=30.0, side="long_only")


def judged(all_rows: GateRows, r: int) -> tuple[int, Reason]:  # noqa: PLR0911 - one rule, one line
    """The rules of the gate for one row, as one reads them."""
    down, _, up = all_rows.p[r]
    edge = all_rows.edge[r]
    if not all_rows.ready[r]:
        return 0, Reason.NOT_READY
    if all_rows.catch_up[r]:
        return 0, Reason.CATCH_UP
    if not abs(edge) > SETTINGS.edge_multiple * all_rows.cost[r]:
        return 0, Reason.NO_EDGE
    if (up if edge > 0 else down) < SETTINGS.min_direction * (up + down):
        return 0, Reason.WEAK_DIRECTION
    if edge < 0:
        return -1, Reason.LONG_ONLY
    if all_rows.turnover[r] < SETTINGS.min_turnover:
        return 1, Reason.ILLIQUID
    peers = sorted(all_rows.sigma[(all_rows.minute == all_rows.minute[r]) & all_rows.ready])
    if all_rows.sigma[r] > peers[math.ceil(len(peers) * SETTINGS.max_volatility_share) - 1]:
        return 1, Reason.VOLATILE
    return 1, Reason.PASSED


@given(SEEDS)
def test_every_row_gets_the_first_reason_that_applies(seed: int) -> None:
    all_rows = random_rows(seed, 12, 5)
    screened = screen(SETTINGS, all_rows)
    expected = [judged(all_rows, r) for r in range(len(all_rows.minute))]
    assert list(zip(screened.side.tolist(), map(Reason, screened.reason.tolist()), strict=True)) == expected


@given(SEEDS, st.integers(0, 12))
def test_chunks_of_whole_minutes_are_screened_alike(seed: int, cut: int) -> None:
    all_rows = random_rows(seed, 12, 5)
    whole = screen(SETTINGS, all_rows)
    sides = []
    for mask in (all_rows.minute < cut, all_rows.minute >= cut):
        part = GateRows(*(getattr(all_rows, name)[mask] for name in GateRows.__slots__))
        sides.append(screen(SETTINGS, part))
    assert np.concatenate([s.side for s in sides]).tobytes() == whole.side.tobytes()
    assert np.concatenate([s.reason for s in sides]).tobytes() == whole.reason.tobytes()


def test_an_edge_must_beat_the_cost_times_the_multiple() -> None:
    edges = [0.002, -0.0021, 0.0021, math.nan]
    screened = screen(PolicySettings(edge_multiple=2.0), rows(edges, cost=[0.001] * 4))
    assert screened.side.tolist() == [0, -1, 1, 0]


def test_nothing_is_filtered_by_default() -> None:
    some = rows([0.01, -0.01], turnover=[0.0, 0.0], sigma=[1.0, 9.0], p=[[0.5, 0.4, 0.1], [0.1, 0.4, 0.5]])
    assert screen(PolicySettings(), some).reason.tolist() == [Reason.PASSED, Reason.PASSED]


def test_candidates_are_the_signals_of_each_minute() -> None:
    all_rows = random_rows(7, 12, 5)
    screened = screen(SETTINGS, all_rows)
    found = candidates_by_minute(all_rows, screened)
    flat = [
        Candidate(
            int(all_rows.instrument[r]),
            int(screened.side[r]),
            Reason(int(screened.reason[r])),
            float(all_rows.edge[r]),
            float(all_rows.cost[r]),
            float(all_rows.sigma[r]),
        )
        for minute in range(12)
        for r in np.flatnonzero((all_rows.minute == minute) & (screened.side != 0))
    ]
    assert [c for minute in sorted(found) for c in found[minute]] == flat
    assert len(flat) > 5
    assert type(flat[0].edge) is float


def test_the_round_trip_costs_both_ways_of_everything() -> None:
    settings = CostSettings(taker_fee_bps=5, half_spread_bps=1, slippage_bps=0.5, impact=0.1)
    costs = RoundTripCosts(settings, ["binance:A"])
    sigma, notional = np.full(3, 1e-3), np.full(3, 10_000.0)
    # Of 1,000,000 a hundredth is traded: impact 0.1 x 0.001 x 0.1. Of 50,000 a fifth, but a tenth is the cap.
    cost = costs.estimate(np.zeros(3, dtype=np.int64), sigma, notional, np.array([1e6, 5e4, 0.0]))
    at_cap = 2 * (6.5e-4 + 1e-4 * math.sqrt(0.1))
    assert cost == pytest.approx([2 * (6.5e-4 + 1e-5), at_cap, at_cap], rel=1e-12)


def test_makers_pay_the_maker_fee_and_the_worst_case_the_dearer_one() -> None:
    rates = CostRates.of(CostSettings(taker_fee_bps=5, maker_fee_bps=7, liquidity="maker"))
    assert (rates.fee, rates.worst_fee) == (pytest.approx(7e-4), pytest.approx(7e-4))
    rates = CostRates.of(CostSettings(taker_fee_bps=5, maker_fee_bps=2, liquidity="maker"))
    assert (rates.fee, rates.worst_fee) == (pytest.approx(2e-4), pytest.approx(5e-4))


VENUES = CostSettings.model_validate(
    {
        "taker_fee_bps": 5,
        "maker_fee_bps": 2,
        "half_spread_bps": 0,
        "slippage_bps": 0,
        "impact": 0,
        "venues": {"kraken": {"taker_fee_bps": 26, "maker_fee_bps": 16}, "okx": {"maker_fee_bps": 0}},
    }
)


def test_a_venue_pays_its_own_fees_and_the_run_s_where_it_names_none() -> None:
    names = ["binance:A", "kraken:A", "kraken:B", "okx:A"]
    instrument, ones = np.array([3, 0, 1, 2, 1]), np.ones(5)
    takers = RoundTripCosts(VENUES, names).estimate(instrument, ones, ones, ones)
    assert takers == pytest.approx([10e-4, 10e-4, 52e-4, 52e-4, 52e-4], rel=1e-12)
    makers = VENUES.model_copy(update={"liquidity": "maker"})
    assert RoundTripCosts(makers, names).estimate(instrument, ones, ones, ones) == pytest.approx(
        [0.0, 4e-4, 32e-4, 32e-4, 32e-4], rel=1e-12
    )
    assert CostRates.of(makers, "okx").worst_fee == pytest.approx(5e-4)
    assert fee_fact(VENUES, names) == "taker, 5 bps on binance, 26 bps on kraken, 5 bps on okx"


def test_rows_are_estimated_alike_alone_and_together() -> None:
    draw = np.random.default_rng(5)
    settings = VENUES.model_copy(update={"impact": 0.3, "half_spread_bps": 0.7})
    costs = RoundTripCosts(settings, ["binance:A", "kraken:A", "okx:A"])
    instrument = draw.integers(0, 3, 50)
    sigma, notional, value = (draw.lognormal(size=50) for _ in range(3))
    whole = costs.estimate(instrument, sigma, notional, value)
    alone = [
        costs.estimate(instrument[r : r + 1], sigma[r : r + 1], notional[r : r + 1], value[r : r + 1])
        for r in range(50)
    ]
    assert whole.tobytes() == np.concatenate(alone).tobytes()
