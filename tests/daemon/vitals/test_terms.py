"""Vitals by version: whose decision a label is of, who is remembered, and that a snapshot holds all of it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from daemon.vitals.forms import Series
from daemon.vitals.terms import MOST_PAST, MOST_TERMS, Terms


class Count:
    """As simple as vitals can be."""

    def __init__(self, series: Series) -> None:
        self.series = series
        self.labels = 0

    def to_fields(self) -> dict[str, object]:
        return {"labels": self.labels}

    def restored(self, fields: Mapping[str, Any]) -> "Count":
        self.labels = int(fields["labels"])
        return self


def judged(terms: Terms[Count], decided: list[int]) -> None:
    for count, own in terms.shares(np.array(decided, dtype=np.int64)):
        count.labels += int(own.sum())


def counts(terms: Terms[Count]) -> tuple[int, dict[str, int]]:
    return terms.now.labels, {version: count.labels for version, count in terms.past().items()}


def test_a_label_is_of_the_version_that_decided_though_another_is_in_force() -> None:
    terms = Terms(Count, "1")
    judged(terms, [0, 1])
    terms.begin("2", 10)
    judged(terms, [8, 9, 10, 11, 12])
    assert counts(terms) == (3, {"1": 4})


def test_a_version_that_comes_back_goes_on_with_its_own() -> None:
    terms = Terms(Count, "1")
    judged(terms, [0])
    terms.begin("2", 10)
    terms.begin("1", 20)
    judged(terms, [5, 15, 25])
    assert counts(terms) == (3, {"2": 1})


def test_what_is_remembered_is_bounded_and_the_latest() -> None:
    terms = Terms(Count, "0")
    for number in range(1, 200):
        terms.begin(str(number), number)
    judged(terms, list(range(200)))
    now, past = counts(terms)
    assert (now, list(past)) == (1, ["198", "197", "196"])
    assert len(past) == MOST_PAST
    fields = terms.to_fields()
    assert len(fields["terms"]) == MOST_TERMS  # type: ignore[arg-type]


def test_two_versions_before_the_next_minute_leave_the_first_of_them_nothing() -> None:
    terms = Terms(Count, "1")
    terms.begin("2", 10)
    terms.begin("3", 10)
    judged(terms, [9, 10])
    assert counts(terms) == (1, {"2": 0, "1": 1})


def test_a_snapshot_brings_all_of_it_back() -> None:
    terms = Terms(Count, "1")
    terms.begin("2", 10)
    judged(terms, [1, 2, 11])
    again = Terms(Count, "1")
    again.begin("2", 0)
    again.restored(terms.to_fields())
    judged(again, [3, 12])
    assert counts(again) == (2, {"1": 3})
    judged(terms, [3, 12])
    assert again.to_fields() == terms.to_fields()


def test_without_a_swap_a_snapshot_holds_what_it_always_held() -> None:
    terms = Terms(Count, "1")
    judged(terms, [1])
    assert terms.to_fields() == {"labels": 1}
    assert counts(Terms(Count, "1").restored({"labels": 7})) == (7, {})
