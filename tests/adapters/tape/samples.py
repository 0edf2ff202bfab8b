"""A made-up run: enough of everything that every table of a tape gets rows."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Generic, TypeVar

import numpy as np

from adapters.tape.place import Place
from adapters.tape.reader import TapeReader
from adapters.tape.retention import Goal, Pruner
from adapters.tape.sqlite import SqliteDatabase
from adapters.tape.writer import TapeWriter
from daemon import chain
from daemon.events import (
    BAR_FLAG_WARMUP,
    BAR_RECORD,
    Backfill,
    BatchRecord,
    Book,
    Command,
    CommandKind,
    EventRecord,
    Fill,
    FillKind,
    Instrument,
    Order,
    OrderEnd,
    Refusal,
    Snapshot,
    StateChange,
    TradingMode,
    VitalChange,
    VitalState,
    Warmup,
    decision_dtype,
)
from daemon.snapshot import SNAPSHOT_VERSION

Where = TypeVar("Where", bound=Place)

EXPERTS: Final = ("trees", "online", "base_rate")
DECISION: Final = decision_dtype(EXPERTS)
FIRST_MINUTE: Final = 29_000_000
N_WARMUP: Final = 6
HEADER: Final = {
    "format": "1",
    "name": "sample",
    "settings": '{"run": {"name": "sample"}}',
    "experts": '["trees", "online", "base_rate"]',
    "bars": "fingerprint-of-bars",
}
FILES: Final = {"trees.txt": b"tree\n" * 40, "bundle.json": b"{}", "copy.json": b"{}"}
BOOK: Final = Book(
    equity=Decimal("100000.50"),
    best=Decimal(100001),
    worst=Decimal("99999.9"),
    cash=Decimal("1E+5"),
    realised=Decimal("-0.000000000001"),
    fees=Decimal("0.00"),
    gross=0.25,
    net=-0.0,
    drawdown=0.125,
    mode=TradingMode.NORMAL,
)


def instruments(n: int = 3) -> tuple[Instrument, ...]:
    return tuple(
        Instrument(f"binance:C{at:03d}USDT", "USDT", Decimal("0.01"), Decimal("1E-3")) for at in range(n)
    )


def bars(minutes: Sequence[int], n_instruments: int, seed: int, flags: int = 0) -> np.ndarray:
    """Packed bars of every instrument in every minute but now and then one, some without takers."""
    random = np.random.default_rng(seed)
    rows = np.empty(len(minutes) * n_instruments, BAR_RECORD)
    rows["minute"] = np.repeat(np.asarray(minutes, dtype=np.int64), n_instruments)
    rows["instrument"] = np.tile(np.arange(n_instruments), len(minutes))
    for name in ("open", "high", "low", "close", "volume", "taker"):
        rows[name] = np.round(random.lognormal(3, 1, len(rows)), 2)
    rows["taker"][random.random(len(rows)) < 0.3] = np.nan
    rows["volume"][random.random(len(rows)) < 0.1] = 0.0
    rows["flags"] = flags
    kept: np.ndarray = rows[random.random(len(rows)) < 0.9]
    return kept


def warmup_blocks(n_instruments: int) -> list[bytes]:
    minutes = range(FIRST_MINUTE - N_WARMUP, FIRST_MINUTE)
    rows = bars(minutes, n_instruments, seed=7, flags=BAR_FLAG_WARMUP)
    return [rows[:5].tobytes(), rows[5:].tobytes()]


def warmup_event(blocks: Sequence[bytes], seq: int = 1) -> EventRecord:
    n_bars = sum(map(len, blocks)) // BAR_RECORD.itemsize
    event = Warmup(
        first_minute=FIRST_MINUTE - N_WARMUP,
        last_minute=FIRST_MINUTE - 1,
        n_bars=n_bars,
        digest=chain.warmup_digest(blocks),
    )
    return chain.record_event(seq, event)


def batches(genesis: bytes, n: int, n_instruments: int = 3, start: int = 0) -> Iterator[BatchRecord]:
    """Yield sealed batches; every fifth trades, every seventh has events."""
    previous = genesis
    for number in range(start + 1, start + n + 1):
        record = chain.sealed(previous, _batch(number, n_instruments))
        previous = record.digest
        yield record


def _batch(number: int, n_instruments: int) -> BatchRecord:
    minute, seq = FIRST_MINUTE + number, 10 * number
    packed = bars([minute], n_instruments, seed=number)
    if number % 7 == 6:
        # The next batch brings this one's first bar late.
        packed = packed[packed["instrument"] != 0]
    decisions = np.zeros(len(packed), DECISION)
    decisions["instrument"] = packed["instrument"]
    for name in (*EXPERTS, "blend"):
        decisions[name] = np.random.default_rng(number).dirichlet([2, 5, 2], len(packed))
    decisions["edge"], decisions["reason"] = 0.001, 3
    name = instruments(n_instruments)[0].name
    events: tuple[EventRecord, ...] = ()
    if number % 7 == 0:
        late = ((minute - 1, 1.0, 2.0, 0.5, 1.5, 0.0, None, True),)
        events = (
            chain.record_event(seq - 2, Command(command=CommandKind.PAUSE, by="owner")),
            chain.record_event(seq - 1, Backfill(instrument=name, bars=late)),
        )
    trades = number % 5 == 0
    return BatchRecord(
        batch=number,
        seq=seq,
        minute=minute,
        catch_up=number % 11 == 0,
        bars=packed.tobytes(),
        events=events,
        decisions=decisions.tobytes(),
        orders=_orders(number, minute, name) if trades else (),
        ends=(
            OrderEnd(
                order_id=number, minute=minute, instrument=name, unfilled=Decimal("-2.50"), reason="expired"
            ),
        )
        if trades
        else (),
        fills=(fill(number, minute, name),) if trades else (),
        changes=(
            StateChange(
                minute=minute, before=TradingMode.NORMAL, after=TradingMode.FLATTEN, cause="drawdown"
            ),
        )
        if trades
        else (),
        vitals=(vital_change(number, minute),) if trades else (),
        refusals=(Refusal(minute=minute, subject=name, reason="no edge"),) if trades else (),
        book=BOOK,
    )


def _orders(number: int, minute: int, name: str) -> tuple[Order, ...]:
    return tuple(
        Order(id=number + at, minute=minute, instrument=name, quantity=Decimal(at) - 1, reason="entry")
        for at in range(2)
    )


def vital_change(number: int, minute: int) -> VitalChange:
    return VitalChange(
        minute=minute,
        vital="calibration",
        subject=EXPERTS[0],
        before=VitalState.CLEAR,
        after=VitalState.ALARM,
        value=0.1 + number / 1000,
        bound=-0.0,
        cause="calibration error 12 %",
        consequences="blend,retrain",
    )


def fill(number: int, minute: int, name: str) -> Fill:
    one = Decimal("1.10")
    return Fill(
        order_id=number,
        minute=minute,
        instrument=name,
        kind=FillKind.TRADE,
        quantity=Decimal(-3),
        reference=one,
        price=one,
        best=one,
        worst=one,
        fee=Decimal("0.01"),
        spread_cost=Decimal("0E-12"),
        slippage_cost=Decimal(0),
        impact_cost=Decimal(0),
        realised=Decimal("12345678901234567890.123456789012"),
    )


def snapshot(record: BatchRecord) -> Snapshot:
    state = {"cash": Decimal("1.50"), "levels": np.arange(6.0).reshape(2, 3), "names": ["a"]}
    return Snapshot(
        batch=record.batch, seq=record.seq, minute=record.minute, version=SNAPSHOT_VERSION, state=state
    )


def begin(writer: TapeWriter, n_instruments: int = 3) -> bytes:
    blocks = warmup_blocks(n_instruments)
    return writer.begin(
        HEADER,
        instruments(n_instruments),
        "7",
        FILES,
        warmup=blocks,
        warmup_seq=1,
        events=[warmup_event(blocks), chain.record_event(2, Command(command=CommandKind.RESUME, by="owner"))],
    )


@dataclass(frozen=True, slots=True)
class Sample(Generic[Where]):
    """A finished tape and what was written to it."""

    place: Where
    genesis: bytes
    batches: tuple[BatchRecord, ...]


def write(place: Where, n: int = 40, n_instruments: int = 3) -> Sample[Where]:
    """Write a run of `n` batches in two groups, each with a snapshot."""
    with TapeWriter(place) as writer:
        genesis = begin(writer, n_instruments)
        records = tuple(batches(genesis, n, n_instruments))
        for group in (records[: n // 2], records[n // 2 :]):
            writer.append(group, snapshot(group[-1]))
    return Sample(place, genesis, records)


def driver_of(tape: TapeReader | TapeWriter) -> sqlite3.Connection:
    """The driver's connection, to do with it what the tape never would."""
    database = tape._database
    assert isinstance(database, SqliteDatabase)
    return database.connection


class PlainSummaries:
    """Stands for what keeps a report's figures: the number and the minutes of what it took."""

    def __init__(self, reader: TapeReader) -> None:
        pruned = reader.pruned()
        self.taken: list[int] = list(pruned.life) if pruned else []
        self._ended = 0

    def take(self, records: Sequence[BatchRecord]) -> None:
        self.taken += [record.batch for record in records]

    def ended_days(self) -> Iterator[tuple[int, bytes]]:
        while self._ended < len(self.taken) // 10:
            yield self._ended, bytes(self.taken[10 * self._ended : 10 * self._ended + 10])
            self._ended += 1

    def to_bytes(self) -> bytes:
        return bytes(self.taken)


def prune(place: Place, goal: Goal) -> None:
    """Prune a tape, a batch a step."""
    with TapeWriter(place) as writer:
        pruner = Pruner(writer, PlainSummaries, step_bars=1)
        while pruner.step(goal, now_ms=1_700_000_000_000):
            pass
