"""What a symbol and its first bars say of an instrument."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.bars.instruments import check_quotes, describe, full_name, lot_of, quote_of, tick_of
from daemon.errors import BarsError
from daemon.settings import Settings


@pytest.mark.parametrize(
    ("symbol", "quote"),
    [
        ("BTCUSDT", "USDT"),
        ("ETHBTC", "BTC"),
        ("ADA-BTC", "BTC"),
        ("XBT/USDC", "USDC"),
        ("coinbase:BTCEUR", "EUR"),
        ("okx:BTC_USD", "USD"),
        ("btcusdt", "USDT"),
        ("BTCFDUSD", "FDUSD"),
        ("SPY", None),
        ("ETH", None),
        ("", None),
    ],
)
def test_the_quote_is_what_the_symbol_ends_in(symbol: str, quote: str | None) -> None:
    assert quote_of(symbol, "USDT") == quote


def test_the_quote_of_the_run_is_known_whatever_it_is() -> None:
    assert quote_of("ABCQQQ", "QQQ") == "QQQ"
    assert quote_of("ABCQQQ", "USDT") is None


@given(st.integers(0, 6), st.lists(st.integers(1, 10**8), min_size=1, max_size=30))
def test_a_tick_divides_every_price_and_ten_ticks_do_not(decimals: int, steps: list[int]) -> None:
    prices = [float(Decimal(step).scaleb(-decimals)) for step in steps]
    tick = tick_of(np.array(prices))
    exact = [Decimal(repr(price)) for price in prices]
    # A sample of wide range may have more digits at its low end than a float of its median has room for.
    if tick > Decimal(1).scaleb(-decimals):
        assert len(str(int(np.median(steps)))) > 9 or all(price % tick == 0 for price in exact)
    else:
        assert all(price % tick == 0 for price in exact)
        assert tick == 1 or any(price % (10 * tick) != 0 for price in exact)


def test_float_noise_is_no_tick() -> None:
    assert tick_of(np.array([0.1 + 0.2, 0.3, 0.4])) == Decimal("1e-10")


@pytest.mark.parametrize(
    ("price", "lot"), [(95_000.0, "1e-7"), (1.0, "0.01"), (0.01, "1"), (1e-6, "1"), (521.0, "0.00001")]
)
def test_a_lot_is_worth_at_most_a_hundredth(price: float, lot: str) -> None:
    assert lot_of(np.array([price])) == Decimal(lot)


def test_settings_come_before_what_a_symbol_says() -> None:
    settings = Settings.model_validate(
        {
            "universe": {
                "venue": "us",
                "calendar": "XNYS",
                "overrides": {"SPY": {"quote": "USD", "tick": "0.01", "lot": "1"}, "x:QQQ": {"quote": "USD"}},
            }
        }
    )
    spy = describe("SPY", np.array([521.2345]), settings)
    assert (spy.name, spy.quote, spy.tick, spy.lot, spy.calendar) == (
        "us:SPY",
        "USD",
        Decimal("0.01"),
        Decimal(1),
        "XNYS",
    )
    assert describe("x:QQQ", np.array([500.0]), settings).quote == "USD"
    assert describe("x:SPY", np.array([500.0]), settings).tick == Decimal("0.01")


def test_a_symbol_that_ends_in_no_currency_needs_an_override() -> None:
    with pytest.raises(BarsError, match=r"binance:SPY: its quote currency.*universe.overrides"):
        describe("SPY", np.array([521.0]), Settings())


def test_instruments_in_another_currency_are_refused_by_name() -> None:
    instruments = tuple(
        describe(symbol, np.ones(1), Settings()) for symbol in ("BTCUSDT", "ETHBTC", "BTCEUR")
    )
    check_quotes(instruments[:1], "USDT")
    with pytest.raises(BarsError, match=r"binance:ETHBTC \(BTC\), binance:BTCEUR \(EUR\)"):
        check_quotes(instruments, "USDT")


def test_a_symbol_may_name_its_venue() -> None:
    assert full_name("BTCUSDT", "okx") == "okx:BTCUSDT"
    assert full_name("bybit:BTCUSDT", "okx") == "bybit:BTCUSDT"
