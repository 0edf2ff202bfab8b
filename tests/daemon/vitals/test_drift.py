"""Drift: PSI agrees with its formula, the promise holds without drift, a shift is found, state is exact."""

import base64
import math
import zlib
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from daemon.events import Snapshot
from daemon.kernels import IntArray
from daemon.snapshot import encode_snapshot
from daemon.vitals.drift import Drift
from daemon.vitals.drift_reference import MIN_TIMES, DriftReference, autocorrelation_spans
from daemon.vitals.drift_threshold import LONG_WINDOWS
from daemon.vitals.psi import psi, smoothed
from tests.drifting import WEEK, ar1, kept, learned, lived


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=2, max_size=12))
def test_psi_is_the_symmetric_relative_entropy_of_smoothed_shares(pairs: list[tuple[int, int]]) -> None:
    ours, theirs = (np.array(column, dtype=np.int64) for column in zip(*pairs, strict=True))
    p, q = smoothed(ours), smoothed(theirs)
    assert p.sum() == pytest.approx(1.0)
    assert float(psi(ours, theirs)) == pytest.approx(entropy(p, q) + entropy(q, p), abs=1e-12)


def test_a_window_too_short_for_a_features_memory_says_that_it_cannot_see() -> None:
    generator = np.random.default_rng(5)
    past = np.column_stack([ar1(generator, 6 * WEEK, 1, 0.99), ar1(generator, 6 * WEEK, 1, 0.5)])
    reference = learned(past, 1440)
    assert reference.sees.tolist() == [False, True]
    assert reference.times[0] < MIN_TIMES < reference.times[1]


@pytest.mark.parametrize("rho", [0.0, 0.9, 0.99])
def test_autocorrelation_times_are_those_of_the_process(rho: float) -> None:
    past = ar1(np.random.default_rng(3), 20 * WEEK, 4, rho)
    counts = kept(past)
    packed = np.frombuffer(zlib.decompress(base64.b64decode(counts["counts"])), dtype="<u2")
    spans = autocorrelation_spans(packed.reshape(counts["shape"]).astype(np.int64), 24)
    # In minutes, 1/2 + rho / (1 - rho); ranks remember a little less than values.
    expected = 0.5 + rho / (1.0 - rho)
    assert spans.mean() * 60 == pytest.approx(expected, rel=0.25)


def test_a_reference_of_few_windows_has_no_threshold_and_says_so() -> None:
    past = ar1(np.random.default_rng(1), 3 * WEEK, 2, 0.5)
    reference = learned(past)
    figures = lived(reference, past + 3.0).figures()
    assert np.isinf(reference.threshold).all()
    assert not figures.in_alarm
    assert "3 windows" in figures.blind


def test_fewer_windows_make_a_more_cautious_threshold() -> None:
    past = ar1(np.random.default_rng(2), 40 * WEEK, 4, 0.9)
    long, short = learned(past), learned(past[: 5 * WEEK])
    assert short.threshold.mean() > 1.5 * long.threshold.mean()


def test_only_instruments_that_training_saw_are_counted() -> None:
    past = ar1(np.random.default_rng(2), 5 * WEEK, 1, 0.5)
    fields = kept(past, instruments=("a", "b"))
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
    reference = learned(past, 1440)
    early = lived(reference, past[:1440])
    assert (early.figures().judged_hours, math.isnan(early.figures().features[0].psi)) == (0, True)
    assert "not full" in early.figures().blind
    assert lived(reference, past[:1441]).figures().judged_hours == 1
    thin = Drift(reference)
    minute: IntArray = np.arange(0, 3_000, 3)
    thin.update(minute, np.zeros(1_000, dtype=np.int64), past[:1_000])
    assert thin.figures().judged_hours == 0


@given(st.lists(st.integers(0, 4_000), max_size=6), st.booleans())
def test_any_chunking_and_restart_gives_the_same_bits(cuts: list[int], restart: bool) -> None:
    past = ar1(np.random.default_rng(6), 8 * 1440, 2, 0.5)
    reference = learned(past, 1440)
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
    one, other = (
        encode_snapshot(Snapshot(batch=0, seq=0, minute=0, version=1, state={"drift": drift.to_fields()}))
        for drift in (whole, parts)
    )
    assert whole.figures().episodes == 1
    assert one == other


def test_an_episode_is_counted_once_and_ends_when_the_long_view_is_well_again_too() -> None:
    generator = np.random.default_rng(9)
    reference = learned(ar1(generator, 20 * 1440, 2, 0.5), 1440)
    now = ar1(generator, 18 * 1440, 2, 0.5)
    now[8 * 1440 : 10 * 1440] += 1.5
    within, later = lived(reference, now[: 12 * 1440]).figures(), lived(reference, now).figures()
    assert (within.episodes, later.episodes) == (1, 1)
    assert within.in_alarm
    assert (within.features[0].psi < within.features[0].threshold, within.features[0].long) == (True, True)
    assert not later.in_alarm
    assert 6 * 24 < later.alarm_hours < 9 * 24


def test_the_long_view_is_judged_though_the_last_hours_of_days_have_no_bar() -> None:
    generator = np.random.default_rng(11)
    reference = learned(ar1(generator, 20 * 1440, 2, 0.5), 1440)
    drift = Drift(reference)
    minute = np.concatenate([day * 1440 + np.arange(1200) for day in range(20_000, 20_009)])
    drift.update(minute, np.zeros(len(minute), dtype=np.int64), ar1(generator, len(minute), 2, 0.5))
    figures = drift.figures()
    assert figures.long_hours == LONG_WINDOWS * 24
    assert all(0.0 < f.long_psi < f.long_threshold for f in figures.features)
    # A long pause empties it.
    later = minute[-1] + 20 * 1440
    drift.update(later + np.arange(1500), np.zeros(1500, dtype=np.int64), ar1(generator, 1500, 2, 0.5))
    assert all(math.isnan(f.long_psi) for f in drift.figures().features)
