"""The closed forms of the best forecast agree with brute force on the process as it is written down."""

import math

import numpy as np
import pytest

from adapters.simulator.optimum import Shape, mean_per_distance, variance
from adapters.simulator.process import Process

N_PATHS = 40_000
JITTER = 0.1
START = 28_401_120


def brute_force(process: Process, minute: int, distance: float, heat: float, horizon: int) -> np.ndarray:
    """Play the process forward from one state, minute by minute, as its documentation states it."""
    generator = np.random.default_rng(5)
    keep = 1 - 2 / (process.span_minutes + 1)
    total, at, q = np.zeros(N_PATHS), np.full(N_PATHS, distance), np.full(N_PATHS, heat)
    for step in range(1, horizon + 2):
        season = process.season_at(np.array([minute + step]))[0]
        jump = JITTER * season * np.sqrt(q) * generator.standard_normal(N_PATHS)
        if step == 1:
            total -= jump
        if step == horizon + 1:
            total += jump
            break
        pull = process.pull
        if process.change_minute is not None and minute + step >= process.change_minute:
            pull = process.pull_after
        shock = generator.standard_t(process.tail_freedom, N_PATHS)
        shock *= math.sqrt((process.tail_freedom - 2) / process.tail_freedom)
        step_return = -pull * at + season * np.sqrt(q) * shock
        at = keep * (at + step_return)
        total += step_return
        a, b = process.garch_shock, process.garch_memory
        q = (1 - a - b) + (a * shock**2 + b) * q
    return total


@pytest.mark.parametrize(
    ("minute_of_day", "heat", "horizon", "change_after"),
    [(0, 1.0, 60, None), (800, 3.0, 60, None), (300, 0.4, 30, 12), (1400, 1.7, 5, 1), (500, 0.9, 1, None)],
)
def test_mean_variance_and_classes_agree_with_paths_played_forward(
    minute_of_day: int, heat: float, horizon: int, change_after: int | None
) -> None:
    minute = START + minute_of_day
    process = Process(change_minute=None if change_after is None else minute + change_after)
    distance = 5.0
    paths = brute_force(process, minute, distance, heat, horizon)
    now = np.array([minute])
    mean = mean_per_distance(process, now, horizon)[0] * distance
    spread = math.sqrt(variance(process, now, np.array([[heat]]), horizon, JITTER)[0, 0])
    assert mean == pytest.approx(paths.mean(), abs=5 * spread / math.sqrt(N_PATHS))
    assert spread == pytest.approx(paths.std(), rel=0.04)
    shape = Shape(process, horizon, seed=1)
    for bound in (-0.5 * math.sqrt(horizon), 0.5 * math.sqrt(horizon)):
        said = shape.below(np.array([(bound - mean) / spread]), np.array([heat]))[0]
        assert said == pytest.approx(np.mean(paths <= bound), abs=0.015)


def test_without_pull_the_variance_of_constant_volatility_is_its_horizon() -> None:
    process = Process(pull=0.0, garch_shock=0.0, garch_memory=0.0, season=0.0)
    unit = variance(process, np.arange(START, START + 3), np.ones((3, 2)), 60, 0.0)
    assert np.allclose(unit, 60.0)


def test_the_season_has_mean_square_one_over_a_day() -> None:
    season = Process().season_at(np.arange(START, START + 1440))
    assert np.mean(season**2) == pytest.approx(1.0)
    assert int(np.argmax(season)) == 870


def test_one_minute_ahead_the_variance_is_that_minutes_and_the_jitter_of_both_openings() -> None:
    process = Process()
    first, second = process.season_at(np.array([START + 1, START + 2])) ** 2
    unit = variance(process, np.array([START]), np.array([[3.0]]), 1, JITTER)[0, 0]
    next_heat = 1.0 + (process.garch_shock + process.garch_memory) * (3.0 - 1.0)
    assert unit == pytest.approx(first * 3.0 + JITTER**2 * (first * 3.0 + second * next_heat), rel=1e-12)
