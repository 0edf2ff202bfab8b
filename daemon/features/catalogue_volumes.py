"""Catalogue: volatility, direction of movement, and volume."""

import math

_WILDER = "Wilder, New Concepts in Technical Trading Systems (1978)"
_BOLLINGER = "Bollinger, Bollinger on Bollinger Bands (2001)"
_PARKINSON = 1.0 / (4.0 * math.log(2.0))
_GARMAN_KLASS = 2.0 * math.log(2.0) - 1.0
_FINE = "1e-12, 1e-12"

VOLATILITY = (
    ("natr_14", "100 * wilder(true_range, 14) / close", "percent", _WILDER),
    ("natr_60", "100 * wilder(true_range, 60) / close", "percent", _WILDER),
    (
        "atr_ratio_14_60",
        "ratio(wilder(true_range, 14), wilder(true_range, 60), 1)",
        "ratio",
        "ATR 14 / ATR 60",
    ),
    (
        "bollinger_b_20",
        "ratio(close - mean(close, 20) + 2 * sqrt(variance(close, 20)), 4 * sqrt(variance(close, 20)), 0.5)",
        "ratio",
        _BOLLINGER,
    ),
    ("bollinger_width_20", "4 * sqrt(variance(close, 20)) / mean(close, 20)", "ratio", _BOLLINGER),
    *(
        (
            f"parkinson_{n}",
            f"sqrt({_PARKINSON / n!r} * dot(log_range, log_range, {n}, {_FINE}))",
            "log return per row",
            "Parkinson, Journal of Business 53 (1980)",
        )
        for n in (20, 60)
    ),
    (
        "garman_klass_60",
        (
            f"sqrt(max({0.5 / 60!r} * dot(log_range, log_range, 60, {_FINE})"
            f" - {_GARMAN_KLASS / 60!r} * dot(log_body, log_body, 60, {_FINE}), 0))"
        ),
        "log return per row",
        "Garman and Klass, Journal of Business 53 (1980)",
    ),
    *(
        (
            f"realised_{n}",
            f"sqrt(dot(change(1), change(1), {n}) * {1.0 / n!r})",
            "log return per row",
            "root mean square of one-row log returns",
        )
        for n in (20, 60, 240, 1440)
    ),
    (
        "downside_60",
        f"sqrt(dot(down_return, down_return, 60) * {1.0 / 60!r})",
        "log return per row",
        "root mean square of negative returns (0 for the others)",
    ),
    (
        "downside_share_240",
        "ratio(dot(down_return, down_return, 240), dot(change(1), change(1), 240), 0.5)",
        "0 to 1",
        "share of realised variance that falls",
    ),
    (
        "volatility_ratio_20_240",
        "sqrt(ratio(12 * dot(change(1), change(1), 20), dot(change(1), change(1), 240), 1))",
        "ratio",
        "realised 20 / realised 240",
    ),
)

DIRECTION = (
    ("adx_14", "wilder(direction_index_14, 14)", "0 to 100", _WILDER),
    ("di_plus_14", "plus_index_14", "0 to 100", _WILDER),
    ("di_minus_14", "minus_index_14", "0 to 100", _WILDER),
    ("di_difference_14", "plus_index_14 - minus_index_14", "-100 to 100", _WILDER),
)

VOLUMES = (
    *(
        (
            f"obv_{n}",
            f"ratio(sum(signed_volume, {n}), sum(volume, {n}))",
            "-1 to 1",
            "Granville: change of OBV over n rows / volume of n rows",
        )
        for n in (20, 60, 240)
    ),
    *(
        (
            f"vwap_distance_{n}",
            f"ratio(3 * close * sum(volume, {n}), dot(three_prices, volume, {n}), 1) - 1",
            "ratio",
            "close / volume-weighted average of the typical price - 1; 0 without volume",
        )
        for n in (60, 240, 1440)
    ),
    ("volume_ratio_20", "ratio(volume, mean(volume, 20), 1)", "ratio", "volume / its mean of 20 rows"),
    ("volume_ratio_60", "ratio(volume, mean(volume, 60), 1)", "ratio", "volume / its mean of 60 rows"),
    (
        "volume_trend_20_240",
        "ratio(12 * sum(volume, 20), sum(volume, 240), 1)",
        "ratio",
        "mean of 20 / mean of 240 rows",
    ),
    (
        "force_index_20",
        "ratio(dot(money_change, volume, 20), close * sum(volume, 20))",
        "ratio",
        "Elder, Trading for a Living (1993): price change x volume, over price x volume",
    ),
    (
        "ease_of_movement_20",
        (
            "mean(clip(ratio((high + low) * 0.5 - lag((high + low) * 0.5, 1),"
            " close * ratio(volume, mean(volume, 20), 1)) * ratio(high - low, close), -1, 1), 20, 1e-15)"
        ),
        "ratio",
        "Arms: move of the midpoint x range / volume, volume in means of 20 rows",
    ),
    # The difference is taken before it is rounded and summed: where the venue does not say, takers bought
    # half and it is exactly 0, while twice a half that was rounded is not the whole.
    *(
        (
            f"taker_imbalance_{n}",
            f"ratio(sum(2 * taker - volume, {n}), sum(volume, {n}))",
            "-1 to 1",
            "bought less sold by takers / volume; 0 where the venue does not say",
        )
        for n in (1, 20, 60)
    ),
    ("quiet_share_60", "mean(where(volume > 0, 0, 1), 60)", "0 to 1", "share of rows without a trade"),
)
