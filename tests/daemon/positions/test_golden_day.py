"""A trading day worked out by hand: every figure is derived in a comment, none was copied from the program.

One instrument, tick 0.1, lot 0.01. Capital 10,000. Taker fee 10 bps (maker 2). Half spread 10 bps, slippage 5
bps, impact Y = 0.1. At most 4 % of a minute's volume, orders live one minute. Funding 10 bps per 8 hours.
Fixed sizing at 1,000, horizon 3 minutes, halted after 2 minutes without a bar, delisted after 3. Sigma is
0.01 a minute throughout.

    time   open  high   low   close  volume  signal at the close
    07:57  100   100    100   100      400   long
    07:58  100   101    99.5  100.5   1000
    07:59  100.5 100.5  100.5 100.5      0   (nobody traded)
    08:00  100.5 102    100   101     1000
    08:01  101   101.5  100   100.4    100   short
    08:02  100   100.3  98    99       399
    08:03  and from then on no bar at all
"""

from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from daemon.events import Book, Fill, FillKind, Order, OrderEnd
from daemon.policy.funnel import Funnel
from daemon.policy.gate import Candidate
from daemon.policy.policy import Policy
from daemon.policy.reasons import Reason
from daemon.positions.desk import Desk
from daemon.positions.trips import RoundTrip
from daemon.settings import CostSettings, PolicySettings, UniverseSettings
from tests.daemon.positions.market import cursor, instruments, sealed

DAY = 20_241 * 1440  # 2025-06-02 00:00 UTC in epoch minutes
MINUTE_0757 = DAY + 7 * 60 + 57
D = Decimal

COSTS = CostSettings(
    taker_fee_bps=10.0,
    maker_fee_bps=2.0,
    half_spread_bps=10.0,
    slippage_bps=5.0,
    impact=0.1,
    max_volume_share=0.04,
    funding_bps_per_8h=10.0,
)
ROWS = [
    (100.0, 100.0, 100.0, 100.0, 400.0),
    (100.0, 101.0, 99.5, 100.5, 1000.0),
    (100.5, 100.5, 100.5, 100.5, 0.0),
    (100.5, 102.0, 100.0, 101.0, 1000.0),
    (101.0, 101.5, 100.0, 100.4, 100.0),
    (100.0, 100.3, 98.0, 99.0, 399.0),
    None,
    None,
    None,
]
SIGNALS = {0: 1, 4: -1}


@dataclass
class Day:
    books: list[Book] = field(default_factory=list)
    fills: list[tuple[Fill, ...]] = field(default_factory=list)
    ends: list[tuple[OrderEnd, ...]] = field(default_factory=list)
    orders: list[tuple[Order, ...]] = field(default_factory=list)
    trips: list[RoundTrip] = field(default_factory=list)
    ages: list[dict[str, int]] = field(default_factory=list)
    funnel: Funnel = field(default_factory=Funnel)


@pytest.fixture(scope="module")
def day() -> Day:
    desk = Desk(
        D(10_000),
        COSTS,
        UniverseSettings(halt_minutes=2, delist_minutes=3),
        instruments(1, tick="0.1", lot="0.01"),
    )
    policy = Policy(PolicySettings(notional=D(1000)), horizon_minutes=3)
    bars = cursor(sealed(MINUTE_0757, [[row] for row in ROWS]), sigma=0.01)
    day = Day()
    for t in range(len(ROWS)):
        bars.seek(t)
        opened = desk.open_minute(bars)
        day.books.append(desk.close_minute(bars))
        day.ages.append(desk.mark_ages())
        side = SIGNALS.get(t)
        signals = () if side is None else (Candidate(0, side, Reason.PASSED, side * 0.02, 0.005, 0.01),)
        decision = policy.decide(bars.ordinal, signals, desk.view)
        placed = desk.place(bars, decision.targets)
        day.fills.append(opened.fills)
        day.ends.append(opened.ends)
        day.orders.append(placed.orders)
        day.trips.extend(desk.take_round_trips())
        day.funnel.count_filled(opened.fills, opened.ends)
        day.funnel.count_decision(decision)
        day.funnel.count_placed(placed.orders, placed.refused)
        assert desk.account.ledger.imbalance == 0
    return day


def test_at_07_57_a_long_signal_orders_ten_units(day: Day) -> None:
    # 1,000 of 10,000 is a weight of 0.1; 0.1 x 10,000 / 100 = 10 units.
    (order,) = day.orders[0]
    assert (order.id, order.minute, order.quantity, order.reason) == (1, MINUTE_0757, 10, "entry")
    assert day.books[0].equity == 10_000


def test_at_07_58_it_is_bought_above_the_open(day: Day) -> None:
    # Half spread 0.10, slippage 0.05, impact 0.1 x 0.01 x sqrt(10 / 1000) = 0.0001 of 100 = 0.01: 100.16, up
    # to 100.2. Costs: 10 x 0.2 = 2, of which spread 1, impact 0.1, so slippage with the tick 0.9. Fee 1,002 x
    # 0.001 = 1.002.
    (fill,) = day.fills[1]
    assert (fill.order_id, fill.kind, fill.quantity) == (1, FillKind.TRADE, 10)
    assert (fill.reference, fill.best, fill.price, fill.worst) == (100, 100, D("100.2"), 101)
    assert (fill.spread_cost, fill.slippage_cost, fill.impact_cost) == (1, D("0.9"), D("0.1"))
    assert (fill.fee, fill.realised) == (D("1.002"), 0)
    # Cash 10,000 - 1,002 - 1.002 = 8,996.998; marked at 100.5: 8,996.998 + 1,005 = 10,001.998.
    # Best: the 2 of costs saved. Worst: 101 instead of 100.2 for ten units, 8 less.
    book = day.books[1]
    assert (book.cash, book.equity) == (D("8996.998"), D("10001.998"))
    assert (book.best, book.worst) == (D("10003.998"), D("9993.998"))
    assert book.gross == book.net == pytest.approx(1005 / 10001.998, rel=1e-15)
    assert book.drawdown == 0.0


def test_at_07_59_nobody_trades_and_the_mark_ages(day: Day) -> None:
    assert day.fills[2] == ()
    assert day.books[2].equity == day.books[1].equity
    assert day.ages[2] == {"binance:C00USDT": 1}


def test_at_08_00_funding_is_paid_and_the_horizon_has_passed(day: Day) -> None:
    # Held 10 at the last mark 100.5 = 1,005; 10 bps of it = 1.005. The signal of 07:57 is three minutes old.
    (funding,) = day.fills[3]
    assert (funding.kind, funding.quantity, funding.price) == (FillKind.FUNDING, 0, D("100.5"))
    assert funding.fee == D("1.005")
    # Cash 8,995.993; marked at 101: 10,005.993.
    assert (day.books[3].cash, day.books[3].equity) == (D("8995.993"), D("10005.993"))
    (order,) = day.orders[3]
    assert (order.id, order.quantity, order.reason) == (2, -10, "horizon")


def test_at_08_01_thin_volume_lets_out_four_units_and_the_rest_ends(day: Day) -> None:
    # 4 % of 100 = 4 units. Half spread 0.101, slippage 0.0505, impact 0.1 x 0.01 x sqrt(4 / 100) = 0.0002 ->
    # 0.0202: 101 - 0.1717 = 100.8283, down to 100.8. Proceeds 403.2, fee 0.4032. Basis 1,002 x 4 / 10 =
    # 400.8: realised 2.4.
    (fill,) = day.fills[4]
    assert (fill.quantity, fill.price, fill.worst) == (-4, D("100.8"), 100)
    assert (fill.fee, fill.realised) == (D("0.4032"), D("2.4"))
    (end,) = day.ends[4]
    assert (end.order_id, end.unfilled, end.reason) == (2, -6, "volume_cap")
    # Cash 8,995.993 + 403.2 - 0.4032 = 9,398.7898; six units at 100.4 = 602.4: equity 10,001.1898, below the
    # 10,005.993 of the minute before.
    book = day.books[4]
    assert (book.cash, book.equity, book.realised) == (D("9398.7898"), D("10001.1898"), D("2.4"))
    assert book.drawdown == pytest.approx(1 - 10001.1898 / 10005.993, rel=1e-12)


def test_the_short_signal_of_08_01_turns_the_position_in_one_order(day: Day) -> None:
    # 1,000 / 100.4 = 9.9601..., floored to 9.96 short; six are held long: sell 15.96.
    (order,) = day.orders[4]
    assert (order.id, order.quantity, order.reason) == (3, D("-15.96"), "reversal")


def test_at_08_02_six_units_are_closed_and_nearly_ten_sold_short(day: Day) -> None:
    # 4 % of 399 = 15.96: filled whole. Half spread 0.1, slippage 0.05, impact sqrt(0.04) x 0.001 = 0.0002 ->
    # 0.02: 100 - 0.17 = 99.83, down to 99.8. 15.96 x 99.8 = 1,592.808, fee 1.592808. Six units: 598.8 for the
    # remaining basis of 601.2: realised -2.4, in all 0.
    (fill,) = day.fills[5]
    assert (fill.quantity, fill.price, fill.worst) == (D("-15.96"), D("99.8"), 98)
    assert (fill.fee, fill.realised) == (D("1.592808"), D("-2.4"))
    # Cash 9,398.7898 + 1,592.808 - 1.592808 = 10,990.004992; -9.96 x 99 = -986.04: equity 10,003.964992.
    # Charges 1.002 + 1.005 + 0.4032 + 1.592808 = 4.003008.
    # Best: 2 + 4 x 0.2 + 15.96 x 0.2 = 5.992 more. Worst: 8 + 4 x 0.8 + 15.96 x 1.8 = 39.928 less.
    book = day.books[5]
    assert (book.cash, book.equity) == (D("10990.004992"), D("10003.964992"))
    assert (book.realised, book.fees) == (0, D("4.003008"))
    assert (book.best, book.worst) == (D("10009.956992"), D("9964.036992"))
    assert book.gross == pytest.approx(986.04 / 10003.964992, rel=1e-15)
    assert book.net == -book.gross


def test_the_first_round_trip_is_the_long_one(day: Day) -> None:
    # Opened 10 x 100 = 1,000 at the reference. Gross: 4 x 101 + 6 x 100 - 1,000 = 4. Costs: in prices 2 + 4 x
    # 0.2 + 6 x 0.2 = 4; fees 1.002 + 0.4032 + 1.592808 x 6 / 15.96 (= 0.5988) = 2.004; funding 1.005: 7.009.
    # Net 4 - 7.009 = -3.009. Best gets the 4 back: 0.991. Worst: 8 + 4 x 0.8 + 6 x 1.8 = 22 less: -25.009.
    trip = day.trips[0]
    assert (trip.side, trip.entry_minute, trip.exit_minute) == (1, MINUTE_0757 + 1, MINUTE_0757 + 5)
    assert (trip.exit_kind, trip.notional) == ("reversal", 1000.0)
    assert [trip.gross_bps, trip.cost_bps, trip.net_bps] == pytest.approx([40.0, 70.09, -30.09], rel=1e-12)
    assert [trip.best_bps, trip.worst_bps] == pytest.approx([9.91, -250.09], rel=1e-12)


def test_at_08_03_and_08_04_it_is_marked_at_its_last_price_and_not_ordered_while_halted(day: Day) -> None:
    assert [book.equity for book in day.books[6:8]] == [D("10003.964992")] * 2
    # At 08:04 the horizon of the short signal (08:01) has passed, but without a bar for two minutes nothing
    # is ordered.
    assert day.orders[6:] == [(), (), ()]
    assert day.ages[7] == {"binance:C00USDT": 2}


def test_at_08_05_it_is_delisted_and_closed_at_worst_case_costs(day: Day) -> None:
    # Reference 99, the last close. Half spread 0.099, slippage 0.0495, impact 0.001 x sqrt(9.96 / 399) =
    # 0.000158 -> 0.0156: 99.164, up to 99.2. 9.96 x 99.2 = 988.032, fee 0.988032 (taker). The band's worst is
    # the high, 100.3. Short at a basis of 994.008: realised 5.976.
    (fill,) = day.fills[8]
    assert (fill.order_id, fill.kind, fill.quantity) == (0, FillKind.DELISTED, D("9.96"))
    assert (fill.reference, fill.price, fill.worst) == (99, D("99.2"), D("100.3"))
    assert (fill.fee, fill.realised) == (D("0.988032"), D("5.976"))
    # Cash 10,990.004992 - 988.032 - 0.988032 = 10,000.98496, nothing held.
    # Best: 5.992 + 9.96 x 0.2 = 7.984 more. Worst: 39.928 + 9.96 x 1.1 = 50.884 less.
    book = day.books[8]
    assert book.cash == book.equity == D("10000.98496")
    assert (book.best, book.worst) == (D("10008.96896"), D("9950.10096"))
    assert (book.gross, book.net) == (0.0, 0.0)
    # The books close: 10,000 + 5.976 realised - 4.99104 charges = 10,000.98496.
    assert (book.realised, book.fees) == (D("5.976"), D("4.99104"))
    assert day.trips[1].exit_kind == "delisted"
    assert len(day.trips) == 2


def test_the_funnel_of_the_day_followed_both_signals_to_their_fills(day: Day) -> None:
    counts = day.funnel.counts()
    assert (counts.passes_limits, counts.ordered, counts.filled, counts.waiting) == (2, 2, 2, 0)
    assert counts.exits == {"horizon": 1}
