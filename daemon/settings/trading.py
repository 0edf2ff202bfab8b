"""From probabilities to positions: policy, risk, costs."""

from decimal import Decimal
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from daemon.settings.section import Bps, Reload, Section, Share, Venue


class PolicySettings(Section):
    """From probabilities to target weights."""

    reload: ClassVar[Reload] = "hot"
    edge_multiple: float = Field(1.0, ge=0, description="Entry needs edge > this x round-trip cost.")
    min_direction: Share = Field(
        0.0, description="Entry needs p_up/(p_up+p_down) this far towards 0 or 1; 0 is off."
    )
    side: Literal["long_short", "long_only"] = "long_short"
    sizing: Literal["fixed", "volatility", "kelly"] = "fixed"
    notional: Decimal = Field(
        Decimal(10_000), gt=0, description="Position size for fixed sizing, quote currency."
    )
    target_volatility: float = Field(
        0.1, gt=0, description="Annual volatility a position aims at, share of equity."
    )
    kelly_fraction: float = Field(0.25, gt=0, le=1)
    max_weight: float = Field(0.2, gt=0, le=10, description="Cap per instrument, share of equity.")
    max_gross: float = Field(1.0, gt=0, le=20, description="Cap on the sum of absolute weights.")
    max_net: float = Field(1.0, gt=0, le=20, description="Cap on the absolute sum of weights.")
    min_holding_minutes: int = Field(0, ge=0)
    smoothing: float = Field(
        0.0, ge=0, lt=1, description="Share of the previous weight kept at entries; 0 is off."
    )
    min_turnover: float = Field(0.0, ge=0, description="Least traded value per day to enter, quote currency.")
    max_volatility_share: float = Field(
        1.0, gt=0, le=1, description="Trade only this share of lowest volatility."
    )


class RiskSettings(Section):
    """What changes the trading state, and how it comes back."""

    reload: ClassVar[Reload] = "hot"
    max_drawdown: float | None = Field(
        0.25, gt=0, le=1, description="Beyond it: `drawdown_mode`, until a hand resumes."
    )
    drawdown_mode: Literal["no_entry", "frozen", "flatten"] = "flatten"
    max_daily_loss: float | None = Field(0.05, gt=0, le=1, description="Share of the day's opening equity.")
    daily_loss_mode: Literal["no_entry", "frozen", "flatten"] = Field(
        "no_entry", description="Until the next UTC day."
    )
    stale_feed_mode: Literal["no_entry", "frozen"] = Field(
        "no_entry", description="Until the feed is restored."
    )


class VenueFeeSettings(Section):
    """Fees of one venue; what is left out is as for every venue."""

    taker_fee_bps: Bps | None = None
    maker_fee_bps: Bps | None = None


class CostSettings(Section):
    """What trading costs. Always on; zero must be written out."""

    reload: ClassVar[Reload] = "hot"
    needs_restart: ClassVar[tuple[str, ...]] = ("funding_file",)
    taker_fee_bps: Bps = 5.0
    maker_fee_bps: Bps = 2.0
    venues: dict[Venue, VenueFeeSettings] = Field(
        default_factory=dict, description="Other fees by venue: {kraken: {taker_fee_bps: 26}}."
    )
    liquidity: Literal["taker", "maker"] = Field("taker", description="Which fee our fills pay.")
    half_spread_bps: Bps = 1.0
    slippage_bps: Bps = 0.5
    impact: float = Field(0.1, ge=0, le=10, description="Y of Y x sigma x sqrt(quantity / minute volume).")
    max_volume_share: float = Field(
        0.1, gt=0, le=1, description="Of the minute's volume; the rest waits or ends."
    )
    order_minutes: int = Field(1, ge=1, le=60, description="How many minutes an order lives.")
    delay_bars: int = Field(0, ge=0, le=60, description="Extra minutes before an order may fill.")
    funding_bps_per_8h: float | None = Field(
        None,
        ge=-1000,
        le=1000,
        description="Paid by longs on the held value at 00:00, 08:00 and 16:00 UTC; null: not charged.",
    )
    funding_file: str | None = Field(
        None,
        min_length=1,
        description="Funding from Parquet instead: instrument, time, rate (fraction of the held value that "
        "longs pay).",
    )

    @model_validator(mode="after")
    def _one_source_of_funding(self) -> Self:
        if self.funding_bps_per_8h is not None and self.funding_file is not None:
            message = "funding_bps_per_8h and funding_file are both set; choose one"
            raise ValueError(message)
        return self
