"""Steps on which feature arithmetic counts prices and volumes as integers.

A quantum is a power of ten per instrument, ten significant digits of its typical size. It belongs to the
features: the venue's tick and lot shape orders only. Its bounds keep every integer sum inside the 64 or 128
bits it is stated for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

import numpy as np

from daemon.kernels import FloatArray

SIGNIFICANT_DIGITS = 10
FIRST_VOLUME_DIGITS = 7
PRICE_LIMIT_QUANTA = 2.0**43
VOLUME_LIMIT_QUANTA = 2.0**48
MAX_MAGNITUDE = 30
QUIET_QUOTE_DIGITS = 6
"""Where the first bar traded nothing, one quantum of volume is worth about 1e-5 of the quote currency."""


@dataclass(frozen=True, slots=True)
class Quanta:
    """The steps of one instrument.

    Attributes:
        price_exponent: One quantum of price is 10**price_exponent quote units.
        volume_exponent: One quantum of volume is 10**volume_exponent base units.
    """

    price_exponent: int
    volume_exponent: int

    @classmethod
    def typical(cls, close: FloatArray, volume: FloatArray) -> Self:
        """Choose quanta for a history: ten digits of the median close and of the median traded volume.

        Args:
            close: (n,) closes, quote units; absent ones are NaN.
            volume: (n,) volumes, base units; absent ones are NaN.

        Raises:
            ValueError: There is no close at all.
        """
        closes = close[np.isfinite(close)]
        if closes.size == 0:
            raise ValueError("an instrument without a bar has no typical price")
        traded = volume[np.isfinite(volume) & (volume > 0.0)]
        # A lower median is one of the values, so it does not depend on how a mean of two is rounded.
        price = float(np.sort(closes)[(closes.size - 1) // 2])
        if traded.size == 0:
            return cls.first(price, 0.0)
        amount = float(np.sort(traded)[(traded.size - 1) // 2])
        return cls(_magnitude(price) + 1 - SIGNIFICANT_DIGITS, _magnitude(amount) + 1 - SIGNIFICANT_DIGITS)

    @classmethod
    def first(cls, close: float, volume: float) -> Self:
        """Choose quanta from an instrument's first bar alone.

        One bar's volume says little, so its quantum keeps seven digits of it and leaves room for volumes 1e7
        times as large.
        """
        price_exponent = _magnitude(close) + 1 - SIGNIFICANT_DIGITS
        if volume > 0.0:
            return cls(price_exponent, _magnitude(volume) + 1 - FIRST_VOLUME_DIGITS)
        return cls(price_exponent, _magnitude(1.0 / close) + 1 - QUIET_QUOTE_DIGITS)

    @property
    def price(self) -> float:
        """One quantum of price, quote units."""
        return float(f"1e{self.price_exponent}")

    @property
    def volume(self) -> float:
        """One quantum of volume, base units."""
        return float(f"1e{self.volume_exponent}")

    @property
    def per_price(self) -> float:
        """Quanta in one quote unit of price."""
        return float(f"1e{-self.price_exponent}")

    @property
    def per_volume(self) -> float:
        """Quanta in one base unit of volume."""
        return float(f"1e{-self.volume_exponent}")

    def objection(self, low: float, high: float, volume: float) -> str | None:
        """Say which bound a bar breaks, or None.

        Args:
            low: Lowest price of the bar.
            high: Highest price of the bar.
            volume: The bar's volume (or what takers bought, if that is more).
        """
        if not low * self.per_price >= 1.0:
            return f"price {low!r} is below one quantum of {self.price!r}"
        if not high * self.per_price <= PRICE_LIMIT_QUANTA:
            return f"price {high!r} is above 2^43 quanta of {self.price!r}"
        if not 0.0 <= volume * self.per_volume <= VOLUME_LIMIT_QUANTA:
            return f"volume {volume!r} is above 2^48 quanta of {self.volume!r}"
        return None


def _magnitude(value: float) -> int:
    """Exponent of the first significant digit: 0 for 1 to 9.99, -8 for 1e-8.

    What is beyond any market is taken for its edge, so that a quantum and its inverse are finite numbers.
    """
    return max(-MAX_MAGNITUDE, min(Decimal(repr(value)).adjusted(), MAX_MAGNITUDE))


def quanta_from_fields(fields: Mapping[str, object]) -> dict[str, Quanta]:
    """Read back what `quanta_to_fields` made.

    Raises:
        ValueError: A value is no pair of whole numbers.
    """
    result = {}
    for name, pair in fields.items():
        if (
            not isinstance(pair, list | tuple)
            or len(pair) != 2
            or not all(isinstance(part, int) for part in pair)
        ):
            raise ValueError(f"quanta of {name} are no pair of whole numbers: {pair!r}")
        result[name] = Quanta(int(pair[0]), int(pair[1]))
    return result


def quanta_to_fields(quanta: Mapping[str, Quanta]) -> dict[str, object]:
    """Turn quanta into plain data: name -> [price exponent, volume exponent], sorted by name."""
    return {name: [quanta[name].price_exponent, quanta[name].volume_exponent] for name in sorted(quanta)}
