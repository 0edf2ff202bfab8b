"""Cross-sections, pairs with the benchmark, same-minute averages, the calendar: against plain numpy."""

from datetime import UTC, datetime

import numpy as np
import pytest

from daemon.events import Minutes
from daemon.features import FeatureBlock, compile_plan
from daemon.kernels import FloatArray
from daemon.settings import FeatureSettings
from tests.daemon.features.market import only, walk

NAMES = ("test:A", "test:B", "test:C", "test:D")
N = len(NAMES)


def run(
    minutes: Minutes, names: tuple[str, ...] = NAMES, **settings: object
) -> tuple[FeatureBlock, list[str]]:
    groups = ("cross_section", "seasonal", "calendar", "returns")
    plan = compile_plan(FeatureSettings.model_validate({"groups": groups, **settings}), NAMES)
    block, _ = plan.advance(plan.initial(names), minutes)
    return block, list(plan.names)


def dense(block: FeatureBlock, values: FloatArray, shape: tuple[int, int]) -> FloatArray:
    result = np.full(shape, np.nan)
    result[block.minute, block.instrument] = values
    return result


@pytest.mark.parametrize("absent", [0.0, 0.3])
def test_the_universe_return_is_the_mean_over_members_with_a_row(absent: float) -> None:
    minutes = walk(400, N, seed=1, absent=absent)
    block, names = run(minutes)
    own = dense(block, block.values[:, names.index("return_15")], minutes.present.shape)
    universe = dense(block, block.values[:, names.index("universe_return_15")], minutes.present.shape)
    strength = dense(block, block.values[:, names.index("relative_strength_15")], minutes.present.shape)
    count = minutes.present.sum(axis=1)
    mean = np.where(count >= 3, np.nansum(own, axis=1) / np.maximum(count, 1), 0.0)
    assert (count < 3).any() == (absent > 0.0)
    there = minutes.present
    assert np.abs(universe[there] - np.broadcast_to(mean[:, None], there.shape)[there]).max() < 1e-14
    assert np.abs(strength[there] - (own - mean[:, None])[there]).max() < 1e-14


def test_an_instrument_outside_the_reference_list_changes_nothing_for_the_others() -> None:
    minutes = walk(300, N + 2, seed=2, absent=0.1)
    names = ("test:A", "test:AA", "test:B", "test:C", "test:CC", "test:D")
    inside = [0, 2, 3, 5]
    alone = only(minutes, inside)
    wide, _ = run(minutes, names)
    narrow, _ = run(alone)
    assert wide.values[np.isin(wide.instrument, inside)].tobytes() == narrow.values.tobytes()


@pytest.mark.parametrize("absent", [0.0, 0.2])
def test_beta_and_correlation_are_least_squares_over_the_rows_both_have(absent: float) -> None:
    minutes = walk(900, N, seed=3, absent=absent)
    # Some common movement, so that there is something to find.
    block, names = run(minutes, benchmark="test:B")
    logs = np.log(minutes.close)
    for column in range(N):
        rows = np.nonzero(minutes.present[:, column])[0]
        both = minutes.present[rows, 1]
        paired = both & np.concatenate([[False], both[:-1]])
        x = np.diff(logs[rows, 1], prepend=np.nan)
        y = np.diff(logs[rows, column], prepend=np.nan)
        at = len(rows) - 1
        window = np.arange(at - 239, at + 1)
        use = window[paired[window]]
        beta = np.cov(x[use], y[use], bias=True)[0, 1] / np.var(x[use])
        mine = (block.instrument == column).nonzero()[0][-1]
        assert block.values[mine, names.index("beta_240")] == pytest.approx(beta, rel=1e-5, abs=1e-5)
        correlation = np.corrcoef(x[use], y[use])[0, 1]
        assert block.values[mine, names.index("correlation_240")] == pytest.approx(
            correlation, rel=1e-5, abs=1e-5
        )


def test_same_minute_averages_take_the_hours_that_have_the_minute_and_need_half_of_them() -> None:
    minutes = walk(60 * 40, 1, seed=4, absent=0.35)
    block, names = run(minutes, NAMES[:1])
    got = dense(block, block.values[:, names.index("same_minute_volume_24h")], minutes.present.shape)[:, 0]
    volume = minutes.volume[:, 0]
    fallbacks = 0
    for row in range(60 * 26, len(minutes)):
        if not minutes.present[row, 0]:
            continue
        before = volume[[row - 60 * k for k in range(1, 25)]]
        known = before[~np.isnan(before)]
        fallbacks += len(known) < 12
        enough = len(known) >= 12 and known.sum() > 0.0
        expected = np.clip(volume[row] / known.mean(), 0.0, 1000.0) if enough else 1.0
        assert got[row] == pytest.approx(expected, rel=1e-6)
    assert fallbacks > 0


def test_the_calendar_tells_utc_time() -> None:
    minutes = walk(3, 1)
    block, names = run(minutes, NAMES[:1])
    for row in range(3):
        moment = datetime.fromtimestamp(int(minutes.minute[row]) * 60, tz=UTC)
        assert block.values[row, names.index("minute_of_day")] == moment.hour * 60 + moment.minute
        assert block.values[row, names.index("day_of_week")] == moment.weekday()
        assert block.values[row, names.index("weekend")] == (moment.weekday() >= 5)


def test_without_a_benchmark_beta_takes_its_stated_value() -> None:
    block, names = run(walk(300, N, seed=5), benchmark="test:ELSEWHERE")
    assert (block.values[:, names.index("beta_240")] == 0.0).all()
