"""The desk over random markets and random targets: what must hold whatever comes."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.events import Book, Fill, FillKind, Instrument, Minutes, Order, OrderEnd, TradingMode
from daemon.policy.policy import Target
from daemon.policy.reasons import Reason
from daemon.positions.bar_cursor import BarCursor
from daemon.positions.desk import Desk
from daemon.positions.trips import RoundTrip
from daemon.settings import CostSettings, UniverseSettings, VenueFeeSettings
from tests.daemon.positions.market import Row, ages, cursor, instruments, random_market, sealed

D = Decimal
UNIVERSE = UniverseSettings(halt_minutes=3, delist_minutes=6)
SEEDS = st.integers(0, 2**32 - 1)
FREE = CostSettings(
    taker_fee_bps=0, maker_fee_bps=0, half_spread_bps=0, slippage_bps=0, impact=0, max_volume_share=1.0
)


def random_costs(seed: int) -> CostSettings:
    draw = np.random.default_rng(seed)
    return CostSettings(
        taker_fee_bps=float(draw.uniform(0, 50)),
        half_spread_bps=float(draw.uniform(0, 50)),
        slippage_bps=float(draw.choice([0.0, draw.uniform(0, 50)])),
        impact=float(draw.uniform(0, 2)),
        max_volume_share=float(draw.choice([0.01, 0.1, 1.0])),
        order_minutes=int(draw.integers(1, 4)),
        delay_bars=int(draw.integers(0, 3)),
        funding_bps_per_8h=(None, -3.0, 5.0)[draw.integers(3)],
    )


def random_targets(seed: int, n_minutes: int, n_instruments: int) -> list[dict[int, float]]:
    """Draw target weights: entries, additions, reductions, closings and flips."""
    draw = np.random.default_rng(seed)
    asked = draw.random((n_minutes, n_instruments)) < 0.3
    weights = draw.choice([0.0, 0.05, -0.05, 0.2, -0.2, 0.5], (n_minutes, n_instruments))
    return [{i: float(weights[t, i]) for i in range(n_instruments) if asked[t, i]} for t in range(n_minutes)]


@dataclass
class Tape:
    orders: list[Order] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    ends: list[OrderEnd] = field(default_factory=list)
    books: list[Book] = field(default_factory=list)
    trips: list[RoundTrip] = field(default_factory=list)


def trade(desk: Desk, bars: BarCursor, targets: Sequence[dict[int, float]], tape: Tape) -> None:
    for t, wanted in enumerate(targets):
        bars.seek(t)
        opened = desk.open_minute(bars)
        book = desk.close_minute(bars)
        # Only what has a bar or is held can be ordered; without equity nothing is opened.
        live = [
            Target(i, weight if book.equity > 0 else 0.0, Reason.ENTRY if weight else Reason.HORIZON)
            for i, weight in wanted.items()
            if bars.age(i) == 0 or (weight == 0.0 and i in desk.view.weights)
        ]
        placed = desk.place(bars, live)
        tape.orders.extend(placed.orders)
        tape.fills.extend(opened.fills)
        tape.ends.extend([*opened.ends, *placed.ends])
        tape.books.append(book)
        tape.trips.extend(desk.take_round_trips())
        assert desk.account.ledger.imbalance == 0


def new_desk(costs: CostSettings, names: Sequence[Instrument], capital: str = "10000") -> Desk:
    return Desk(D(capital), costs, UNIVERSE, names)


def played(seed: int, n_minutes: int = 40, n: int = 3, *, thin: bool = False) -> tuple[Tape, Desk, Minutes]:
    minutes = random_market(seed, n_minutes, n, thin=thin)
    desk, tape = new_desk(random_costs(seed), instruments(n, tick="0.000001", lot="0.001")), Tape()
    trade(desk, cursor(minutes), random_targets(seed, n_minutes, n), tape)
    return tape, desk, minutes


@given(SEEDS, st.booleans())
def test_best_expected_and_worst_stand_in_that_order_everywhere(seed: int, thin: bool) -> None:
    tape, _, _ = played(seed, thin=thin)
    for fill in tape.fills:
        side = -1 if fill.quantity < 0 else 1
        assert side * fill.best <= side * fill.price <= side * fill.worst
    for book in tape.books:
        assert book.best >= book.equity >= book.worst
    for trip in tape.trips:
        assert trip.best_bps >= trip.net_bps >= trip.worst_bps
        assert trip.net_bps == pytest.approx(trip.gross_bps - trip.cost_bps, abs=1e-6)
        assert trip.entry_minute <= trip.exit_minute


@given(SEEDS)
def test_equity_is_the_capital_and_what_every_fill_and_mark_did_to_it(seed: int) -> None:
    tape, desk, minutes = played(seed)
    cash = D(10_000)
    held: dict[str, Decimal] = {}
    for fill in tape.fills:
        cash -= fill.quantity * fill.price + fill.fee
        held[fill.instrument] = held.get(fill.instrument, D(0)) + fill.quantity
    names = [f"binance:C{i:02}USDT" for i in range(minutes.n_instruments)]
    value = D(0)
    for name, quantity in held.items():
        column = names.index(name)
        last = np.flatnonzero(minutes.tradable[:, column])[-1]
        value += quantity * D(repr(float(minutes.close[last, column])))
    # Python's own decimals carry 28 digits here: an oracle good to far below a cent.
    assert abs(cash + value - tape.books[-1].equity) < D("1e-9")
    assert desk.view.equity == float(tape.books[-1].equity)


@given(SEEDS, st.booleans())
def test_a_bar_nobody_traded_in_fills_nothing_and_no_fill_passes_the_volume_cap(
    seed: int, thin: bool
) -> None:
    tape, _, minutes = played(seed, thin=thin)
    costs = random_costs(seed)
    for fill in tape.fills:
        if fill.kind is FillKind.TRADE:
            t = fill.minute - int(minutes.minute[0])
            column = int(fill.instrument[9:11])
            assert minutes.tradable[t, column]
            assert float(fill.reference) == minutes.open[t, column]
            cap = D(repr(float(minutes.volume[t, column]))) * D(repr(costs.max_volume_share))
            assert abs(fill.quantity) <= cap


@given(SEEDS, st.booleans())
def test_every_order_ends_filled_or_ended_or_still_waiting_and_nothing_twice(seed: int, thin: bool) -> None:
    tape, desk, _ = played(seed, thin=thin)
    left = {order.id: order.quantity for order in tape.orders}
    assert list(left) == list(range(1, len(left) + 1))
    for fill in tape.fills:
        if fill.order_id:
            left[fill.order_id] -= fill.quantity
    for end in tape.ends:
        left[end.order_id] -= end.unfilled
        assert end.unfilled != 0
        assert end.reason in {"replaced", "no_trade", "volume_cap", "called_off", "delisted"}
    waiting = {w.order.id: w.remaining for w in desk.broker.waiting.values()}
    assert {order: rest for order, rest in left.items() if rest} == waiting


@given(SEEDS)
def test_every_quantity_is_a_multiple_of_the_lot(seed: int) -> None:
    tape, _, _ = played(seed, thin=True)
    quantities = [order.quantity for order in tape.orders] + [fill.quantity for fill in tape.fills]
    assert all(quantity % D("0.001") == 0 for quantity in quantities)


@given(SEEDS, st.integers(0, 40))
def test_a_desk_restored_from_its_fields_goes_on_as_if_it_had_never_stopped(seed: int, stop: int) -> None:
    whole, desk, minutes = played(seed)
    targets = random_targets(seed, 40, 3)
    names = instruments(3, tick="0.000001", lot="0.001")
    tape = Tape()
    age, sigma = ages(minutes), np.full(minutes.open.shape, 0.01)
    first = new_desk(random_costs(seed), names)
    if stop:
        trade(first, BarCursor(minutes[:stop], sigma[:stop], age[:stop], 0), targets[:stop], tape)
    fields = first.to_fields()
    second = new_desk(random_costs(seed), names).restore(fields)
    if stop < 40:
        trade(second, BarCursor(minutes[stop:], sigma[stop:], age[stop:], stop), targets[stop:], tape)
    assert tape == whole
    assert msgspec.msgpack.encode(second.to_fields()) == msgspec.msgpack.encode(desk.to_fields())


@given(SEEDS)
def test_the_order_of_the_instruments_does_not_matter(seed: int) -> None:
    minutes = random_market(seed, 40, 3)
    names = instruments(3, tick="0.000001", lot="0.001")
    targets = random_targets(seed, 40, 3)
    straight, turned = Tape(), Tape()
    trade(new_desk(random_costs(seed), names), cursor(minutes), targets, straight)
    columns = [name for name in Minutes.__slots__ if name not in {"minute", "catch_up"}]
    back = replace(minutes, **{name: getattr(minutes, name)[:, ::-1] for name in columns})
    mirrored = [{2 - i: weight for i, weight in wanted.items()} for wanted in targets]
    trade(new_desk(random_costs(seed), names[::-1]), cursor(back), mirrored, turned)
    assert turned.books == straight.books
    assert sorted((f.minute, f.instrument, f.price, f.quantity) for f in turned.fills) == sorted(
        (f.minute, f.instrument, f.price, f.quantity) for f in straight.fills
    )


def test_a_quiet_desk_returns_the_same_book() -> None:
    desk = new_desk(CostSettings(), instruments(1))
    bars = cursor(sealed(0, [[(1.0, 1.0, 1.0, 1.0, 5.0)]] * 3))
    first = desk.close_minute(bars)
    bars.seek(1)
    assert desk.open_minute(bars) == ((), ())
    assert desk.close_minute(bars) is first
    frozen = desk.close_minute(bars, TradingMode.FROZEN)
    assert frozen.mode is TradingMode.FROZEN
    assert frozen.equity == first.equity


ABSENT: list[Row] = [None]


def flat(price: float, volume: float = 1e6) -> Row:
    return (price, price, price, price, volume)


def test_an_order_waits_for_its_delay_and_lives_its_minutes() -> None:
    costs = FREE.model_copy(update={"delay_bars": 1, "order_minutes": 2})
    desk = new_desk(costs, instruments(1))
    bars = cursor(
        sealed(0, [[flat(10.0)], [flat(10.0)], [flat(10.0, 0.0)], [flat(10.0, -1.0)], [flat(10.0)]])
    )
    tape = Tape()
    trade(desk, bars, [{0: 0.1}, {}, {}, {}, {}], tape)
    # Placed at ordinal 0: minute 1 is the delay; 2 (no volume) and 3 (synthetic) are its life.
    assert tape.fills == []
    assert [(end.minute, end.unfilled, end.reason) for end in tape.ends] == [(3, D(100), "no_trade")]


def test_the_rest_of_a_partial_fill_is_filled_in_a_later_minute_of_its_life() -> None:
    costs = FREE.model_copy(update={"order_minutes": 3, "max_volume_share": 0.5})
    desk = new_desk(costs, instruments(1))
    rows: list[list[Row]] = [[flat(10.0)], [flat(10.0, 100.0)], [None], [flat(11.0, 300.0)]]
    tape = Tape()
    trade(desk, cursor(sealed(0, rows)), [{0: 0.1}, {}, {}, {}], tape)
    assert [(f.minute, f.quantity, f.reference) for f in tape.fills] == [(1, 50, 10), (3, 50, 11)]
    assert tape.ends == []


def test_the_view_shows_where_a_waiting_order_leads() -> None:
    desk = new_desk(FREE.model_copy(update={"delay_bars": 2}), instruments(1))
    bars = cursor(sealed(0, [[flat(10.0)]] * 3))
    trade(desk, bars, [{0: 0.25}, {}], Tape())
    assert desk.view.weights == {}
    assert desk.view.leads_to == {0: 0.25}


def test_a_target_that_is_already_held_once_floored_is_refused_as_below_lot() -> None:
    desk = new_desk(FREE, instruments(1, lot="10"))
    bars = cursor(sealed(0, [[flat(10.0)]] * 2))
    placed = desk.place(bars, [Target(0, 0.005, Reason.ENTRY)])
    assert placed.refused == ((0, Reason.ENTRY, Reason.BELOW_LOT),)
    assert placed.orders == placed.ends == ()


def test_a_target_of_zero_calls_off_an_order_that_waits_and_a_new_one_replaces_it() -> None:
    desk = new_desk(FREE.model_copy(update={"delay_bars": 2}), instruments(1))
    bars = cursor(sealed(0, [[flat(10.0)]] * 4))
    tape = Tape()
    trade(desk, bars, [{0: 0.1}, {0: 0.2}], tape)
    placed = desk.place(bars, [Target(0, 0.0, Reason.FLATTEN)])
    assert [(end.order_id, end.reason) for end in [*tape.ends, *placed.ends]] == [
        (1, "replaced"),
        (2, "called_off"),
    ]
    assert placed.orders == placed.refused == ()
    assert desk.broker.waiting == {}


def test_funding_is_received_by_shorts_and_its_absence_is_said() -> None:
    costs = FREE.model_copy(update={"funding_bps_per_8h": 10.0})
    desk = new_desk(costs, instruments(1))
    rows = [[flat(10.0)]] * 4
    tape = Tape()
    trade(desk, cursor(sealed(480 - 2, rows)), [{0: -0.5}, {}, {}, {}], tape)
    (_, funding) = tape.fills
    # Short 500 at 10 = -5,000; 10 bps of it are received at 08:00, before anything is filled.
    assert (funding.kind, funding.minute, funding.fee) == (FillKind.FUNDING, 480, -5)
    assert tape.books[-1].cash == 10_000 + 5_000 + 5
    assert "10 bps" in desk.facts()["funding"]
    desk.reconfigure(FREE, UNIVERSE)
    assert "not charged" in desk.facts()["funding"]
    assert desk.facts()["fees"] == "taker, 0 bps on binance"


def test_without_equity_what_is_held_still_shows() -> None:
    desk = new_desk(FREE, instruments(1), capital="100")
    tape = Tape()
    trade(desk, cursor(sealed(0, [[flat(10.0)], [flat(10.0)], [flat(25.0)]])), [{0: -0.8}, {}, {}], tape)
    # Short 8 at 10; at 25 the account is 100 - 8 x 15 = -20.
    assert tape.books[-1].equity == -20
    assert desk.view.equity == -20.0
    assert desk.view.weights == {0: -2.0}  # 200 over the capital of 100
    assert tape.books[-1].drawdown == pytest.approx(1.2)


def test_an_order_of_a_delisted_instrument_ends_with_it() -> None:
    desk = new_desk(FREE.model_copy(update={"order_minutes": 60}), instruments(1))
    rows: list[list[Row]] = [[flat(10.0)], [flat(10.0)], *[ABSENT] * 6]
    tape = Tape()
    trade(desk, cursor(sealed(0, rows)), [{0: 0.1}, {0: 0.2}, *([{}] * 6)], tape)
    assert tape.fills[-1].kind is FillKind.DELISTED
    assert [(end.order_id, end.reason, end.minute) for end in tape.ends] == [(2, "delisted", 7)]
    assert desk.view.halted == frozenset()
    assert desk.view.weights == {}


def test_other_instruments_can_join_and_leave_around_what_is_held() -> None:
    desk = new_desk(FREE.model_copy(update={"delay_bars": 0}), instruments(2))
    bars = cursor(sealed(0, [[flat(10.0), flat(20.0)]] * 2))
    trade(desk, bars, [{1: 0.1}, {}], Tape())
    three = instruments(3)
    desk.regroup(np.array([-1, 1, -1]), (three[2], three[1], three[0]))
    assert desk.view.weights == {1: pytest.approx(0.1)}
    desk.regroup(np.array([1]), (three[1],))
    assert desk.mark_ages() == {three[1].name: 0}
    with pytest.raises(KeyError):
        desk.regroup(np.array([-1]), (three[0],))


def test_closing_out_an_instrument_books_what_it_holds_and_ends_what_it_ordered() -> None:
    desk = new_desk(FREE.model_copy(update={"order_minutes": 9}), instruments(3))
    bars = cursor(sealed(0, [[flat(10.0), flat(20.0, 1e-3), flat(30.0)]] * 2))
    trade(desk, bars, [{0: 0.1, 1: 0.1}, {}], Tape())
    held = desk.close_out(7, 0)
    assert [(fill.kind, fill.quantity, fill.minute) for fill in held.fills] == [(FillKind.DELISTED, -100, 7)]
    assert held.ends == ()
    # Of the second only a thousandth of a unit was filled: the rest still waits.
    both = desk.close_out(7, 1)
    assert [fill.quantity for fill in both.fills] == [D("-0.001")]
    assert [(end.unfilled, end.reason) for end in both.ends] == [(D("49.999"), "delisted")]
    assert desk.close_out(7, 2) == ((), ())
    assert desk.account.ledger.positions == {}
    assert desk.account.ledger.imbalance == 0


def test_closing_out_an_instrument_that_is_only_ordered_ends_its_order() -> None:
    desk = new_desk(FREE.model_copy(update={"delay_bars": 5}), instruments(1))
    trade(desk, cursor(sealed(0, [[flat(10.0)]])), [{0: 0.1}], Tape())
    out = desk.close_out(3, 0)
    assert out.fills == ()
    assert [(end.order_id, end.unfilled) for end in out.ends] == [(1, 100)]
    assert desk.broker.waiting == {}


def test_an_exit_in_a_minute_without_known_sigma_pays_the_impact_of_the_last_known_one() -> None:
    desk = new_desk(FREE.model_copy(update={"impact": 1.0}), instruments(1, tick="0.000000001"))
    rows: list[list[Row]] = [[flat(10.0, 1e4)], [flat(10.0, 1e4)], [flat(10.0, 1e4)], [flat(10.0, 1e4)]]
    tape = Tape()
    sigma = np.array([[0.02], [0.01], [np.nan], [np.nan]])
    trade(desk, cursor(sealed(0, rows), sigma), [{0: 0.1}, {}, {0: 0.0}, {}], tape)
    entry, leave = tape.fills
    # 100 units of 10,000: a tenth of sigma, which was 0.02 at the entry's decision and 0.01 when last known.
    assert float(entry.price) == pytest.approx(10.0 * (1 + 0.02 * 0.1))
    assert float(leave.price) == pytest.approx(10.0 * (1 - 0.01 * 0.1))


def test_the_facts_name_marks_that_are_old_and_say_whether_the_books_balance() -> None:
    desk = new_desk(FREE, instruments(1))
    rows = [[flat(10.0)], [flat(10.0)], ABSENT, ABSENT]
    trade(desk, cursor(sealed(0, rows)), [{0: 0.1}, {}, {}, {}], Tape())
    assert desk.facts()["marks"] == "binance:C00USDT 2 min old"
    assert desk.facts()["books"] == "balance to the last digit"
    desk.account.ledger.cash += 1
    assert desk.facts()["books"].startswith("off by 1")
    desk.delist(4, 0)
    assert desk.facts()["marks"] == "none is older than the last minute"


def test_an_instrument_that_was_closed_out_may_leave_while_another_stays_held() -> None:
    desk, two = new_desk(FREE, instruments(2)), instruments(2)
    trade(desk, cursor(sealed(0, [[flat(10.0), flat(20.0)]] * 2)), [{0: 0.1, 1: 0.2}, {}], Tape())
    desk.close_out(2, 0)
    desk.regroup(np.array([1]), two[1:])
    assert desk.view.weights == {0: pytest.approx(0.2)}
    assert desk.mark_ages() == {two[1].name: 0}


def test_fills_and_closings_pay_the_fees_of_their_venue() -> None:
    fees = {"kraken": VenueFeeSettings(taker_fee_bps=20, maker_fee_bps=30)}
    costs = FREE.model_copy(update={"venues": fees, "taker_fee_bps": 4.0, "maker_fee_bps": 6.0})
    binance, other = instruments(2)
    two = (binance, replace(other, name="kraken:C01USDT"))
    desk, tape = new_desk(costs, two), Tape()
    trade(desk, cursor(sealed(0, [[flat(10.0), flat(10.0)]] * 2)), [{0: 0.1, 1: 0.1}, {}], tape)
    assert [fill.fee for fill in tape.fills] == [D("0.4"), 2]
    # Closed out at the dearer of both fees, whoever would have filled it.
    closings = [desk.delist(2, i)[0].fee for i in (0, 1)]
    assert list(map(float, closings)) == pytest.approx([0.6, 3.0])
    assert desk.facts()["fees"] == "taker, 4 bps on binance, 20 bps on kraken"
