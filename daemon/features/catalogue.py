"""The built-in features: every one a line of text in the formula language, with its unit and its source.

Groups: each feature belongs to a theme; `default` are 80 scale-free ones, `short` all scale-free ones whose
windows hold at most a day of rows (1,440), `twenty` 20 cheap ones, and `raw` the textbook forms in price
units that tests compare with TA-Lib.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from types import MappingProxyType

from daemon.errors import FormulaError
from daemon.features.catalogue_panel import CALENDAR, CROSS_SECTION, SEASONAL
from daemon.features.catalogue_prices import DEFINITIONS, MOMENTUM, RANGES, RAW, RETURNS, TRENDS
from daemon.features.catalogue_volumes import DIRECTION, VOLATILITY, VOLUMES
from daemon.features.expression import history_rows
from daemon.features.language import parse
from daemon.settings import FeatureSettings

Entry = tuple[str, str, str, str]
"""Name, formula, unit, source."""


@dataclass(frozen=True, slots=True)
class Formula:
    """One feature of the catalogue or of a user.

    Attributes:
        name: Column of the feature matrix.
        formula: Text in the formula language.
        unit: What its number is in.
        groups: Its theme first, then the selections it is in.
        source: Where the formula is from.
    """

    name: str
    formula: str
    unit: str = "ratio"
    groups: tuple[str, ...] = ("own",)
    source: str = "user"


THEMES: Mapping[str, tuple[Entry, ...]] = MappingProxyType(
    {
        "returns": RETURNS,
        "trend": TRENDS,
        "momentum": MOMENTUM,
        "volatility": VOLATILITY,
        "direction": DIRECTION,
        "volume": VOLUMES,
        "range": RANGES,
        "calendar": CALENDAR,
        "seasonal": SEASONAL,
        "cross_section": CROSS_SECTION,
        "raw": RAW,
    }
)

TWENTY = (
    "return_1", "return_2", "return_3", "return_5", "return_10", "return_15", "return_30",
    "return_60", "return_120", "sma_ratio_20", "sma_ratio_60", "ema_ratio_26", "rsi_14", "natr_14",
    "realised_60", "high_distance_60", "low_distance_60", "volume_ratio_20", "bar_body",
    "close_location",
)  # fmt: skip
"""Cheap features for benchmarks and first tries."""

DEFAULT = (
    "return_1", "return_2", "return_5", "return_10", "return_15", "return_30", "return_60",
    "return_120", "return_240", "return_1440", "return_1_lag_1", "return_1_lag_2", "return_1_lag_3",
    "return_z_15", "return_z_30", "return_z_60", "sma_ratio_10", "sma_ratio_20", "sma_ratio_60",
    "sma_ratio_240", "sma_ratio_1440", "ema_ratio_12", "ema_ratio_26", "ema_ratio_60",
    "sma_cross_20_60", "ema_cross_12_60", "macd", "macd_histogram", "lwma_ratio_20",
    "lwma_trend_20", "slope_60", "rsi_14", "rsi_60", "stochastic_k_14", "stochastic_d_14",
    "williams_14", "williams_60", "cci_20", "roc_60", "natr_14", "atr_ratio_14_60",
    "bollinger_b_20", "bollinger_width_20", "parkinson_20", "garman_klass_60", "realised_20",
    "realised_60", "realised_240", "realised_1440", "downside_share_240", "volatility_ratio_20_240",
    "adx_14", "di_plus_14", "di_minus_14", "obv_60", "obv_240", "vwap_distance_60",
    "vwap_distance_240", "volume_ratio_20", "volume_trend_20_240", "force_index_20",
    "ease_of_movement_20", "taker_imbalance_20", "high_distance_60", "high_distance_240",
    "low_distance_60", "low_distance_240", "bar_body", "close_location", "day_sin", "day_cos",
    "week_sin", "week_cos", "same_minute_volume_24h", "same_minute_move_24h", "universe_return_15",
    "relative_strength_15", "relative_strength_60", "beta_240", "correlation_240",
)  # fmt: skip
"""The 80 of a run that names none."""

SHORT_ROWS = 1_440
"""Longest window, in rows, of the group `short`."""


@cache
def catalogue() -> Mapping[str, Formula]:
    """Return every built-in feature by name, in the catalogue's order."""
    result = {}
    for theme, entries in THEMES.items():
        for name, text, unit, source in entries:
            groups = [theme]
            if name in DEFAULT:
                groups.append("default")
            # A window over changes of one row begins one row before itself.
            if theme != "raw" and history_rows(parse(name, text, DEFINITIONS)) <= SHORT_ROWS + 1:
                groups.append("short")
            if name in TWENTY:
                groups.append("twenty")
            result[name] = Formula(name, text, unit, tuple(groups), source)
    return MappingProxyType(result)


def groups_of(formulas: Iterable[Formula]) -> tuple[str, ...]:
    """Return all groups, in the order in which they appear."""
    return tuple(dict.fromkeys(group for formula in formulas for group in formula.groups))


def choose(settings: FeatureSettings, own: Mapping[str, Formula]) -> tuple[Formula, ...]:
    """Return the features that settings choose, in the catalogue's order, a user's own at the end.

    Raises:
        FormulaError: A group or name is unknown, a name is taken, or nothing is left.
    """
    known = catalogue()
    taken = sorted(set(own) & (set(known) | set(DEFINITIONS)))
    if taken:
        raise FormulaError(
            f"the catalogue has {', '.join(taken)} already; give your own formulas other names"
        )
    known = {**known, **own}
    groups = groups_of(known.values())
    for what, asked, there in (
        ("group", settings.groups, groups),
        ("feature", (*settings.names, *settings.exclude), tuple(known)),
    ):
        for name in asked:
            if name not in there:
                close = get_close_matches(name, there, n=1)
                hint = f"; did you mean {close[0]}?" if close else f"; there are {', '.join(groups)}"
                raise FormulaError(f"there is no {what} {name!r} of features{hint}")
    chosen = tuple(
        formula
        for formula in known.values()
        if (
            set(formula.groups) & set(settings.groups)
            or formula.name in settings.names
            or formula.name in own
        )
        and formula.name not in settings.exclude
    )
    if not chosen:
        raise FormulaError("no feature is left; name a group or a feature")
    return chosen
