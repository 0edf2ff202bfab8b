"""The proof finds a plan that breaks a promise, and says where."""

from dataclasses import replace
from typing import cast

import numpy as np
import pytest

from daemon.events import Minutes
from daemon.features import FeatureBlock, FeaturePlan, FeatureState, compile_plan
from daemon.features.proof import FINITE, LOOK_AHEAD, PROMISES, RESTART, STREAMING, prove
from daemon.settings import FeatureSettings
from tests.daemon.features.market import walk

NAMES = ("test:A", "test:B")
SETTINGS = FeatureSettings(groups=(), names=("return_5", "rsi_14"), sigma_bars=20)


class Broken:
    """A plan that computes right and then spoils its first feature in one of several ways."""

    def __init__(self, how: str) -> None:
        self._plan = compile_plan(SETTINGS, NAMES)
        self._how = how
        self.names = self._plan.names
        self.initial = self._plan.initial
        self.admit = self._plan.admit

    def advance(self, state: FeatureState, minutes: Minutes) -> tuple[FeatureBlock, FeatureState]:
        block, state = self._plan.advance(state, minutes)
        values = block.values.copy()
        if self._how == LOOK_AHEAD:
            values[:, 0] = values[-1, 0]
        if self._how == STREAMING:
            values[:, 0] += len(minutes)
        if self._how == FINITE:
            values[:1, 0] = np.nan
        return replace(block, values=values), state

    def restore(self, fields: dict[str, object], history: list[Minutes]) -> FeatureState:
        state = self._plan.restore(fields, history)
        if self._how == RESTART:
            state.memory.averages[:] = 1.0
        return state


def test_a_sound_plan_breaks_nothing() -> None:
    proof = prove(compile_plan(SETTINGS, NAMES), NAMES, walk(700, 2, absent=0.1))
    assert proof.findings == ()
    assert [column.name for column in proof.columns] == ["return_5", "rsi_14"]
    assert 0.0 <= proof.columns[1].low < proof.columns[1].median < proof.columns[1].high <= 100.0


@pytest.mark.parametrize("how", [STREAMING, RESTART, LOOK_AHEAD])
def test_a_plan_that_breaks_a_promise_is_found_and_the_place_is_named(how: str) -> None:
    minutes = walk(700, 2)
    proof = prove(cast("FeaturePlan", Broken(how)), NAMES, minutes)
    broken = {finding.promise: finding for finding in proof.findings}
    assert how in broken
    assert broken[how].feature in {"return_5", "rsi_14"}
    assert broken[how].instrument in NAMES
    assert broken[how].minute in minutes.minute
    assert broken[how].got != broken[how].expected
    assert set(broken) <= set(PROMISES)


def test_a_value_that_is_no_number_is_found() -> None:
    plan = Broken(FINITE)
    first, _ = plan.advance(plan.initial(NAMES), walk(700, 2))
    assert np.isnan(first.values[0, 0])
    proof = prove(cast("FeaturePlan", plan), NAMES, walk(700, 2))
    assert proof.findings[0].promise == FINITE
    assert np.isnan(proof.findings[0].got)
