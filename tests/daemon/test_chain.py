"""The digest chain covers everything a batch holds."""

from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon import chain
from daemon.events import (
    BatchRecord,
    Book,
    Command,
    CommandKind,
    FeedLost,
    Fill,
    FillKind,
    Instrument,
    Order,
    OrderEnd,
    Refusal,
    StateChange,
    TradingMode,
    VitalChange,
    VitalState,
)

BOOK = Book(
    equity=Decimal("1.5"),
    best=Decimal("1.6"),
    worst=Decimal("1.4"),
    cash=Decimal(1),
    realised=Decimal(0),
    fees=Decimal("0.1"),
    gross=0.5,
    net=-0.5,
    drawdown=0.01,
    mode=TradingMode.NORMAL,
)
RECORD = BatchRecord(
    batch=3,
    seq=7,
    minute=1000,
    catch_up=False,
    bars=b"bars",
    events=(chain.record_event(6, Command(command=CommandKind.PAUSE, by="test")),),
    decisions=b"decisions",
    orders=(Order(id=1, minute=1000, instrument="x:A", quantity=Decimal("0.10"), reason="entry"),),
    ends=(OrderEnd(order_id=1, minute=1000, instrument="x:A", unfilled=Decimal(1), reason="expired"),),
    fills=(
        Fill(
            order_id=1,
            minute=1000,
            instrument="x:A",
            kind=FillKind.TRADE,
            quantity=Decimal("0.1"),
            reference=Decimal(10),
            price=Decimal("10.01"),
            best=Decimal(10),
            worst=Decimal(11),
            fee=Decimal("0.001"),
            spread_cost=Decimal("0.001"),
            slippage_cost=Decimal(0),
            impact_cost=Decimal(0),
            realised=Decimal(0),
        ),
    ),
    changes=(
        StateChange(minute=1000, before=TradingMode.NORMAL, after=TradingMode.NO_ENTRY, cause="command:test"),
    ),
    vitals=(
        VitalChange(
            minute=1000,
            vital="calibration",
            subject="trees",
            before=VitalState.CLEAR,
            after=VitalState.ALARM,
            value=0.2,
            bound=0.1,
            cause="too far off",
            consequences="blend",
        ),
    ),
    refusals=(Refusal(minute=1000, subject="x:A", reason="over the bound"),),
    book=BOOK,
)


def leaves(value: object) -> list[object]:
    """Every value of a structure that is no structure itself, in order."""
    if isinstance(value, msgspec.Struct):
        return [leaf for name in value.__struct_fields__ for leaf in leaves(getattr(value, name))]
    if isinstance(value, tuple):
        return [leaf for item in value for leaf in leaves(item)]
    return [value]


def changed(value: object) -> object:
    """The smallest other value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, TradingMode | FillKind):
        return next(other for other in type(value) if other is not value)
    if isinstance(value, Decimal):
        return value + Decimal(1)
    if isinstance(value, bytes):
        return bytes([value[0] ^ 1]) + value[1:] if value else b"\x00"
    return value + 1 if isinstance(value, int | float) else f"{value}."


def with_leaf(value: object, index: list[int]) -> object:
    """The structure with its index-th leaf changed."""
    if isinstance(value, msgspec.Struct):
        parts = {name: with_leaf(getattr(value, name), index) for name in value.__struct_fields__}
        return type(value)(**parts)
    if isinstance(value, tuple):
        return tuple(with_leaf(item, index) for item in value)
    index[0] -= 1
    return changed(value) if index[0] == -1 else value


def test_every_value_of_a_batch_changes_its_digest() -> None:
    before = chain.digest(b"start", RECORD)
    names = leaves(RECORD)
    for index in range(len(names) - 1):  # the last leaf is the digest itself
        other = with_leaf(RECORD, [index])
        assert isinstance(other, BatchRecord)
        assert chain.digest(b"start", other) != before, f"leaf {index}: {names[index]!r}"


def test_the_digest_depends_on_the_digest_before_it() -> None:
    assert chain.digest(b"start", RECORD) != chain.digest(b"other", RECORD)


def test_the_digest_of_a_sealed_record_is_the_one_it_holds() -> None:
    sealed = chain.sealed(b"start", RECORD)
    assert len(sealed.digest) == chain.DIGEST_BYTES
    assert chain.digest(b"start", sealed) == sealed.digest


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_warmup_bars_may_be_cut_anywhere(content: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    parts = [content[a:b] for a, b in pairwise(edges)]
    assert chain.warmup_digest(parts) == chain.warmup_digest([content])


def test_the_genesis_does_not_depend_on_the_order_of_names_but_on_every_value() -> None:
    instrument = Instrument("x:A", "USD", Decimal("0.01"), Decimal("0.001"))
    base = chain.genesis({"a": "1", "b": "2"}, [instrument], {"f": "00"})
    assert chain.genesis({"b": "2", "a": "1"}, [instrument], {"f": "00"}) == base
    others = [
        chain.genesis({"a": "1", "b": "3"}, [instrument], {"f": "00"}),
        chain.genesis({"a": "1", "b": "2"}, [], {"f": "00"}),
        chain.genesis({"a": "1", "b": "2"}, [instrument], {"f": "01"}),
    ]
    assert base not in others


def test_an_event_comes_back_from_its_record() -> None:
    event = FeedLost(feed="ws", instruments=("x:A",), reason="silent")
    record = chain.record_event(9, event)
    assert record.kind == "FeedLost"
    assert chain.read_event(record) == event


def test_a_record_survives_its_own_encoding() -> None:
    sealed = chain.sealed(b"start", RECORD)
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(sealed), type=BatchRecord)
    assert again == sealed


def test_content_is_known_by_its_digest() -> None:
    assert chain.content_digest(b"a") != chain.content_digest(b"b")
    with pytest.raises(TypeError):
        chain.content_digest("text")  # type: ignore[arg-type]
