"""A tape's batches become the engine's inputs again, and two records of one batch are told apart."""

from decimal import Decimal

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon import chain, playback
from daemon.events import (
    BAR_FLAG_BACKFILL,
    BAR_RECORD,
    BatchRecord,
    Book,
    Command,
    CommandKind,
    EventRecord,
    Minutes,
    Order,
    TradingMode,
    decision_dtype,
)

DECISION = decision_dtype(["trees"])
NAMES = ("x:A", "x:B")


def book(cash: int = 1) -> Book:
    return Book(
        equity=Decimal(1),
        best=Decimal(1),
        worst=Decimal(1),
        cash=Decimal(cash),
        realised=Decimal(0),
        fees=Decimal(0),
        gross=0.0,
        net=0.0,
        drawdown=0.0,
        mode=TradingMode.NORMAL,
    )


def record(batch: int, bars: bytes = b"", events: tuple[EventRecord, ...] = ()) -> BatchRecord:
    decisions = np.zeros(2, DECISION)
    decisions["instrument"] = [0, 1]
    return BatchRecord(
        batch=batch,
        seq=batch,
        minute=100 + batch,
        catch_up=batch % 2 == 0,
        bars=bars,
        events=events,
        decisions=decisions.tobytes(),
        orders=(Order(id=1, minute=100 + batch, instrument="x:B", quantity=Decimal(1), reason="entry"),),
        ends=(),
        fills=(),
        changes=(),
        vitals=(),
        refusals=(),
        book=book(),
    )


@st.composite
def minutes(draw: st.DrawFn) -> Minutes:
    n_minutes, n_instruments = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    shape = (n_minutes, n_instruments)
    present = rng.random(shape) < 0.7
    o, h, low, c, v = (np.where(present, rng.random(shape), np.nan) for _ in range(5))
    taker = np.where(present & (rng.random(shape) < 0.5), rng.random(shape), np.nan)
    synthetic = present & (rng.random(shape) < 0.3)
    minute = 1000 + np.cumsum(rng.integers(1, 5, n_minutes))
    return Minutes(minute, o, h, low, c, v, taker, present, synthetic, rng.random(n_minutes) < 0.5)


@given(minutes())
def test_sealed_minutes_come_back_from_their_packed_bars(before: Minutes) -> None:
    rows, at = playback.packed(before)
    records = [
        msgspec.structs.replace(
            record(t + 1, rows[at == t].tobytes()),
            minute=int(before.minute[t]),
            catch_up=bool(before.catch_up[t]),
        )
        for t in range(len(before))
    ]
    after = playback.minutes_of(records, before.n_instruments)
    for name in Minutes.__slots__:
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name), err_msg=name)


def test_packed_bars_carry_the_flags_they_were_given() -> None:
    one = np.ones((1, 1))
    yes = one.astype(bool)
    rows, _ = playback.packed(
        Minutes(np.array([5]), one, one, one, one, one, one, yes, ~yes, np.array([False])), BAR_FLAG_BACKFILL
    )
    assert rows["flags"].tolist() == [BAR_FLAG_BACKFILL]
    assert rows.dtype == BAR_RECORD


def test_inputs_are_cut_at_events_and_at_the_most_minutes_asked_for() -> None:
    pause = chain.record_event(9, Command(command=CommandKind.PAUSE, by="test"))
    records = [record(1), record(2), record(3), record(4, events=(pause,)), record(5)]
    seen = [
        len(item) if isinstance(item, Minutes) else type(item).__name__
        for item in playback.inputs(records, NAMES, max_minutes=2)
    ]
    assert seen == [2, 1, "Command", 2]


def test_equal_records_have_no_difference() -> None:
    assert playback.first_difference(record(1), record(1), DECISION, NAMES) is None


def changed_decision() -> bytes:
    rows = np.frombuffer(record(1).decisions, DECISION).copy()
    rows["edge"][1] = 0.5
    return rows.tobytes()


@pytest.mark.parametrize(
    ("change", "instrument", "field"),
    [
        ({"decisions": changed_decision()}, "x:B", "decisions.edge"),
        ({"decisions": b""}, None, "number of decisions"),
        ({"orders": ()}, None, "number of orders"),
        (
            {"orders": (msgspec.structs.replace(record(1).orders[0], quantity=Decimal(2)),)},
            "x:B",
            "orders.quantity",
        ),
        ({"book": book(cash=2)}, None, "book.cash"),
        ({"minute": 7}, None, "minute"),
        ({"digest": b"1234567890"}, None, "digest (an earlier batch differs)"),
    ],
)
def test_the_first_difference_names_instrument_and_field(
    change: dict[str, object], instrument: str | None, field: str
) -> None:
    computed = msgspec.structs.replace(record(1), **change)
    difference = playback.first_difference(record(1), computed, DECISION, NAMES)
    assert difference is not None
    assert (difference.batch, difference.instrument, difference.field) == (1, instrument, field)
    assert str(difference).startswith("batch 1")
    assert difference.stored != difference.computed


def test_a_bar_with_other_bits_is_named_even_if_it_compares_equal() -> None:
    bars = np.zeros(1, BAR_RECORD)
    other = bars.copy()
    other["close"] = -0.0
    difference = playback.first_difference(
        record(1, bars.tobytes()), record(1, other.tobytes()), DECISION, NAMES
    )
    assert difference is not None
    assert (difference.instrument, difference.field) == ("x:A", "bars.close")
