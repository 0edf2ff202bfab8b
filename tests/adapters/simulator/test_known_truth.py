"""The whole learning path against a truth that is known: train, replay, and compare with the best forecast.

Accuracy would be the wrong yardstick (a constant passes it); log-loss skill and the information coefficient
are compared with those of the generator's own conditional probabilities, on the same labels, by the same
vitals.
"""

from dataclasses import dataclass

import numpy as np
import pytest

from adapters.simulator.market import SimulatedMarket
from daemon.engine import Engine
from daemon.run_model import assemble
from daemon.settings import Settings
from daemon.training.train import train
from daemon.vitals.forms import CALIBRATED
from daemon.vitals.intervals import Interval
from daemon.vitals.skill import Skill, SkillFigures
from daemon.vitals.trades import TradeFigures

N_WARMUP = 3_000
CHUNK = 2_048
HORIZON = 30


@dataclass(frozen=True)
class Size:
    """How many instruments there are, and minutes to learn from and to replay."""

    n_instruments: int
    n_training: int
    n_replayed: int

    def market(self, *, predictable: bool = True) -> SimulatedMarket:
        return SimulatedMarket(
            1, self.n_instruments, self.n_training + self.n_replayed, predictable=predictable
        )


FULL = Size(8, 20_000, 10_000)
SMALL = Size(5, 14_000, 6_000)


@dataclass(frozen=True)
class Lesson:
    """What came of learning one market."""

    experts: dict[str, SkillFigures]
    best: SkillFigures
    trades: TradeFigures


def settings_of(horizon: int) -> Settings:
    """Trees small enough for the few independent labels that 20,000 minutes hold."""
    return Settings.model_validate(
        {
            "labels": {"horizon_minutes": horizon},
            "experts": {"trees": {"rounds": 100, "leaves": 7, "min_leaf_rows": 1000}},
            "training": {"folds": 0},
        }
    )


def learned(size: Size, *, predictable: bool = True) -> Lesson:
    """Train on the first part of a market, replay the rest, judge the best forecast beside the experts."""
    market, settings = size.market(predictable=predictable), settings_of(HORIZON)
    start = market.first_minute + size.n_training
    bundle = train(market, settings, span=(market.first_minute, start - 1)).bundle
    model = assemble("1", bundle, settings, tuple(instrument.name for instrument in market.instruments))
    engine = Engine(model, settings, market.instruments)
    first_ordinal_at = size.n_training - N_WARMUP
    for minutes in market.blocks(start - N_WARMUP, start - 1, CHUNK):
        engine.warm(minutes)
    engine.begin(bytes(32), 1)
    sigma = np.full((size.n_training + size.n_replayed, size.n_instruments), np.nan)
    chunks = []
    for minutes in market.blocks(start, market.last_minute, CHUNK):
        chunk = engine.score(engine.prepare(minutes))
        engine.process(chunk)
        rows = chunk.features
        assert rows.ready.all()
        sigma[rows.minute + chunk.ordinal + first_ordinal_at, rows.instrument] = rows.sigma
        chunks.append(chunk)
    labels = settings.labels
    best = market.optimal_probabilities(sigma, labels.horizon_minutes, labels.threshold_sigma)
    judge = Skill(("best",), len(market.instruments), labels.horizon_minutes, model.labeller.span, 43_200)
    for chunk in chunks:
        matured = chunk.matured
        scored = matured.decided >= N_WARMUP
        said = np.zeros((len(matured), 1, 3))
        at = matured.decided[scored] + first_ordinal_at
        said[scored, 0] = np.log(best[at, matured.instrument[scored]])
        judge.update(chunk.ordinal, len(chunk.minutes), matured, said, scored)
    traded = (figures for figures in engine.run.skill.figures() if figures.form == CALIBRATED)
    experts = {figures.name: figures for figures in traded}
    return Lesson(experts, judge.figures()[0], engine.run.trades.figures())


def mean(interval: Interval | None) -> float:
    assert interval is not None
    return interval.mean


ADVANTAGES = ("skill_interval", "direction", "ic", "over_majority")


@pytest.mark.slow
def test_the_experts_recover_most_of_the_best_possible_skill_and_ic_and_earn_their_costs() -> None:
    lesson = learned(FULL)
    for name in ("trees", "blend"):
        expert = lesson.experts[name]
        assert expert.rows == lesson.best.rows
        assert expert.skill >= 0.7 * lesson.best.skill
        assert mean(expert.ic) >= 0.7 * mean(lesson.best.ic)
        assert all(getattr(expert, advantage).above_zero for advantage in ADVANTAGES)
    assert lesson.trades.count >= 30
    assert lesson.trades.interval is not None
    assert lesson.trades.interval.above_zero


@pytest.mark.slow
def test_without_the_predictable_part_nothing_beats_its_baseline_by_more_than_its_interval() -> None:
    """With its predictable part a market of this size shows all of these above zero: a leak would be seen."""
    lesson = learned(SMALL, predictable=False)
    for expert in (*lesson.experts.values(), lesson.best):
        for name in ADVANTAGES:
            advantage: Interval | None = getattr(expert, name)
            assert advantage is None or not advantage.above_zero, (expert.name, name)
        assert expert.hit_rate is None or expert.hit_rate.low <= 0.5
    assert lesson.trades.interval is None or not lesson.trades.interval.above_zero
