"""A simulated market: realistic minute bars, and the best forecast anyone could make of them.

Volatility clusters and has a season over the day, returns have fat tails and are correlated across
instruments, highs and lows are extremes of a Brownian bridge between open and close, volume follows
volatility. One part is predictable by design: prices are pulled back to their own exponential average
(`adapters.simulator.process`), until the regime change weakens that pull and turns its sign.
"""

import hashlib
import math
from collections.abc import Iterator
from decimal import Decimal
from functools import cached_property

import numpy as np
import polars as pl

from adapters.simulator.optimum import Shape, mean_per_distance, variance
from adapters.simulator.process import FloatArray, IntArray, Path, Process, realise
from daemon.events import MINUTE_US, Instrument, Minutes

START_MINUTE = 28_401_120
"""2024-01-01 00:00 UTC."""

NAMES = (
    *("ALFA", "BRAVO", "CHARLIE", "DELTA", "ECHO", "FOXTROT", "GOLF", "HOTEL"),
    *("INDIA", "JULIETT", "KILO", "LIMA", "MIKE", "NOVEMBER", "OSCAR", "PAPA"),
)
OPENING_JITTER = 0.1
PRICE_DIGITS = 6
LOT_VALUE = 0.01
MEAN_QUOTE_VOLUME = 2_000_000.0


class SimulatedMarket:
    """Bars of a generated market; implements `daemon.ports.BarSource`.

    Equal arguments give equal bars. Without the predictable part (`predictable=False`) volatility is constant
    and returns are Gaussian too, so that not even flat against moving can be told better than by the base
    rate: any skill shown there is an error of whoever shows it. (A threshold in sigma keeps a trace, below
    0.0006 nats, because sigma itself is an estimate; a threshold in bps keeps none.)

    Args:
        seed: Of everything that is drawn.
        n_instruments: How many instruments, all with bars in every minute.
        n_minutes: How many minutes.
        predictable: Whether there is anything to learn.
        regime_change_minute: Minutes after the start at which the predictable part turns; None is never.
        start_minute: Epoch minute of the first bar.
        venue: Stands before the colon in the instruments' names.

    Raises:
        ValueError: Fewer than one instrument or two minutes.
    """

    def __init__(
        self,
        seed: int,
        n_instruments: int = 8,
        n_minutes: int = 43_200,
        *,
        predictable: bool = True,
        regime_change_minute: int | None = None,
        start_minute: int = START_MINUTE,
        venue: str = "simulator",
    ) -> None:
        if n_instruments < 1 or n_minutes < 2:
            message = f"a market needs an instrument and two minutes, not {n_instruments} and {n_minutes}"
            raise ValueError(message)
        self.seed = seed
        self._venue = venue
        change = None if regime_change_minute is None else start_minute + regime_change_minute
        self.process = _process(change, predictable=predictable)
        self._minute = np.arange(start_minute, start_minute + n_minutes, dtype=np.int64)
        generator = np.random.default_rng(seed)
        self.volatility = np.exp(generator.uniform(math.log(6e-4), math.log(9e-4), n_instruments))
        first_prices = np.exp(generator.uniform(math.log(0.2), math.log(50_000.0), n_instruments))
        self._path = realise(self.process, self.volatility, self._minute, generator)
        self._decimals = [_decimals(price) for price in first_prices.tolist()]
        self._minutes = _bars(
            self._path, self.volatility, first_prices, self._minute, self._decimals, generator
        )

    @cached_property
    def instruments(self) -> tuple[Instrument, ...]:
        """The instruments, sorted by name."""
        n = len(self._decimals)
        words = NAMES[:n] if n <= len(NAMES) else [f"X{i:05d}" for i in range(n)]
        first_close = self._minutes.close[0].tolist()
        return tuple(
            Instrument(
                name=f"{self._venue}:{word}USDT",
                quote="USDT",
                tick=Decimal(1).scaleb(-decimals),
                lot=Decimal(1).scaleb(-_lot_decimals(price)),
            )
            for word, decimals, price in zip(words, self._decimals, first_close, strict=True)
        )

    @property
    def first_minute(self) -> int:
        """Epoch minute of the first bar."""
        return int(self._minute[0])

    @property
    def last_minute(self) -> int:
        """Epoch minute of the last bar."""
        return int(self._minute[-1])

    @cached_property
    def fingerprint(self) -> str:
        """Hash of every bar."""
        content = hashlib.blake2b(digest_size=16)
        for name in ("minute", "open", "high", "low", "close", "volume", "taker"):
            content.update(np.ascontiguousarray(getattr(self._minutes, name)).tobytes())
        return content.hexdigest()

    def blocks(self, first_minute: int, last_minute: int, max_minutes: int) -> Iterator[Minutes]:
        """Yield the minutes of [first_minute, last_minute] in blocks of at most `max_minutes`."""
        first = max(first_minute - self.first_minute, 0)
        end = min(last_minute - self.first_minute + 1, len(self._minute))
        for start in range(first, end, max_minutes):
            yield self._minutes[start : min(start + max_minutes, end)]

    def outside(self, first_minute: int, last_minute: int) -> dict[str, int]:  # noqa: ARG002 - a generated bar is never outside
        """Return how many bars lie outside their sessions: none, this market never closes."""
        return {}

    def frame(self) -> pl.DataFrame:
        """Return the bars as a table: time, symbol, open, high, low, close, volume, taker_volume."""
        n = len(self.instruments)
        time = pl.Series("time", np.repeat(self._minute * MINUTE_US, n)).cast(pl.Datetime("us", "UTC"))
        symbols = [instrument.name.partition(":")[2] for instrument in self.instruments]
        columns = {
            name: getattr(self._minutes, name).ravel() for name in ("open", "high", "low", "close", "volume")
        }
        columns["taker_volume"] = self._minutes.taker.ravel()
        return pl.DataFrame({"time": time, "symbol": symbols * len(self._minute), **columns})

    def expected_return(self, horizon_minutes: int) -> FloatArray:
        """Return the conditional mean of the label's log return at every close, (minutes, instruments)."""
        coefficient = mean_per_distance(self.process, self._minute, horizon_minutes)
        return coefficient[:, None] * self._path.distance

    def optimal_probabilities(
        self, sigma: FloatArray, horizon_minutes: int, threshold_sigma: float
    ) -> FloatArray:
        """Return the best possible (down, flat, up) at every close, (n_minutes, n_instruments, 3).

        Args:
            sigma: (n_minutes, n_instruments) the volatility per minute that the labeller used; where it is
            NaN
                the probabilities are NaN.
            horizon_minutes: Of the label.
            threshold_sigma: Flat is within this many sigma x sqrt(horizon).
        """
        threshold = threshold_sigma * np.sqrt(float(horizon_minutes)) * sigma
        unit = variance(self.process, self._minute, self._path.heat, horizon_minutes, OPENING_JITTER)
        spread = np.sqrt(unit) * self.volatility
        mean = self.expected_return(horizon_minutes)
        shape = Shape(self.process, horizon_minutes, self.seed)
        down = shape.below((-threshold - mean) / spread, self._path.heat)
        not_up = shape.below((threshold - mean) / spread, self._path.heat)
        result = np.stack([down, not_up - down, 1.0 - not_up], axis=-1)
        result[np.isnan(sigma)] = np.nan
        return result


def _process(change_minute: int | None, *, predictable: bool) -> Process:
    if predictable:
        return Process(change_minute=change_minute)
    return Process(
        pull=0.0,
        pull_after=0.0,
        change_minute=change_minute,
        garch_shock=0.0,
        garch_memory=0.0,
        tail_freedom=math.inf,
        season=0.0,
    )


def _decimals(price: float) -> int:
    """Decimals of a price so that it has `PRICE_DIGITS` significant digits."""
    return max(PRICE_DIGITS - 1 - math.floor(math.log10(price)), 0)


def _lot_decimals(price: float) -> int:
    """Decimals of a quantity so that one lot is worth `LOT_VALUE` at most."""
    return max(math.ceil(math.log10(price / LOT_VALUE)), 0)


def _bars(
    path: Path,
    volatility: FloatArray,
    first_prices: FloatArray,
    minute: IntArray,
    decimals: list[int],
    generator: np.random.Generator,
) -> Minutes:
    """Build bars around the path of closes.

    The extremes are those of a Brownian bridge from open to close (each exact by itself: Karatzas and Shreve,
    Brownian Motion and Stochastic Calculus, 2.8), with the minute's own volatility.
    """
    shape = path.returns.shape
    closes = np.log(first_prices) + np.cumsum(path.returns, axis=0)
    before = np.vstack([np.log(first_prices)[None, :], closes[:-1]])
    opens = before + OPENING_JITTER * path.sigma * generator.standard_normal(shape)
    # The logarithm of a uniform draw is an exponential one.
    highs, lows = (
        0.5 * (opens + closes + sign * np.sqrt((closes - opens) ** 2 + 2.0 * path.sigma**2 * draws))
        for sign, draws in zip((1.0, -1.0), generator.exponential(size=(2, *shape)), strict=True)
    )
    prices = [np.exp(levels) for levels in (opens, highs, lows, closes)]
    for column, places in enumerate(decimals):
        for price in prices:
            price[:, column] = np.round(price[:, column], places)
    open_, high, low, close = prices
    volume, taker = _volumes(path, volatility, close, generator)
    present = np.ones(shape, dtype=np.bool_)
    none = np.zeros(shape, dtype=np.bool_)
    return Minutes(
        minute=minute,
        open=open_,
        high=np.maximum(high, np.maximum(open_, close)),
        low=np.minimum(low, np.minimum(open_, close)),
        close=close,
        volume=volume,
        taker=taker,
        present=present,
        synthetic=none,
        catch_up=np.zeros(len(minute), dtype=np.bool_),
    )


def _volumes(
    path: Path, volatility: FloatArray, close: FloatArray, generator: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Draw volume, which follows volatility, and what takers bought of it, which follows the return."""
    activity = path.sigma / volatility * np.exp(0.4 * generator.standard_normal(close.shape))
    places = np.array([_lot_decimals(price) for price in close[0].tolist()])
    lots = np.rint(MEAN_QUOTE_VOLUME * activity / close * 10.0**places)
    lean = np.tanh(path.returns / path.sigma) * 0.2 + 0.05 * generator.standard_normal(close.shape)
    taken = np.rint(np.maximum(lots, 1.0) * np.clip(0.5 + lean, 0.02, 0.98))
    return np.maximum(lots, 1.0) / 10.0**places, taken / 10.0**places
