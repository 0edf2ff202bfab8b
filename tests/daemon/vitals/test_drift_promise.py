"""The promise of drift: quiet where nothing drifts, loud where something does, honest where it is blind.

Seeds are from `drifting.FRESH` on; no constant of drift was ever chosen on them.
"""

from collections.abc import Sequence

import numpy as np
import pytest

from daemon.kernels import FloatArray
from daemon.vitals.drift import DriftFigures
from daemon.vitals.drift_reference import MIN_TIMES
from daemon.vitals.drift_threshold import LONG_WINDOWS, MIN_LONG_WINDOWS
from daemon.vitals.health import Health
from tests.drifting import FRESH, WEEK, ar1, kept, learned, lived

PROMISE = 0.01
EPISODES_A_WEEK = 0.25
LIVE_WEEKS = 12


def keep_twice_the_promise(runs: Sequence[DriftFigures]) -> None:
    shares = [figures.alarm_hours / figures.judged_hours for figures in runs]
    episodes = [figures.episodes / LIVE_WEEKS for figures in runs]
    assert np.mean(shares) <= 2 * PROMISE
    assert np.mean(episodes) <= 2 * EPISODES_A_WEEK


@pytest.mark.parametrize(("rho", "first_seed"), [(0.9, FRESH), (0.99, FRESH + 100)])
@pytest.mark.parametrize("weeks", [8, 16])
def test_without_drift_a_panel_keeps_twice_its_promise(rho: float, first_seed: int, weeks: int) -> None:
    runs = []
    for seed in range(first_seed + weeks, first_seed + weeks + 5):
        generator = np.random.default_rng(seed)
        reference = learned(ar1(generator, weeks * WEEK, 6, rho))
        figures = lived(reference, ar1(generator, LIVE_WEEKS * WEEK, 6, rho)).figures()
        assert figures.judged_hours == (LIVE_WEEKS - 1) * 168
        assert all(feature.sees for feature in figures.features)
        runs.append(figures)
    keep_twice_the_promise(runs)


def softmax(scores: FloatArray) -> FloatArray:
    exponentials = np.exp(scores)
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("rho", [0.9, 0.99])
def test_without_drift_predictions_keep_twice_the_promise_and_a_changed_mind_is_found(rho: float) -> None:
    runs = []
    for seed in range(FRESH + 300, FRESH + 305):
        generator = np.random.default_rng(seed)
        tilt = 0.5 * generator.standard_normal((4, 3))
        past = softmax(ar1(generator, 10 * WEEK, 4, rho) @ tilt)
        now = softmax(ar1(generator, LIVE_WEEKS * WEEK, 4, rho) @ tilt)
        runs.append(heard(past, now))
        bolder = np.log(now[: WEEK + 120]) * 2.0
        assert heard(past, softmax(bolder)).in_alarm
    keep_twice_the_promise(runs)


def heard(past: FloatArray, now: FloatArray) -> DriftFigures:
    """Return what health says of a blend's predictions (n_minutes, 3), as the engine tells them."""
    psi = {"predictions": kept(past, ("down", "flat", "up"))}
    health = Health(("blend",), (), 60, 43_200, WEEK, PROMISE).against(psi, ("a",))
    at, column = np.arange(len(now)), np.zeros(len(now), dtype=np.int64)
    health.hear(at, at, column, np.zeros((len(now), 0)), np.zeros((0, len(now), 3)), np.log(now))
    return health.figures().drift["predictions"]


@pytest.mark.parametrize("rho", [0.9, 0.99])
def test_a_shift_of_one_standard_deviation_is_found_within_one_window_and_named(rho: float) -> None:
    for seed in range(FRESH + 400, FRESH + 406):
        generator = np.random.default_rng(seed)
        reference = learned(ar1(generator, 16 * WEEK, 6, rho))
        assert reference.times.min() >= MIN_TIMES
        now = ar1(generator, 2 * WEEK + 60, 6, rho)
        now[WEEK:, 2] += 1.0
        figures = lived(reference, now).figures()
        assert (figures.in_alarm, figures.episodes) == (True, 1)
        assert (figures.features[0].name, figures.features[0].out) == ("f2", True)
        assert figures.features[0].out_hours > 0


def test_at_fifty_autocorrelation_times_shifts_are_found_or_said_to_be_missed() -> None:
    window, chosen = 5_100, []
    for seed in range(FRESH + 500, FRESH + 516):
        generator = np.random.default_rng(seed)
        reference = learned(ar1(generator, 16 * WEEK, 3, 0.99), window)
        now = ar1(generator, 2 * window + 60, 3, 0.99)
        now[window:] += 1.0
        features = lived(reference, now).figures().features
        chosen += [f.out_hours > 0 for f in features if f.sees and not f.blunt]
    # Nine in ten are promised; of some thirty, chance leaves so many.
    assert len(chosen) >= 25
    assert np.mean(chosen) >= 0.85


def test_a_short_reference_says_that_a_shift_could_pass() -> None:
    generator = np.random.default_rng(FRESH + 600)
    past = ar1(generator, 16 * WEEK, 3, 0.99)
    long, short = learned(past), learned(past[: 4 * WEEK])
    assert not long.blunt.any()
    assert short.blunt.all()
    assert np.isfinite(short.threshold).all()
    assert np.isinf(short.long_threshold).all()
    assert short.n_windows < MIN_LONG_WINDOWS


def test_a_small_shift_that_stays_is_found_by_the_long_view_alone() -> None:
    generator = np.random.default_rng(FRESH + 700)
    reference = learned(ar1(generator, 16 * WEEK, 4, 0.99))
    now = ar1(generator, (LONG_WINDOWS + 2) * WEEK, 4, 0.99)
    now[:, 3] += 0.35
    early = lived(reference, now[: 2 * WEEK]).figures()
    figures = lived(reference, now).figures()
    assert early.episodes == 0
    assert figures.in_alarm
    found = figures.features[0]
    assert (found.name, found.long) == ("f3", True)
    assert found.nearest == (found.long_psi, found.long_threshold)


def test_a_feature_that_cannot_be_seen_raises_no_alarm() -> None:
    generator = np.random.default_rng(FRESH + 800)
    past = np.column_stack([ar1(generator, 8 * WEEK, 1, 0.999), ar1(generator, 8 * WEEK, 1, 0.5)])
    reference = learned(past, 1440)
    assert reference.sees.tolist() == [False, True]
    figures = lived(reference, past[:WEEK] + np.array([3.0, 0.0])).figures()
    assert (figures.episodes, figures.features[-1].name) == (0, "f0")
