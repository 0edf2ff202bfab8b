"""Pages from the newest on, held against the whole tape."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from adapters.tape import newest
from adapters.tape.newest import END, Spot, newest_decisions, newest_fills, newest_orders
from adapters.tape.place import Place
from adapters.tape.reader import TapeReader
from tests.adapters.tape import samples

LIMITS = [1, 2, 7, 1000]
Page = Callable[[TapeReader, Spot, int, str | None], tuple[list[Any], Spot | None]]


def through(page: Page, place: Place, limit: int, instrument: str | None = None) -> list[Any]:
    """Everything, page by page."""
    found: list[Any] = []
    before: Spot | None = END
    with TapeReader(place) as reader:
        while before is not None:
            some, before = page(reader, before, limit, instrument)
            assert len(some) <= limit
            found += some
    return found


@pytest.mark.parametrize("limit", LIMITS)
def test_orders_come_newest_first_with_what_became_of_them(sample: samples.Sample[Place], limit: int) -> None:
    fates = through(newest_orders, sample.place, limit)
    made = [order for record in sample.batches for order in record.orders]
    assert [fate.order for fate in fates] == made[::-1]
    fills = [fill for record in sample.batches for fill in record.fills]
    ends = [end for record in sample.batches for end in record.ends]
    for fate in fates:
        assert fate.fills == tuple(fill for fill in fills if fill.order_id == fate.order.id)
        assert fate.end == next((end for end in ends[::-1] if end.order_id == fate.order.id), None)
    assert any(fate.fills for fate in fates)


@pytest.mark.parametrize("limit", LIMITS)
def test_fills_and_bookings_come_newest_first(sample: samples.Sample[Place], limit: int) -> None:
    made = [fill for record in sample.batches for fill in record.fills]
    assert through(newest_fills, sample.place, limit) == made[::-1]


@pytest.mark.parametrize("limit", LIMITS)
def test_decisions_come_newest_first_and_one_instrument_alone(
    sample: samples.Sample[Place], limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [instrument.name for instrument in samples.instruments()]
    made = [
        (record.minute, names[int(row["instrument"])], row)
        for record in sample.batches
        for row in np.frombuffer(record.decisions, samples.DECISION)
    ][::-1]

    def plain(found: list[Any]) -> list[Any]:
        return [(minute, name, row.tobytes()) for minute, name, row in found]

    assert plain(through(newest_decisions, sample.place, limit)) == plain(made)
    wanted = plain([one for one in made if one[1] == names[1]])
    assert wanted
    assert plain(through(newest_decisions, sample.place, limit, names[1])) == wanted
    # However little is looked through for one page, nothing is left out and nothing comes twice.
    monkeypatch.setattr(newest, "SCANNED_BATCHES", 3)
    assert plain(through(newest_decisions, sample.place, limit, names[1])) == wanted
    monkeypatch.setattr(newest, "SCANNED_BYTES", 1)
    assert plain(through(newest_decisions, sample.place, limit)) == plain(made)


@pytest.mark.parametrize("page", [newest_orders, newest_fills, newest_decisions])
def test_of_an_instrument_that_is_not_there_there_is_nothing(
    sample: samples.Sample[Place], page: Page
) -> None:
    assert through(page, sample.place, 10, "binance:NOTUSDT") == []
