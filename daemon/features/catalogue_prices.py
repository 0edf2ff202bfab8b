"""Catalogue: returns, trend, momentum, ranges and bar shape, and the raw forms for the oracle."""

DEFINITIONS = {
    "typical": "(high + low + close) / 3",
    "three_prices": "high + low + close",
    "true_range": "max(high, lag(close, 1)) - min(low, lag(close, 1))",
    "gain": "max(close - lag(close, 1), 0)",
    "loss": "max(lag(close, 1) - close, 0)",
    "macd_line": "ema(close, 12) - ema(close, 26)",
    "fast_k_14": "100 * ratio(close - lowest(low, 14), highest(high, 14) - lowest(low, 14), 0.5)",
    "slow_k_14": "mean(fast_k_14, 3)",
    "up_move": "max(high - lag(high, 1), 0)",
    "down_move": "max(lag(low, 1) - low, 0)",
    "plus_move": "where(up_move > down_move, up_move, 0)",
    "minus_move": "where(down_move > up_move, down_move, 0)",
    "plus_index_14": "100 * ratio(wilder(plus_move, 14), wilder(true_range, 14))",
    "minus_index_14": "100 * ratio(wilder(minus_move, 14), wilder(true_range, 14))",
    "direction_index_14": "100 * ratio(abs(plus_index_14 - minus_index_14), plus_index_14 + minus_index_14)",
    "signed_volume": "sign(close - lag(close, 1)) * volume",
    "money_change": "close - lag(close, 1)",
    "down_return": "min(change(1), 0)",
    "log_range": "log(high) - log(low)",
    "log_body": "log(close) - log(open)",
    "benchmark_known": "benchmark > 0 and lag(benchmark, 1) > 0",
    "benchmark_change": (
        "where(benchmark_known, (round(log(max(benchmark, 1e-300)) * 1e9)"
        " - round(log(max(lag(benchmark, 1), 1e-300)) * 1e9)) * 1e-9, 0)"
    ),
    "paired_change": "where(benchmark_known, change(1), 0)",
    "paired": "where(benchmark_known, 1, 0)",
}
"""Parts that several formulas share; a user's formulas may name them too."""

_WILDER = "Wilder, New Concepts in Technical Trading Systems (1978)"
_APPEL = "Appel, Technical Analysis (2005)"
_RETURN = "log(close / close n rows ago), from levels rounded to 1e-9"

RETURNS = (
    *(
        (f"return_{n}", f"change({n})", "log return", _RETURN)
        for n in (1, 2, 3, 5, 10, 15, 30, 60, 120, 240, 720, 1440)
    ),
    *((f"return_1_lag_{k}", f"lag(change(1), {k})", "log return", _RETURN) for k in (1, 2, 3, 4, 5)),
    *(
        (
            f"return_z_{n}",
            f"ratio(change({n}), sqrt(dot(change(1), change(1), 240) * {n / 240!r}))",
            "standard deviations",
            "return over n rows / (realised volatility of 240 rows x sqrt(n))",
        )
        for n in (5, 15, 30, 60)
    ),
)

TRENDS = (
    *(
        (f"sma_ratio_{n}", f"close / mean(close, {n}) - 1", "ratio", "close / SMA - 1")
        for n in (10, 20, 60, 240, 1440)
    ),
    *(
        (f"ema_ratio_{n}", f"close / ema(close, {n}) - 1", "ratio", "close / EMA - 1")
        for n in (12, 26, 60, 240)
    ),
    ("sma_cross_20_60", "mean(close, 20) / mean(close, 60) - 1", "ratio", "SMA 20 / SMA 60 - 1"),
    ("sma_cross_60_240", "mean(close, 60) / mean(close, 240) - 1", "ratio", "SMA 60 / SMA 240 - 1"),
    ("ema_cross_12_60", "ema(close, 12) / ema(close, 60) - 1", "ratio", "EMA 12 / EMA 60 - 1"),
    ("macd", "macd_line / close", "ratio", _APPEL),
    ("macd_signal", "ema(macd_line, 9) / close", "ratio", _APPEL),
    ("macd_histogram", "(macd_line - ema(macd_line, 9)) / close", "ratio", _APPEL),
    ("lwma_ratio_20", "close / weighted(close, 20) - 1", "ratio", "close / linearly weighted average - 1"),
    ("lwma_ratio_60", "close / weighted(close, 60) - 1", "ratio", "close / linearly weighted average - 1"),
    (
        "lwma_trend_20",
        "weighted(close, 20) / lag(weighted(close, 20), 5) - 1",
        "ratio",
        "rate of change of the linearly weighted average over 5 rows",
    ),
    (
        "lwma_trend_60",
        "weighted(close, 60) / lag(weighted(close, 60), 15) - 1",
        "ratio",
        "rate of change of the linearly weighted average over 15 rows",
    ),
    (
        "slope_60",
        f"({6 / 59!r}) * (weighted(close, 60) - mean(close, 60)) / close",
        "ratio per row",
        "least-squares slope of 60 closes / close: 6 (LWMA - SMA) / (n - 1)",
    ),
)

MOMENTUM = (
    *(
        (
            f"rsi_{n}",
            f"100 * ratio(wilder(gain, {n}), wilder(gain, {n}) + wilder(loss, {n}), 0.5)",
            "0 to 100",
            _WILDER,
        )
        for n in (14, 60)
    ),
    ("stochastic_k_14", "slow_k_14", "0 to 100", "Lane, slow %K of 14 and 3"),
    ("stochastic_d_14", "mean(slow_k_14, 3)", "0 to 100", "Lane, slow %D of 3"),
    *(
        (
            f"williams_{n}",
            f"-100 * ratio(highest(high, {n}) - close, highest(high, {n}) - lowest(low, {n}), 0.5)",
            "-100 to 0",
            "Williams, How I Made One Million Dollars (1973)",
        )
        for n in (14, 60)
    ),
    *((f"roc_{n}", f"100 * (close / lag(close, {n}) - 1)", "percent", "rate of change") for n in (10, 60)),
    (
        "cci_20",
        "ratio(three_prices - mean(three_prices, 20), 0.015 * meandev(three_prices, 20))",
        "index",
        "Lambert, Commodities (1980); costs its window's length",
    ),
)

RANGES = (
    *(
        (f"high_distance_{n}", f"close / highest(high, {n}) - 1", "ratio", "distance from the rolling high")
        for n in (60, 240, 1440)
    ),
    *(
        (f"low_distance_{n}", f"close / lowest(low, {n}) - 1", "ratio", "distance from the rolling low")
        for n in (60, 240, 1440)
    ),
    ("bar_body", "ratio(close - open, high - low)", "-1 to 1", "bar shape: body / range"),
    (
        "upper_shadow",
        "ratio(high - max(open, close), high - low)",
        "0 to 1",
        "bar shape: upper shadow / range",
    ),
    (
        "lower_shadow",
        "ratio(min(open, close) - low, high - low)",
        "0 to 1",
        "bar shape: lower shadow / range",
    ),
    (
        "close_location",
        "ratio(close - low - (high - close), high - low)",
        "-1 to 1",
        "Chaikin, close location value",
    ),
    ("bar_range", "log(high) - log(low)", "log return", "bar shape: log(high / low)"),
)

_TALIB = "textbook form, as TA-Lib computes it"

RAW = (
    ("raw_sma_20", "mean(close, 20)", "price", _TALIB),
    ("raw_ema_26", "ema(close, 26)", "price", _TALIB),
    ("raw_wma_20", "weighted(close, 20)", "price", _TALIB),
    ("raw_macd", "macd_line", "price", _TALIB),
    ("raw_macd_signal", "ema(macd_line, 9)", "price", _TALIB),
    ("raw_macd_histogram", "macd_line - ema(macd_line, 9)", "price", _TALIB),
    ("raw_atr_14", "wilder(true_range, 14)", "price", _TALIB),
    ("raw_variance_20", "variance(close, 20)", "price squared", _TALIB),
    ("raw_bollinger_upper_20", "mean(close, 20) + 2 * sqrt(variance(close, 20))", "price", _TALIB),
    ("raw_bollinger_lower_20", "mean(close, 20) - 2 * sqrt(variance(close, 20))", "price", _TALIB),
    ("raw_slope_60", f"({6 / 59!r}) * (weighted(close, 60) - mean(close, 60))", "price per row", _TALIB),
    ("raw_obv_60", "sum(signed_volume, 60)", "base units", "difference of OBV over 60 rows"),
    ("raw_highest_60", "highest(high, 60)", "price", _TALIB),
    ("raw_lowest_60", "lowest(low, 60)", "price", _TALIB),
    ("raw_momentum_10", "close - lag(close, 10)", "price", _TALIB),
)
