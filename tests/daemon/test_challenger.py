"""A model scored beside another on its batches: fairly, by the tape alone, however the tape is cut."""

from dataclasses import replace

import numpy as np
import pytest

from daemon.challenger import Challenger, ChallengerFigures
from daemon.events import Backfill, BatchRecord, Command, CommandKind, Instrument, UniverseChanged
from daemon.run_model import RunModel, assemble
from tests.runs import SETTINGS, bundle, decided, first_traded, fresh_engine, market, model, traded

NAMES = tuple(instrument.name for instrument in market().instruments)
N = 200


@pytest.fixture(scope="module")
def records() -> list[BatchRecord]:
    """What the champion, version 1, left on its tape."""
    minutes = traded(N)
    paused = Command(command=CommandKind.PAUSE, by="test")
    return decided(fresh_engine(), [minutes[:90], paused, minutes[90:]])[0]


def fresh(version: RunModel, *, comparable: bool = True) -> Challenger:
    """A challenger as warm as `fresh_engine`."""
    found = Challenger(version, SETTINGS, NAMES, bundle().experts, comparable=comparable)
    start = first_traded()
    found.warm(market().blocks(start - 600, start - 1, 173))
    return found


def scored(version: RunModel, records: list[BatchRecord], every: int = N) -> ChallengerFigures:
    found = fresh(version)
    for start in range(0, len(records), every):
        found.take(records[start : start + every], every)
    return found.figures()


def test_the_champion_itself_as_challenger_is_neither_better_nor_worse(records: list[BatchRecord]) -> None:
    found = scored(model("1"), records)
    assert found.champion is not None
    assert found.skill.rows == (N - SETTINGS.labels.horizon_minutes - 1) * len(NAMES)
    # What it said went through a logarithm on the tape.
    assert found.skill.skill == pytest.approx(found.champion.skill, abs=1e-12)
    assert found.gain is not None
    assert found.gain.mean == pytest.approx(0.0, abs=1e-12)


def test_what_the_champion_is_judged_by_is_what_its_own_run_says(records: list[BatchRecord]) -> None:
    engine = fresh_engine()
    decided(engine, [traded(N)])
    own = next(f for f in engine.run.skill.figures() if f.name == "blend")
    champion = scored(model("2"), records).champion
    assert champion is not None
    assert (champion.rows, champion.accuracy) == (own.rows, own.accuracy)


def test_another_version_differs_and_its_gain_is_the_difference(records: list[BatchRecord]) -> None:
    found = scored(model("2"), records)
    assert found.champion is not None
    assert found.gain is not None
    assert found.gain.mean == pytest.approx(found.skill.skill - found.champion.skill, abs=1e-12)
    assert abs(found.gain.mean) > 1e-6
    assert (found.version, found.since) == ("2", first_traded())
    assert found.calibration.rows == found.skill.rows


@pytest.mark.parametrize("every", [1, 7, 64])
def test_any_cut_of_the_tape_gives_the_same_figures(records: list[BatchRecord], every: int) -> None:
    assert scored(model("2"), records[:80], every) == scored(model("2"), records[:80])


def test_a_challenger_may_predict_other_labels_and_is_then_judged_alone(records: list[BatchRecord]) -> None:
    other = replace(bundle(2), labels=bundle(2).labels.model_copy(update={"horizon_minutes": 20}))
    version = assemble("2", other, SETTINGS, NAMES)
    found = fresh(version, comparable=False)
    found.take(records, 64)
    figures = found.figures()
    assert figures.champion is None
    assert figures.gain is None
    assert figures.skill.rows == (N - 20 - 1) * len(NAMES)


def test_it_goes_along_when_the_universe_changes_and_bars_come_late() -> None:
    minutes = traded(60)
    gone = UniverseChanged(removed=(NAMES[0],))
    rest = replace(
        minutes,
        **{
            name: getattr(minutes, name)[:, 1:]
            for name in type(minutes).__slots__
            if getattr(minutes, name).ndim == 2
        },
    )
    absent = rest.present[30:].copy()
    absent[0, 0] = False
    late = rest[30:]
    holed = replace(late, present=absent)
    o, h, low, c, v = (
        float(getattr(late, name)[0, 0]) for name in ("open", "high", "low", "close", "volume")
    )
    backfill = Backfill(instrument=NAMES[1], bars=((int(late.minute[0]), o, h, low, c, v, None, False),))
    left = decided(fresh_engine(), [minutes[:30], gone, holed[:1], backfill, holed[1:]])[0]
    found = scored(model("2"), left)
    assert found.champion is not None
    assert found.skill.rows == found.champion.rows > 0
    assert np.isfinite(found.skill.skill)


def test_signals_and_instruments_are_those_of_the_universe_it_begins_with() -> None:
    found = Challenger(model("2"), SETTINGS, NAMES[:2], bundle().experts, comparable=True)
    found.warm([UniverseChanged(added=tuple(_instruments()[2:]))])
    found.warm(market().blocks(first_traded() - 100, first_traded() - 1, 50))
    assert found.figures().skill.rows == 0


def _instruments() -> tuple[Instrument, ...]:
    return tuple(market().instruments)
