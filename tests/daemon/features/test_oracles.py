"""Every indicator that TA-Lib has agrees with it; the others agree with plain formulas or exact fractions."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import talib

from daemon.events import Minutes
from daemon.features import FeatureBlock, catalogue, compile_plan, groups_of
from daemon.kernels import FloatArray
from daemon.settings import FeatureSettings
from tests.daemon.features.market import minutes_of, walk

Oracle = Callable[[dict[str, FloatArray]], FloatArray]
SIMPLE = talib.MA_Type.SMA  # type: ignore[attr-defined]
N_ROWS = 6_000
SEED_ROWS = 1_500
"""After so many rows the longest average's seed weighs less than 1e-10: RSI 60 needs 1,380."""


@dataclass(frozen=True)
class Case:
    """One instrument's bars and all features over them."""

    bars: dict[str, FloatArray]
    features: dict[str, FloatArray]


def computed(minutes: Minutes) -> dict[str, FloatArray]:
    settings = FeatureSettings(groups=groups_of(catalogue().values()))
    plan = compile_plan(settings, ("test:A",))
    block: FeatureBlock
    block, _ = plan.advance(plan.initial(("test:A",)), minutes)
    return {name: block.values[:, k] for k, name in enumerate(plan.names)}


def case_of(minutes: Minutes) -> Case:
    bars = {
        name: np.ascontiguousarray(getattr(minutes, name)[:, 0])
        for name in ("open", "high", "low", "close", "volume", "taker")
    }
    return Case(bars, computed(minutes))


def recorded(path: Path, symbol: str) -> Minutes:
    frame = pl.read_parquet(path).filter(pl.col("symbol") == symbol).head(N_ROWS)
    columns = {
        name: frame[name].to_numpy().reshape(-1, 1) for name in ("open", "high", "low", "close", "volume")
    }
    columns["taker"] = np.full((len(frame), 1), np.nan)
    return minutes_of(columns, np.ones((len(frame), 1), np.bool_))


_RECORDED = {
    "BTCUSDT": "binance_spot_train_2024-01_2024-06.parquet",
    "ARBUSDT": "binance_spot_train_2024-01_2024-06.parquet",
    "SPY": "us_spy_2024-03_2025-04.parquet",
    "XBT/USDC": "kraken_btcusdc_2023-01_2023-03.parquet",
}


@pytest.fixture(scope="module", params=["seeded", *_RECORDED])
def case(request: pytest.FixtureRequest) -> Case:
    if request.param == "seeded":
        return case_of(walk(N_ROWS, 1, seed=7))
    folder: Path = request.getfixturevalue("shared_data")
    return case_of(recorded(folder / _RECORDED[request.param], request.param))


def hlc(b: dict[str, FloatArray]) -> tuple[FloatArray, FloatArray, FloatArray]:
    return b["high"], b["low"], b["close"]


def close_over(average: Callable[[FloatArray, int], FloatArray], n: int) -> Oracle:
    return lambda b: b["close"] / average(b["close"], n) - 1.0


def typical(b: dict[str, FloatArray]) -> FloatArray:
    return (b["high"] + b["low"] + b["close"]) / 3.0


def bands(b: dict[str, FloatArray]) -> tuple[FloatArray, FloatArray, FloatArray]:
    return talib.BBANDS(b["close"], timeperiod=20, nbdevup=2.0, nbdevdn=2.0, matype=SIMPLE)


def obv_change(b: dict[str, FloatArray], n: int) -> FloatArray:
    obv = talib.OBV(b["close"], b["volume"])
    change: FloatArray = obv - np.concatenate([np.full(n, np.nan), obv[:-n]])
    return change


ORACLES: dict[str, Oracle] = {
    "raw_sma_20": lambda b: talib.SMA(b["close"], 20),
    "raw_ema_26": lambda b: talib.EMA(b["close"], 26),
    "raw_wma_20": lambda b: talib.WMA(b["close"], 20),
    "raw_macd": lambda b: talib.EMA(b["close"], 12) - talib.EMA(b["close"], 26),
    "raw_macd_signal": lambda b: talib.MACD(b["close"], 12, 26, 9)[1],
    "raw_macd_histogram": lambda b: talib.MACD(b["close"], 12, 26, 9)[2],
    "raw_atr_14": lambda b: talib.ATR(*hlc(b), 14),
    "raw_bollinger_upper_20": lambda b: bands(b)[0],
    "raw_bollinger_lower_20": lambda b: bands(b)[2],
    "raw_slope_60": lambda b: talib.LINEARREG_SLOPE(b["close"], 60),
    "raw_obv_60": lambda b: obv_change(b, 60),
    "raw_highest_60": lambda b: talib.MAX(b["high"], 60),
    "raw_lowest_60": lambda b: talib.MIN(b["low"], 60),
    "raw_momentum_10": lambda b: talib.MOM(b["close"], 10),
    "macd": lambda b: talib.MACD(b["close"], 12, 26, 9)[0] / b["close"],
    "macd_signal": lambda b: talib.MACD(b["close"], 12, 26, 9)[1] / b["close"],
    "macd_histogram": lambda b: talib.MACD(b["close"], 12, 26, 9)[2] / b["close"],
    **{f"sma_ratio_{n}": close_over(talib.SMA, n) for n in (10, 20, 60, 240, 1440)},
    **{f"ema_ratio_{n}": close_over(talib.EMA, n) for n in (12, 26, 60)},
    **{f"lwma_ratio_{n}": close_over(talib.WMA, n) for n in (20, 60)},
    "sma_cross_20_60": lambda b: talib.SMA(b["close"], 20) / talib.SMA(b["close"], 60) - 1.0,
    "slope_60": lambda b: talib.LINEARREG_SLOPE(b["close"], 60) / b["close"],
    "rsi_14": lambda b: talib.RSI(b["close"], 14),
    "rsi_60": lambda b: talib.RSI(b["close"], 60),
    "stochastic_k_14": lambda b: talib.STOCH(*hlc(b), 14, 3, SIMPLE, 3, SIMPLE)[0],
    "stochastic_d_14": lambda b: talib.STOCH(*hlc(b), 14, 3, SIMPLE, 3, SIMPLE)[1],
    "williams_14": lambda b: talib.WILLR(*hlc(b), 14),
    "williams_60": lambda b: talib.WILLR(*hlc(b), 60),
    "roc_10": lambda b: talib.ROC(b["close"], 10),
    "roc_60": lambda b: talib.ROC(b["close"], 60),
    "cci_20": lambda b: talib.CCI(*hlc(b), 20),
    "natr_14": lambda b: talib.NATR(*hlc(b), 14),
    "natr_60": lambda b: talib.NATR(*hlc(b), 60),
    "bollinger_width_20": lambda b: (bands(b)[0] - bands(b)[2]) / bands(b)[1],
    "adx_14": lambda b: talib.ADX(*hlc(b), 14),
    "di_plus_14": lambda b: talib.PLUS_DI(*hlc(b), 14),
    "di_minus_14": lambda b: talib.MINUS_DI(*hlc(b), 14),
    "high_distance_60": lambda b: b["close"] / talib.MAX(b["high"], 60) - 1.0,
    "low_distance_240": lambda b: b["close"] / talib.MIN(b["low"], 240) - 1.0,
}


@pytest.mark.parametrize("name", sorted(ORACLES))
def test_an_indicator_agrees_with_talib_to_1e_9_of_its_scale(name: str, case: Case) -> None:
    expected = ORACLES[name](case.bars)
    got = case.features[name]
    rows = np.arange(len(got)) >= SEED_ROWS
    assert np.isfinite(expected[rows]).all()
    scale = np.abs(expected[rows]).max()
    assert scale > 0.0
    assert np.abs(got[rows] - expected[rows]).max() <= 1e-9 * scale


def windows(values: FloatArray, n: int) -> FloatArray:
    """(R, n) the last n values at each row; NaN before the first."""
    padded = np.concatenate([np.full(n - 1, np.nan), values])
    return np.lib.stride_tricks.sliding_window_view(padded, n)


def lag(values: FloatArray, n: int) -> FloatArray:
    return np.concatenate([np.full(n, np.nan), values[:-n]])


def returns(b: dict[str, FloatArray]) -> FloatArray:
    return np.log(b["close"]) - lag(np.log(b["close"]), 1)


def log_range(b: dict[str, FloatArray]) -> FloatArray:
    return np.log(b["high"] / b["low"])


def garman_klass(b: dict[str, FloatArray]) -> FloatArray:
    body = np.log(b["close"] / b["open"])
    daily = 0.5 * log_range(b) ** 2 - (2.0 * math.log(2.0) - 1.0) * body**2
    result: FloatArray = np.sqrt(np.maximum(windows(daily, 60).mean(axis=1), 0.0))
    return result


def vwap_distance(b: dict[str, FloatArray], n: int) -> FloatArray:
    traded = windows(b["volume"], n).sum(axis=1)
    money = windows(typical(b) * b["volume"], n).sum(axis=1)
    return np.where(traded > 0.0, b["close"] * traded / np.where(money > 0.0, money, 1.0) - 1.0, 0.0)


def signed(b: dict[str, FloatArray]) -> FloatArray:
    return np.sign(np.diff(b["close"], prepend=b["close"][:1])) * b["volume"]


def share(top: FloatArray, bottom: FloatArray, otherwise: float = 0.0) -> FloatArray:
    return np.where(bottom != 0.0, top / np.where(bottom != 0.0, bottom, 1.0), otherwise)


def ease_of_movement(b: dict[str, FloatArray]) -> FloatArray:
    middle = (b["high"] + b["low"]) / 2.0
    relative = share(b["volume"], windows(b["volume"], 20).mean(axis=1), 1.0)
    move = share(middle - lag(middle, 1), b["close"] * relative) * (b["high"] - b["low"]) / b["close"]
    result: FloatArray = windows(np.clip(move, -1.0, 1.0), 20).mean(axis=1)
    return result


PLAIN: dict[str, tuple[Oracle, float]] = {
    # Log levels are rounded to 1e-9, which is what these may differ by.
    "return_60": (lambda b: np.log(b["close"] / lag(b["close"], 60)), 2e-9),
    "return_1_lag_3": (lambda b: lag(returns(b), 3), 2e-9),
    "return_z_30": (
        lambda b: share(
            np.log(b["close"] / lag(b["close"], 30)),
            np.sqrt((windows(returns(b), 240) ** 2).mean(axis=1) * 30.0),
        ),
        1e-4,
    ),
    "realised_60": (lambda b: np.sqrt((windows(returns(b), 60) ** 2).mean(axis=1)), 2e-9),
    "realised_1440": (lambda b: np.sqrt((windows(returns(b), 1440) ** 2).mean(axis=1)), 2e-9),
    "downside_60": (lambda b: np.sqrt((windows(np.minimum(returns(b), 0.0), 60) ** 2).mean(axis=1)), 2e-9),
    "downside_share_240": (
        lambda b: share(
            (windows(np.minimum(returns(b), 0.0), 240) ** 2).sum(axis=1),
            (windows(returns(b), 240) ** 2).sum(axis=1),
            0.5,
        ),
        1e-4,
    ),
    "volatility_ratio_20_240": (
        lambda b: np.sqrt(
            share(
                (windows(returns(b), 20) ** 2).mean(axis=1), (windows(returns(b), 240) ** 2).mean(axis=1), 1.0
            )
        ),
        1e-4,
    ),
    "parkinson_60": (
        lambda b: np.sqrt((windows(log_range(b), 60) ** 2).mean(axis=1) / (4.0 * math.log(2.0))),
        1e-11,
    ),
    "garman_klass_60": (garman_klass, 1e-11),
    "vwap_distance_60": (lambda b: vwap_distance(b, 60), 1e-8),
    "obv_60": (
        lambda b: share(windows(signed(b), 60).sum(axis=1), windows(b["volume"], 60).sum(axis=1)),
        1e-7,
    ),
    "volume_ratio_20": (lambda b: share(b["volume"], windows(b["volume"], 20).mean(axis=1), 1.0), 1e-5),
    "volume_trend_20_240": (
        lambda b: share(windows(b["volume"], 20).mean(axis=1), windows(b["volume"], 240).mean(axis=1), 1.0),
        1e-7,
    ),
    "force_index_20": (
        lambda b: share(
            windows((b["close"] - lag(b["close"], 1)) * b["volume"], 20).sum(axis=1),
            b["close"] * windows(b["volume"], 20).sum(axis=1),
        ),
        1e-9,
    ),
    "ease_of_movement_20": (ease_of_movement, 1e-12),
    "taker_imbalance_20": (
        lambda b: share(
            windows(2.0 * b["taker"] - b["volume"], 20).sum(axis=1), windows(b["volume"], 20).sum(axis=1)
        ),
        1e-6,
    ),
    "bar_body": (lambda b: share(b["close"] - b["open"], b["high"] - b["low"]), 1e-12),
    "upper_shadow": (
        lambda b: share(b["high"] - np.maximum(b["open"], b["close"]), b["high"] - b["low"]),
        1e-12,
    ),
    "lower_shadow": (
        lambda b: share(np.minimum(b["open"], b["close"]) - b["low"], b["high"] - b["low"]),
        1e-12,
    ),
    "close_location": (
        lambda b: share(2.0 * b["close"] - b["high"] - b["low"], b["high"] - b["low"]),
        1e-9,
    ),
    "quiet_share_60": (lambda b: (windows(b["volume"], 60) <= 0.0).mean(axis=1), 1e-12),
    "lwma_trend_20": (lambda b: talib.WMA(b["close"], 20) / lag(talib.WMA(b["close"], 20), 5) - 1.0, 1e-12),
    "atr_ratio_14_60": (
        lambda b: talib.ATR(*hlc(b), 14) / talib.ATR(*hlc(b), 60),
        1e-9,
    ),
}
"""Formulas that TA-Lib has not, in plain numpy; with the largest difference allowed on seeded bars."""


@pytest.fixture(scope="module")
def seeded() -> Case:
    return case_of(walk(N_ROWS, 1, seed=11))


@pytest.mark.parametrize("name", sorted(PLAIN))
def test_an_indicator_agrees_with_its_plain_formula(name: str, seeded: Case) -> None:
    oracle, tolerance = PLAIN[name]
    expected, got = oracle(seeded.bars)[SEED_ROWS:], seeded.features[name][SEED_ROWS:]
    assert np.ptp(expected) > 0.0
    assert np.abs(got - expected).max() <= tolerance


@pytest.mark.parametrize("name", ["taker_imbalance_1", "taker_imbalance_20", "taker_imbalance_60"])
def test_where_the_venue_does_not_say_what_takers_bought_their_imbalance_is_exactly_nothing(
    name: str,
) -> None:
    bars = walk(2_000, 1, seed=13)
    # Finer than the steps in which volumes are counted: half of an odd number of steps is no whole number.
    bars = replace(bars, volume=bars.volume * (1.0 / 3.0), taker=bars.taker * (1.0 / 3.0))
    silent = computed(replace(bars, taker=np.full_like(bars.taker, np.nan)))[name]
    assert not silent.any()
    # Minutes that are known count beside those that are not.
    half = bars.taker.copy()
    half[1_000:1_010] = np.nan
    mixed = computed(replace(bars, taker=half))[name]
    assert (mixed[1_000:1_010] == 0.0).all() == (name == "taker_imbalance_1")
    assert mixed[900:1_000].any()
    assert mixed[1_080:].tolist() == computed(bars)[name][1_080:].tolist()


def test_percent_b_and_variance_are_those_of_exact_fractions(case: Case) -> None:
    close = case.bars["close"]
    for row in range(SEED_ROWS, len(close), 251):
        window = [Fraction(repr(float(price))) for price in close[row - 19 : row + 1]]
        mean = sum(window) / 20
        variance = sum((price - mean) ** 2 for price in window) / 20
        assert case.features["raw_variance_20"][row] == pytest.approx(float(variance), rel=1e-12, abs=1e-30)
        if variance:
            deviation = math.sqrt(variance)
            expected = (float(window[-1] - mean) + 2.0 * deviation) / (4.0 * deviation)
            assert abs(case.features["bollinger_b_20"][row] - expected) <= 1e-9


def test_cci_is_that_of_exact_fractions(case: Case) -> None:
    for row in range(SEED_ROWS, len(case.bars["close"]), 251):
        high, low, close = (
            [Fraction(repr(v)) for v in c[row - 19 : row + 1].tolist()] for c in hlc(case.bars)
        )
        prices = [(h + lo + c) / 3 for h, lo, c in zip(high, low, close, strict=True)]
        mean = sum(prices, Fraction(0)) / 20
        deviation = sum((abs(price - mean) for price in prices), Fraction(0)) / 20
        expected = float((prices[-1] - mean) / (Fraction(15, 1000) * deviation)) if deviation else 0.0
        assert case.features["cci_20"][row] == pytest.approx(expected, rel=1e-9, abs=1e-6)
