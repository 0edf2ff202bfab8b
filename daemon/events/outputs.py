"""What comes out of a minute: orders, fills, moves of states, refusals, the account."""

from decimal import Decimal
from enum import StrEnum

import msgspec


class TradingMode(StrEnum):
    """What the trading state lets through."""

    NORMAL = "normal"
    NO_ENTRY = "no_entry"
    FROZEN = "frozen"
    FLATTEN = "flatten"


class FillKind(StrEnum):
    """Why quantity or money moved."""

    TRADE = "trade"
    DELISTED = "delisted"
    FUNDING = "funding"


class Order(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """What passed the limits and waits for the next minute's open.

    Attributes:
        id: Counts up from 1 within the run.
        minute: The decided minute at whose close it was made.
        instrument: `venue:SYMBOL`.
        quantity: Base units, signed: positive buys. A multiple of the lot.
        reason: `entry`, `add`, `horizon`, `opposite`, `limit`, `flatten`, `removed`, ...
    """

    id: int
    minute: int
    instrument: str
    quantity: Decimal
    reason: str


class OrderEnd(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """An order that ended before it was filled whole; `unfilled` is signed like the order."""

    order_id: int
    minute: int
    instrument: str
    unfilled: Decimal
    reason: str


class Fill(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """What the paper broker did. Prices are quote currency per unit; costs are positive when paid.

    Attributes:
        order_id: The order it fills; 0 for bookings without one (funding, delisting).
        minute: Minute of the bar whose open it takes.
        instrument: `venue:SYMBOL`.
        kind: Trade, delisting or funding.
        quantity: Base units, signed; 0 for funding.
        reference: The bar's open (delisting: the last tradable close).
        price: Expected price after half spread, slippage and impact, rounded away from us to the tick.
        best: The reference itself.
        worst: max(high, price) for a buy, min(low, price) for a sell.
        fee: Maker or taker fee; for funding the amount paid.
        spread_cost: Part of (price - reference) x quantity that is half spread; the three parts add up to the
            whole.
        slippage_cost: Part that is slippage (with tick rounding).
        impact_cost: Part that is square-root impact.
        realised: Profit realised by this fill before fees, at the expected price.
    """

    order_id: int
    minute: int
    instrument: str
    kind: FillKind
    quantity: Decimal
    reference: Decimal
    price: Decimal
    best: Decimal
    worst: Decimal
    fee: Decimal
    spread_cost: Decimal
    slippage_cost: Decimal
    impact_cost: Decimal
    realised: Decimal


class StateChange(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """The trading state moved. `cause` is `drawdown`, `daily_loss`, `stale_feed`, `command:<by>`, ..."""

    minute: int
    before: TradingMode
    after: TradingMode
    cause: str


class VitalState(StrEnum):
    """What a vital is."""

    CLEAR = "clear"
    ALARM = "alarm"


class VitalChange(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """A vital went out of its bound or came back; what that brings about holds from the next minute on.

    Attributes:
        minute: The minute at whose close it was judged.
        vital: `feature_drift`, `calibration`, ... (`daemon.vitals.alarms` lists them).
        subject: An expert, `blend`, `features`, `predictions` or `signals`.
        before: What it was.
        after: What it is now; the same as before where only the consequences are others.
        value: What was measured, in the vital's unit.
        bound: What it was held against.
        cause: The same in words.
        consequences: What the settings ask for, joined by commas; empty: it is only reported.
    """

    minute: int
    vital: str
    subject: str
    before: VitalState
    after: VitalState
    value: float
    bound: float
    cause: str
    consequences: str


class Refusal(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """Something was refused as a value, with its reason: a bar, a settings change, a model."""

    minute: int
    subject: str
    reason: str


class Book(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """The account after a minute. Decimals in quote currency; `best` and `worst` are the equity's band.

    `gross` and `net` are exposures over equity, floats; `drawdown` is 1 - equity / its highest value so far.
    """

    equity: Decimal
    best: Decimal
    worst: Decimal
    cash: Decimal
    realised: Decimal
    fees: Decimal
    gross: float
    net: float
    drawdown: float
    mode: TradingMode
