"""What is traded: the run, its instruments, and how bar files are read."""

from decimal import Decimal
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from daemon.settings.section import Reload, Section, Venue


class RunSettings(Section):
    """What the run is."""

    name: str = Field(
        "papertape", pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="Name in logs, metrics and the tape."
    )
    quote: str = Field("USDT", pattern=r"^[A-Z0-9]{2,10}$", description="The one quote currency of the run.")
    capital: Decimal = Field(Decimal(100_000), gt=0, description="Cash at the start, in the quote currency.")
    seed: int = Field(1, ge=0, description="Seed of everything that is drawn (training, simulation).")


class InstrumentSettings(Section):
    """What is known of one instrument; anything left out is derived from its name and its bars."""

    quote: str | None = Field(None, description="Quote currency; default: what its symbol ends in.")
    tick: Decimal | None = Field(None, gt=0, description="Price step; default: from the bars' decimals.")
    lot: Decimal | None = Field(None, gt=0, description="Quantity step, base units.")
    calendar: str | None = Field(None, description="`24/7` or a name of exchange_calendars, e.g. XNYS.")


class UniverseSettings(Section):
    """Which instruments are traded."""

    reload: ClassVar[Reload] = "hot"
    needs_restart: ClassVar[tuple[str, ...]] = ("venue", "calendar")
    venue: Venue = Field("binance", description="Venue of symbols that name none.")
    instruments: tuple[str, ...] | Literal["all"] = Field(
        "all", description="Symbols, or venue:SYMBOL; `all` takes every instrument of the bar files."
    )
    calendar: str = Field("24/7", description="Calendar of instruments that name none.")
    overrides: dict[str, InstrumentSettings] = Field(
        default_factory=dict, description="By symbol or venue:SYMBOL."
    )
    halt_minutes: int = Field(30, ge=1, description="No bar for so many session minutes: halted, no orders.")
    delist_minutes: int = Field(
        1440, ge=2, description="No bar for so many session minutes: delisted, closed."
    )

    @model_validator(mode="after")
    def _halt_before_delisting(self) -> Self:
        if self.halt_minutes >= self.delist_minutes:
            message = "halt_minutes must be smaller than delist_minutes"
            raise ValueError(message)
        return self


class BarsSettings(Section):
    """How bar files are read."""

    hot: ClassVar[tuple[str, ...]] = ("max_synthetic_minutes",)
    time: str = Field("time", description="Column of the bar's time.")
    symbol: str = Field(
        "symbol", description="Column of the instrument; a file without it names it by `symbol_value`."
    )
    symbol_value: str | None = Field(None, description="Instrument of a file that has no symbol column.")
    open: str = "open"
    high: str = "high"
    low: str = "low"
    close: str = "close"
    volume: str = "volume"
    taker_volume: str | None = Field(
        None, description="Column of base units bought by takers, if there is one."
    )
    time_unit: Literal["auto", "s", "ms", "us", "ns"] = Field("auto", description="Unit of integer times.")
    stamped: Literal["open", "close"] = Field(
        "open", description="Whether times are the minute's open or its end."
    )
    max_synthetic_minutes: int = Field(
        30, ge=0, description="Runs of absent minutes up to this long become flat bars; longer ones are gaps."
    )
