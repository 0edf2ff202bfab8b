"""The payloads on papertape's topics: one structure a topic, of which the documented JSON Schema is made.

Amounts of money are decimal text in the run's quote currency, exact; moments are ISO 8601 in UTC.
"""

from typing import Annotated, Any, Final, Literal

import msgspec

Money = Annotated[str, msgspec.Meta(pattern=r"^-?[0-9]+(\.[0-9]+)?$", description="Quote currency, exact.")]
Moment = Annotated[str, msgspec.Meta(description="ISO 8601, UTC.")]
Mode = Literal["normal", "no_entry", "frozen", "flatten"]


class Status(msgspec.Struct, kw_only=True, frozen=True):
    """Whether the run is there; `offline` is also its last will."""

    status: Literal["online", "offline"]
    version: str = ""


class Equity(msgspec.Struct, kw_only=True, frozen=True):
    """The account after the last minute."""

    minute: Moment
    equity: Money
    best: Money
    worst: Money
    cash: Money
    realised: Money
    fees: Money
    gross_ratio: float
    net_ratio: float
    drawdown_ratio: float
    mode: Mode
    catch_up: bool


class Held(msgspec.Struct, kw_only=True, frozen=True):
    """One position."""

    instrument: str
    quantity: str
    weight_ratio: float
    unrealised: Money
    mark_age_minutes: int


class Positions(msgspec.Struct, kw_only=True, frozen=True):
    """Everything that is held after the last minute."""

    minute: Moment
    positions: list[Held]


class Decision(msgspec.Struct, kw_only=True, frozen=True):
    """What was thought of one instrument in the last minute it was scored."""

    minute: Moment
    instrument: str
    p_down: float
    p_flat: float
    p_up: float
    edge_ratio: float
    target_weight_ratio: float
    reason: str


class Vital(msgspec.Struct, kw_only=True, frozen=True):
    """How good an expert, or the blend, has been in the window of the vitals."""

    expert: str
    labels: int
    accuracy_ratio: float | None
    majority_accuracy_ratio: float | None
    skill_nats: float | None
    skill_low_nats: float | None
    skill_high_nats: float | None
    information_coefficient: float | None


class Vitals(msgspec.Struct, kw_only=True, frozen=True):
    """Skill, drift and what trades came to, with the verdict."""

    minute: Moment
    verdict: str
    experts: list[Vital]
    drifted_features: list[str]
    drifted_predictions: list[str]


class FeedHealth(msgspec.Struct, kw_only=True, frozen=True):
    """One instrument's bars: expected and received since the run began."""

    instrument: str
    expected: int
    received: int


class Health(msgspec.Struct, kw_only=True, frozen=True):
    """How far the run is, and what it gets."""

    minute: Moment
    batch: int
    mode: Mode
    model: str
    feeds: list[FeedHealth]


class OrderMade(msgspec.Struct, kw_only=True, frozen=True):
    """A paper order."""

    id: int
    minute: Moment
    instrument: str
    quantity: str
    reason: str


class FillMade(msgspec.Struct, kw_only=True, frozen=True):
    """A fill or a booking."""

    order_id: int
    minute: Moment
    instrument: str
    kind: Literal["trade", "delisted", "funding"]
    quantity: str
    price: Money
    fee: Money
    realised: Money


class ModeChanged(msgspec.Struct, kw_only=True, frozen=True):
    """The trading state moved."""

    minute: Moment
    before: Mode
    after: Mode
    cause: str


class Indicated(msgspec.Struct, kw_only=True, frozen=True):
    """The first price seen after the decision of an order was committed."""

    order_id: int
    instrument: str
    price: float
    seen: Moment


class CommandAsked(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A person's order; the answer goes to the request's response topic."""

    command: Literal["pause", "resume", "freeze", "flatten"]
    by: Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[\w .@-]*$(?!\n)")] = ""


class CommandAnswer(msgspec.Struct, kw_only=True, frozen=True):
    """What became of a command."""

    ok: bool
    mode: Mode | None = None
    error: str | None = None


class BarCame(msgspec.Struct, kw_only=True, frozen=True):
    """A final bar from outside, on a topic that names its instrument."""

    time: Annotated[int | str, msgspec.Meta(description="Its open: ms since 1970 UTC, or ISO 8601.")]
    open: float
    high: float
    low: float
    close: float
    volume: float
    taker_volume: float | None = None


class Topic(msgspec.Struct, kw_only=True, frozen=True):
    """A topic below `<prefix>/<run>/`.

    Attributes:
        name: Of the topic; `+` stands for an instrument.
        payload: Its structure.
        retained: Whether the broker keeps the newest for whoever comes later.
        inward: Whether papertape reads it.
    """

    name: str
    payload: type[msgspec.Struct]
    retained: bool
    inward: bool = False


TOPICS: Final = (
    Topic(name="status", payload=Status, retained=True),
    Topic(name="equity", payload=Equity, retained=True),
    Topic(name="positions", payload=Positions, retained=True),
    Topic(name="decision/+", payload=Decision, retained=True),
    Topic(name="vitals", payload=Vitals, retained=True),
    Topic(name="health", payload=Health, retained=True),
    Topic(name="order", payload=OrderMade, retained=False),
    Topic(name="fill", payload=FillMade, retained=False),
    Topic(name="mode", payload=ModeChanged, retained=False),
    Topic(name="indication", payload=Indicated, retained=False),
    Topic(name="command", payload=CommandAsked, retained=False, inward=True),
)
"""Every topic below `<prefix>/<run>/`; the answer to a command goes where the command asks for it."""


def schema() -> dict[str, Any]:
    """Return the JSON Schema of every payload, and which topic has which."""
    payloads = [*(topic.payload for topic in TOPICS), CommandAnswer, BarCame]
    _, definitions = msgspec.json.schema_components(payloads)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "topics": {
            topic.name: {
                "$ref": f"#/$defs/{topic.payload.__name__}",
                "retained": topic.retained,
                "direction": "in" if topic.inward else "out",
            }
            for topic in TOPICS
        },
        "$defs": definitions,
    }
