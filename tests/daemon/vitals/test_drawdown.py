"""Drawdown agrees with a plain loop, for any chunking."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daemon.vitals.drawdown import Drawdown

equities = st.lists(st.floats(50.0, 150.0), min_size=1, max_size=60)


@given(equities, st.lists(st.integers(0, 60), max_size=6))
def test_it_agrees_with_a_loop_over_minutes_for_any_chunking(equity: list[float], cuts: list[int]) -> None:
    highest, worst, below, longest = 100.0, 0.0, 0, 0
    for value in equity:
        highest = max(highest, value)
        worst = max(worst, 1 - value / highest)
        below = 0 if value >= highest else below + 1
        longest = max(longest, below)
    drawdown = Drawdown(100.0)
    bounds = [0, *sorted(min(cut, len(equity)) for cut in cuts), len(equity)]
    for first, end in pairwise(bounds):
        drawdown.update(np.array(equity[first:end]))
        drawdown = Drawdown.from_fields(drawdown.to_fields())
    figures = drawdown.figures
    assert figures.current == 1 - equity[-1] / highest
    assert (figures.worst, figures.minutes_below, figures.longest_minutes_below) == (worst, below, longest)


def test_a_run_that_only_rises_has_none() -> None:
    drawdown = Drawdown(100.0)
    drawdown.update(np.array([100.0, 101.0, 105.0]))
    assert drawdown.figures.worst == 0.0
    assert drawdown.figures.longest_minutes_below == 0
