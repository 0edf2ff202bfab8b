"""Choosing features, a user's own formulas, the schema, the quanta."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import FormulaError
from daemon.features import (
    Quanta,
    Schema,
    catalogue,
    compile_plan,
    groups_of,
    quanta_from_fields,
    quanta_to_fields,
)
from daemon.features.quanta import PRICE_LIMIT_QUANTA
from daemon.settings import FeatureSettings
from tests.daemon.features.market import walk

NAMES = ("test:A",)


def plan(formulas: Mapping[str, object] | None = None, **settings: Any) -> Any:
    return compile_plan(FeatureSettings.model_validate(settings), NAMES, formulas=formulas)


def test_the_default_is_eighty_scale_free_features_and_three_polars_calls_a_minute() -> None:
    default = plan()
    assert len(default.names) == 80
    assert sum(bool(step.expressions) for step in default.program._steps) <= 3
    assert len(plan(groups=("twenty",)).names) == 20
    assert len(catalogue()) >= 80
    assert all(formula.unit and formula.source for formula in default.formulas)


def test_short_features_are_all_scale_free_ones_with_windows_of_at_most_a_day_of_rows() -> None:
    short = plan(groups=("short",))
    assert short.history_rows == 1_442  # the change of one row before a window, and the row itself
    left_out = [f for f in catalogue().values() if f.name not in short.names and "raw" not in f.groups]
    assert [formula.name for formula in left_out] == [
        "same_minute_volume_5d",
        "same_minute_move_5d",
        "same_minute_return_5d",
    ]


def test_groups_names_and_exclusions_choose_features_in_the_catalogues_order() -> None:
    chosen = plan(groups=("direction",), names=("rsi_14",), exclude=("adx_14",)).names
    assert chosen == ("rsi_14", "di_plus_14", "di_minus_14", "di_difference_14")
    assert groups_of(catalogue().values())[0] == "returns"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"groups": ("momentun",)}, "did you mean momentum"),
        ({"names": ("rsi_15",)}, "did you mean rsi_1"),
        ({"exclude": ("qqqqq",)}, "there are returns"),
        ({"groups": ()}, "no feature is left"),
    ],
)
def test_an_unknown_choice_is_refused_with_a_suggestion(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(FormulaError, match=message):
        plan(**settings)


def test_own_formulas_may_name_the_catalogue_and_each_other_and_come_last() -> None:
    own = {
        "calm": "ratio(range_now, natr_14, 0)",
        "range_now": {"formula": "100 * (high - low) / close", "unit": "percent"},
    }
    made = plan(own, groups=("direction",))
    assert made.names[-2:] == ("calm", "range_now")
    block, _ = made.advance(made.initial(NAMES), walk(200, 1))
    columns = {name: block.values[:, k] for k, name in enumerate(made.names)}
    reference = plan(groups=("volatility",))
    other, _ = reference.advance(reference.initial(NAMES), walk(200, 1))
    natr = other.values[:, reference.names.index("natr_14")]
    assert np.allclose(columns["calm"] * natr, columns["range_now"], rtol=1e-12)


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"rsi_14": "close"}, "has rsi_14 already"),
        ({"typical": "close"}, "has typical already"),
        ({"My Feature": "close"}, "lower-case"),
        ({"mine": 3}, "as text, or a mapping"),
        ({"mine": {"formula": "close", "colour": "red"}}, "unknown colour"),
        ({"mine": {"unit": "ratio"}}, "formula must be text"),
        ({"mine": {"formula": "close", "unit": " "}}, "unit must be text"),
        ({"mine": "lag(close, -3)"}, "look ahead"),
    ],
)
def test_own_formulas_of_another_form_are_refused(own: dict[str, object], message: str) -> None:
    with pytest.raises(FormulaError, match=message):
        plan(own)


def test_a_schema_names_every_feature_that_differs() -> None:
    ours = Schema(("a", "b", "c"), ("close", "open", "high"))
    assert ours.differences(ours) == []
    assert ours.differences(Schema(("a", "b"), ("close", "low"))) == [
        "c: this run computes it, the model has it not",
        "b: the formula is open here and low in the model",
    ]
    assert ours.differences(Schema(("a", "b", "c", "d"), ("close", "open", "high", "low"))) == [
        "d: the model has it, this run does not compute it"
    ]
    assert ours.differences(Schema(("a", "c", "b"), ("close", "high", "open"))) == [
        "the order differs from b on"
    ]
    assert ours.differences(Schema(ours.names, ours.formulas, version=99)) == [
        "formulas are version 1 here and 99 in the model"
    ]
    assert ours.differences(Schema(ours.names, ours.formulas, dtype="float32")) == [
        "values are float64 here and float32 in the model"
    ]


def test_a_schema_survives_as_plain_data_and_damage_is_seen() -> None:
    schema = plan().schema
    fields = schema.to_fields()
    assert Schema.from_fields(fields) == schema
    for part, value, message in (
        ("names", list(reversed(schema.names)), "hash"),
        ("names", None, "names and formulas"),
        ("formulas", ["close"], "one formula a name"),
        ("version", "1", "version"),
    ):
        with pytest.raises(ValueError, match=message):
            Schema.from_fields({**fields, part: value})


def test_a_definition_that_changes_changes_the_hash() -> None:
    base = plan({"part": "close / open", "whole": "part * 2"}, groups=()).schema
    other = plan({"part": "close / high", "whole": "part * 2"}, groups=()).schema
    assert base.hash != other.hash
    assert [line.split(":")[0] for line in base.differences(other)] == ["part", "whole"]


@given(st.floats(1e-8, 1e6), st.floats(0.0, 1e9))
def test_quanta_keep_ten_digits_of_the_price_and_hold_the_bar_they_come_from(
    price: float, volume: float
) -> None:
    quanta = Quanta.first(price, volume)
    assert 1e9 <= round(price * quanta.per_price, 3) < 1e10 + 1
    assert quanta.objection(price, price, volume) is None
    assert quanta.objection(price, price, volume * 1e6) is None
    assert "below one quantum" in str(quanta.objection(price * 1e-11, price, volume))
    assert "2^43" in str(quanta.objection(price, PRICE_LIMIT_QUANTA * quanta.price * 1.01, volume))
    assert "2^48" in str(quanta.objection(price, price, 3e14 * quanta.volume))
    assert quanta.volume * quanta.per_volume == pytest.approx(1.0)
    assert quanta.objection(float("nan"), price, volume) is not None
    assert quanta_from_fields(quanta_to_fields({"a": quanta})) == {"a": quanta}


def test_typical_quanta_are_those_of_medians() -> None:
    close = np.array([np.nan, 99.0, 101.0, 1e6])
    volume = np.array([np.nan, 0.0, 2500.0, 3.0])
    assert Quanta.typical(close, volume) == Quanta(-7, -9)
    assert Quanta.typical(close, volume * 0.0) == Quanta.first(101.0, 0.0)
    with pytest.raises(ValueError, match="without a bar"):
        Quanta.typical(close[:1], volume[:1])


def test_known_quanta_are_used_and_missing_ones_come_from_the_first_row() -> None:
    minutes = walk(30, 1, price=4.0)
    made = compile_plan(FeatureSettings(), NAMES, {"test:A": Quanta(-3, -3)})
    _, state = made.advance(made.initial(NAMES), minutes)
    assert state.quanta == {"test:A": Quanta(-3, -3)}
    made = compile_plan(FeatureSettings(), NAMES)
    _, state = made.advance(made.initial(NAMES), minutes)
    assert state.quanta == {"test:A": Quanta.first(float(minutes.close[0, 0]), float(minutes.volume[0, 0]))}
