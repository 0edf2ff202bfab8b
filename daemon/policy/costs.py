"""What trading costs, as fractions of traded value: one definition for the gate and the broker.

Impact is the square-root law Y x sigma x sqrt(quantity / volume) (Almgren et al. 2005, "Direct Estimation of
Equity Market Impact"; Toth et al. 2011), with sigma and volume of the minute.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from daemon.kernels import FloatArray, IntArray
from daemon.settings import CostSettings, VenueFeeSettings

BPS = 1e-4
NO_FEES = VenueFeeSettings()


@dataclass(frozen=True, slots=True)
class CostRates:
    """The cost settings of one venue as fractions of traded value, one way.

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
    def of(cls, settings: CostSettings, venue: str = "") -> Self:
        """Take the rates from the settings, where they stand in basis points.

        Args:
            settings: Costs of the run.
            venue: Whose fees; those for every venue where it has none of its own.
        """
        own = settings.venues.get(venue, NO_FEES)
        taker_bps = settings.taker_fee_bps if own.taker_fee_bps is None else own.taker_fee_bps
        maker_bps = settings.maker_fee_bps if own.maker_fee_bps is None else own.maker_fee_bps
        taker, maker = taker_bps * BPS, maker_bps * BPS
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


def venue_of(name: str) -> str:
    """Return the venue of a `venue:SYMBOL`."""
    return name.partition(":")[0]


def rates_by_instrument(settings: CostSettings, names: Sequence[str]) -> tuple[CostRates, ...]:
    """Return the rates of each instrument, which are those of its venue."""
    venues = [venue_of(name) for name in names]
    rates = {venue: CostRates.of(settings, venue) for venue in set(venues)}
    return tuple(rates[venue] for venue in venues)


def fee_fact(settings: CostSettings, names: Sequence[str]) -> str:
    """Say what fills pay, by venue, for the summary."""
    venues = sorted({venue_of(name) for name in names})
    paid = [f"{CostRates.of(settings, venue).fee / BPS:g} bps on {venue}" for venue in venues]
    return f"{settings.liquidity}, {', '.join(paid)}"


class RoundTripCosts:
    """What getting in and out again costs: what the gate holds an edge against.

    Args:
        settings: Costs of the run.
        names: Its instruments, in the order of every column.
    """

    __slots__ = ("_cap", "_impact", "_one_way")

    def __init__(self, settings: CostSettings, names: Sequence[str]) -> None:
        rates = rates_by_instrument(settings, names)
        self._one_way = np.array([rate.fee + rate.half_spread + rate.slippage for rate in rates])
        self._impact, self._cap = settings.impact, settings.max_volume_share

    def estimate(
        self, instrument: IntArray, sigma: FloatArray, notional: FloatArray, traded_value: FloatArray
    ) -> FloatArray:
        """Estimate the cost of a round trip, row by row.

        More than `max_volume_share` of a minute is never filled at once, so the impact is estimated at no
        more than that share; a minute without volume is taken for one in which the intended size is that
        share.

        Args:
            instrument: (n_rows,) columns.
            sigma: (n_rows,) volatility of one-minute log returns.
            notional: (n_rows,) intended size, quote currency.
            traded_value: (n_rows,) traded value of the decided minute, quote currency.

        Returns:
            (n_rows,) cost as a fraction of the size: 2 x (fee + half spread + slippage + impact).
        """
        cap = self._cap
        share = np.full(len(sigma), cap)
        np.divide(notional, traded_value, out=share, where=traded_value > notional)
        impact = self._impact * sigma * np.sqrt(np.minimum(share, cap))
        one_way: FloatArray = impact + self._one_way[instrument]
        return one_way * 2.0
