"""Confusion, reliability and ROC against scikit-learn, from decisions and the bars that followed."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, roc_auc_score

from daemon.events import Minutes, decision_dtype
from daemon.labels.matured import Move
from daemon.settings import LabelSettings
from daemon.vitals.outcomes import N_BINS, Outcomes

SETTINGS = LabelSettings(horizon_minutes=5, threshold_sigma=0.5, late_minutes=0)
EXPERTS = ("one", "silent")
DTYPE = decision_dtype(EXPERTS)


def market(n_minutes: int, n_instruments: int = 2) -> Minutes:
    generator = np.random.default_rng(4)
    opened = 100.0 * np.exp(np.cumsum(generator.normal(0, 1e-3, (n_minutes, n_instruments)), axis=0))
    there = np.ones(opened.shape, dtype=np.bool_)
    minutes = np.arange(n_minutes, dtype=np.int64)
    no = np.zeros(n_minutes, dtype=np.bool_)
    return Minutes(
        minutes,
        opened,
        opened,
        opened,
        opened,
        np.full(opened.shape, 9.0),
        np.full(opened.shape, 4.0),
        there,
        ~there,
        no,
    )


def decisions(minutes: Minutes) -> tuple[np.ndarray, np.ndarray]:
    """One for every bar; the probabilities know a little of what comes, on the grid of the bins."""
    generator = np.random.default_rng(5)
    at, instrument = np.nonzero(minutes.present)
    rows = np.zeros(len(at), DTYPE)
    rows["instrument"] = instrument
    rows["sigma"] = 1e-3
    ahead = np.minimum(at + 6, len(minutes) - 1)
    hint = np.sign(minutes.open[ahead, instrument] - minutes.open[at, instrument]) * 0.1
    up = np.clip(np.round((0.35 + hint + generator.normal(0, 0.1, len(at))) * N_BINS), 2, 120) / N_BINS
    down = np.clip(np.round((0.65 - up) * N_BINS), 2, 100) / N_BINS
    # In the middle of a bin, so that rounding decides nothing.
    up, down = up + 0.5 / N_BINS, down + 0.5 / N_BINS
    rows["one"] = rows["blend"] = np.stack([down, 1.0 - up - down, up], axis=1)
    rows["silent"] = np.nan
    return at, rows


def labels(minutes: Minutes) -> np.ndarray:
    """(n_minutes, n_instruments) of `Move`, -1 where the end is not known, by the definition alone."""
    found = np.full(minutes.open.shape, -1)
    for t in range(len(minutes) - 6):
        change = np.log(minutes.open[t + 6] / minutes.open[t + 1])
        edge = 0.5 * 1e-3 * np.sqrt(5.0)
        found[t] = np.where(change > edge, 2, np.where(change < -edge, 0, 1))
    return found


@pytest.fixture(scope="module")
def joined() -> tuple[Outcomes, np.ndarray, np.ndarray]:
    minutes = market(900)
    at, rows = decisions(minutes)
    outcomes = Outcomes(SETTINGS, EXPERTS, 2)
    for first in range(0, 900, 137):
        span = slice(first, first + 137)
        inside = (at >= first) & (at < first + 137)
        outcomes.add(minutes[span], at[inside] - first, rows[inside])
    came = labels(minutes)[at, rows["instrument"]]
    return outcomes, rows["one"][came >= 0], came[came >= 0]


def test_confusion_is_scikit_learns_over_every_matured_decision(
    joined: tuple[Outcomes, np.ndarray, np.ndarray],
) -> None:
    outcomes, said, came = joined
    one = outcomes.figures()[0]
    assert one.confusion.tolist() == confusion_matrix(came, said.argmax(axis=1), labels=[0, 1, 2]).tolist()


@pytest.mark.parametrize("move", [Move.UP, Move.DOWN])
def test_the_area_below_the_roc_curve_is_scikit_learns(
    joined: tuple[Outcomes, np.ndarray, np.ndarray], move: Move
) -> None:
    outcomes, said, came = joined
    curve, area = outcomes.figures()[0].roc(move)
    assert area == pytest.approx(roc_auc_score(came == move, said[:, move]), abs=1e-9)
    assert curve[0] == (0.0, 0.0)
    assert curve[-1] == (1.0, 1.0)


def test_reliability_puts_every_decision_into_one_tenth_and_keeps_the_means(
    joined: tuple[Outcomes, np.ndarray, np.ndarray],
) -> None:
    outcomes, said, came = joined
    rows = outcomes.figures()[0].reliability(Move.UP)
    counts = np.array([count for *_, count in rows])
    assert counts.sum() == len(came)
    assert len(rows) <= 10
    assert [p for p, *_ in rows] == sorted(p for p, *_ in rows)
    assert np.dot(counts, [p for p, *_ in rows]) == pytest.approx(said[:, Move.UP].sum())
    assert np.dot(counts, [share for _, share, _ in rows]) == pytest.approx((came == Move.UP).sum())


def test_an_expert_that_said_nothing_has_no_labels_no_curve_and_no_area(
    joined: tuple[Outcomes, np.ndarray, np.ndarray],
) -> None:
    silent = joined[0].figures()[1]
    assert silent.confusion.sum() == 0
    assert silent.reliability(Move.UP) == []
    assert silent.roc(Move.DOWN) == ([], None)


def test_a_change_of_universe_drops_what_waits_and_goes_on() -> None:
    minutes = market(60)
    at, rows = decisions(minutes)
    outcomes = Outcomes(SETTINGS, EXPERTS, 2)
    outcomes.add(minutes, at, rows)
    before = int(outcomes.figures()[0].confusion.sum())
    outcomes.regroup(3)
    wider = market(60, 3)
    outcomes.add(wider, *decisions(wider))
    assert before == 54 * 2
    assert int(outcomes.figures()[0].confusion.sum()) == before + 54 * 3
