"""Catalogue: calendar, same-minute averages, cross-sections."""

_UTC = "the clock, UTC"
_BETA = "ordinary least squares over the rows where both have a bar, now and one row before"

CALENDAR = (
    ("day_sin", "day_sin", "-1 to 1", _UTC),
    ("day_cos", "day_cos", "-1 to 1", _UTC),
    ("week_sin", "week_sin", "-1 to 1", _UTC),
    ("week_cos", "week_cos", "-1 to 1", _UTC),
    ("minute_of_day", "minute_of_day", "minutes", _UTC),
    ("day_of_week", "day_of_week", "days, Monday 0", _UTC),
    ("weekend", "where(day_of_week >= 5, 1, 0)", "0 or 1", _UTC),
    ("session_asia", "where(minute_of_day < 480, 1, 0)", "0 or 1", "00:00 to 08:00 UTC"),
    (
        "session_europe",
        "where(minute_of_day >= 420 and minute_of_day < 930, 1, 0)",
        "0 or 1",
        "07:00 to 15:30 UTC",
    ),
    (
        "session_us",
        "where(minute_of_day >= 810 and minute_of_day < 1200, 1, 0)",
        "0 or 1",
        "13:30 to 20:00 UTC",
    ),
)

SEASONAL = (
    (
        "same_minute_volume_24h",
        "clip(ratio(volume, same_minute(volume, 24, 60), 1), 0, 1000)",
        "ratio",
        "volume / its mean at this minute of the last 24 hours",
    ),
    (
        "same_minute_move_24h",
        "clip(ratio(abs(change(1)), same_minute(abs(change(1)), 24, 60), 1), 0, 1000)",
        "ratio",
        "absolute return / its mean at this minute of the last 24 hours",
    ),
    (
        "same_minute_return_24h",
        "same_minute(change(1), 24, 60)",
        "log return",
        "Heston, Korajczyk and Sadka, Journal of Finance 65 (2010), by the hour",
    ),
    (
        "same_minute_volume_5d",
        "clip(ratio(volume, same_minute(volume, 5, 1440), 1), 0, 1000)",
        "ratio",
        "volume / its mean at this minute of the last 5 days",
    ),
    (
        "same_minute_move_5d",
        "clip(ratio(abs(change(1)), same_minute(abs(change(1)), 5, 1440), 1), 0, 1000)",
        "ratio",
        "absolute return / its mean at this minute of the last 5 days",
    ),
    (
        "same_minute_return_5d",
        "same_minute(change(1), 5, 1440)",
        "log return",
        "Heston, Korajczyk and Sadka, Journal of Finance 65 (2010)",
    ),
)

_XX = "dot(benchmark_change, benchmark_change, {n})"
_YY = "dot(paired_change, paired_change, {n})"
_XY = "dot(benchmark_change, paired_change, {n})"
_X = "sum(benchmark_change, {n})"
_Y = "sum(paired_change, {n})"
_M = "sum(paired, {n})"


def _beta(n: int) -> str:
    text = f"clip(ratio({_M} * {_XY} - {_X} * {_Y}, max({_M} * {_XX} - {_X} * {_X}, 0)), -10, 10)"
    return text.format(n=n)


def _correlation(n: int) -> str:
    spreads = f"max({_M} * {_XX} - {_X} * {_X}, 0) * max({_M} * {_YY} - {_Y} * {_Y}, 0)"
    return f"clip(ratio({_M} * {_XY} - {_X} * {_Y}, sqrt({spreads})), -1, 1)".format(n=n)


CROSS_SECTION = (
    *(
        (f"universe_return_{n}", f"universe(change({n}))", "log return", "mean over the reference list")
        for n in (1, 5, 15, 60)
    ),
    *(
        (
            f"relative_strength_{n}",
            f"change({n}) - universe(change({n}), 0)",
            "log return",
            "return less the reference list's mean",
        )
        for n in (5, 15, 60, 240)
    ),
    ("beta_240", _beta(240), "ratio", _BETA),
    ("correlation_240", _correlation(240), "-1 to 1", _BETA),
    ("beta_1440", _beta(1440), "ratio", _BETA),
)
