"""Bundles of models that were trained elsewhere."""

from functools import cache
from typing import Any

import lightgbm
import numpy as np
import pytest

from daemon.errors import BundleError, FormulaError, SchemaMismatchError, TrainingError
from daemon.models.bundle import Bundle
from daemon.models.trees import BoostedTrees
from daemon.run_model import assemble
from daemon.training.pack import FinishedModel, pack
from tests.daemon.training.test_train import changed
from tests.runs import SETTINGS, market

FEATURES = ("return_15", "return_1", "return_5", "return_60")
"""Not in the catalogue's order."""


@cache
def foreign(objective: str, *, named: bool = True) -> bytes:
    generator = np.random.default_rng(4)
    values = generator.normal(scale=1e-3, size=(2_000, len(FEATURES)))
    score = values[:, 0] + generator.normal(scale=1e-3, size=2_000)
    target = {
        "regression": score,
        "binary": score > 0,
        "multiclass": np.digitize(score, [-5e-4, 5e-4]),
        "poisson": np.abs(score),
    }[objective]
    parameters: dict[str, Any] = {"objective": objective, "num_leaves": 5, "verbosity": -1, "num_threads": 1}
    if objective == "multiclass":
        parameters["num_class"] = 3
    data = lightgbm.Dataset(values, label=target, feature_name=list(FEATURES) if named else "auto")
    text: str = lightgbm.train(parameters, data, 10).model_to_string()
    return text.encode()


def packed(model: FinishedModel, **arguments: Any) -> Bundle:
    settings = arguments.pop("settings", SETTINGS)
    arguments.setdefault("span", (None, market().first_minute + 1_500))
    return pack(model, market(), settings, name="foreign", **arguments)


@pytest.mark.parametrize("objective", ["regression", "binary", "multiclass"])
def test_any_kind_of_model_is_packed_and_ready_to_trade(objective: str) -> None:
    bundle = packed(FinishedModel(foreign(objective)))
    assert bundle.schema.names == tuple(sorted(FEATURES, key=lambda name: int(name.removeprefix("return_"))))
    assert set(bundle.calibrators) == {"trees", "online"}
    again = Bundle.from_files(bundle.to_files())
    model = assemble("1", again, SETTINGS, bundle.reference)
    assert model.plan.names == bundle.schema.names
    assert bundle.trees is not None
    values = np.random.default_rng(1).normal(scale=1e-3, size=(20, 4))
    column = [bundle.schema.names.index(name) for name in FEATURES]
    ours = BoostedTrees(bundle.trees, bundle.schema.names).output(values)
    theirs = lightgbm.Booster(model_str=foreign(objective).decode()).predict(
        np.ascontiguousarray(values[:, column]), raw_score=True, num_threads=1
    )
    assert np.array_equal(ours, np.asarray(theirs))


def test_only_a_regressor_is_scaled() -> None:
    assert packed(FinishedModel(foreign("binary"))).trees_scale == 1.0
    assert packed(FinishedModel(foreign("multiclass"))).trees_scale == 1.0
    # Its output is in returns: some ten thousandths.
    assert packed(FinishedModel(foreign("regression"))).trees_scale > 100


def test_columns_without_names_take_those_that_are_given() -> None:
    bare = packed(FinishedModel(foreign("regression", named=False), FEATURES))
    named = packed(FinishedModel(foreign("regression")))
    assert bare.calibrators == named.calibrators
    assert bare.edge == named.edge
    assert bare.schema == named.schema
    with pytest.raises(SchemaMismatchError, match="4 columns without names, for which 3"):
        packed(FinishedModel(foreign("regression", named=False), FEATURES[:3]))


def test_own_formulas_may_be_columns_and_others_are_left_out() -> None:
    own = {"return_15": "0"}
    formulas = {"swing": "ratio(high - low, close, 0)", "unused": "ratio(open, close, 1)"}
    model = FinishedModel(foreign("regression", named=False), ("swing", *FEATURES[1:]))
    bundle = packed(model, formulas=formulas)
    assert set(bundle.schema.names) == {"swing", *FEATURES[1:]}
    assert bundle.formulas == {"swing": formulas["swing"]}
    with pytest.raises(FormulaError, match="return_15"):
        packed(FinishedModel(foreign("regression")), formulas=own)


def test_features_that_nobody_knows_are_all_named() -> None:
    model = FinishedModel(foreign("regression", named=False), ("my_a", "my_b", "return_1", "return_5"))
    with pytest.raises(FormulaError, match=r"not known here: my_a, my_b. `papertape features`"):
        packed(model)


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(BundleError, match="no LightGBM text model"):
        packed(FinishedModel(b"hello"))
    with pytest.raises(BundleError, match="poisson"):
        packed(FinishedModel(foreign("poisson")))


def test_a_range_too_short_to_calibrate_is_refused() -> None:
    with pytest.raises(TrainingError, match="11 session minutes are too few to calibrate"):
        packed(FinishedModel(foreign("regression")), span=(None, market().first_minute + 10))


def test_without_a_learner_the_whole_range_calibrates() -> None:
    experts = {**SETTINGS.experts.model_dump(), "online": {"enabled": False}}
    alone = packed(FinishedModel(foreign("regression")), settings=changed(experts=experts))
    with_learner = packed(FinishedModel(foreign("regression")))
    assert alone.experts == ("trees", "base_rate")
    assert alone.ranges["calibration_start"] == alone.ranges["start"]
    quarter = round(1_501 * 0.25)
    assert with_learner.ranges["calibration_start"] == with_learner.ranges["start"] + quarter
