"""Profit before and after the end of training."""

import msgspec

from daemon.events import BatchRecord
from daemon.vitals.training_date import Divided, TrainingDate
from tests import runs

CAPITAL = float(runs.SETTINGS.run.capital)


def divided(date: int | None, records: list[BatchRecord]) -> Divided:
    training = TrainingDate(date, CAPITAL)
    for record in records:
        training.add(record)
    return training.figures()


def played() -> list[BatchRecord]:
    return runs.decided(runs.fresh_engine(), [runs.traded(300)])[0]


def test_profit_is_divided_at_the_date_and_adds_up() -> None:
    records = played()
    date = records[100].minute
    found = divided(date, records)
    assert (found.minutes_before, found.minutes_after) == (100, 200)
    assert found.before == float(records[99].book.equity) - CAPITAL
    assert found.before + found.after == float(records[-1].book.equity) - CAPITAL
    assert found.sentence.startswith("33% of the run (days: 1) lie within the model's training")


def test_a_run_wholly_after_its_training_says_so_and_one_within_it_too() -> None:
    records = played()
    assert divided(records[0].minute, records).sentence == "the whole run lies after the model's training"
    within = divided(records[-1].minute + 1, records)
    assert within.sentence.startswith("the whole run lies within the model's training")
    assert within.after == 0.0


def test_without_a_date_nothing_is_claimed() -> None:
    found = divided(None, [msgspec.structs.replace(record) for record in played()])
    assert (found.before, found.minutes_before) == (0.0, 0)
    assert "does not say what it was trained on" in found.sentence
