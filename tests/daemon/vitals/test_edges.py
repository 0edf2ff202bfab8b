"""What signals promised beside what came: right means, live minutes only, the same for any chunking."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.vitals.edges import Edges

Make = Callable[..., Any]


def edge_at(decided: np.ndarray, instrument: np.ndarray) -> np.ndarray:
    """A predicted edge for every decision, about a quarter of which are signals (not 0)."""
    number = (decided * 7 + instrument * 13) % 16
    return np.where(number < 2, 4e-4, np.where(number < 4, -3e-4, 0.0))


def edges_of(run: Any) -> Edges:
    return Edges(run.span, run.n_instruments, run.horizon, 1440)


def played(run: Any, cuts: list[int] | None = None, *, restart: bool = False) -> Edges:
    edges = edges_of(run)
    for first, end in pairwise([0, *sorted(cuts or []), run.n_minutes]):
        ordinal, n_minutes, matured, _, _ = run.cut(first, end)
        minute, instrument = np.nonzero(np.ones((n_minutes, run.n_instruments), dtype=np.bool_))
        edge = edge_at(minute + first, instrument)
        signal = edge != 0.0
        edges.update(ordinal, n_minutes, minute[signal], instrument[signal], edge[signal], matured)
        if restart:
            edges = edges_of(run).restored(edges.to_fields())
    return edges


def test_promise_and_return_are_compared_signal_by_signal_minutes_first(judged: Make) -> None:
    run = judged(1, n_minutes=600, catch_up=50)
    m = run.matured
    edge = edge_at(m.decided, m.instrument)
    live = (edge != 0.0) & ~m.catch_up
    found = played(run).figures()
    assert found.signals == int(live.sum())
    minutes = np.unique(m.at[live])
    promised, came = (
        np.mean([values[live & (m.at == minute)].mean() for minute in minutes])
        for values in (np.abs(edge), np.sign(edge) * m.ret)
    )
    assert found.predicted is not None
    assert found.realised is not None
    assert found.shortfall is not None
    assert found.predicted.mean == pytest.approx(promised)
    assert found.realised.mean == pytest.approx(came)
    assert found.shortfall.mean == pytest.approx(promised - came)
    # Returns here are luck: the promise is not kept, and the interval knows it.
    assert found.shortfall.above_zero


@given(st.integers(0, 20), st.lists(st.integers(0, 200), max_size=9), st.booleans())
def test_any_chunking_and_restart_gives_the_same_figures(
    judged: Make, seed: int, cuts: list[int], restart: bool
) -> None:
    run = judged(seed, catch_up=40)
    assert played(run).figures() == played(run, cuts, restart=restart).figures()


def test_a_signal_that_waits_stays_with_its_instrument_in_another_universe(judged: Make) -> None:
    run = judged(3)
    ordinal, n_minutes, matured, _, _ = run.cut(0, 100)
    edges = edges_of(run)
    minute, instrument = np.nonzero(np.ones((n_minutes, run.n_instruments), dtype=np.bool_))
    edge = edge_at(minute, instrument)
    edges.update(ordinal, n_minutes, minute, instrument, edge, matured)
    wider = edges.regrouped(np.array([5, -1, 0, 1, 2, 3, 4]))
    _, n_minutes, matured, _, _ = run.cut(100, 100 + run.horizon)
    back = {5: 0, 0: 2, 1: 3, 2: 4, 3: 5, 4: 6}
    old = matured.instrument.copy()
    matured.instrument[:] = [back[i] for i in old.tolist()]
    before = wider.figures().signals
    none = np.zeros(0, dtype=np.int64)
    wider.update(100, n_minutes, none, none, none.astype(np.float64), matured)
    assert wider.figures().signals - before == int((matured.decided < 100).sum())


def test_of_nothing_nothing_is_said(judged: Make) -> None:
    figures = edges_of(judged(4)).figures()
    assert figures.signals == 0
    assert figures.predicted is figures.realised is figures.shortfall is None
