"""The first price after a decision is seen once, and compared with what the order was filled at."""

from collections.abc import Sequence
from decimal import Decimal

from daemon import indications
from daemon.events import BatchRecord, Book, Fill, FillKind, Order, OrderEnd, TradingMode
from daemon.feed import PriceSeen
from daemon.indications import Indications

ONE, OTHER = "binance:AUSDT", "binance:BUSDT"
ZERO = Decimal(0)
BOOK = Book(
    equity=ZERO, best=ZERO, worst=ZERO, cash=ZERO, realised=ZERO, fees=ZERO, gross=0.0, net=0.0,
    drawdown=0.0, mode=TradingMode.NORMAL,
)  # fmt: skip


def order(number: int, minute: int, name: str = ONE, quantity: int = 1) -> Order:
    return Order(id=number, minute=minute, instrument=name, quantity=Decimal(quantity), reason="entry")


def fill(number: int, minute: int, reference: str, quantity: int = 1) -> Fill:
    money = dict.fromkeys(("fee", "spread_cost", "slippage_cost", "impact_cost", "realised"), ZERO)
    prices = dict.fromkeys(("reference", "price", "best", "worst"), Decimal(reference))
    return Fill(
        order_id=number, minute=minute, instrument=ONE, kind=FillKind.TRADE, quantity=Decimal(quantity),
        **prices, **money,
    )  # fmt: skip


def batch(
    minute: int,
    orders: Sequence[Order] = (),
    fills: Sequence[Fill] = (),
    ends: Sequence[OrderEnd] = (),
) -> BatchRecord:
    return BatchRecord(
        batch=minute, seq=minute, minute=minute, catch_up=False, bars=b"", events=(), decisions=b"",
        orders=tuple(orders), ends=tuple(ends), fills=tuple(fills), changes=(), refusals=(), vitals=(),
        book=BOOK,
    )  # fmt: skip


def test_only_the_first_price_of_a_later_minute_after_the_commit_is_an_indication() -> None:
    watched = Indications()
    assert watched.see(PriceSeen(ONE, 11, 99.0), 900) is None
    watched.commit([batch(10, [order(1, 10)])], 1_000)
    assert watched.see(PriceSeen(ONE, 11, 99.0), 999) is None
    assert watched.see(PriceSeen(ONE, 10, 99.0), 1_001) is None
    assert watched.see(PriceSeen(OTHER, 11, 99.0), 1_001) is None
    seen = watched.see(PriceSeen(ONE, 11, 100.0), 1_250)
    assert seen is not None
    assert (seen.order_id, seen.price, seen.committed_ms, seen.received_ms) == (1, 100.0, 1_000, 1_250)
    assert watched.see(PriceSeen(ONE, 11, 101.0), 1_251) is None
    assert watched.figures.delay_ms == 250


def test_the_difference_to_the_fill_counts_against_us_for_buys_and_sells() -> None:
    watched = Indications()
    for number, quantity, reference, against in ((1, 1, "101", 0.01), (2, -1, "101", -0.01)):
        watched.commit([batch(10 * number, [order(number, 10 * number, quantity=quantity)])], 0)
        watched.see(PriceSeen(ONE, 10 * number + 1, 100.0), 1)
        watched.commit(
            [batch(10 * number + 1, fills=[fill(number, 10 * number + 1, reference, quantity)])], 2
        )
        assert abs(watched.figures.last - against) < 1e-12
    assert (watched.figures.seen, watched.figures.filled) == (2, 2)
    assert abs(watched.figures.total) < 1e-12


def test_an_order_that_ended_is_forgotten_and_no_more_wait_than_there_is_room_for() -> None:
    watched = Indications()
    watched.commit([batch(10, [order(1, 10)])], 0)
    watched.see(PriceSeen(ONE, 11, 100.0), 1)
    end = OrderEnd(order_id=1, minute=11, instrument=ONE, unfilled=Decimal(1), reason="no_trade")
    watched.commit([batch(11, ends=[end])], 2)
    watched.commit([batch(12, fills=[fill(1, 12, "105")])], 3)
    assert watched.figures.filled == 0
    for number in range(2, indications.REMEMBERED + 10):
        watched.commit([batch(number + 20, [order(number, number + 20)])], 0)
        watched.see(PriceSeen(ONE, number + 21, 100.0), 1)
    assert len(watched._prices) == indications.REMEMBERED
