"""Drift on half a year of real Bitcoin bars: quiet where weeks are dealt at random, loud where one moves."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from daemon.commands._bars import open_bars
from daemon.features import compile_plan
from daemon.inputs import Inputs
from daemon.kernels import FloatArray, IntArray
from daemon.labels import Labeller
from daemon.settings import Settings
from daemon.training.dataset import Window, prepared
from daemon.training.reference import Reference, equal_mass_edges, watched
from daemon.training.train import silent
from daemon.vitals.drift import Drift, DriftFigures
from daemon.vitals.drift_reference import DriftReference

pytestmark = pytest.mark.slow

FILE = "binance_spot_train_2024-01_2024-06.parquet"
PAIR = "binance:BTCUSDT"
WEEK = 10_080
PROMISE = 0.01
DEALS = 6


@dataclass(frozen=True)
class Weeks:
    """Whole weeks of features of one instrument: values (n_weeks, 10_080, n_features)."""

    names: tuple[str, ...]
    values: FloatArray

    def reference(self, weeks: IntArray) -> DriftReference:
        """Return what training on these weeks, one after the other, would have kept."""
        rows = self.values[weeks].reshape(-1, len(self.names))
        columns = np.arange(len(self.names))
        kept = Reference(self.names, columns, equal_mass_edges(rows), (PAIR,), 0, len(rows) - 1)
        kept.add(np.arange(len(rows)), np.zeros(len(rows), dtype=np.int64), rows)
        return DriftReference.of(kept.to_fields(), (PAIR,), WEEK, PROMISE)

    def lived(self, reference: DriftReference, weeks: IntArray) -> DriftFigures:
        """Return what drift says after these weeks, one after the other."""
        rows = self.values[weeks].reshape(-1, len(self.names))
        drift = Drift(reference)
        drift.update(np.arange(len(rows)), np.zeros(len(rows), dtype=np.int64), rows)
        return drift.figures()


@pytest.fixture(scope="module")
def weeks(shared_data: Path) -> Weeks:
    settings = Settings.model_validate(
        {"universe": {"instruments": [PAIR]}, "features": {"groups": ["twenty"]}}
    )
    source = open_bars([shared_data / FILE], settings)
    plan = compile_plan(settings.features, (PAIR,))
    names, columns = watched(plan)
    window = Window(source, source.first_minute, source.last_minute)
    chunks = prepared(window, Inputs(plan, Labeller(settings.labels), (PAIR,)), "", silent)
    values = np.concatenate([c.features.values[c.features.ready][:, columns] for c in chunks])
    n_weeks = len(values) // WEEK
    return Weeks(names, values[: n_weeks * WEEK].reshape(n_weeks, WEEK, -1))


def test_weeks_dealt_at_random_keep_twice_the_promise(weeks: Weeks) -> None:
    generator = np.random.default_rng(1)
    n_weeks = len(weeks.values)
    shares, episodes = [], []
    for _ in range(DEALS):
        dealt = generator.permutation(n_weeks)
        figures = weeks.lived(weeks.reference(dealt[: n_weeks // 2]), dealt[n_weeks // 2 :])
        shares.append(figures.alarm_hours / figures.judged_hours)
        episodes.append(figures.episodes / (n_weeks - n_weeks // 2))
    assert np.mean(shares) <= 2 * PROMISE
    assert np.mean(episodes) <= 2 / 4


def test_on_weeks_in_their_order_a_shifted_feature_is_found_within_a_window_and_named(weeks: Weeks) -> None:
    order = np.arange(len(weeks.values))
    reference = weeks.reference(order[:12])
    plain = weeks.lived(reference, order[12:])
    assert (plain.n_windows, plain.judged_hours) == (12, (len(order) - 13) * 168)
    assert [f.name for f in plain.features if not f.sees] == ["realised_60", "natr_14"]
    column = weeks.names.index("rsi_14")
    shifted = Weeks(weeks.names, weeks.values.copy())
    shifted.values[15:, :, column] += weeks.values[:12, :, column].std()
    figures = shifted.lived(reference, order[13:16])
    assert figures.in_alarm
    assert figures.episodes == 1
    assert (figures.features[0].name, figures.features[0].out) == ("rsi_14", True)
    assert not figures.features[1].out
