"""Signals from outside: the newest one known by the close counts, never a later one, and not for ever."""

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.files.signals_file import read_signals
from daemon.errors import SettingsError
from daemon.events import MINUTE_US
from daemon.models.signals import Signals

RUN = ("binance:A", "binance:B")


def columns(known_us: list[int], instrument: list[str], p: list[list[float]]) -> dict[str, Any]:
    return {"instrument": instrument, "known_us": np.array(known_us, dtype=np.int64), "p": np.array(p)}


def test_a_signal_counts_from_the_close_by_which_it_was_known() -> None:
    # The bar of minute 9 closes at minute 10 exactly.
    at_close, after = 10 * MINUTE_US, 10 * MINUTE_US + 1
    signals = Signals(columns([at_close, after], ["binance:A", "binance:B"], [[0.1, 0.2, 0.7]] * 2), RUN, 60)
    logp, known = signals.score_rows(np.array([8, 9, 9, 10]), np.array([0, 0, 1, 1]))
    assert known.tolist() == [False, True, False, True]
    np.testing.assert_allclose(np.exp(logp[1]), [0.1, 0.2, 0.7], atol=1e-12)
    np.testing.assert_allclose(np.exp(logp[0]), 1 / 3)


def test_a_signal_grows_too_old() -> None:
    signals = Signals(columns([0], ["binance:A"], [[1.0, 1.0, 2.0]]), RUN, max_age_minutes=5)
    _, known = signals.score_rows(np.array([-2, -1, 4, 5]), np.array([0, 0, 0, 0]))
    assert known.tolist() == [False, True, True, False]


@given(st.integers(0, 1000))
def test_what_is_known_at_a_close_is_the_newest_of_its_instrument_row_by_row(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_signals = int(rng.integers(0, 30))
    names = rng.choice(["binance:A", "binance:B", "binance:OTHER"], n_signals).tolist()
    known_us = rng.integers(0, 20, n_signals) * (MINUTE_US // 2)
    p = rng.uniform(0.1, 1.0, (n_signals, 3))
    signals = Signals(columns(known_us.tolist(), names, p.tolist()), RUN, 3)
    minute, instrument = rng.integers(0, 12, 20), rng.integers(0, 2, 20)
    logp, known = signals.score_rows(minute, instrument)
    for row in range(20):
        close = (minute[row] + 1) * MINUTE_US
        mine = [s for s in range(n_signals) if names[s] == RUN[instrument[row]] and known_us[s] <= close]
        newest = max(mine, key=lambda s: (known_us[s], s), default=None)
        fresh = newest is not None and close - known_us[newest] <= 3 * MINUTE_US
        assert known[row] == fresh
        if fresh:
            np.testing.assert_allclose(np.exp(logp[row]), p[newest] / p[newest].sum(), atol=1e-9)


def test_a_score_is_the_log_odds_of_up_against_down() -> None:
    given_scores = {"instrument": ["binance:A"], "known_us": np.array([0]), "score": np.array([1.5])}
    logp, _ = Signals(given_scores, RUN, 60).score_rows(np.array([0]), np.array([0]))
    assert logp[0, 2] - logp[0, 0] == pytest.approx(1.5)


@pytest.mark.parametrize("wrong", [[-0.1, 0.5, 0.6], [0.0, 0.0, 0.0], [np.nan, 0.5, 0.5], [np.inf, 0.5, 0.5]])
def test_probabilities_that_are_none_are_refused_with_their_row(wrong: list[float]) -> None:
    with pytest.raises(SettingsError, match="row 2: down, flat and up"):
        Signals(columns([0, 1], ["binance:A"] * 2, [[0.2, 0.3, 0.5], wrong]), RUN, 60)


def test_a_score_that_is_not_finite_is_refused_with_its_row() -> None:
    with pytest.raises(SettingsError, match="row 1: its score"):
        Signals({"instrument": ["binance:A"], "known_us": [0], "score": [np.inf]}, RUN, 60)


def test_a_parquet_file_becomes_the_expert_it_describes(tmp_path: Path) -> None:
    path = tmp_path / "signals.parquet"
    noon = dt.datetime(2025, 5, 4, 12, 0, 30, tzinfo=dt.UTC)
    table = {
        "instrument": ["A", "binance:B"],
        "known_at": [noon, noon],
        "down": [0.1, 0.5],
        "flat": [0.2, 0.3],
        "up": [7, 2],
    }
    pl.DataFrame(table, strict=False).write_parquet(path)
    signals = Signals(read_signals(path, "binance"), RUN, 60)
    minute = int(noon.timestamp()) // 60
    logp, known = signals.score_rows(np.array([minute - 1, minute, minute]), np.array([0, 0, 1]))
    assert known.tolist() == [False, True, True]
    np.testing.assert_allclose(np.exp(logp[1]), np.array([0.1, 0.2, 7.0]) / 7.3, atol=1e-9)


def test_signals_follow_their_instruments_into_a_run_of_others() -> None:
    own = [[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]]
    signals = Signals(columns([0, 0], ["binance:A", "binance:B"], own), RUN, 60)
    others = signals.of(("binance:B", "binance:C"))
    logp, known = others.score_rows(np.array([1, 1]), np.array([0, 1]))
    assert known.tolist() == [True, False]
    np.testing.assert_allclose(np.exp(logp[0]), [0.1, 0.2, 0.7], atol=1e-12)
