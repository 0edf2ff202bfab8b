"""One pass over a tape's batches: instruments that leave and join on the way, and features computed again."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from daemon.commands._drift_by_day import DriftByDay
from daemon.commands._life import Life
from daemon.events import Backfill, BatchRecord, Minutes, UniverseChanged, decision_dtype
from daemon.features import Schema
from daemon.vitals.curves import Curves
from daemon.vitals.drift_map import DriftMap, DriftMapFigures
from tests.runs import SETTINGS, bundle, decided, first_traded, fresh_engine, market, traded, without

NAMES = tuple(instrument.name for instrument in market().instruments)
LEAVING = NAMES[1]


def by_day() -> DriftByDay:
    return DriftByDay(bundle(), market().instruments, 0.01)


def columns_of(minutes: Minutes, columns: list[int]) -> Minutes:
    cells = {name: getattr(minutes, name) for name in Minutes.__slots__}
    return Minutes(**{name: cell[:, columns] if cell.ndim == 2 else cell for name, cell in cells.items()})


def test_bars_are_counted_under_their_own_names_when_instruments_leave_and_come_back() -> None:
    engine = fresh_engine()
    minutes = traded(90)
    first = decided(engine, [minutes[:30]])[0]
    engine.apply(UniverseChanged(removed=(LEAVING,)))
    second = decided(engine, [columns_of(minutes[30:50], [0, 2, 3])])[0]
    engine.apply(UniverseChanged(added=(market().instruments[1],)))
    third = decided(engine, [minutes[50:]])[0]
    walk = life(engine.run.panel.names, 90)
    runs: list[tuple[list[BatchRecord], tuple[str, ...]]] = [
        (first, NAMES),
        (second, tuple(name for name in NAMES if name != LEAVING)),
        (third, NAMES),
    ]
    for records, names in runs:
        walk.take(records, names)
    walk.account.end_day()
    received = {figures.instrument: figures.received for figures in walk.coverage.figures()}
    # One that comes back is counted from then on, as in the run's own state.
    assert received == {name: 40 if name == LEAVING else 90 for name in NAMES}
    assert walk.coverage.figures() == engine.run.coverage.figures()


def life(experts: Sequence[str], n_batches: int) -> Life:
    curves = Curves(n_batches, float(SETTINGS.run.capital))
    return Life(SETTINGS, market().instruments, experts, None, curves)


def take(walk: Life, drift: DriftByDay, run: list[BatchRecord]) -> None:
    offered, minute, said = walk.take(run, NAMES)
    drift.take(run[0].events, offered)
    drift.hear(minute, said)


def walked(records: list[BatchRecord], drift: DriftByDay) -> dict[str, DriftMapFigures]:
    """The drift of a walk over batches, in the runs that a tape is read in."""
    experts = fresh_engine().run.panel.names
    walk = life(experts, len(records))
    start = first_traded()
    for minutes in market().blocks(start - 600, start - 1, 211):
        drift.warm(minutes)
    run: list[BatchRecord] = []
    for record in records:
        if run and (record.events or len(run) == 170):
            take(walk, drift, run)
            run = []
        run.append(record)
    take(walk, drift, run)
    return drift.figures()


def test_features_computed_again_are_those_that_the_run_computed_a_backfill_among_them() -> None:
    engine, minutes = fresh_engine(), traded(400)
    late = np.zeros(minutes.present.shape, dtype=np.bool_)
    late[195:200, 2] = True  # they came after their minutes
    cells = (
        getattr(minutes, name)[195:200, 2].tolist() for name in ("open", "high", "low", "close", "volume")
    )
    bars = tuple(
        (at, *prices, None, False)
        for at, *prices in zip(minutes.minute[195:200].tolist(), *cells, strict=True)
    )
    expected = DriftMap(bundle().psi["features"], NAMES, 0.01)
    columns = [engine.run.model.plan.names.index(name) for name in expected.reference.names]
    prepare = engine.prepare

    def watched(part: Minutes) -> object:
        chunk = prepare(part)
        ready = chunk.features.ready
        at = chunk.minutes.minute[chunk.features.minute[ready]]
        expected.add(at, chunk.features.instrument[ready], chunk.features.values[ready][:, columns])
        return chunk

    engine.prepare = watched  # type: ignore[method-assign, assignment]
    backfill = Backfill(instrument=NAMES[2], bars=bars)
    records = decided(engine, [without(minutes[:200], late[:200]), backfill, minutes[200:]])[0]
    drift = by_day()
    found = walked(records, drift)
    # The histograms themselves: a day of so few rows has no index.
    counted = drift._maps["features"]._counts
    assert list(counted) == list(expected._counts)
    assert all(np.array_equal(counted[day], histogram) for day, histogram in expected._counts.items())
    assert found["features"].rows.tolist() == expected.figures().rows.tolist()
    said = np.concatenate([np.frombuffer(record.decisions, engine.dtype) for record in records])
    assert found["predictions"].rows.sum() == (~np.isnan(said["blend"][:, 0])).sum()


def test_a_model_whose_features_are_no_longer_computed_has_no_drift_and_a_reason() -> None:
    old = bundle().schema
    other = Schema(old.names[:-1], old.formulas[:-1])
    drift = DriftByDay(replace(bundle(), schema=other), market().instruments, 0.01)
    assert set(drift.figures()) == {"predictions"}
    assert drift.none["features"].startswith("they cannot be computed again: ")
    assert set(DriftByDay(None, market().instruments, 0.01).none) == {"features", "predictions"}
    bare = DriftByDay(replace(bundle(), psi={}), market().instruments, 0.01)
    bare.take((), traded(5))
    bare.hear(np.zeros(0, np.int64), np.zeros(0, decision_dtype([])))
    assert bare.figures() == {}
    assert bare.none["features"] == "the model keeps no reference"
