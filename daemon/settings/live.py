"""How live bars come and when a minute is closed."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from daemon.settings.section import Reload, Section, Venue


class VenueFeedSettings(Section):
    """Other addresses than a venue's own: of a proxy, a testnet or a simulated exchange."""

    stream_url: str | None = Field(None, description="Of the websocket; null: the venue's.")
    history_url: str | None = Field(None, description="Scheme and host of the history; null: the venue's.")


class FeedsSettings(Section):
    """Where live bars come from."""

    venues: dict[Venue, VenueFeedSettings] = Field(
        default_factory=dict, description="Other addresses by venue: {binance: {stream_url: wss://...}}."
    )
    clock_url: str | None = Field(
        None, description="A simulated exchange's /papertape/clock, whose time the run follows."
    )


class SealingSettings(Section):
    """When a live minute is closed, and what is done about bars that do not come."""

    reload: ClassVar[Reload] = "hot"
    needs_restart: ClassVar[tuple[str, ...]] = ("queue_messages", "history_requests")
    grace_seconds: float = Field(
        4.0,
        ge=0,
        lt=60,
        description="After a minute's end: from then on history is asked for what is missing.",
    )
    deadline_seconds: float = Field(
        15.0, gt=0, lt=60, description="After a minute's end: then it is sealed with what there is."
    )
    empty: Literal["flat", "gap"] = Field(
        "flat",
        description="A minute without a trade becomes a flat bar (at most bars.max_synthetic_minutes in a "
        "row) or none.",
    )
    confirm_empty: bool = Field(
        True, description="Ask history before a missing bar is called a minute without a trade."
    )
    silence_seconds: float = Field(
        90.0, ge=5, description="Connected, and nothing of any instrument for so long: lost."
    )
    mute_minutes: int = Field(
        3,
        ge=1,
        description="History had so many traded bars that the stream had not: that instrument is lost.",
    )
    gap_minutes: int = Field(
        30, ge=1, description="Bars wait so long for history to fill a gap before them; then it stays."
    )
    halted_poll_minutes: int = Field(
        10, ge=1, description="History of a halted instrument is asked for this often."
    )
    retry_seconds: float = Field(
        5.0, gt=0, description="After a failed request for history; doubles each time, up to two minutes."
    )
    catch_up_seconds: float = Field(
        300.0, ge=0, description="Missed minutes are sealed when history has been silent for so long."
    )
    max_skew_seconds: float = Field(
        30.0, gt=0, lt=60, description="A bar that is final so long before its minute's end is refused."
    )
    queue_messages: int = Field(
        20_000,
        ge=100,
        description="Messages that wait for the sequencer; full, the sockets are read no further.",
    )
    history_requests: int = Field(
        4, ge=1, le=64, description="Requests for history at the same time, per feed."
    )

    @model_validator(mode="after")
    def _grace_before_deadline(self) -> Self:
        if self.grace_seconds >= self.deadline_seconds:
            message = "grace_seconds must be smaller than deadline_seconds"
            raise ValueError(message)
        return self
