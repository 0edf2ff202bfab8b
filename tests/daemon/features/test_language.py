"""The formula language takes what is exact, causal and finite, and says why it refuses the rest."""

import pytest

from daemon.errors import FormulaError
from daemon.features import catalogue
from daemon.features.catalogue_prices import DEFINITIONS
from daemon.features.expression import PRICE, PURE, VOLUME, dimension, history_rows, is_positive, warmup_rows
from daemon.features.language import parse


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("close +", "no expression"),
        ("close +" + " close +" * 900 + " 1", "longer than 4000"),
        ("closs", "no column or formula 'closs'"),
        ("close.sum()", "not part of the language"),
        ("__import__('os')", "no function"),
        ("'close'", "not part of the language"),
        ("True", "not part of the language"),
        ("close if close else open", "not part of the language"),
        ("close < open < high", "not part of the language"),
        ("close ** 5", "not part of the language"),
        ("mean(close, n=3)", "not part of the language"),
        ("close > open", "true or false"),
        ("(close > open) + 1", "a condition is no number"),
        ("where(close, 1, 0)", "a condition is needed"),
        ("not close", "a condition is needed"),
        ("3 * 4", "constant"),
        ("1e999 * close", "finite"),
        ("9" * 400 + " * close", "finite"),
        ("close / 0", "division by zero"),
        ("close / volume", r"volume may be zero; write ratio"),
        ("close / mean(volume, 20)", "may be zero"),
        ("log(volume)", "may be zero or less"),
        ("log(close - open)", "may be zero or less"),
        ("abs(3)", "constants only"),
        ("abs(close, open)", "abs takes 1 arguments"),
        ("ratio(close)", "ratio takes 2 to 3"),
        ("change(1, 2)", "change takes the number of rows"),
        ("lag(close, -1)", "look ahead"),
        ("mean(close, 0)", "look ahead"),
        ("mean(close, 2.5)", "whole number"),
        ("mean(close, volume)", "must be constants"),
        ("mean(close, 20000)", "at most 10080"),
        ("mean(close)", "mean takes 1 series and 1 to 2 constants"),
        ("mean(3, 20)", "mean of a constant"),
        ("mean(close, 20, 0)", "a unit must be above zero"),
        ("mean(close * volume, 20)", "mixes units; give, after the rows, the unit"),
        ("mean(close + 1, 20)", "mixes units"),
        ("mean(close + 1, 20) * 0 + mean(where(close > 1, close, volume), 5)", "mixes units"),
        ("universe(close)", "has no common unit"),
        ("same_minute(close * close, 5, 1440)", "has no common unit"),
        ("same_minute(volume, 5, 30)", "60 or 1440"),
        ("same_minute(volume, 30, 1440)", "at most 10080 minutes"),
        ("mean(ema(close, 5), 5)", "cannot be rebuilt from bars"),
        ("lag(macd, 5)", "cannot be rebuilt from bars"),
        ("ema(universe(change(1)), 5)", "take universe of a window instead"),
        ("meandev(close, 100)", "at most 64"),
        ("weighted(close, 5000)", "may pass 64 bits"),
        ("loop", "defined by itself"),
    ],
)
def test_a_formula_that_cannot_be_computed_is_refused_with_the_reason(text: str, message: str) -> None:
    others = {"loop": "1 + loop2", "loop2": "loop * 2", "macd": "ema(close, 12) - ema(close, 26)"}
    with pytest.raises(FormulaError, match=message) as caught:
        parse("mine", text, others)
    assert "mine" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "rows", "history"),
    [
        ("close", 1, 0),
        ("change(1)", 2, 1),
        ("lag(close, 5)", 6, 5),
        ("mean(close, 20)", 20, 19),
        ("mean(change(1), 20)", 21, 20),
        ("lag(mean(close, 20), 5)", 25, 24),
        ("dot(change(1), change(2), 10)", 12, 11),
        ("ema(close, 1)", 1, 0),
        ("ema(mean(close, 20), 9)", 20 + 42, 19),
        ("wilder(close, 14)", 1 + 125, 0),
        ("universe(change(60))", 61, 60),
        ("same_minute(volume, 24, 60)", 1 + 12 * 60, 24 * 60),
    ],
)
def test_warm_up_and_history_follow_from_the_formula(text: str, rows: int, history: int) -> None:
    node = parse("mine", text)
    assert (warmup_rows(node), history_rows(node)) == (rows, history)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("close", PRICE),
        ("taker", VOLUME),
        ("high - low", PRICE),
        ("max(close - lag(close, 1), 0)", PRICE),
        ("close * volume", (1.0, 1.0)),
        ("dot(close, volume, 5)", (1.0, 1.0)),
        ("variance(close, 5)", (2.0, 0.0)),
        ("sqrt(variance(close, 5))", PRICE),
        ("close / open", PURE),
        ("ratio(volume, mean(volume, 5), 1)", PURE),
        ("sign(close - open) * volume", VOLUME),
        ("-close", PRICE),
        ("close ** 2 / close", PRICE),
        ("close + volume", None),
        ("(close + volume) * close", None),
        ("where(close > open, high, low)", PRICE),
        ("where(close > open and not close > high or volume == 0, 1, 0)", PURE),
    ],
)
def test_units_follow_from_the_formula(text: str, expected: tuple[float, float] | None) -> None:
    assert dimension(parse("mine", text)) == expected


@pytest.mark.parametrize(
    ("text", "positive"),
    [
        ("close * 2 + open", True),
        ("max(volume, 1e-9)", True),
        ("min(close, open)", True),
        ("sqrt(close)", True),
        ("where(close > open, close, open)", True),
        ("where(close > open, close, volume)", False),
        ("lag(close, 3)", True),
        ("mean(close, 3)", True),
        ("mean(close / open, 3)", False),
        ("mean(close, 3, 100)", False),
        ("variance(close, 3)", False),
        ("close - open", False),
        ("benchmark", False),
    ],
)
def test_what_may_be_divided_by_is_known_from_the_formula(text: str, positive: bool) -> None:
    assert is_positive(parse("mine", text)) is positive


def test_formulas_that_say_the_same_are_the_same() -> None:
    assert parse("a", "macd_line / close", DEFINITIONS) == parse(
        "b", "(ema(close,12)-ema(close , 26))/ close"
    )
    assert parse("a", "close / 4") == parse("b", "close * 0.25")
    assert parse("a", "close ** 3") == parse("b", "close * close * close")
    assert parse("a", "close * -(2 + 3 - 1) * 2") == parse("b", "close * -4 * 2")


def test_every_formula_of_the_catalogue_is_valid_and_the_scale_free_ones_have_no_unit() -> None:
    for name, formula in catalogue().items():
        node = parse(name, formula.formula, DEFINITIONS)
        if "raw" not in formula.groups:
            assert dimension(node) == PURE, name
