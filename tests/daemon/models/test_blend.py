"""The blend: any chunking gives the same bits, and the stated regret bound holds."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import SettingsError
from daemon.kernels import FloatArray
from daemon.models.blend import BayesBlend, FixedBlend, make_blend, minute_losses
from daemon.models.simplex import log_loss, log_softmax
from daemon.settings import BlendSettings
from tests.daemon.labels.markets import cuts

NAMES = ("trees", "online", "base_rate")


def said_by(seed: int, n_experts: int, n_rows: int, spread: float = 1.0) -> FloatArray:
    return log_softmax(np.random.default_rng(seed).normal(0.0, spread, (n_experts, n_rows, 3)))


@given(st.data(), st.integers(0, 1000), st.sampled_from(["fixed", "bayes"]))
def test_any_chunking_and_any_restart_gives_the_same_bits(data: st.DataObject, seed: int, kind: Any) -> None:
    n_minutes, rng = 40, np.random.default_rng(seed)
    row_minute = np.sort(rng.integers(0, n_minutes, 80))
    logp, known = said_by(seed, 3, 80), rng.random((3, 80)) < 0.8
    losses = np.where(rng.random((n_minutes, 3)) < 0.6, rng.uniform(0.5, 2.0, (n_minutes, 3)), np.nan)
    settings = BlendSettings(kind=kind, weights={"online": 2.0})
    whole, weights = make_blend(settings, NAMES, 10).combine(logp, known, row_minute, n_minutes, losses)
    cut, parts, used = make_blend(settings, NAMES, 10), [], []
    for first, last in pairwise(data.draw(cuts(n_minutes))):
        rows = (row_minute >= first) & (row_minute < last)
        part = cut.combine(
            logp[:, rows], known[:, rows], row_minute[rows] - first, last - first, losses[first:last]
        )
        parts.append(part[0])
        used.append(part[1])
        cut = make_blend(settings, NAMES, 10).restored(cut.to_fields())
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_array_equal(np.concatenate(used), weights)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=0, atol=1e-12)


@given(st.integers(0, 1000))
def test_it_is_the_weighted_mean_of_the_probabilities_of_those_who_spoke(seed: int) -> None:
    rng = np.random.default_rng(seed)
    logp, known = said_by(seed, 3, 30), rng.random((3, 30)) < 0.6
    logp[~known] = np.nan
    blend = FixedBlend(BlendSettings(weights={"trees": 0.5, "online": 0.3, "base_rate": 0.2}), NAMES)
    mixed, _ = blend.combine(logp, known, np.zeros(30, dtype=np.int64), 1, np.full((1, 3), np.nan))
    for row in range(30):
        spoke = known[:, row]
        weight = np.array([0.5, 0.3, 0.2])[spoke]
        expected = weight @ np.exp(logp[spoke, row]) / weight.sum() if spoke.any() else np.full(3, 1 / 3)
        np.testing.assert_allclose(np.exp(mixed[row]), expected, rtol=1e-12)


def run_with_delay(
    logp: FloatArray, moves: Any, delay: int, share: float, horizon: int
) -> tuple[FloatArray, FloatArray]:
    """Blend (E, T, N, 3) with labels `delay` minutes late; return losses of blend and experts."""
    n_experts, n_minutes, n_instruments, _ = logp.shape
    flat = logp.reshape(n_experts, n_minutes * n_instruments, 3)
    expert_loss = log_loss(flat, moves.ravel()).reshape(n_experts, n_minutes, n_instruments).mean(axis=2).T
    late = np.full((n_minutes, n_experts), np.nan)
    late[delay:] = expert_loss[: n_minutes - delay]
    blend = BayesBlend(BlendSettings(share=share), [f"e{e}" for e in range(n_experts)], horizon)
    row_minute = np.repeat(np.arange(n_minutes), n_instruments)
    known = np.ones((n_experts, len(row_minute)), dtype=np.bool_)
    mixed, _ = blend.combine(flat, known, row_minute, n_minutes, late)
    mixed_loss: FloatArray = log_loss(mixed, moves.ravel()).reshape(n_minutes, n_instruments).mean(axis=1)
    return mixed_loss, expert_loss


@given(
    st.integers(0, 10_000),
    st.integers(2, 4),
    st.sampled_from([(1, 1), (3, 2), (10, 3)]),
    st.sampled_from([0.0, 1e-4, 0.01]),
    st.sampled_from([0.02, 0.3, 2.0]),
)
def test_the_stated_regret_bound_for_delayed_feedback_holds_against_every_expert(
    seed: int, n_experts: int, size: tuple[int, int], share: float, spread: float
) -> None:
    horizon, n_instruments = size
    delay, n_minutes, rng = horizon + 1, 120, np.random.default_rng(seed)
    common = rng.normal(0.0, 1.0, (1, n_minutes, n_instruments, 3))
    logp = log_softmax(common + rng.normal(0.0, spread, (n_experts, n_minutes, n_instruments, 3)))
    # Half of the time the outcome is whatever hurts the expert that leads just then: the worst for late news.
    moves = rng.integers(0, 3, (n_minutes, n_instruments)).astype(np.int8)
    if seed % 2:
        turn = (np.arange(n_minutes) // delay) % n_experts
        moves = logp[turn, np.arange(n_minutes)].argmin(axis=-1).astype(np.int8)
    mixed_loss, expert_loss = run_with_delay(logp, moves, delay, share, horizon)

    of_rows = log_loss(logp.reshape(n_experts, -1, 3), moves.ravel()).reshape(
        n_experts, n_minutes, n_instruments
    )
    spread_of = (of_rows.max(axis=0) - of_rows.min(axis=0)).max(axis=1)
    price = 0.0
    for t in range(n_minutes):
        before = spread_of[max(0, t - delay) : t]
        price += math.expm1(spread_of[t]) / 2 * float((before / (2 * horizon) + 2 * share).sum())
    slack = horizon * (math.log(n_experts) - n_minutes * math.log1p(-share))
    for total in expert_loss.sum(axis=0):
        assert mixed_loss.sum() <= total + slack + price + 1e-9


def test_it_finds_the_best_expert_and_follows_when_another_becomes_the_best() -> None:
    losses = np.full((12_000, 3), 1.05)
    losses[:6000, 0] = 1.0
    losses[6000:, 1] = 1.0
    blend = BayesBlend(BlendSettings(), NAMES, 10)
    none = np.zeros((3, 0, 3))
    _, weights = blend.combine(
        none, np.zeros((3, 0), dtype=np.bool_), np.zeros(0, dtype=np.int64), 12_000, losses
    )
    assert weights[5999].argmax() == 0
    assert weights[5999, 0] > 0.95
    assert weights[-1, 1] > 0.95


def test_an_expert_that_was_not_judged_keeps_its_weight() -> None:
    blend = BayesBlend(BlendSettings(share=0.0), NAMES, 4)
    losses = np.array([[0.5, 2.0, np.nan], [np.nan, 1.0, np.nan]])
    none = np.zeros((3, 0, 3))
    _, weights = blend.combine(none, np.zeros((3, 0), dtype=np.bool_), np.zeros(0, dtype=np.int64), 2, losses)
    assert weights[0, 2] == pytest.approx(1 / 3)
    assert weights[0, 0] / weights[0, 1] == pytest.approx(math.exp(1.5 / 4))  # damped by the horizon
    np.testing.assert_allclose(weights[1], weights[0])


def test_losses_are_means_over_the_labels_of_a_minute_and_expert() -> None:
    logp = np.log(np.array([[[0.5, 0.3, 0.2], [0.2, 0.2, 0.6], [0.1, 0.8, 0.1]], [[0.4, 0.3, 0.3]] * 3]))
    known = np.array([[True, True, True], [True, False, False]])
    losses = minute_losses(logp, known, np.array([0, 2, 1], dtype=np.int8), np.array([1, 1, 2]), 4)
    expected = [
        [np.nan, np.nan],
        [-np.log(0.5 * 0.6) / 2, -np.log(0.4)],
        [-np.log(0.8), np.nan],
        [np.nan, np.nan],
    ]
    np.testing.assert_allclose(losses, expected)


def test_a_weight_for_an_expert_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(
        SettingsError, match="no expert is called 'signal'; this run has trees, online, base_rate"
    ):
        make_blend(BlendSettings(weights={"signal": 1.0}), NAMES, 60)
    with pytest.raises(SettingsError, match="no expert has weight"):
        make_blend(BlendSettings(weights=dict.fromkeys(NAMES, 0.0)), NAMES, 60)


def test_experts_that_the_settings_do_not_name_weigh_what_the_named_ones_do_on_average() -> None:
    blend = FixedBlend(BlendSettings(weights={"trees": 3.0, "online": 1.0}), NAMES)
    none = np.zeros((3, 0, 3))
    args = (none, np.zeros((3, 0), dtype=np.bool_), np.zeros(0, dtype=np.int64), 1, np.full((1, 3), np.nan))
    np.testing.assert_allclose(blend.combine(*args)[1][0], [0.5, 1 / 6, 1 / 3])


def test_after_a_change_of_experts_those_who_stay_keep_their_proportions_and_a_new_one_enters_small() -> None:
    old = BayesBlend(BlendSettings(), NAMES, 60).restored(
        {"experts": list(NAMES), "weights": [0.6, 0.3, 0.1]}
    )
    new = BayesBlend(BlendSettings(share=0.01), ("trees", "online", "signals"), 60).restored(old.to_fields())
    fields: Any = new.to_fields()
    assert fields["weights"][0] / fields["weights"][1] == pytest.approx(2.0)
    assert fields["weights"][2] == pytest.approx(0.01 / 3 / (0.9 + 0.01 / 3))
    assert sum(fields["weights"]) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("experts", "weights"), [(("signals", "other"), [0.6, 0.3, 0.1]), (("trees", "signals"), [0.0, 0.0, 1.0])]
)
def test_where_nobody_stays_and_nobody_enters_with_a_share_all_begin_anew(
    experts: tuple[str, str], weights: list[float]
) -> None:
    new = BayesBlend(BlendSettings(share=0.0), experts, 60)
    fields: Any = new.restored({"experts": list(NAMES), "weights": weights}).to_fields()
    assert fields["weights"] == [0.5, 0.5]
