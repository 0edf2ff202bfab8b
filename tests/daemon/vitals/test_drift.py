"""Drift: PSI agrees with its formula, the promise holds without drift, a shift is found, state is exact."""

import base64
import math
import zlib
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter
from scipy.stats import entropy

from daemon.kernels import FloatArray, IntArray
from daemon.vitals.drift import Drift
from daemon.vitals.drift_reference import MIN_TIMES, DriftReference, autocorrelation_spans
from daemon.vitals.psi import psi, smoothed

WEEK = 10_080
N_BINS = 10


def ar1(generator: np.random.Generator, n_minutes: int, n_features: int, rho: float) -> FloatArray:
    """Return stationary AR(1) features of variance one, (n_minutes, n_features)."""
    noise = generator.standard_normal((n_minutes + 2_000, n_features))
    filtered = lfilter([math.sqrt(1.0 - rho * rho)], [1.0, -rho], noise, axis=0)
    return np.ascontiguousarray(filtered[2_000:])


def edges_of(values: FloatArray) -> FloatArray:
    return np.ascontiguousarray(np.quantile(values, np.arange(1, N_BINS) / N_BINS, axis=0).T)


def fields_of(values: FloatArray, edges: FloatArray, instruments: tuple[str, ...] = ("a",)) -> dict[str, Any]:
    """Return a bundle's reference: every instrument has the same rows."""
    n_minutes, n_features = values.shape
    hour = np.arange(n_minutes, dtype=np.int64) // 60
    counts: IntArray = np.zeros((n_minutes // 60, n_features, N_BINS), dtype=np.int64)
    for feature in range(n_features):
        drawer = (values[:, feature, None] >= edges[feature]).sum(axis=1)
        cells = np.bincount(hour * N_BINS + drawer, minlength=counts.shape[0] * N_BINS)
        counts[:, feature] = cells.reshape(-1, N_BINS)
    every = np.stack([counts] * len(instruments))
    return {
        "features": [f"f{number}" for number in range(n_features)],
        "edges": edges.tolist(),
        "instruments": list(instruments),
        "first_minute": 0,
        "span_minutes": 60,
        "shape": list(every.shape),
        "counts": base64.b64encode(zlib.compress(every.astype("<u2").tobytes())).decode(),
    }


def live(reference: DriftReference, values: FloatArray) -> Drift:
    drift = Drift(reference)
    drift.update(np.arange(len(values)), np.zeros(len(values), dtype=np.int64), values)
    return drift


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=2, max_size=12))
def test_psi_is_the_symmetric_relative_entropy_of_smoothed_shares(pairs: list[tuple[int, int]]) -> None:
    ours, theirs = (np.array(column, dtype=np.int64) for column in zip(*pairs, strict=True))
    p, q = smoothed(ours), smoothed(theirs)
    assert p.sum() == pytest.approx(1.0)
    assert float(psi(ours, theirs)) == pytest.approx(entropy(p, q) + entropy(q, p), abs=1e-12)


@pytest.mark.parametrize("rho", [0.9, 0.99])
def test_without_drift_the_panel_keeps_twice_its_promise_and_a_shift_is_found(rho: float) -> None:
    n_features, live_weeks, runs = 6, 12, 6
    shares, episodes = [], []
    for seed in range(runs):
        generator = np.random.default_rng(100 + seed)
        past = ar1(generator, 20 * WEEK, n_features, rho)
        edges = edges_of(past)
        reference = DriftReference.of(fields_of(past, edges), ("a",), WEEK, 0.01)
        now = ar1(generator, live_weeks * WEEK, n_features, rho)
        figures = live(reference, now).figures()
        assert figures.judged_hours == (live_weeks - 1) * 168
        assert all(feature.sees for feature in figures.features)
        shares.append(figures.alarm_hours / figures.judged_hours)
        episodes.append(figures.episodes / live_weeks)
        shifted = now[: WEEK + 60].copy()
        shifted[:, 2] += 1.0
        found = live(reference, shifted).figures()
        assert found.in_alarm
        assert found.episodes == 1
        assert (found.features[0].name, found.features[0].out) == ("f2", True)
    assert np.mean(shares) <= 2 * 0.01
    assert np.mean(episodes) <= 2 / 4


def test_a_window_too_short_for_a_features_memory_says_that_it_cannot_see() -> None:
    generator = np.random.default_rng(5)
    past = np.column_stack([ar1(generator, 6 * WEEK, 1, 0.99), ar1(generator, 6 * WEEK, 1, 0.5)])
    reference = DriftReference.of(fields_of(past, edges_of(past)), ("a",), 1440, 0.01)
    assert reference.sees.tolist() == [False, True]
    assert reference.times[0] < MIN_TIMES < reference.times[1]


@pytest.mark.parametrize("rho", [0.0, 0.9, 0.99])
def test_autocorrelation_times_are_those_of_the_process(rho: float) -> None:
    past = ar1(np.random.default_rng(3), 20 * WEEK, 4, rho)
    counts = fields_of(past, edges_of(past))
    packed = np.frombuffer(zlib.decompress(base64.b64decode(counts["counts"])), dtype="<u2")
    spans = autocorrelation_spans(packed.reshape(counts["shape"]).astype(np.int64), 24)
    # In minutes, 1/2 + rho / (1 - rho); ranks remember a little less than values.
    expected = 0.5 + rho / (1.0 - rho)
    assert spans.mean() * 60 == pytest.approx(expected, rel=0.25)


def test_a_reference_of_few_windows_has_no_threshold_and_says_so() -> None:
    past = ar1(np.random.default_rng(1), 3 * WEEK, 2, 0.5)
    reference = DriftReference.of(fields_of(past, edges_of(past)), ("a",), WEEK, 0.01)
    figures = live(reference, past + 3.0).figures()
    assert np.isinf(reference.threshold).all()
    assert not figures.in_alarm
    assert "3 windows" in figures.blind


def test_fewer_windows_make_a_more_cautious_threshold() -> None:
    past = ar1(np.random.default_rng(2), 40 * WEEK, 4, 0.9)
    edges = edges_of(past)
    long, short = (
        DriftReference.of(fields_of(part, edges), ("a",), WEEK, 0.01) for part in (past, past[: 5 * WEEK])
    )
    assert short.threshold.mean() > 1.5 * long.threshold.mean()


def test_only_instruments_that_training_saw_are_counted() -> None:
    past = ar1(np.random.default_rng(2), 5 * WEEK, 1, 0.5)
    fields = fields_of(past, edges_of(past), ("a", "b"))
    both, one, none = (
        DriftReference.of(fields, names, WEEK, 0.01) for names in (("a", "b"), ("a", "new"), ("x", "y"))
    )
    assert both.counts.sum() == none.counts.sum() == 2 * one.counts.sum()
    assert both.known.tolist() == none.known.tolist() == [True, True]
    assert one.known.tolist() == [True, False]
    drift = Drift(one)
    drift.update(np.arange(2), np.array([1, 1]), np.zeros((2, 1)))
    assert len(drift.to_fields()["hour"]) == 0  # type: ignore[arg-type]
    drift.update(np.arange(2), np.array([0, 1]), np.zeros((2, 1)))
    assert drift.to_fields()["counts"].sum() == 1  # type: ignore[attr-defined]


def test_nothing_is_judged_before_a_window_is_full_nor_when_it_is_thin() -> None:
    past = ar1(np.random.default_rng(4), 6 * WEEK, 1, 0.5)
    reference = DriftReference.of(fields_of(past, edges_of(past)), ("a",), 1440, 0.01)
    early = live(reference, past[:1440])
    assert (early.figures().judged_hours, math.isnan(early.figures().features[0].psi)) == (0, True)
    assert "not full" in early.figures().blind
    assert live(reference, past[:1441]).figures().judged_hours == 1
    thin = Drift(reference)
    minute: IntArray = np.arange(0, 3_000, 3)
    thin.update(minute, np.zeros(1_000, dtype=np.int64), past[:1_000])
    assert thin.figures().judged_hours == 0


@given(st.lists(st.integers(0, 4_000), max_size=6), st.booleans())
def test_any_chunking_and_restart_gives_the_same_bits(cuts: list[int], restart: bool) -> None:
    past = ar1(np.random.default_rng(6), 8 * 1440, 2, 0.5)
    reference = DriftReference.of(fields_of(past, edges_of(past)), ("a",), 1440, 0.01)
    generator = np.random.default_rng(7)
    minute = np.sort(generator.integers(0, 5_000, 4_000))
    values = ar1(generator, 4_000, 2, 0.5) + np.linspace(0.0, 1.0, 4_000)[:, None]
    whole, parts = Drift(reference), Drift(reference)
    column = np.zeros(4_000, dtype=np.int64)
    whole.update(minute, column, values)
    for first, end in pairwise([0, *sorted(cuts), 4_000]):
        parts.update(minute[first:end], column[first:end], values[first:end])
        if restart:
            parts = Drift(reference).restored(parts.to_fields())
    one, other = whole.to_fields(), parts.to_fields()
    assert one["episodes"] == 1
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert np.asarray(value).tobytes() == np.asarray(other[name]).tobytes(), name


def test_an_episode_is_counted_once_and_ends_when_all_is_well_again() -> None:
    generator = np.random.default_rng(9)
    past = ar1(generator, 20 * 1440, 2, 0.5)
    reference = DriftReference.of(fields_of(past, edges_of(past)), ("a",), 1440, 0.01)
    now = ar1(generator, 8 * 1440, 2, 0.5)
    now[2 * 1440 : 4 * 1440] += 1.5
    figures = live(reference, now).figures()
    assert figures.episodes == 1
    assert not figures.in_alarm
    assert 24 < figures.alarm_hours < 4 * 24
