"""What a held instrument was last worth: the close of the last bar in which somebody traded."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Self, cast

from daemon.positions.bar_cursor import BarCursor
from daemon.positions.money import exact


@dataclass(slots=True)
class Mark:
    """The last tradable bar of a held instrument.

    Attributes:
        price: Its close.
        close: The same as a float; `high`, `low` and `volume` alike.
        sigma: Last known volatility per minute.
        ordinal: Of that bar.
    """

    price: Decimal
    close: float
    high: float
    low: float
    volume: float
    sigma: float
    ordinal: int

    @classmethod
    def of(cls, instrument: int, bars: BarCursor, sigma: float) -> Self:
        """Mark a newly held instrument to a tradable bar; `sigma` is that of the order that opened it."""
        close = bars.close(instrument)
        high, low, volume = bars.high(instrument), bars.low(instrument), bars.volume(instrument)
        return cls(exact(close), close, high, low, volume, sigma, bars.ordinal)

    def update(self, instrument: int, bars: BarCursor) -> None:
        """Mark to this minute's bar, if it is tradable."""
        sigma = bars.sigma(instrument)
        if sigma == sigma:  # noqa: PLR0124 - not NaN
            self.sigma = sigma
        if bars.tradable(instrument):
            self.close = bars.close(instrument)
            self.price = exact(self.close)
            self.high = bars.high(instrument)
            self.low = bars.low(instrument)
            self.volume = bars.volume(instrument)
            self.ordinal = bars.ordinal

    def to_fields(self) -> dict[str, object]:
        """Return the mark as plain data."""
        return {
            "close": self.close,
            "high": self.high,
            "low": self.low,
            "volume": self.volume,
            "sigma": self.sigma,
            "ordinal": self.ordinal,
        }

    @classmethod
    def from_fields(cls, fields: Mapping[str, object]) -> Self:
        """Rebuild from `to_fields`."""
        close, high, low, volume, sigma = (
            cast("float", fields[name]) for name in ("close", "high", "low", "volume", "sigma")
        )
        return cls(exact(close), close, high, low, volume, sigma, cast("int", fields["ordinal"]))
