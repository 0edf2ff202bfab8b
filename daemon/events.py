"""Everything that goes into the engine and comes out of it: frozen, plain, columnar where it is per bar.

Times are **minutes since the Unix epoch, UTC**, of a bar's open. Arrays over instruments follow the run's
sorted tuple of instruments. Money is Decimal; prices and quantities inside columnar data are float64.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Self

import msgspec
import numpy as np

from daemon.kernels import BoolArray, FloatArray, IntArray

MINUTES_PER_DAY = 1440
MINUTE_MS = 60_000
MINUTE_US = 60_000_000


@dataclass(frozen=True, slots=True)
class Instrument:
    """What an exchange says about one of its instruments.

    Attributes:
        name: `venue:SYMBOL`.
        quote: Currency its prices and our money are in.
        tick: Smallest price step; shapes orders only, never features.
        lot: Smallest quantity step.
        calendar: `24/7` or a name that the library exchange_calendars knows, e.g. `XNYS`.
    """

    name: str
    quote: str
    tick: Decimal
    lot: Decimal
    calendar: str = "24/7"

    def to_fields(self) -> tuple[str, str, Decimal, Decimal, str]:
        """Return it as plain data."""
        return self.name, self.quote, self.tick, self.lot, self.calendar

    @classmethod
    def from_fields(cls, fields: Sequence[Any]) -> Self:
        """Rebuild what `to_fields` returned."""
        return cls(*fields)

    def to_text(self) -> tuple[str, str, str, str, str]:
        """Return it as text: as the chain hashes it and a tape keeps it."""
        return self.name, self.quote, str(self.tick), str(self.lot), self.calendar


@dataclass(frozen=True, slots=True, eq=False)
class Minutes:
    """A run of sealed minutes in columns: n_minutes x n_instruments, time first.

    The rows of time are *session minutes* in ascending order: minutes in which no instrument of the run has a
    session are not there, minutes in which nothing came are there and empty. Where `present` is False the
    price and volume cells are NaN.

    Attributes:
        minute: (n_minutes,) int64, epoch minutes.
        open: (n_minutes, n_instruments) float64; `high`, `low`, `close`, `volume` alike.
        taker: Base units bought by takers; NaN where the venue does not say.
        present: Whether the instrument has a row this minute.
        synthetic: A flat row with zero volume that papertape made for a minute without a trade.
        catch_up: (n_minutes,) bool; the minute was missed live and filled from history: it teaches and marks,
            and no order is made in it.
    """

    minute: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    taker: FloatArray
    present: BoolArray
    synthetic: BoolArray
    catch_up: BoolArray

    def __len__(self) -> int:
        """Return how many minutes there are."""
        return len(self.minute)

    @property
    def n_instruments(self) -> int:
        """Width of every two-dimensional column."""
        return int(self.open.shape[1])

    def __getitem__(self, span: slice) -> Self:
        """Return the minutes of `span` as views, without copying."""
        return type(self)(*(getattr(self, name)[span] for name in self.__slots__))

    @classmethod
    def concat(cls, parts: Sequence[Self]) -> Self:
        """Join runs of minutes that follow each other."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__))

    @classmethod
    def empty(cls, minute: IntArray, n_instruments: int) -> Self:
        """Make sealed minutes in which nothing came: all NaN, nothing present, do not write."""
        shape = (len(minute), n_instruments)
        no, nan = np.zeros(shape, dtype=np.bool_), np.full(shape, np.nan)
        return cls(minute, nan, nan, nan, nan, nan, nan, no, no, np.zeros(len(minute), dtype=np.bool_))

    @property
    def tradable(self) -> BoolArray:
        """(n_minutes, n_instruments): somebody traded, so a fill or a label may use this open."""
        return self.present & ~self.synthetic & (np.nan_to_num(self.volume) > 0.0)


# --- inputs beside the sealed minutes
# ------------------------------------------------------------------------------


class Event(msgspec.Struct, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """An engine input that is no sealed minute. It is applied before the next minute and stands on the tape.

    `kind` is the class name; the payload on the tape is the msgpack encoding of the whole structure.
    """


class Warmup(Event, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """The bars before the first decided minute: they warm features and labels and decide nothing."""

    first_minute: int
    last_minute: int
    n_bars: int
    digest: bytes


BackfillBar = tuple[int, float, float, float, float, float, float | None, bool]
"""(minute, open, high, low, close, volume, taker_volume or None, synthetic)."""


class Backfill(Event, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """Bars of one instrument that came after their minutes were sealed and are newer than its last row.

    `bars` ascend by minute.
    """

    instrument: str
    bars: tuple[BackfillBar, ...]


class SettingsChanged(Event, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """New settings, whole, as canonical JSON; only hot sections may differ from the running ones."""

    settings_json: str


class ModelChanged(Event, frozen=True, tag=True, tag_field="kind", kw_only=True, omit_defaults=True):
    """Another model version trades from the next minute on; its files are on the tape under these hashes.

    `experts` are its own, in the order of the decisions' columns; none named: those of the run's first model,
    as on tapes of papertapes that swapped no others.
    """

    version: str
    files: dict[str, str]
    experts: tuple[str, ...] = ()


class UniverseChanged(Event, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """Instruments that join or leave. A joining one is warmed by a `Backfill`; a leaving one is closed."""

    added: tuple[Instrument, ...] = ()
    removed: tuple[str, ...] = ()

    def joining(self, names: Sequence[str]) -> tuple[Instrument, ...]:
        """Return who joins a universe of these names: also one that leaves it and comes back at once."""
        stay = set(names) - set(self.removed)
        return tuple(one for one in self.added if one.name not in stay)

    def after(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the names of the universe after these, sorted."""
        joining = {one.name for one in self.added}
        return tuple(sorted((set(names) - set(self.removed)) | joining))

    def columns(self, names: Sequence[str]) -> IntArray:
        """Return (N',) the column among `names` of each instrument of `after`, -1 for one that joins."""
        old = {name: column for column, name in enumerate(names) if name not in self.removed}
        return np.array([old.get(name, -1) for name in self.after(names)], dtype=np.int64)


class CommandKind(StrEnum):
    """What a person may order."""

    PAUSE = "pause"
    RESUME = "resume"
    FREEZE = "freeze"
    FLATTEN = "flatten"


class Command(Event, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """A person's order to the trading state; `by` says who or what channel."""

    command: CommandKind
    by: str


class FeedLost(Event, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """A feed went away or silent; its instruments get no synthetic bars until it is restored."""

    feed: str
    instruments: tuple[str, ...]
    reason: str


class FeedRestored(Event, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """A lost feed is proven back."""

    feed: str
    instruments: tuple[str, ...]


class ArithmeticChanged(Event, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """The run goes on under other arithmetic or library versions: a new segment of the chain begins."""

    before: dict[str, str]
    after: dict[str, str]


AnyEvent = (
    Warmup
    | Backfill
    | SettingsChanged
    | ModelChanged
    | UniverseChanged
    | Command
    | FeedLost
    | FeedRestored
    | ArithmeticChanged
)

# --- outputs
# -------------------------------------------------------------------------------------------------------


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


def model_subject(version: str) -> str:
    """Return the subject of a refusal to let a version of the model trade."""
    return f"model {version}"


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


class EventRecord(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """An event as it stands on the tape: `payload` is the msgpack encoding of the Event named `kind`."""

    seq: int
    kind: str
    payload: bytes


class BatchRecord(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """One batch with everything that went in and came out, as the tape stores and the chain hashes it.

    Attributes:
        batch: Counts up from 1 within the run: one decided minute each.
        seq: Sequence number of this sealed minute among all engine inputs.
        minute: Epoch minute.
        catch_up: The minute was missed live and filled from history.
        bars: Packed rows of dtype `BAR_RECORD`, ascending by instrument id; absent instruments have none.
        events: The events applied before this minute, ascending by seq.
        decisions: Packed rows of the run's decision dtype (`decision_dtype`), one per scored instrument.
        orders: Orders made at this minute's close.
        ends: Orders that ended unfilled in this minute.
        fills: Fills and bookings of this minute.
        changes: Moves of the trading state.
        vitals: Vitals that went out of their bounds or came back.
        refusals: What was refused.
        book: The account after this minute.
        digest: Chained digest; see `daemon.chain`. Empty until the chain has set it.
    """

    batch: int
    seq: int
    minute: int
    catch_up: bool
    bars: bytes
    events: tuple[EventRecord, ...]
    decisions: bytes
    orders: tuple[Order, ...]
    ends: tuple[OrderEnd, ...]
    fills: tuple[Fill, ...]
    changes: tuple[StateChange, ...]
    vitals: tuple[VitalChange, ...]
    refusals: tuple[Refusal, ...]
    book: Book
    digest: bytes = b""


BAR_FLAG_SYNTHETIC = 1
BAR_FLAG_WARMUP = 2
BAR_FLAG_BACKFILL = 4
BAR_FLAG_REFUSED = 8

BAR_RECORD = np.dtype(
    [
        ("instrument", "<u4"),
        ("minute", "<i8"),
        ("open", "<f8"),
        ("high", "<f8"),
        ("low", "<f8"),
        ("close", "<f8"),
        ("volume", "<f8"),
        ("taker", "<f8"),
        ("flags", "u1"),
    ]
)
"""One bar, packed (61 bytes); `instrument` is its index among the run's sorted instruments."""


BLEND = "blend"
"""Name of the blend beside the experts', in figures and on the tape."""


def decision_dtype(experts: Sequence[str]) -> np.dtype[np.void]:
    """Return the packed record of one scored instrument in one minute.

    Per expert its calibrated probabilities (down, flat, up) as `<expert>` (3 x f8), then those of the blend,
    the expected edge over the horizon (a fraction), sigma per minute, the target weight, and why it is what
    it is (`daemon.policy` numbers the reasons).
    """
    return np.dtype(
        [
            ("instrument", "<u4"),
            *((name, "<f8", (3,)) for name in experts),
            (BLEND, "<f8", (3,)),
            ("edge", "<f8"),
            ("sigma", "<f8"),
            ("target", "<f8"),
            ("reason", "u1"),
        ]
    )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The engine's state after `batch`, as versioned plain data (numbers, text, bytes, lists, mappings)."""

    batch: int
    seq: int
    minute: int
    version: int
    state: Mapping[str, object]
