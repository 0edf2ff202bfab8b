"""Instruments whose feed has no past: what the settings say of them stands for their bars."""

from decimal import Decimal

import pytest

from daemon.bars.fetched import FetchedBars
from daemon.errors import BarsError
from daemon.feed import BarClosed
from daemon.settings import Settings

DESCRIBED = {"mqtt:GOLDUSDT": {"tick": "0.1", "lot": "0.01"}}
BAR = BarClosed("mqtt:TINUSDT", 28_000_000, 1.0, 1.2, 0.9, 1.1, 5.0)


def settings(overrides: dict[str, dict[str, str]]) -> Settings:
    return Settings.model_validate({"universe": {"venue": "mqtt", "overrides": overrides}})


def test_a_described_instrument_needs_no_bar() -> None:
    source = FetchedBars({"mqtt:GOLDUSDT": ()}, settings(DESCRIBED))
    assert (source.instruments[0].tick, source.instruments[0].lot) == (Decimal("0.1"), Decimal("0.01"))
    assert list(source.blocks(0, 30_000_000, 1440)) == []


def test_beside_one_that_has_bars_it_is_absent() -> None:
    source = FetchedBars({"mqtt:GOLDUSDT": (), "mqtt:TINUSDT": (BAR,)}, settings(DESCRIBED))
    (minutes,) = source.blocks(BAR.minute, BAR.minute, 1440)
    assert minutes.present.tolist() == [[False, True]]


def test_half_a_description_is_none() -> None:
    with pytest.raises(BarsError, match="no recent bar of mqtt:GOLDUSDT"):
        FetchedBars({"mqtt:GOLDUSDT": ()}, settings({"GOLDUSDT": {"tick": "0.1"}}))
