"""Four hours of storm as `python -m tests.soak` makes thirty days of, and that its checks can fail."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from adapters.simulator.book import Book
from adapters.simulator.faults import MEANING
from adapters.simulator.market import SimulatedMarket
from adapters.simulator.wire import Candle
from daemon.events import MINUTE_MS
from tests.soak.checks import check_minutes, growth_mb, growth_mb_a_day
from tests.soak.run import HISTORY, soak
from tests.soak.storm import Storm, drawn

SYMBOLS = ("ALFAUSDT", "BRAVOUSDT")


@dataclass
class Tampered(Book):
    """An exchange that says it had another close in one minute, and never had the one behind it."""

    source: SimulatedMarket
    minute: int

    def __post_init__(self) -> None:
        super().__init__(self.source)
        self.forget("BRAVOUSDT", self.minute + 1)

    def candle(self, symbol: str, minute: int) -> Candle | None:
        candle = super().candle(symbol, minute)
        if candle is None or (symbol, minute) != ("ALFAUSDT", self.minute):
            return candle
        return replace(candle, close=candle.open)


@pytest.mark.slow
async def test_a_storm_of_every_fault_and_two_kills_loses_no_minute(tmp_path: Path) -> None:
    done = await soak(tmp_path, days=1 / 6, n_kills=2, seed=4)
    assert done.wrong == []
    told = dict(done.rows)
    assert told["lives"] == "3: 2 ended by kill -9, 1 by SIGTERM"
    assert f"of {len(MEANING)} kinds" in told["faults"]
    market = SimulatedMarket(4, 4, HISTORY + 240)
    book = Tampered(market, market.last_minute - 30)
    wrong = check_minutes(tmp_path / "soak.tape", book, Storm((), ()), market.last_minute + 9).wrong
    assert any(f"ALFAUSDT {book.minute} has other values" in sentence for sentence in wrong)
    assert f"BRAVOUSDT {book.minute + 1} is on the tape and not in the exchange's history" in wrong
    assert any("the tape ends" in sentence for sentence in wrong)


def test_a_seed_draws_one_storm_with_every_fault_and_so_many_kills() -> None:
    days = (0, 30 * 1440 * MINUTE_MS)
    storm = drawn(7, SYMBOLS, *days, n_kills=50)
    assert storm == drawn(7, SYMBOLS, *days, n_kills=50)
    assert storm != drawn(8, SYMBOLS, *days, n_kills=50)
    assert storm.n_kills == 50
    assert {strike.fault.fault for strike in storm.strikes} == set(MEANING)
    assert len(storm.strikes) > 1080
    assert [strike.at_ms for strike in storm.strikes] == sorted(strike.at_ms for strike in storm.strikes)


def test_memory_that_grows_has_a_slope_and_memory_that_settles_has_none() -> None:
    hours = [hour * 3_600_000 for hour in range(48)]
    growing = growth_mb_a_day([(at_ms, 200.0 + at_ms / 86_400_000 * 7.0) for at_ms in hours])
    assert growing == pytest.approx(7.0)
    settled = growth_mb_a_day([(at_ms, 250.0 - 50.0 * (at_ms == 0)) for at_ms in hours])
    assert growth_mb([(at_ms, 250.0 - 50.0 * (at_ms == 0)) for at_ms in hours]) == 0.0
    assert growth_mb([(at_ms, 200.0 + at_ms / 3_600_000) for at_ms in hours]) == 43.0
    assert settled == pytest.approx(0.0)
    assert growth_mb_a_day([(0, 1.0)]) is None
