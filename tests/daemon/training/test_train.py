"""A whole training: what ships is what was judged, and nothing behind the end is looked at."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from daemon.errors import BrokenBoundError, FormulaError, TrainingError
from daemon.events import Instrument, Minutes
from daemon.features import compile_plan
from daemon.inputs import Chunk, Inputs
from daemon.kernels import FloatArray
from daemon.labels import Labeller
from daemon.models.bundle import Bundle
from daemon.models.calibration import fit_calibrator
from daemon.models.expert import score_rows
from daemon.models.online import OnlineLearner
from daemon.models.simplex import log_softmax
from daemon.models.trees import BoostedTrees
from daemon.run_model import Outside
from daemon.settings import Settings
from daemon.training import dataset
from daemon.training.train import TrainingResult, silent, train
from tests.daemon.training.test_reference import counts_of
from tests.runs import SETTINGS, market

LAST = 2_000
"""B - 1, minutes from the market's first."""


def last_minute() -> int:
    return market().first_minute + LAST


def changed(**sections: Mapping[str, Any]) -> Settings:
    """The settings with some fields changed, section by section."""
    plain = SETTINGS.model_dump()
    for section, fields in sections.items():
        plain[section] = {**plain[section], **fields}
    return Settings.model_validate(plain)


def trained(settings: Settings = SETTINGS, **arguments: Any) -> TrainingResult:
    arguments.setdefault("span", (None, last_minute()))
    source = arguments.pop("source", market())
    return train(source, settings, name="test", **arguments)


@cache
def usual() -> TrainingResult:
    return trained()


class Disturbed:
    """The market, with every price from some minute on doubled and some instruments gone: another future."""

    def __init__(self, from_minute: int) -> None:
        self._from = from_minute
        self.first_minute, self.last_minute = market().first_minute, market().last_minute
        self.fingerprint = "disturbed"

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        return market().instruments

    def blocks(self, first_minute: int, last_minute: int, max_minutes: int) -> Iterator[Minutes]:
        for minutes in market().blocks(first_minute, last_minute, max_minutes):
            later = (minutes.minute >= self._from)[:, None]
            prices = {
                name: np.where(later, 2 * getattr(minutes, name), getattr(minutes, name))
                for name in ("open", "high", "low", "close")
            }
            yield replace(minutes, **prices)


@pytest.fixture(scope="module")
def chunk() -> Chunk:
    """The training range in one piece, prepared as live."""
    bundle = usual().bundle
    plan = compile_plan(bundle.features, bundle.reference, bundle.quanta)
    inputs = Inputs(plan, Labeller(bundle.labels), bundle.reference)
    minutes = next(iter(market().blocks(market().first_minute, last_minute(), 10_000)))
    return inputs.prepare(inputs.initial(), minutes)[0]


def test_the_same_bars_and_settings_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "CHUNK_MINUTES", 97)
    assert trained().bundle.to_files() == usual().bundle.to_files()


def test_another_seed_gives_other_trees() -> None:
    assert trained(changed(run={"seed": 2})).bundle.trees != usual().bundle.trees


def test_nothing_behind_the_end_is_looked_at() -> None:
    other = trained(source=Disturbed(last_minute() + 1))
    assert other.bundle.to_files() == usual().bundle.to_files()


def test_trees_know_nothing_of_the_calibration_range() -> None:
    bundle = usual().bundle
    other = trained(source=Disturbed(bundle.ranges["calibration_start"])).bundle
    assert other.trees == bundle.trees
    assert other.calibrators != bundle.calibrators


def test_trees_learn_what_was_decided_before_the_boundary_and_known_before_calibration(chunk: Chunk) -> None:
    ranges, matured = usual().bundle.ranges, chunk.matured
    boundary, calibration = (ranges[name] - ranges["start"] for name in ("trees_end", "calibration_start"))
    assert usual().n_rows == np.sum((matured.decided < boundary) & (matured.at < calibration))


def test_a_bundle_comes_back_from_its_files() -> None:
    bundle = usual().bundle
    assert Bundle.from_files(bundle.to_files()).to_files() == bundle.to_files()
    assert bundle.experts == ("trees", "online", "base_rate")
    assert bundle.reference == tuple(instrument.name for instrument in market().instruments)
    assert set(bundle.quanta) == set(bundle.reference)


def test_ranges_are_stated_in_epoch_minutes() -> None:
    first = market().first_minute
    boundary = round((LAST + 1) * 0.75)
    assert usual().bundle.ranges == {
        "start": first,
        "trees_end": first + boundary,
        "calibration_start": first + boundary + 10 + 10,
        "end": last_minute() + 1,
    }


def test_the_learner_ships_as_it_stands_after_learning_every_label_in_order(chunk: Chunk) -> None:
    bundle = usual().bundle
    fields = bundle.learners["online"]
    learner = OnlineLearner(fields["features"], SETTINGS.experts.online)
    columns = [bundle.schema.names.index(name) for name in fields["features"]]
    rows = chunk.features
    place = {
        (int(minute), int(who)): row
        for row, (minute, who) in enumerate(zip(rows.minute, rows.instrument, strict=True))
        if rows.ready[row]
    }
    matured = chunk.matured
    for decided, who, label, weight in zip(
        matured.decided, matured.instrument, matured.label, matured.weight, strict=True
    ):
        row = place[int(decided), int(who)]
        learner._learn(rows.values[row, columns].tolist(), int(label), float(weight))
    assert learner.to_fields() == fields


def test_trees_are_calibrated_on_what_the_trees_that_ship_say(chunk: Chunk) -> None:
    bundle = usual().bundle
    assert bundle.trees is not None
    rows, matured = chunk.features, chunk.matured
    row_of = np.full(chunk.minutes.present.shape, -1)
    row_of[rows.minute, rows.instrument] = np.arange(len(rows))
    start = bundle.ranges["calibration_start"] - bundle.ranges["start"]
    kept = np.flatnonzero(matured.decided >= start)
    kept = kept[np.lexsort((matured.instrument[kept], matured.decided[kept]))]
    values = rows.values[row_of[matured.decided[kept], matured.instrument[kept]]]
    trees = BoostedTrees(bundle.trees, bundle.schema.names)
    logp = score_rows(trees, values, matured.decided[kept], 4)
    expected = fit_calibrator(
        logp, matured.label[kept], matured.weight[kept], overlap=SETTINGS.labels.horizon_minutes
    )
    assert bundle.calibrators["trees"] == expected
    assert bundle.metrics["calibration.rows"] == len(kept)


def test_the_drift_reference_counts_every_ready_row(chunk: Chunk) -> None:
    bundle = usual().bundle
    features, predictions = bundle.psi["features"], bundle.psi["predictions"]
    counts = counts_of(features)
    assert counts.sum(axis=(1, 3)).tolist() == [
        [int(np.sum(chunk.features.ready & (chunk.features.instrument == who)))] * len(features["features"])
        for who in range(len(bundle.reference))
    ]
    assert predictions["features"] == ["down", "flat", "up"]
    assert counts_of(predictions).sum() == 3 * bundle.metrics["calibration.rows"]


def test_the_online_learner_takes_the_trees_most_important_features() -> None:
    bundle = usual().bundle
    assert bundle.trees is not None
    gains = BoostedTrees(bundle.trees, bundle.schema.names).importance()
    chosen = bundle.learners["online"]["features"]
    assert len(chosen) == SETTINGS.experts.online.max_features
    rest = set(gains) - set(chosen)
    assert min(gains[name] for name in chosen) >= max(gains[name] for name in rest)
    assert chosen == [name for name in bundle.schema.names if name in set(chosen)]


def test_the_online_learner_takes_the_features_that_settings_name() -> None:
    asked = ("return_5", "return_1")
    experts = {**SETTINGS.experts.model_dump(), "online": {"features": asked}}
    assert trained(changed(experts=experts)).bundle.learners["online"]["features"] == list(asked)
    experts["online"] = {"features": ("return_5", "nonsense")}
    with pytest.raises(TrainingError, match=r"experts\.online\.features names nonsense"):
        trained(changed(experts=experts))


def test_without_trees_the_others_ship_alone() -> None:
    experts = {**SETTINGS.experts.model_dump(), "trees": {"enabled": False}}
    result = trained(changed(experts=experts, training={"folds": 2}))
    bundle = result.bundle
    assert bundle.experts == ("online", "base_rate")
    assert bundle.trees is None
    assert result.folds == ()
    assert bundle.learners["online"]["features"] == list(bundle.schema.names[:5])


def test_without_any_expert_there_is_no_model() -> None:
    experts = {"trees": {"enabled": False}, "online": {"enabled": False}, "base_rate": False}
    with pytest.raises(TrainingError, match="no expert is enabled"):
        trained(changed(experts=experts))


def test_folds_are_reported_and_averaged() -> None:
    result = trained(changed(training={"folds": 2}))
    assert [fold.number for fold in result.folds] == [1, 2]
    skills = [fold.figures.skill for fold in result.folds]
    assert result.bundle.metrics["folds.skill"] == pytest.approx(sum(skills) / 2)
    # They are for the report only.
    assert result.bundle.trees == usual().bundle.trees
    assert result.bundle.calibrators == usual().bundle.calibrators


def test_a_span_that_begins_later_is_warmed_by_the_bars_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "CHUNK_MINUTES", 350)
    first = market().first_minute + 700
    result = trained(span=(first, last_minute()))
    assert result.bundle.ranges["start"] == first
    assert result.n_bars == 4 * (LAST - 700 + 1)
    # Warm from the first minute on, so that every minute gives a row for every instrument.
    counts = counts_of(result.bundle.psi["features"])
    assert int(counts[0, :, 0].sum()) == LAST - 700 + 1


def test_progress_is_told_and_ends() -> None:
    told: dict[str, tuple[int, int]] = {}
    trained(progress=lambda what, done, of: told.update({what: (done, of)}))
    assert list(told) == [
        "reading bars",
        "computing features",
        "growing trees",
        "teaching the experts",
        "calibrating",
    ]
    assert told["growing trees"] == (12, 12)
    assert told["teaching the experts"] == (LAST + 1, LAST + 1)
    silent("", 0, 0)


def test_own_formulas_become_features_and_travel_with_the_bundle() -> None:
    own = {"own_swing": {"formula": "ratio(high - low, close, 0)", "unit": "ratio"}}
    bundle = trained(formulas=own).bundle
    assert bundle.schema.names[-1] == "own_swing"
    assert bundle.formulas == {"own_swing": "ratio(high - low, close, 0)"}
    again = compile_plan(bundle.features, bundle.reference, bundle.quanta, bundle.formulas)
    bundle.check_schema(again.schema)
    with pytest.raises(FormulaError, match="own_swing"):
        trained(formulas={"own_swing": "lag(close, -1)"})


class Contrarian:
    """An expert from outside, fixed but not row-stable."""

    row_stable = False

    def __init__(self, name: str, features: tuple[str, ...]) -> None:
        self.name, self._column = name, features.index("return_5")

    def score(self, values: FloatArray) -> FloatArray:
        half = -50.0 * values[:, self._column]
        return log_softmax(np.stack([-half, np.zeros_like(half), half], axis=-1))


class Broken(Contrarian):
    def score(self, values: FloatArray) -> FloatArray:
        return np.full((len(values), 3), np.nan)


def test_experts_from_outside_are_calibrated_like_any_other() -> None:
    known = market().first_minute * 60_000_000
    signals = {
        "instrument": [instrument.name for instrument in market().instruments],
        "known_us": np.full(4, known + 1_800 * 60_000_000),
        "score": np.array([0.2, -0.3, 0.1, 0.4]),
    }
    bundle = trained(outside=Outside({"contrarian": Contrarian}, signals)).bundle
    assert bundle.experts == ("trees", "contrarian", "online", "base_rate", "signals")
    assert set(bundle.calibrators) == {"trees", "contrarian", "online", "signals"}
    assert np.isfinite(bundle.metrics["calibration.log_loss.contrarian"])


def test_an_expert_from_outside_that_gives_nan_is_named() -> None:
    with pytest.raises(BrokenBoundError, match="'broken' gave NaN"):
        trained(outside=Outside({"broken": Broken}))


def test_instruments_without_a_bar_in_the_range_are_no_reference() -> None:
    class Late(Disturbed):
        def blocks(self, first_minute: int, last_minute: int, max_minutes: int) -> Iterator[Minutes]:
            for minutes in market().blocks(first_minute, last_minute, max_minutes):
                there = minutes.present & (np.arange(4) != 2)
                names = ("open", "high", "low", "close", "volume")
                gone = {name: np.where(there, getattr(minutes, name), np.nan) for name in names}
                yield replace(minutes, **gone, present=there)

    bundle = trained(source=Late(0)).bundle
    names = [instrument.name for instrument in market().instruments]
    assert bundle.reference == (names[0], names[1], names[3])
    assert set(bundle.quanta) == set(bundle.reference)


def test_too_few_rows_are_refused_with_what_the_features_need() -> None:
    with pytest.raises(
        TrainingError, match=r"labelled rows are too few.*training.min_rows is 900000.*bars of each"
    ):
        trained(changed(training={"min_rows": 900_000}))


def test_a_range_outside_the_bars_is_refused() -> None:
    with pytest.raises(TrainingError, match="nothing between --from and --to; they reach from"):
        trained(span=(market().last_minute + 5, None))
    with pytest.raises(TrainingError, match="nothing between"):
        trained(span=(last_minute(), last_minute() - 1))


def test_a_range_without_a_bar_is_refused() -> None:
    class Hollow(Disturbed):
        def blocks(self, first_minute: int, last_minute: int, max_minutes: int) -> Iterator[Minutes]:
            for minutes in market().blocks(first_minute, last_minute, max_minutes):
                yield Minutes.empty(minutes.minute, 4)

    with pytest.raises(TrainingError, match="hold no bar from"):
        trained(source=Hollow(0))
