"""The drift reference: small, complete, and able to give contiguous windows per instrument."""

import base64
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.features import compile_plan
from daemon.kernels import IntArray
from daemon.settings import FeatureSettings
from daemon.training import reference
from daemon.training.reference import N_BINS, Reference, equal_mass_edges, watched

FIRST = 29_000_000


def counts_of(fields: Mapping[str, Any]) -> IntArray:
    """What a bundle's counts are once unpacked: (n_instruments, n_spans, n_features, N_BINS)."""
    packed = zlib.decompress(base64.b64decode(fields["counts"], validate=True))
    return np.frombuffer(packed, dtype="<u2").reshape(fields["shape"]).astype(np.int64)


def filled(n_minutes: int, n_instruments: int = 2, seed: int = 1) -> tuple[Reference, Any, Any, Any]:
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(n_minutes * n_instruments, 4))
    minute = FIRST + np.repeat(np.arange(n_minutes), n_instruments)
    instrument = np.tile(np.arange(n_instruments), n_minutes)
    columns = np.array([2, 0])
    edges = equal_mass_edges(values[:, columns])
    names = [f"i{number}" for number in range(n_instruments)]
    made = Reference(("c", "a"), columns, edges, names, FIRST, FIRST + n_minutes - 1)
    return made, minute, instrument, values


@given(st.integers(60, 400), st.integers(1, 200))
def test_every_row_is_counted_once_in_its_instrument_hour_and_bin(n_minutes: int, cut: int) -> None:
    made, minute, instrument, values = filled(n_minutes)
    made.add(minute[:cut], instrument[:cut], values[:cut])
    made.add(minute[cut:], instrument[cut:], values[cut:])
    fields = made.to_fields()
    counts = counts_of(fields)
    edges = np.array(fields["edges"])
    expected = np.zeros_like(counts)
    for at, who, row in zip(minute.tolist(), instrument.tolist(), values, strict=True):
        for feature, column in enumerate((2, 0)):
            drawer = sum(row[column] >= edge for edge in edges[feature])
            expected[who, (at - FIRST) // 60, feature, drawer] += 1
    assert fields["span_minutes"] == 60
    assert np.array_equal(counts, expected)


def test_bins_hold_equal_shares_of_what_they_were_made_from() -> None:
    made, minute, instrument, values = filled(1_000)
    made.add(minute, instrument, values)
    by_bin = counts_of(made.to_fields()).sum(axis=(0, 1))
    assert by_bin.sum(axis=1).tolist() == [2_000, 2_000]
    assert np.all(np.abs(by_bin - 2_000 / N_BINS) <= 1)


def test_spans_grow_until_the_counts_are_few_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "MAX_CELLS", 2 * 2 * N_BINS * 6)
    made, *_ = filled(24 * 60)
    assert made.to_fields()["span_minutes"] == 4 * 60
    monkeypatch.setattr(reference, "MAX_CELLS", 1)
    made, *_ = filled(24 * 60)
    assert made.to_fields()["span_minutes"] == 24 * 60


def test_a_large_sample_is_thinned_evenly() -> None:
    ascending = np.arange(3 * reference.MAX_SAMPLE_ROWS, dtype=np.float64)[:, None]
    edges = equal_mass_edges(ascending)[0]
    assert edges / len(ascending) == pytest.approx(np.arange(1, N_BINS) / N_BINS, abs=1e-4)


def test_calendar_features_are_not_watched() -> None:
    plan = compile_plan(FeatureSettings(groups=("calendar", "returns")), ("a:BUSDT",))
    names, columns = watched(plan)
    assert [plan.names[column] for column in columns] == list(names)
    calendar = {formula.name for formula in plan.formulas if "calendar" in formula.groups}
    assert calendar
    assert set(names) == set(plan.names) - calendar
