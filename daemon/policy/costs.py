"""What trading costs, as fractions of traded value: one definition for the gate and the broker.

Impact is the square-root law Y x sigma x sqrt(quantity / volume) (Almgren et al. 2005, "Direct Estimation of
Equity Market Impact"; Toth et al. 2011), with sigma and volume of the minute.
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from daemon.kernels import FloatArray
from daemon.settings import CostSettings

BPS = 1e-4


@dataclass(frozen=True, slots=True)
class CostRates:
    """The cost settings as fractions of traded value, one way.

    Attributes:
        fee: Maker or taker fee, as `costs.liquidity` says.
        worst_fee: The larger of both, for bookings at worst-case cost.
        half_spread: Half the spread.
        slippage: Slippage.
        impact: Y of the square-root law (no unit).
        max_volume_share: Largest share of a minute's volume that is filled.
    """

    fee: float
    worst_fee: float
    half_spread: float
    slippage: float
    impact: float
    max_volume_share: float

    @classmethod
    def of(cls, settings: CostSettings) -> Self:
        """Take the rates from the settings, where they stand in basis points."""
        taker, maker = settings.taker_fee_bps * BPS, settings.maker_fee_bps * BPS
        return cls(
            fee=taker if settings.liquidity == "taker" else maker,
            worst_fee=max(taker, maker),
            half_spread=settings.half_spread_bps * BPS,
            slippage=settings.slippage_bps * BPS,
            impact=settings.impact,
            max_volume_share=settings.max_volume_share,
        )

    def impact_of(self, sigma: float, quantity: float, volume: float) -> float:
        """Impact of trading `quantity` base units in a minute of `volume` > 0, a fraction of the price."""
        return self.impact * sigma * math.sqrt(quantity / volume)

    def round_trip(self, sigma: FloatArray, notional: FloatArray, traded_value: FloatArray) -> FloatArray:
        """Estimate the cost of getting in and out again.

        More than `max_volume_share` of a minute is never filled at once, so the impact is estimated at no
        more than that share; a minute without volume is taken for one in which the intended size is that
        share.

        Args:
            sigma: (n_rows,) volatility of one-minute log returns.
            notional: (n_rows,) intended size, quote currency.
            traded_value: (n_rows,) traded value of the decided minute, quote currency.

        Returns:
            (n_rows,) cost as a fraction of the size: 2 x (fee + half spread + slippage + impact).
        """
        cap = self.max_volume_share
        share = np.full(len(sigma), cap)
        np.divide(notional, traded_value, out=share, where=traded_value > notional)
        impact = self.impact * sigma * np.sqrt(np.minimum(share, cap))
        one_way: FloatArray = impact + (self.fee + self.half_spread + self.slippage)
        return one_way * 2.0
