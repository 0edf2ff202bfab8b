"""Change detectors hear one error per horizon, find a real change, and take up again exactly."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from river.drift import ADWIN, PageHinkley

from daemon.vitals import changes
from daemon.vitals.changes import (
    MIN_INPUTS,
    PAGE_HINKLEY_DELTA,
    PAGE_HINKLEY_THRESHOLD,
    ChangeFigures,
    Changes,
)

NAMES = ("trees", "online", "blend")
Make = Callable[..., Any]
HORIZON = 10


def played(run: Any, cuts: list[int] | None = None, *, restart: bool = False) -> Changes:
    found = Changes(NAMES, run.horizon)
    for first, end in pairwise([0, *sorted(cuts or []), run.n_minutes]):
        ordinal, _, matured, said, known = run.cut(first, end)
        found.update(ordinal, matured, said, known)
        if restart:
            found = Changes(NAMES, run.horizon).restored(found.to_fields())
    return found


def fed(errors: np.ndarray) -> ChangeFigures:
    """Feed one expert blocks of ten labels, of which so many tenths are wrong."""
    wrong = np.arange(10)[None, :] < np.round(errors * 10)[:, None]
    n_rows = wrong.size
    logp = np.log(np.tile([0.2, 0.6, 0.2], (n_rows, 1)))[:, None]
    matured = type("M", (), {"at": np.arange(n_rows), "label": np.where(wrong.ravel(), 2, 1)})()
    matured.catch_up = np.zeros(n_rows, dtype=np.bool_)
    found = Changes(("one",), HORIZON)
    found.update(0, matured, logp, np.ones(n_rows, dtype=np.bool_))
    return found.figures()[0]


def errors(seed: int, n: int, share: float) -> np.ndarray:
    drawn: np.ndarray = np.random.default_rng(seed).binomial(10, share, n) / 10
    return drawn


def test_alarms_are_those_of_detectors_that_river_feeds_afresh_after_each() -> None:
    heard = np.concatenate([errors(1, 300, 0.3), errors(2, 300, 0.8), errors(3, 301, 0.3)])
    found = fed(heard)
    makers: dict[str, Callable[[], Any]] = {
        "adwin": lambda: ADWIN(clock=1, grace_period=MIN_INPUTS),
        "page_hinkley": lambda: PageHinkley(
            min_instances=MIN_INPUTS, delta=PAGE_HINKLEY_DELTA, threshold=PAGE_HINKLEY_THRESHOLD, alpha=1.0
        ),
    }
    for kind, make in makers.items():
        detector, at = make(), []
        # The last horizon is still open.
        for number, error in enumerate(heard[:-1].tolist()):
            detector.update(error)
            if detector.drift_detected:
                at.append((number + 1) * HORIZON - 1)
                detector = make()
        assert found.alarms[kind] == len(at) >= 2
        assert found.last[kind] == at[-1]
        assert any(3_000 <= moment < 4_000 for moment in at)


def test_steady_errors_raise_hardly_an_alarm() -> None:
    alarms = [fed(errors(seed, 700, 0.5)).alarms for seed in range(20)]
    # Twenty months of hourly labels.
    assert sum(a["adwin"] for a in alarms) <= 3
    assert sum(a["page_hinkley"] for a in alarms) <= 3


@given(st.integers(0, 20), st.lists(st.integers(0, 200), max_size=9), st.booleans())
def test_any_chunking_and_restart_gives_the_same_state(
    judged: Make, seed: int, cuts: list[int], restart: bool
) -> None:
    run = judged(seed, horizon=3, catch_up=40)
    one, other = played(run), played(run, cuts, restart=restart)
    assert repr(one.to_fields()) == repr(other.to_fields())
    assert one.figures() == other.figures()


def test_what_a_detector_remembers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MAX_INPUTS", 60)
    assert fed(errors(3, 200, 0.5)).alarms == {"adwin": 0, "page_hinkley": 0}
    wide = Changes(("one",), HORIZON)
    fields = wide.to_fields()
    assert len(fields["ears"][0]) == 2  # type: ignore[index]
