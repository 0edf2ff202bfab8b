"""Coinbase has no minute bars in its stream: they are built from trades, and only if none is missing."""

from datetime import datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.exchanges.coinbase import Coinbase, CoinbaseParser
from adapters.exchanges.trade_minutes import TradeMinutes
from adapters.exchanges.venue import InstrumentAlive, Said
from daemon.feed import BarClosed, FrameIgnored, FrameRefused, PriceSeen
from tests.adapters.exchanges.samples import MINUTE, heartbeat, match

NAME = "coinbase:BTC-USD"
IN_PART = FrameIgnored("coinbase", "minute seen in part, left to history")


@pytest.fixture
def parser() -> CoinbaseParser:
    return Coinbase().parser(["BTC-USD"])


def give(parser: CoinbaseParser, *frames: str) -> list[Said]:
    now = datetime.fromisoformat("2023-11-14T23:00:00+00:00").timestamp()
    return [message for frame in frames for message in parser.parse(frame.encode(), now)]


def bars(said: list[Said]) -> list[BarClosed]:
    return [message for message in said if isinstance(message, BarClosed)]


WHOLE = (
    match(1, "22:12:59", kind="last_match"),
    match(2, "22:13:01", "100", "0.1"),
    match(3, "22:13:20", "103", "0.2"),
    match(4, "22:13:40", "99", "0.1"),
    match(5, "22:13:59", "101", "0.2"),
)


def test_a_whole_minute_has_its_first_and_last_price_and_the_exact_sum_of_sizes(
    parser: CoinbaseParser,
) -> None:
    (bar,) = bars(give(parser, *WHOLE, match(6, "22:14:00")))
    assert bar.instrument == NAME
    assert bar.minute == MINUTE
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (100.0, 103.0, 99.0, 101.0, 0.6)


def test_every_match_is_a_price_and_the_one_before_the_subscription_only_a_sign_of_life(
    parser: CoinbaseParser,
) -> None:
    assert give(parser, *WHOLE[:2]) == [
        InstrumentAlive(NAME),
        *(IN_PART, PriceSeen(NAME, MINUTE, 100.0)),
    ]


def test_the_venues_clock_closes_a_minute_that_no_trade_follows(parser: CoinbaseParser) -> None:
    assert bars(give(parser, *WHOLE, heartbeat(5, "22:13:59"), heartbeat(5, "22:14:01"))) == []
    assert [bar.minute for bar in bars(give(parser, heartbeat(5, "22:14:02")))] == [MINUTE]
    assert bars(give(parser, heartbeat(5, "22:14:03"), match(6, "22:15:00"))) == []


def test_a_heartbeat_that_knows_of_a_newer_trade_waits_for_it(parser: CoinbaseParser) -> None:
    assert bars(give(parser, *WHOLE, heartbeat(6, "22:14:02"))) == []
    assert [bar.minute for bar in bars(give(parser, match(6, "22:14:01")))] == [MINUTE]


def test_a_heartbeat_that_knows_no_trade_number_closes_all_the_same(parser: CoinbaseParser) -> None:
    assert len(bars(give(parser, *WHOLE, heartbeat(0, "22:14:02")))) == 1


@pytest.mark.parametrize("left_out", [1, 2, 3, 4])
def test_a_minute_with_a_missing_trade_is_left_to_history(parser: CoinbaseParser, left_out: int) -> None:
    frames = [frame for n, frame in enumerate(WHOLE) if n != left_out]
    said = give(parser, *frames, match(6, "22:14:00"))
    assert bars(said) == []
    assert IN_PART in said


def test_the_minute_in_which_we_subscribed_is_left_to_history(parser: CoinbaseParser) -> None:
    said = give(parser, match(1, "22:13:00", kind="last_match"), *WHOLE[1:], match(6, "22:14:00"))
    assert bars(said) == []


def test_two_connections_that_overlap_give_every_trade_once(parser: CoinbaseParser) -> None:
    twice = [frame for frame in WHOLE for _ in range(2)]
    said = give(parser, *twice, match(6, "22:14:00"))
    assert [bar.volume for bar in bars(said)] == [0.6]
    assert FrameIgnored("coinbase", "match known already") in said


def test_a_trade_that_comes_after_its_minute_was_closed_is_said(parser: CoinbaseParser) -> None:
    said = give(parser, *WHOLE, heartbeat(0, "22:14:02"), match(6, "22:13:59"))
    assert isinstance(said[-1], FrameRefused)
    assert "came after its minute was closed" in said[-1].reason


def test_a_trade_from_the_future_closes_nothing(parser: CoinbaseParser) -> None:
    future = match(6, "22:13:59").replace("2023-11-14", "2090-01-01")
    said = give(parser, *WHOLE, future, match(6, "22:14:00"))
    assert len(bars(said)) == 1


trades = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 9), st.integers(1, 99)), min_size=1, max_size=60
)


@given(steps=trades, dropped=st.sets(st.integers(0, 59)), doubled=st.sets(st.integers(0, 59)))
def test_whatever_is_missing_or_doubled_a_bar_that_is_given_out_is_the_true_one(
    steps: list[tuple[int, int, int]], dropped: set[int], doubled: set[int]
) -> None:
    minute, full = 1000, []
    for number, (later, price, size) in enumerate(steps):
        minute += later
        full.append((number + 1, minute, float(price), Decimal(size) / 10))
    truth: dict[int, tuple[float, float, float, float, float]] = {}
    for m in {trade[1] for trade in full}:
        prices = [trade[2] for trade in full if trade[1] == m]
        volume = float(sum(trade[3] for trade in full if trade[1] == m))
        truth[m] = (prices[0], max(prices), min(prices), prices[-1], volume)
    build = TradeMinutes("venue:X")
    out = []
    for at, trade in enumerate(full):
        if at not in dropped:
            out.append(build.trade(*trade)[0])
        if at in doubled:
            out.append(build.trade(*trade)[0] if at not in dropped else None)
    given_out = [bar for bar in out if bar is not None]
    for bar in given_out:
        assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == truth[bar.minute]
    minutes = [bar.minute for bar in given_out]
    assert minutes == sorted(set(minutes))
    if not dropped & set(range(len(full))):
        assert minutes == sorted(truth)[1:-1]


def test_real_bars_of_coinbase_come_back_from_trades_that_make_them(shared_data: Path) -> None:
    """No recording has trades and bars of the same minutes, so real bars are taken apart and built again."""
    recorded = (
        pl.read_parquet(shared_data / "lean_crypto_days.parquet").filter(symbol="coinbase:BTCUSD").head(800)
    )
    build, number, out = TradeMinutes("coinbase:BTCUSD"), 0, []
    assert recorded["volume"].min() > 0.0, "Coinbase has no bar for a minute without a trade"  # type: ignore[operator] # a float
    expected = []
    for time, o, h, low, c, v in recorded.select(
        "time", "open", "high", "low", "close", "volume"
    ).iter_rows():
        minute, quarter = int(time.timestamp()) // 60, Decimal(repr(v)) / 4
        expected.append((minute, o, h, low, c, v))
        for price in (o, h, low, c):
            number += 1
            out.append(build.trade(number, minute, price, quarter)[0])
    assert [(b.minute, b.open, b.high, b.low, b.close, b.volume) for b in out if b is not None] == expected[
        1:-1
    ]
