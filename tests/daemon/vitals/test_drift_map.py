"""Drift by day: each day's PSI by feature, beside an independent count."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.training.reference import Reference, equal_mass_edges
from daemon.vitals.drift_map import DriftMap

DAY = 1440
N_DAYS = 30
RATE = 0.01


def reference_fields(n_days: int = N_DAYS) -> dict[str, object]:
    """Training of two instruments and three features that do not drift."""
    generator = np.random.default_rng(5)
    values = generator.normal(size=(n_days * DAY * 2, 3))
    minute = np.repeat(np.arange(n_days * DAY), 2)
    instrument = np.tile([0, 1], n_days * DAY)
    reference = Reference(
        ("one", "two", "three"), np.arange(3), equal_mass_edges(values), ("v:A", "v:B"), 0, n_days * DAY - 1
    )
    reference.add(minute, instrument, values)
    return reference.to_fields()


FIELDS = reference_fields()


def live(n_days: int = 6, seed: int = 9) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Minutes, instruments and values; `two` moves by a standard deviation on the fourth day."""
    generator = np.random.default_rng(seed)
    minute = np.repeat(np.arange(100 * DAY, (100 + n_days) * DAY), 2)
    values = generator.normal(size=(len(minute), 3))
    values[minute // DAY == 103, 1] += 1.0
    return minute, np.tile([0, 1], len(minute) // 2), values


def entropy_index(ours: np.ndarray, edges: np.ndarray, theirs: np.ndarray) -> float:
    """PSI from numpy's own histogram and the definition."""
    counts = np.histogram(ours, np.concatenate([[-np.inf], edges, [np.inf]]))[0]
    p, q = ((c + 0.5) / (c.sum() + 0.5 * len(c)) for c in (counts, theirs))
    return float(((p - q) * np.log(p / q)).sum())


def test_each_days_index_is_that_of_its_own_histogram() -> None:
    minute, instrument, values = live()
    one = DriftMap(FIELDS, ("v:A", "v:B"), RATE)
    one.add(minute, instrument, values)
    found = one.figures()
    assert found.day.tolist() == list(range(100, 106))
    assert found.rows.tolist() == [2 * DAY] * 6
    for feature in range(3):
        edges, counts = one.reference.edges[feature], one.reference.counts[feature]
        for at in range(6):
            rows = values[minute // DAY == 100 + at, feature]
            assert found.psi[feature, at] == pytest.approx(entropy_index(rows, edges, counts), abs=1e-12)


def test_the_day_and_the_feature_that_moved_stand_out_and_no_others() -> None:
    one = DriftMap(FIELDS, ("v:A", "v:B"), RATE)
    one.add(*live())
    found = one.figures()
    odd = found.psi > found.threshold[:, None]
    assert np.argwhere(odd).tolist() == [[1, 3]]
    plain = found.to_plain()
    assert plain["features"][0]["feature"] == "two"
    assert plain["days"][3] == "1970-04-14"
    assert plain["note"] == ""


@given(st.lists(st.integers(1, 6 * DAY * 2 - 1), max_size=6))
@settings(max_examples=20, deadline=None)
def test_any_chunking_gives_the_same_map(cuts: list[int]) -> None:
    minute, instrument, values = live()
    whole, cut = DriftMap(FIELDS, ("v:A", "v:B"), RATE), DriftMap(FIELDS, ("v:A", "v:B"), RATE)
    whole.add(minute, instrument, values)
    for a, b in pairwise(sorted({0, len(minute), *cuts})):
        cut.add(minute[a:b], instrument[a:b], values[a:b])
    assert cut.figures().psi.tobytes() == whole.figures().psi.tobytes()


def test_a_day_with_few_rows_is_left_blank() -> None:
    minute, instrument, values = live()
    kept = (minute // DAY != 102) | (minute % DAY < 300)
    one = DriftMap(FIELDS, ("v:A", "v:B"), RATE)
    one.add(minute[kept], instrument[kept], values[kept])
    found = one.figures()
    assert np.isnan(found.psi).all(axis=0).tolist() == [False, False, True, False, False, False]
    assert found.judged_days == 5
    assert found.to_plain()["features"][0]["psi"][2] is None


def test_a_reference_of_two_days_has_no_thresholds_and_says_so() -> None:
    one = DriftMap(reference_fields(2), ("v:A", "v:B"), RATE)
    one.add(*live())
    plain = one.figures().to_plain()
    assert plain["note"].startswith("the model's reference is too short")
    assert {feature["threshold"] for feature in plain["features"]} == {None}
    assert plain["features"][0]["feature"] == "two"


def test_instruments_that_training_never_saw_do_not_count_unless_there_is_no_other() -> None:
    minute, instrument, values = live()
    one = DriftMap(FIELDS, ("v:A", "v:NEW"), RATE)
    one.add(minute, instrument, values)
    assert one.figures().rows.tolist() == [DAY] * 6
    one.regroup(("v:A", "v:B"))
    one.add(minute, instrument, values)
    assert one.figures().rows.tolist() == [3 * DAY] * 6
    strangers = DriftMap(FIELDS, ("v:X", "v:Y"), RATE)
    strangers.add(minute, instrument, values)
    assert strangers.figures().rows.tolist() == [2 * DAY] * 6


def test_nothing_counted_is_an_empty_map() -> None:
    found = DriftMap(FIELDS, ("v:A",), RATE).figures()
    assert found.judged_days == 0
    assert found.to_plain()["days"] == []
