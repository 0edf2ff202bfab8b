"""Labelled rows: each decision with its own features and its own outcome."""

import numpy as np
import pytest

from daemon.features import compile_plan
from daemon.inputs import Inputs
from daemon.labels import Labeller
from daemon.training import dataset
from daemon.training.dataset import LabelledRows, RowCollector, Window, prepared
from daemon.training.train import silent
from tests.runs import SETTINGS, market

START = 700


def window() -> Window:
    source = market()
    return Window(source, source.first_minute + START, source.first_minute + 1_500)


def inputs() -> Inputs:
    plan = compile_plan(SETTINGS.features, window().names)
    return Inputs(plan, Labeller(SETTINGS.labels), window().names)


def collected() -> LabelledRows:
    collector = RowCollector(window().first_minute, len(window().names), 20)
    for chunk in prepared(window(), inputs(), "", silent):
        collector.add(chunk)
    return collector.joined()


def test_every_row_stands_beside_the_outcome_of_its_own_decision() -> None:
    rows = collected()
    source = market()
    whole = next(iter(source.blocks(source.first_minute, window().last_minute, 10_000)))
    chunk, _ = inputs().prepare(inputs().initial(), whole)
    features = {
        (int(minute), int(who)): values
        for minute, who, values in zip(
            chunk.features.minute, chunk.features.instrument, chunk.features.values, strict=True
        )
    }
    horizon = SETTINGS.labels.horizon_minutes
    assert len(rows) > 2_000
    for row in range(0, len(rows), 37):
        at, who = int(rows.decided[row]) + START, int(rows.instrument[row])
        assert rows.values[row].tolist() == features[at, who].astype(np.float32).tolist()
        entry, exit_ = whole.open[at + 1, who], whole.open[at + 1 + horizon, who]
        assert rows.ret[row] == pytest.approx(np.log(exit_ / entry), rel=1e-12)
        assert rows.ended[row] == rows.decided[row] + 1 + horizon
        assert rows.turnover[row] == whole.close[at, who] * whole.volume[at, who]


def test_rows_begin_with_the_first_decided_minute_and_are_in_order() -> None:
    rows = collected()
    assert int(rows.decided[0]) == 0
    key = rows.decided * 4 + rows.instrument
    assert np.all(np.diff(key) > 0)


def test_rows_do_not_depend_on_how_minutes_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = collected()
    monkeypatch.setattr(dataset, "CHUNK_MINUTES", 61)
    parts = collected()
    for name in LabelledRows.__slots__:
        assert np.array_equal(getattr(whole, name), getattr(parts, name))


def test_labels_that_end_too_late_are_purged() -> None:
    rows = collected()
    horizon = SETTINGS.labels.horizon_minutes
    kept = rows.between(100, 200, ended_before=200)
    assert kept.decided.min() == 100
    assert kept.ended.max() == 199
    assert kept.decided.max() == 199 - horizon - 1
    assert rows.between(100, 200).decided.max() == 199
    assert len(rows.between(5_000, 6_000)) == 0


def test_a_source_that_ends_before_the_first_decided_minute_gives_no_row() -> None:
    source = market()
    early = Window(source, source.first_minute + 500, source.first_minute + 300)
    collector = RowCollector(early.first_minute, 4, 20)
    for chunk in prepared(early, inputs(), "", silent):
        collector.add(chunk)
    assert len(collector.joined()) == 0
