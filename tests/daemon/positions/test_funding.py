"""Funding: when it is due, what it charges, and that it is charged once whatever comes between."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import SettingsError
from daemon.events import Fill, FillKind, Instrument, Minutes
from daemon.policy.policy import Target
from daemon.policy.reasons import Reason
from daemon.positions.bar_cursor import BarCursor
from daemon.positions.desk import Desk
from daemon.positions.funding import Charge, FixedFunding, FundingSeries, make_funding
from daemon.settings import CostSettings, UniverseSettings
from tests.daemon.positions.market import ages, cursor, instruments, random_market, sealed

D = Decimal
UNIVERSE = UniverseSettings(halt_minutes=30, delist_minutes=60)
SERIES = CostSettings(
    taker_fee_bps=0,
    maker_fee_bps=0,
    half_spread_bps=0,
    slippage_bps=0,
    impact=0,
    max_volume_share=1.0,
    funding_file="funding.parquet",
)
SECOND_US = 1_000_000
EVENTS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 40 * 60), st.sampled_from([1e-4, -3e-4, 0.0, 0.0125])),
    max_size=30,
)


def columns(events: Sequence[tuple[str, int, float]]) -> Mapping[str, object]:
    """What a file of (instrument, second, rate) reads as."""
    return {
        "instrument": [name for name, _, _ in events],
        "time_us": np.array([second * SECOND_US for _, second, _ in events], dtype=np.int64),
        "rate": np.array([rate for _, _, rate in events], dtype=np.float64),
    }


def names_of(some: Sequence[Instrument]) -> list[str]:
    return [instrument.name for instrument in some]


@given(EVENTS, st.lists(st.integers(0, 41), min_size=1, max_size=10, unique=True).map(sorted))
def test_every_event_after_the_first_minute_is_due_once_at_the_first_minute_not_before_it(
    events: list[tuple[int, int, float]], minutes: list[int]
) -> None:
    names = ["a", "b", "c"]
    series = FundingSeries(columns([(names[i], second, rate) for i, second, rate in events]), names)
    after = minutes[0] - 1
    for before, minute in zip([after, *minutes], minutes, strict=False):
        expected = [(i, D(repr(rate))) for i, second, rate in events if before < second // 60 <= minute]
        assert sorted(series.due(before, minute)) == sorted(expected)


def test_events_are_due_by_minute_and_then_by_instrument() -> None:
    events = [("b", 125, 0.02), ("a", 60, 0.01), ("b", 121, 0.03), ("a", 179, 0.04), ("z", 130, 0.05)]
    series = FundingSeries(columns(events), ["a", "b"])
    assert [(charge.instrument, float(charge.rate)) for charge in series.due(0, 2)] == [
        (0, 0.01),
        (0, 0.04),
        (1, 0.03),
        (1, 0.02),
    ]


@given(st.integers(0, 5_000), st.integers(1, 3_000))
def test_a_fixed_rate_is_due_at_each_eighth_hour_that_has_passed(after: int, span: int) -> None:
    fixed = FixedFunding(2.0, 2)
    boundaries = sum(minute % 480 == 0 for minute in range(after + 1, after + span + 1))
    assert (
        list(fixed.due(after, after + span))
        == [Charge(0, D("0.00020")), Charge(1, D("0.00020"))] * boundaries
    )


def held_by(desk: Desk, bars: BarCursor, weights: Sequence[float]) -> None:
    """Decide on the cursor's minute to hold weights."""
    desk.open_minute(bars)
    desk.close_minute(bars)
    desk.place(bars, [Target(i, weight, Reason.ENTRY) for i, weight in enumerate(weights)])


def test_an_event_charges_longs_pays_shorts_and_passes_by_what_is_not_held() -> None:
    three = instruments(3)
    a, b, c = names_of(three)
    events = [(a, 2 * 60 + 7, 0.001), (b, 2 * 60, 0.002), (c, 2 * 60, 0.05), (a, 3 * 60 + 59, -0.004)]
    desk = Desk(D(10_000), SERIES, UNIVERSE, three, columns(events))
    row = (10.0, 10.0, 10.0, 10.0, 1e6)
    bars = cursor(sealed(0, [[row] * 3] * 5))
    held_by(desk, bars, [0.5, -0.2])
    fills = []
    for t in range(1, 5):
        bars.seek(t)
        fills += [fill for fill in desk.open_minute(bars).fills if fill.kind is FillKind.FUNDING]
        book = desk.close_minute(bars)
        assert desk.account.ledger.imbalance == 0
    # Long 5,000 pays 0.1 % and gets 0.4 %; short 2,000 gets 0.2 %; nothing is held of the third.
    assert [(fill.minute, fill.instrument, fill.fee) for fill in fills] == [
        (2, a, 5),
        (2, b, -4),
        (3, a, -20),
    ]
    assert book.equity == 10_000 - 5 + 4 + 20
    assert desk.account.ledger.funding == -19


@pytest.mark.parametrize("funded", ["series", "fixed"])
def test_what_was_due_while_the_market_was_closed_is_charged_when_it_opens(funded: str) -> None:
    one = instruments(1)
    fixed = SERIES.model_copy(update={"funding_file": None, "funding_bps_per_8h": 10.0})
    events = [(one[0].name, 480 * 60, 0.001), (one[0].name, 960 * 60, 0.001)]
    desk = Desk(D(10_000), SERIES if funded == "series" else fixed, UNIVERSE, one, columns(events))
    row = (10.0, 10.0, 10.0, 10.0, 1e6)
    minutes = sealed(0, [[row]] * 4)
    minutes.minute[:] = [400, 401, 1_000, 1_001]
    bars = cursor(minutes)
    held_by(desk, bars, [0.5])
    charged = []
    for t in range(1, 4):
        bars.seek(t)
        charged.append([f.fee for f in desk.open_minute(bars).fills if f.kind is FillKind.FUNDING])
        desk.close_minute(bars)
    assert charged == [[], [5, 5], []]


def random_series(seed: int, minutes: Minutes, names: Sequence[str]) -> Mapping[str, object]:
    draw = np.random.default_rng(seed)
    seconds = draw.integers(minutes.minute[0] * 60, (minutes.minute[-1] + 1) * 60, 25).tolist()
    return columns(
        [(names[int(draw.integers(len(names)))], s, float(draw.normal(0.0, 0.01))) for s in seconds]
    )


@given(st.integers(0, 2**32 - 1), st.integers(1, 39))
def test_money_balances_and_a_stop_and_a_start_at_any_minute_charge_the_same(seed: int, stop: int) -> None:
    three = instruments(3, tick="0.000001", lot="0.001")
    minutes = random_market(seed, 40, 3)
    series = random_series(seed, minutes, names_of(three))
    weights = np.random.default_rng(seed).choice([0.0, 0.2, -0.3], (40, 3))
    sigma, age = np.full(minutes.open.shape, 0.01), ages(minutes)

    def played(desk: Desk, first: int, end: int) -> list[object]:
        seen: list[object] = []
        bars = BarCursor(minutes[first:end], sigma[first:end], age[first:end], first)
        for t in range(end - first):
            bars.seek(t)
            seen += desk.open_minute(bars).fills
            seen.append(desk.close_minute(bars))
            assert desk.account.ledger.imbalance == 0
            fresh = [i for i in range(3) if bars.age(i) == 0]
            wanted = [Target(i, float(weights[first + t, i]), Reason.ENTRY) for i in fresh]
            if desk.view.equity > 0 and t % 3 == 0:
                desk.place(bars, wanted)
            desk.take_round_trips()
        return seen

    whole = Desk(D(10_000), SERIES, UNIVERSE, three, series)
    head = played(whole, 0, stop)
    fields = msgspec.msgpack.decode(msgspec.msgpack.encode(whole.to_fields()))
    paid = [fill.fee for fill in head if isinstance(fill, Fill) and fill.kind is FillKind.FUNDING]
    assert sum(paid) == whole.account.ledger.funding
    assert fields["minute"] == minutes.minute[stop - 1]
    again = Desk(D(10_000), SERIES, UNIVERSE, three, series).restore(whole.to_fields())
    assert played(again, stop, 40) == played(whole, stop, 40)
    assert msgspec.msgpack.encode(again.to_fields()) == msgspec.msgpack.encode(whole.to_fields())


def test_events_follow_their_instruments_when_the_universe_changes() -> None:
    three = instruments(3)
    a, b, c = three
    series = columns([(a.name, 120, 0.01), (b.name, 120, 0.02), (c.name, 120, 0.03)])
    desk = Desk(D(10_000), SERIES, UNIVERSE, (a, b), series)
    row = (10.0, 10.0, 10.0, 10.0, 1e6)
    bars = cursor(sealed(0, [[row] * 2] * 2))
    held_by(desk, bars, [0.0, 0.5])
    bars.seek(1)
    desk.open_minute(bars)
    desk.close_minute(bars)
    desk.regroup(np.array([1, -1]), (b, c))
    fills = desk.open_minute(cursor(sealed(2, [[row] * 2]))).fills
    assert [(fill.instrument, fill.fee) for fill in fills] == [(b.name, 100)]
    assert desk.facts()["funding"].endswith("every instrument has some")


def test_the_summary_says_where_funding_comes_from_and_who_has_none() -> None:
    series = columns([("a", 60, 0.01), ("a", 28_800_000 * 60, 0.01), ("x", 0, 0.01)])
    assert FundingSeries(series, ["a"]).fact == (
        "from costs.funding_file, 2 events from 1970-01-01 00:01 to 2024-10-04 00:00 UTC, "
        "every instrument has some"
    )
    assert FundingSeries(series, ["a", "b", "c"]).fact.endswith("; not charged on 2 without any: b, c")
    many = FundingSeries(series, ["a", *map(str, range(10))]).fact
    assert many.endswith("not charged on 10 without any: 0, 1, 2, 3, 4, 5, 6, 7 and 2 more")
    assert FundingSeries(series, ["b"]).fact.startswith("not charged (costs.funding_file has no event")
    assert list(FundingSeries(series, ["b"]).due(0, 10**9)) == []


def test_settings_choose_one_source_and_a_file_that_was_not_read_is_missed() -> None:
    with pytest.raises(ValueError, match="both set; choose one"):
        CostSettings(funding_bps_per_8h=1.0, funding_file="funding.parquet")
    with pytest.raises(SettingsError, match=r"costs.funding_file: funding.parquet is set, but no series"):
        make_funding(SERIES, None, ["a"])
    assert "not charged" in make_funding(CostSettings(), None, ["a"]).fact


def test_a_series_goes_on_under_other_hot_costs() -> None:
    one = instruments(1)
    desk = Desk(D(10_000), SERIES, UNIVERSE, one, columns([(one[0].name, 120, 0.01)]))
    row = (10.0, 10.0, 10.0, 10.0, 1e6)
    bars = cursor(sealed(0, [[row]] * 3))
    held_by(desk, bars, [0.5])
    bars.seek(1)
    desk.open_minute(bars)
    desk.close_minute(bars)
    desk.reconfigure(SERIES.model_copy(update={"taker_fee_bps": 7.0}), UNIVERSE)
    bars.seek(2)
    assert [fill.fee for fill in desk.open_minute(bars).fills] == [50]
