"""A simulated market looks like a real one, and what it says of itself is true."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kurtosis, spearmanr

from adapters.simulator.market import SimulatedMarket
from daemon.events import Minutes

N_MINUTES = 30_000
HORIZON = 60
ROUND_TRIP = 14e-4


def whole(market: SimulatedMarket) -> Minutes:
    (block,) = market.blocks(market.first_minute, market.last_minute, N_MINUTES)
    return block


def returns(market: SimulatedMarket) -> np.ndarray:
    return np.diff(np.log(whole(market).close), axis=0)


def labelled(market: SimulatedMarket) -> tuple[np.ndarray, np.ndarray]:
    """Return (return from the open of t+1 to the open of t+1+h, sigma over 240 rows), NaN where unknown."""
    bars = whole(market)
    opens = np.log(bars.open)
    ret = np.full(opens.shape, np.nan)
    ret[: -HORIZON - 1] = opens[HORIZON + 1 :] - opens[1:-HORIZON]
    squares = np.cumsum(np.diff(np.log(bars.close), axis=0, prepend=np.nan)[1:] ** 2, axis=0)
    sigma = np.full(opens.shape, np.nan)
    sigma[241:] = np.sqrt((squares[240:] - squares[:-240]) / 240)
    return ret, sigma


@pytest.fixture(scope="module")
def market() -> SimulatedMarket:
    return SimulatedMarket(7, 8, N_MINUTES, regime_change_minute=20_000)


@pytest.fixture(scope="module")
def dull_market() -> SimulatedMarket:
    return SimulatedMarket(7, 8, N_MINUTES, predictable=False)


def test_every_bar_is_a_possible_one_on_its_tick_and_lot(market: SimulatedMarket) -> None:
    bars = whole(market)
    assert np.all(bars.low > 0)
    assert np.all(bars.high >= np.maximum(bars.open, bars.close))
    assert np.all(bars.low <= np.minimum(bars.open, bars.close))
    assert np.all((bars.taker >= 0) & (bars.taker <= bars.volume))
    assert np.all(bars.tradable)
    for column, instrument in enumerate(market.instruments):
        for price in (bars.open, bars.high, bars.low, bars.close):
            steps = price[:, column] / float(instrument.tick)
            assert np.max(np.abs(steps - np.rint(steps))) < 1e-4
        lots = bars.volume[:, column] / float(instrument.lot)
        assert np.max(np.abs(lots - np.rint(lots)) / lots) < 1e-9


def test_equal_seeds_give_equal_bars_and_other_seeds_others() -> None:
    first, again, other = (SimulatedMarket(seed, 2, 300).fingerprint for seed in (3, 3, 4))
    assert first == again
    assert first != other


@given(first=st.integers(-50, 350), length=st.integers(1, 400), block=st.integers(1, 120))
def test_blocks_of_any_size_join_to_the_same_minutes(first: int, length: int, block: int) -> None:
    market = SimulatedMarket(1, 2, 300)
    start = market.first_minute + first
    parts = list(market.blocks(start, start + length - 1, block))
    expected = np.arange(max(start, market.first_minute), min(start + length - 1, market.last_minute) + 1)
    assert all(0 < len(part) <= block for part in parts)
    minutes = np.concatenate([np.zeros(0, dtype=np.int64), *(part.minute for part in parts)])
    assert minutes.tolist() == expected.tolist()
    if parts:
        rows = expected - market.first_minute
        assert np.array_equal(Minutes.concat(parts).close, whole(market).close[rows])


def test_the_table_of_bars_holds_the_same_numbers(market: SimulatedMarket) -> None:
    table = market.frame()
    name = market.instruments[3].name.partition(":")[2]
    lane = table.filter(pl.col("symbol") == name)
    assert lane["close"].to_list() == whole(market).close[:, 3].tolist()
    assert lane["time"].is_sorted()
    assert int(lane["time"][0].timestamp()) == market.first_minute * 60


def test_instruments_are_sorted_for_any_number_of_them() -> None:
    for n in (1, 16, 17, 40):
        names = [instrument.name for instrument in SimulatedMarket(1, n, 2).instruments]
        assert names == sorted(names)
        assert len(set(names)) == n


def test_too_small_a_market_is_refused() -> None:
    with pytest.raises(ValueError, match="needs an instrument"):
        SimulatedMarket(1, 0)
    with pytest.raises(ValueError, match="two minutes"):
        SimulatedMarket(1, 1, 1)


def test_returns_have_fat_tails_clustering_season_and_correlation(market: SimulatedMarket) -> None:
    steps = returns(market)
    assert np.all(kurtosis(steps, axis=0) > 2.0)
    sizes = np.abs(steps - steps.mean(axis=0))
    memory = [np.corrcoef(sizes[:-30, i], sizes[30:, i])[0, 1] for i in range(8)]
    assert min(memory) > 0.05
    minute_of_day = whole(market).minute[1:] % 1440
    peak = steps[np.abs(minute_of_day - 870) < 120].std()
    trough = steps[np.abs(minute_of_day - 150) < 120].std()
    assert peak > 1.4 * trough
    across = np.corrcoef(steps.T)[np.triu_indices(8, 1)]
    assert across.min() > 0.15
    assert across.max() < 0.45
    volumes = whole(market).volume[1:]
    assert min(spearmanr(volumes[:, i], sizes[:, i])[0] for i in range(8)) > 0.2


def test_without_the_predictable_part_nothing_clusters_and_nothing_is_fat(
    dull_market: SimulatedMarket,
) -> None:
    steps = returns(dull_market)
    assert np.all(np.abs(kurtosis(steps, axis=0)) < 0.2)
    sizes = np.abs(steps)
    assert max(abs(np.corrcoef(sizes[:-30, i], sizes[30:, i])[0, 1]) for i in range(8)) < 0.03


def test_the_best_forecast_is_calibrated_in_every_eighth_of_its_range(market: SimulatedMarket) -> None:
    ret, sigma = labelled(market)
    best = market.optimal_probabilities(sigma, HORIZON, 0.5)
    known = np.isfinite(ret) & np.isfinite(sigma)
    threshold = 0.5 * np.sqrt(HORIZON) * sigma[known]
    happened = np.where(ret[known] > threshold, 2, np.where(ret[known] < -threshold, 0, 1))
    said = best[known]
    assert np.allclose(said.sum(axis=1), 1.0)
    assert said.min() >= 0.0
    for label in range(3):
        for part in np.array_split(np.argsort(said[:, label]), 8):
            # 30,000 overlapping rows an eighth are about 500 labels: two standard errors are 0.045.
            assert said[part, label].mean() == pytest.approx((happened[part] == label).mean(), abs=0.05)


def test_the_best_forecast_beats_the_base_rate_and_without_the_predictable_part_is_the_base_rate(
    market: SimulatedMarket, dull_market: SimulatedMarket
) -> None:
    skills = []
    for each in (market, dull_market):
        ret, sigma = labelled(each)
        best = each.optimal_probabilities(sigma, HORIZON, 0.5)
        known = np.isfinite(ret) & np.isfinite(sigma)
        threshold = 0.5 * np.sqrt(HORIZON) * sigma[known]
        happened = np.where(ret[known] > threshold, 2, np.where(ret[known] < -threshold, 0, 1))
        share = np.bincount(happened, minlength=3) / len(happened)
        said = np.take_along_axis(best[known], happened[:, None], axis=1)[:, 0]
        skills.append(float(np.mean(np.log(said) - np.log(share[happened]))))
    assert skills[0] > 0.04
    assert abs(skills[1]) < 0.002
    assert np.all(dull_market.expected_return(HORIZON) == 0.0)


def test_the_best_forecast_is_unknown_where_sigma_is(market: SimulatedMarket) -> None:
    sigma = np.full((N_MINUTES, 8), 1e-3)
    sigma[5, 2] = np.nan
    best = market.optimal_probabilities(sigma, HORIZON, 0.5)
    assert np.isnan(best[5, 2]).all()
    assert np.isnan(best).sum() == 3


def test_trading_the_truth_earns_its_costs_and_trading_the_old_truth_after_the_change_does_not(
    market: SimulatedMarket,
) -> None:
    ret, _ = labelled(market)
    per_distance = (market.expected_return(HORIZON) / market._path.distance)[0, 0]
    believed = per_distance * market._path.distance
    nets = []
    for span in (slice(0, 19_900), slice(20_000, -HORIZON - 1)):
        edge, got = believed[span], ret[span]
        entered = np.abs(edge) > ROUND_TRIP
        nets.append(float(np.mean(got[entered] * np.sign(edge[entered])) - ROUND_TRIP))
    assert nets[0] > 5e-4
    assert nets[1] < -5e-4
