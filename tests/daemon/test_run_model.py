"""A bundle made ready: what it needs from outside is asked for by name."""

from dataclasses import replace

import numpy as np
import pytest

from daemon.errors import BundleError, SchemaMismatchError
from daemon.features import Schema
from daemon.kernels import FloatArray
from daemon.run_model import Outside, RunModel, assemble
from tests.runs import SETTINGS, bundle, market

NAMES = tuple(instrument.name for instrument in market().instruments)


class Sure:
    """An expert from outside that always says up."""

    row_stable = True

    def __init__(self, name: str) -> None:
        self.name = name

    def score(self, values: FloatArray) -> FloatArray:
        said: FloatArray = np.log(np.tile([0.1, 0.1, 0.8], (len(values), 1)))
        return said


def made(outside: Outside | None = None, **changes: object) -> RunModel:
    changed = replace(bundle(), **changes)  # type: ignore[arg-type]
    return assemble("1", changed, SETTINGS, NAMES, *([outside] if outside else []))


def test_a_model_of_other_features_is_refused_with_their_names() -> None:
    schema = bundle().schema
    other = Schema(("strange", *schema.names[1:]), schema.formulas)
    with pytest.raises(SchemaMismatchError, match=r"strange: the model has it"):
        made(schema=other)


def test_trees_without_their_file_are_refused() -> None:
    with pytest.raises(BundleError, match=r"trees\.txt: missing"):
        made(trees=None)


def test_the_online_learner_without_its_state_is_refused() -> None:
    with pytest.raises(BundleError, match=r"learners\.json: the state of the expert `online` is missing"):
        made(learners={})


def test_a_base_rate_without_state_begins_anew() -> None:
    model = made(experts=("trees", "base_rate"), learners={})
    assert list(model.learners) == ["base_rate"]


def test_signals_without_a_file_are_asked_for() -> None:
    with pytest.raises(BundleError, match=r"experts\.signals\.file"):
        made(experts=("trees", "signals"))


def test_signals_speak_where_they_are_known_and_are_silent_elsewhere() -> None:
    minute = market().first_minute
    columns = {
        "instrument": [NAMES[0]],
        "known_us": np.array([minute * 60_000_000], dtype=np.int64),
        "p": np.array([[0.2, 0.2, 0.6]]),
    }
    model = made(Outside({}, columns), experts=("trees", "signals"))
    values = np.zeros((2, len(model.plan.names)))
    said = model.raw(np.array([minute, minute]), np.zeros(2, np.int64), np.array([0, 1]), values, len(NAMES))
    np.testing.assert_allclose(np.exp(said["signals"][0]), [0.2, 0.2, 0.6])
    assert np.isnan(said["signals"][1]).all()
    assert set(said) == {"trees", "signals"}


def test_an_expert_that_nobody_provides_is_asked_for_by_its_entry_point() -> None:
    with pytest.raises(BundleError, match=r"'oracle' that no installed package provides"):
        made(experts=("trees", "oracle"))


def test_an_expert_from_an_entry_point_takes_part() -> None:
    outside = Outside({"oracle": lambda name, _features: Sure(name)})
    model = made(outside, experts=("trees", "oracle"))
    values = np.zeros((3, len(model.plan.names)))
    said = model.raw(np.zeros(3, np.int64), np.arange(3), np.zeros(3, np.int64), values, len(NAMES))
    np.testing.assert_allclose(np.exp(said["oracle"]), np.tile([0.1, 0.1, 0.8], (3, 1)))


def test_every_panel_learns_for_itself() -> None:
    model = made()
    one, other = model.panel(len(NAMES)), model.panel(len(NAMES))
    assert one.to_fields()["learners"] == other.to_fields()["learners"]
    learners = [panel._learners["online"][0] for panel in (one, other)]
    assert learners[0] is not learners[1]
    assert learners[0] is not model.learners["online"]
