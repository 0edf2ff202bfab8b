"""Sizes by hand."""

import math
from decimal import Decimal

import numpy as np
import pytest

from daemon.policy.gate import Candidate
from daemon.policy.reasons import Reason
from daemon.policy.sizing import Sizer
from daemon.settings import PolicySettings


def signal(edge: float = 0.004, cost: float = 0.001, sigma: float = 0.001) -> Candidate:
    return Candidate(0, 1, Reason.PASSED, edge, cost, sigma)


def test_fixed_sizing_is_the_notional_over_the_equity_within_the_cap() -> None:
    sizer = Sizer(PolicySettings(notional=Decimal(10_000), max_weight=0.2), 60)
    assert sizer.weight(signal(), 100_000.0) == 0.1
    assert sizer.weight(signal(), 20_000.0) == 0.2


def test_a_volatility_target_gives_a_position_of_that_annual_volatility() -> None:
    sizer = Sizer(PolicySettings(sizing="volatility", target_volatility=0.1, max_weight=10), 60)
    weight = sizer.weight(signal(sigma=0.001), 5.0)
    assert weight * 0.001 * math.sqrt(525_600) == pytest.approx(0.1)
    exchange = Sizer(PolicySettings(sizing="volatility", max_weight=10), 60, minutes_per_year=98_280.0)
    assert exchange.weight(signal(), 5.0) > weight


def test_each_instrument_is_annualised_by_the_minutes_of_its_own_market() -> None:
    yearly = np.array([525_600.0, 97_764.0])
    sizer = Sizer(PolicySettings(sizing="volatility", target_volatility=0.1, max_weight=10), 60, yearly)
    crypto, stock = signal(), signal()._replace(instrument=1)
    assert sizer.weight(crypto, 5.0) * 0.001 * math.sqrt(525_600) == pytest.approx(0.1)
    assert sizer.weight(stock, 5.0) * 0.001 * math.sqrt(97_764) == pytest.approx(0.1)
    sizes = sizer.intended_notional(np.full(3, 0.001), 1_000.0, np.array([1, 0, 1]))
    assert sizes.tolist() == [1_000.0 * sizer.weight(s, 5.0) for s in (stock, crypto, stock)]


def test_kelly_is_a_fraction_of_the_net_edge_over_the_variance_to_the_horizon() -> None:
    sizer = Sizer(PolicySettings(sizing="kelly", kelly_fraction=0.25, max_weight=10), 100)
    # (0.004 - 0.001) / (1e-6 x 100) = 30, a quarter of it 7.5.
    assert sizer.weight(signal(), 1.0) == pytest.approx(7.5)
    assert sizer.weight(signal(edge=-0.004), 1.0) == pytest.approx(7.5)
    assert sizer.weight(signal(cost=0.005), 1.0) == 0.0


def test_the_gate_assumes_the_size_on_the_capital() -> None:
    sigma, who = np.array([1e-3, 1e-2]), np.array([0, 1])
    fixed = Sizer(PolicySettings(notional=Decimal(10_000), max_weight=0.2), 60)
    assert fixed.intended_notional(sigma, 100_000.0, who).tolist() == [10_000.0, 10_000.0]
    assert fixed.intended_notional(sigma, 10_000.0, who).tolist() == [2_000.0, 2_000.0]
    volatility = Sizer(PolicySettings(sizing="volatility", target_volatility=0.1, max_weight=0.1), 60)
    yearly = math.sqrt(525_600)
    expected = [min(0.1, 0.1 / (s * yearly)) * 50_000 for s in (1e-3, 1e-2)]
    assert volatility.intended_notional(sigma, 50_000.0, who) == pytest.approx(expected)
    kelly = Sizer(PolicySettings(sizing="kelly", max_weight=0.1), 60)
    assert kelly.intended_notional(sigma, 50_000.0, who).tolist() == [5_000.0, 5_000.0]
