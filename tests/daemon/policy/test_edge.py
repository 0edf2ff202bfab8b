"""The edge against plain least squares and against a known truth."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import BundleError
from daemon.policy.edge import EdgeModel, fit_edge

HORIZON = 60


def calibration_rows(seed: int, n: int = 4000, drift: float = 0.0) -> tuple[np.ndarray, ...]:
    """Draw rows whose labels follow their probabilities and whose returns follow their labels."""
    draw = np.random.default_rng(seed)
    p = draw.dirichlet([3.0, 3.0, 3.0], n)
    label = (draw.random(n)[:, None] > np.cumsum(p, axis=1)).sum(axis=1).clip(0, 2).astype(np.int8)
    sigma = np.exp(draw.normal(-7.0, 0.3, n))
    scaled = np.array([-1.1, 0.0, 0.9])[label] + draw.normal(0.0, 0.3, n) + drift
    return p, label, scaled * sigma * math.sqrt(HORIZON), sigma


def test_class_means_are_plain_means_and_the_slope_is_that_of_least_squares_with_intercept() -> None:
    p, label, ret, sigma = calibration_rows(1)
    # An overconfident model: half of its rows say nothing about theirs.
    p[::2] = p[::-2]
    weight = np.random.default_rng(2).uniform(0.1, 1.0, len(ret))
    model = fit_edge(p, label, ret, sigma, HORIZON, weight)
    scaled = ret / (sigma * math.sqrt(HORIZON))
    means = [np.average(scaled[label == c], weights=weight[label == c]) for c in range(3)]
    assert model.class_means == pytest.approx(means, rel=1e-12)
    predicted = EdgeModel(model.class_means, 1.0).expected(p, sigma, HORIZON)
    # polyfit weighs residuals, so the root of the weights.
    slope = float(np.polyfit(predicted, ret, 1, w=np.sqrt(weight))[0])
    assert 0.2 < slope < 0.8
    assert model.slope == pytest.approx(slope, rel=1e-9)


def test_a_model_that_knows_the_truth_keeps_its_edge_and_one_that_knows_nothing_loses_it() -> None:
    p, label, ret, sigma = calibration_rows(3)
    assert fit_edge(p, label, ret, sigma, HORIZON).slope > 0.9
    shuffled = np.random.default_rng(4).permutation(p)
    assert fit_edge(shuffled, label, ret, sigma, HORIZON).slope < 0.1
    assert fit_edge(p[:, ::-1].copy(), label, ret, sigma, HORIZON).slope == 0.0


def test_the_drift_of_a_market_is_no_edge() -> None:
    p, label, ret, sigma = calibration_rows(5, drift=2.0)
    constant = np.full_like(p, 1 / 3)
    model = fit_edge(constant, label, ret, np.full_like(sigma, 1e-3), HORIZON)
    assert min(model.class_means) > 0.5
    assert model.slope == 0.0


def test_no_rows_and_absent_classes_leave_no_edge_but_no_error() -> None:
    none = np.zeros(0)
    empty = fit_edge(np.zeros((0, 3)), none.astype(np.int8), none, none, HORIZON)
    assert empty == EdgeModel((0.0, 0.0, 0.0), 0.0)
    p, label, ret, sigma = calibration_rows(6)
    keep = label != 1
    assert fit_edge(p[keep], label[keep], ret[keep], sigma[keep], HORIZON).class_means[1] == 0.0


@given(st.integers(0, 2**32 - 1), st.integers(1, 50))
def test_the_edge_of_a_row_does_not_depend_on_the_rows_beside_it(seed: int, cut: int) -> None:
    p, _, _, sigma = calibration_rows(seed, n=50)
    model = EdgeModel((-0.9, 0.01, 1.1), 0.7)
    whole = model.expected(p, sigma, HORIZON)
    parts = np.concatenate(
        [model.expected(p[:cut], sigma[:cut], HORIZON), model.expected(p[cut:], sigma[cut:], HORIZON)]
    )
    assert whole.tobytes() == parts.tobytes()
    by_hand = [
        0.7 * s * math.sqrt(60) * (-0.9 * d + 0.01 * f + 1.1 * u)
        for (d, f, u), s in zip(p, sigma, strict=True)
    ]
    assert whole == pytest.approx(by_hand, rel=1e-12)


def test_fields_round_trip() -> None:
    model = EdgeModel((-0.25, 0.1, 0.3), 0.5)
    assert EdgeModel.from_fields(model.to_fields()) == model


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"class_means": [0.0, 0.0], "slope": 0.5},
        {"class_means": [0.0, 0.0, "x"], "slope": 0.5},
        {"class_means": [0.0, 0.0, math.nan], "slope": 0.5},
        {"class_means": [0.0, 0.0, 0.0], "slope": 1.5},
        {"class_means": None, "slope": 0.5},
    ],
)
def test_damaged_fields_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(BundleError, match="train or pack"):
        EdgeModel.from_fields(fields)
