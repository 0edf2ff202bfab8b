"""What an instrument's symbol and first bars tell of it: name, quote currency, tick and lot."""

import math
import re
from decimal import Decimal
from typing import Final

import numpy as np

from daemon.errors import BarsError
from daemon.events import Instrument
from daemon.kernels import FloatArray
from daemon.settings import InstrumentSettings, Settings

QUOTES: Final = frozenset(
    (
        *("USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USDP", "PYUSD", "DAI", "USD", "EUR", "GBP", "JPY", "CHF"),
        *("AUD", "CAD", "TRY", "BRL", "KRW", "MXN", "ARS", "UAH", "ZAR", "PLN", "RON", "IDR"),
        *("BTC", "XBT", "ETH", "BNB", "SOL"),
    )
)
"""Currencies that crypto venues quote in."""

SIGNIFICANT_DIGITS: Final = 10
"""A derived tick has at most so many digits below the price: float noise is no price step."""


def full_name(symbol: str, venue: str) -> str:
    """Return `venue:SYMBOL` of a symbol that may already name its venue."""
    return symbol if ":" in symbol else f"{venue}:{symbol}"


def quote_of(symbol: str, run_quote: str) -> str | None:
    """Return the currency that a symbol ends in, separators aside; None where it ends in none that is known.

    `BTCUSDT`, `BTC-USDT`, `XBT/USDT` and `binance:BTC_USDT` all end in USDT. The longest match counts; a
    symbol that is nothing but a currency (`ETH`) is no pair.
    """
    text = symbol.rsplit(":", 1)[-1].upper()
    parts = [part for part in re.split(r"[^A-Z0-9]+", text) if part]
    candidates = sorted({*QUOTES, run_quote}, key=lambda quote: (-len(quote), quote))
    if len(parts) > 1 and parts[-1] in candidates:
        return parts[-1]
    last = parts[-1] if parts else ""
    return next((quote for quote in candidates if last.endswith(quote) and last != quote), None)


def tick_of(prices: FloatArray) -> Decimal:
    """Return the largest power of ten, at most 1, that divides every price of the sample (n,), n >= 1.

    Noise does not count: at most `SIGNIFICANT_DIGITS` digits of the sample's median are looked at.
    """
    finest = math.floor(math.log10(float(np.median(prices)))) - SIGNIFICANT_DIGITS + 1
    exponents = (_exponent(price) for price in set(prices.tolist()))
    return Decimal(1).scaleb(min(0, max(finest, min(exponents))))


def lot_of(prices: FloatArray) -> Decimal:
    """Return the largest power of ten, at most 1, that is worth at most 0.01 at the sample's median price."""
    return Decimal(1).scaleb(min(0, math.floor(math.log10(0.01 / float(np.median(prices))))))


def describe(symbol: str, prices: FloatArray, settings: Settings) -> Instrument:
    """Say what is known of the instrument behind `symbol`: settings first, then its name and first bars.

    Args:
        symbol: As the file writes it.
        prices: (n,) closes of its first bars, positive; none only where `is_described`.
        settings: For the venue, the calendar, the overrides and the run's quote currency.

    Raises:
        BarsError: The symbol ends in no currency that is known and no override says which it is.
    """
    name = full_name(symbol, settings.universe.venue)
    known = told_of(symbol, settings)
    quote = known.quote or quote_of(symbol, settings.run.quote)
    if quote is None:
        raise BarsError(
            f"{name}: its quote currency cannot be told from the symbol. "
            f"Write it in the settings: universe.overrides: {{{symbol!r}: {{quote: USD}}}}."
        )
    return Instrument(
        name=name,
        quote=quote,
        tick=known.tick or tick_of(prices),
        lot=known.lot or lot_of(prices),
        calendar=known.calendar or settings.universe.calendar,
    )


def is_described(name: str, settings: Settings) -> bool:
    """Return whether the settings alone say what there is to know of `venue:SYMBOL` without a bar of it."""
    known = told_of(name, settings)
    return known.tick is not None and known.lot is not None


def check_quotes(instruments: tuple[Instrument, ...], run_quote: str) -> None:
    """Refuse instruments that are quoted in another currency than the run's.

    Raises:
        BarsError: Names them all.
    """
    foreign = [
        f"{instrument.name} ({instrument.quote})"
        for instrument in instruments
        if instrument.quote != run_quote
    ]
    if foreign:
        raise BarsError(
            f"a run has one quote currency, here run.quote: {run_quote}, and these instruments are quoted "
            f"in another: {', '.join(foreign)}. List the ones to trade in universe.instruments, "
            f"change run.quote, or say the right currency in universe.overrides."
        )


def told_of(symbol: str, settings: Settings) -> InstrumentSettings:
    """Return what the settings say of an instrument: `universe.overrides` by its full name or its symbol."""
    name, overrides = full_name(symbol, settings.universe.venue), settings.universe.overrides
    for key in (name, symbol, symbol.rsplit(":", 1)[-1]):
        if key in overrides:
            return overrides[key]
    return InstrumentSettings()


def _exponent(price: float) -> int:
    exponent = Decimal(repr(price)).normalize().as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0
