"""What the control API answers with: one model an answer, of which its OpenAPI description is made.

Amounts of money are decimal text in the run's quote currency, exact; moments are ISO 8601 in UTC; a minute is
named by its first moment. What is not known is null.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Money = Annotated[str, Field(pattern=r"^-?[0-9]+(\.[0-9]+)?$", description="Quote currency, exact.")]
Quantity = Annotated[str, Field(pattern=r"^-?[0-9]+(\.[0-9]+)?$", description="Base units, exact; + buys.")]
Mode = Literal["normal", "no_entry", "frozen", "flatten"]
CommandName = Literal["pause", "resume", "freeze", "flatten"]
By = Annotated[
    str,
    Field(
        max_length=64,
        pattern=r"^[A-Za-z0-9_.@ -]*$",
        description="Who asks; it stands on the tape beside the command.",
    ),
]


class Answer(BaseModel):
    """Base of all answers: nothing but what is described."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Problem(Answer):
    """One thing that is wrong with a request, or keeps it from being answered."""

    what: str = Field(description="What is wrong.")
    where: str = Field(description="Of the request, the server or the run.")
    what_to_do: str = Field(description="How to mend it.")


class Problems(Answer):
    """Why a request was refused, everything at once."""

    problems: list[Problem]


class Cause(Answer):
    """Something that asks for a trading state; the strictest rules."""

    cause: str
    mode: Mode


class FeedState(Answer):
    """A feed, and how many of its instruments it does not deliver now."""

    feed: str
    lost_instruments: int


class AlarmState(Answer):
    """A vital that is out of its bound."""

    vital: str
    subject: str
    since: datetime
    value: float | None
    bound: float | None
    cause: str
    consequences: list[str]


class State(Answer):
    """What the run is now: how far, with what, in which trading state, at what equity."""

    run: str = Field(description="Its name, `run.name`.")
    version: str = Field(description="Of papertape.")
    minute: datetime | None = Field(description="The newest decided minute.")
    age_seconds: float | None = Field(description="Since that minute's end, by the run's clock.")
    batch: int = Field(description="Decided minutes since the run began.")
    catch_up: bool = Field(description="The newest minute was missed live and came from history.")
    mode: Mode
    causes: list[Cause]
    model: str = Field(description="Version of the model that trades.")
    instruments: int
    quote: str
    equity: Money
    best: Money
    worst: Money
    day: Money = Field(description="Change of equity since the day's (UTC) first minute.")
    cash: Money | None
    realised: Money | None
    fees: Money | None
    gross_ratio: float | None = Field(description="Sum of absolute positions over equity.")
    net_ratio: float | None
    drawdown_ratio: float | None
    positions: int = Field(description="How many are held.")
    feeds: list[FeedState]
    queued_messages: int = Field(description="Messages of feeds that wait.")
    alarms: list[AlarmState]
    waiting_commands: int = Field(description="Commands that wait for their minute.")


class Position(Answer):
    """One position."""

    instrument: str
    quantity: Quantity
    weight_ratio: float = Field(description="Its value over equity, signed.")
    unrealised: Money
    mark_age_minutes: int = Field(description="Session minutes since the price was made it is valued at.")


class Positions(Answer):
    """Everything that is held after the newest minute."""

    minute: datetime | None
    positions: list[Position]


class OrderFill(Answer):
    """A part of an order that was filled, or the whole of it."""

    minute: datetime
    quantity: Quantity
    price: Money
    fee: Money
    realised: Money


class Order(Answer):
    """A paper order and what became of it."""

    id: int
    minute: datetime = Field(description="The minute at whose close it was made.")
    instrument: str
    quantity: Quantity
    reason: str = Field(description="`entry`, `horizon`, `opposite`, `limit`, `flatten`, ...")
    status: Literal["waiting", "filled", "ended"] = Field(
        description="`ended`: it was not, or not whole, filled; `ended_by` says why."
    )
    fills: list[OrderFill]
    unfilled: Quantity | None = Field(description="What was left when it ended.")
    ended_by: str | None


class Orders(Answer):
    """A page of orders, newest first."""

    orders: list[Order]
    before: str | None = Field(description="Give this as `before` for the next page; null: there is none.")


class Fill(Answer):
    """A fill, or a booking without an order (funding, delisting)."""

    order_id: int = Field(description="0: there is none.")
    minute: datetime
    instrument: str
    kind: Literal["trade", "delisted", "funding"]
    quantity: Quantity
    price: Money
    best: Money
    worst: Money
    fee: Money
    realised: Money


class Fills(Answer):
    """A page of fills and bookings, newest first."""

    fills: list[Fill]
    before: str | None = Field(description="Give this as `before` for the next page; null: there is none.")


class Probabilities(Answer):
    """Of the three moves over the model's horizon."""

    down: float
    flat: float
    up: float


class Decision(Answer):
    """What was thought of one instrument in one minute, and why it was traded or not."""

    minute: datetime
    instrument: str
    blend: Probabilities | None
    experts: dict[str, Probabilities | None]
    edge_ratio: float | None = Field(description="Expected return over the horizon, before costs.")
    sigma_ratio: float | None = Field(description="Volatility of a minute.")
    target_weight_ratio: float | None
    reason: str = Field(description="A word: `no_edge`, `entry`, `confirmed`, ...")
    because: str = Field(description="The reason in a sentence.")


class Decisions(Answer):
    """A page of decisions, newest minute first."""

    decisions: list[Decision]
    before: str | None = Field(description="Give this as `before` for the next page; null: there is none.")


class Estimate(Answer):
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float


class ExpertVital(Answer):
    """How good an expert, or the blend, has been in the window of the vitals."""

    expert: str
    form: str = Field(description="Judged before (`raw`) or after (`calibrated`) calibration.")
    labels: int
    weight_ratio: float | None = Field(description="Its weight in the blend now.")
    accuracy_ratio: float | None
    majority_accuracy_ratio: float | None = Field(description="The baseline beside it.")
    skill_nats: Estimate | None = Field(description="Log-loss of the base rate less its own, a label.")
    information_coefficient: Estimate | None
    brier: float | None
    calibration_error_ratio: float | None


class DriftVital(Answer):
    """Drift of features or of predictions, against the thresholds that keep the promised alarm rate."""

    subject: str
    in_alarm: bool
    judged_hours: int
    alarm_hours: int
    out: list[str] = Field(description="Those beyond their threshold, the oddest first.")


class TradesVital(Answer):
    """Closed round trips of the window, in basis points of what was opened."""

    count: int
    gross_bps: float | None
    cost_bps: float | None
    net_bps: Estimate | None = Field(description="Null while there is too little to tell.")


class Vitals(Answer):
    """Whether the model works: skill, calibration, drift, trades, and the verdict in a sentence."""

    minute: datetime | None = Field(description="The minute these were made after.")
    verdict: str
    experts: list[ExpertVital]
    drift: list[DriftVital]
    trades: TradesVital
    signals: int = Field(description="Signals of the window whose labels have come.")
    edge_predicted_ratio: Estimate | None
    edge_realised_ratio: Estimate | None
    alarms: list[AlarmState]


class ModelState(Answer):
    """The model that trades."""

    version: str
    name: str
    uri: str = Field(description="Where it is looked for.")
    trained_at: datetime | None
    data_end: datetime | None = Field(description="The newest minute it learned from.")
    labels: dict[str, Any] = Field(description="What it predicts.")
    horizon_minutes: int
    features: list[str]
    schema_hash: str
    experts: list[str]


class ChallengerState(Answer):
    """A model that is scored beside the one that trades, and does not trade."""

    version: str
    since: datetime = Field(description="The first minute that it was scored in.")
    labels: int
    skill_nats: Estimate | None
    champion_skill_nats: Estimate | None = Field(description="Of what traded, on the same labels.")
    gain_nats: Estimate | None = Field(description="Its skill less the champion's, paired by minute.")


class ModelRefused(Answer):
    """A version that was not let trade."""

    version: str
    reason: str


class Models(Answer):
    """The models of the run."""

    trading: ModelState
    known: list[str] = Field(description="Versions that the run holds beside it.")
    challenger: ChallengerState | None
    refused: list[ModelRefused] = Field(description="The newest since this process began, newest first.")


class Ordered(Answer):
    """What became of a command.

    It enters before the next minute: until that is decided and on the tape it is `waiting`. A flatten is
    `closing` then, until nothing is held. `lost`: the run ended before its minute came.
    """

    id: int
    command: CommandName
    by: str
    asked: datetime
    status: Literal["waiting", "closing", "done", "lost"]
    minute: datetime | None = Field(description="The minute before whose decisions it entered.")
    before: Mode | None
    after: Mode | None
    positions: int | None = Field(description="How many are held after the newest minute.")
    orders: list[Order] = Field(description="Of a flatten: those that close positions.")


class AllOrdered(Answer):
    """The newest commands of this process, newest first."""

    commands: list[Ordered]


class SnapshotMade(Answer):
    """A snapshot of the run that is on its tape: a start after a kill begins there."""

    batch: int
    minute: datetime


class ReloadDone(Answer):
    """What came of reading the settings again; refused ones change nothing, the old ones go on."""

    result: Literal["applied", "rejected", "unchanged"]
    changed: list[str] = Field(description="Settings that are others now, as `section.field`.")
    problems: list[str] = Field(description="Why the file was rejected, each with its place.")


class Asked(BaseModel):
    """Who asks; may be left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    by: By = ""
