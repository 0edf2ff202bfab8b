"""A running feed that other instruments join and leave, against real servers on loopback."""

import asyncio
from collections.abc import Callable

import pytest

from adapters.exchanges.coinbase import CoinbaseParser
from adapters.exchanges.kraken import KrakenParser
from daemon.feed import BarClosed, FrameIgnored
from tests.adapters.exchanges.loopback import BRISK, LoopbackVenue, SetClock, kline, listening, loopback_venue

NOW = 29_000_000
NOT_OURS = FrameIgnored("binance", "an instrument not asked for")


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOW + 0.5)


async def eventually(venue: LoopbackVenue, holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10), venue.changed:
        await venue.changed.wait_for(holds)


async def test_one_that_joins_comes_over_a_connection_of_its_own(clock: SetClock) -> None:
    async with loopback_venue() as venue, listening(venue.venue(), clock=clock) as heard:
        first = await venue.when_subscribed(1)
        heard.feed.regroup(["binance:BTCUSDT", "binance:ETHUSDT"])
        second = await venue.when_subscribed(2)
        assert venue.subscriptions == [["btcusdt@kline_1m"], ["ethusdt@kline_1m"]]
        await first.send(kline("BTCUSDT", NOW))
        await second.send(kline("ETHUSDT", NOW))
        await heard.bar(NOW, "BTCUSDT")
        await heard.bar(NOW, "ETHUSDT")
        assert venue.opened == 2
        assert "FeedLost" not in heard.kinds()


async def test_one_that_leaves_is_left_out_of_a_connection_that_takes_over_without_a_gap(
    clock: SetClock,
) -> None:
    async with (
        loopback_venue() as venue,
        listening(venue.venue(), ["BTCUSDT", "ETHUSDT"], clock=clock) as heard,
    ):
        await venue.when_subscribed(1)
        heard.feed.regroup(["binance:ETHUSDT"])
        await venue.when_subscribed(2)
        await eventually(venue, lambda: len(venue.sockets) == 1)
        assert venue.most_open == 2
        assert venue.subscriptions[1] == ["ethusdt@kline_1m"]
        await venue.broadcast(kline("BTCUSDT", NOW))
        await venue.broadcast(kline("ETHUSDT", NOW))
        await heard.bar(NOW, "ETHUSDT")
        assert NOT_OURS in heard.messages
        assert not any(isinstance(m, BarClosed) and m.instrument.endswith("BTCUSDT") for m in heard.messages)
        assert "FeedLost" not in heard.kinds()


async def test_a_connection_that_nobody_is_left_on_is_closed(clock: SetClock) -> None:
    async with loopback_venue() as venue:
        here = venue.venue(instruments_per_connection=1)
        async with listening(here, ["A", "B", "C"], clock=clock) as heard:
            await eventually(venue, lambda: len(venue.subscriptions) == 3 and all(venue.subscriptions))
            heard.feed.regroup(["binance:B"])
            await eventually(venue, lambda: len(venue.sockets) == 1)
            await venue.broadcast(kline("B", NOW))
            await heard.bar(NOW, "B")
            assert venue.opened == 3
        await venue.when_nobody_is_connected()


async def test_who_leaves_while_lost_is_asked_for_no_more_and_the_others_come_back(clock: SetClock) -> None:
    async with (
        loopback_venue() as venue,
        listening(venue.venue(), ["BTCUSDT", "ETHUSDT"], BRISK, clock) as heard,
    ):
        await (await venue.when_subscribed(1)).close()
        lost = await heard.loss()
        assert len(lost.instruments) == 2
        heard.feed.regroup(["binance:ETHUSDT"])
        await venue.when_subscribed(2)
        clock.minute = NOW + 2.5
        await venue.broadcast(kline("ETHUSDT", NOW + 1))
        restored = await heard.restoration()
        assert restored.instruments == ("binance:ETHUSDT",)
        bars = [m for m in heard.messages if isinstance(m, BarClosed)]
        assert {bar.instrument for bar in bars} == {"binance:ETHUSDT"}
        assert sorted({bar.minute for bar in bars}) == [NOW, NOW + 1]


async def test_history_tells_of_an_instrument_before_it_joins(clock: SetClock) -> None:
    async with loopback_venue() as venue, listening(venue.venue(), clock=clock) as heard:
        bars = await heard.feed.history("binance:ETHUSDT", NOW - 3, NOW - 1)
        assert [(bar.instrument, bar.minute - NOW) for bar in bars] == [
            ("binance:ETHUSDT", -3),
            ("binance:ETHUSDT", -2),
            ("binance:ETHUSDT", -1),
        ]


def ohlc(symbol: str, minute: str) -> bytes:
    row = (
        f'{{"symbol":"{symbol}","open":1.0,"high":1.0,"low":1.0,"close":1.0,"trades":1,"volume":1.0,'
        f'"vwap":1.0,"interval_begin":"2025-02-19T{minute}:00.000000000Z","interval":1,'
        f'"timestamp":"2025-02-19T{minute}:30.000000Z"}}'
    )
    return (
        f'{{"channel":"ohlc","type":"update","timestamp":"2025-02-19T{minute}:30.000000Z","data":[{row}]}}'
    ).encode()


def test_a_parser_that_remembers_forgets_who_left() -> None:
    sent_s = 1_739_980_830.0  # 2025-02-19T16:00:30Z
    parser = KrakenParser("kraken", ["BTC/USD", "ETH/USD"])
    for symbol in ("BTC/USD", "ETH/USD"):
        parser.parse(ohlc(symbol, "16:00"), sent_s)
    parser.follow(["ETH/USD", "XRP/USD"])
    closed = [said.instrument for said in parser.due(sent_s + 60) if isinstance(said, BarClosed)]
    assert closed == ["kraken:ETH/USD"]
    trades = CoinbaseParser("coinbase", ["BTC-USD"])
    trades.follow(["ETH-USD"])
    match = (
        b'{"type":"match","trade_id":5,"product_id":"%s","size":"1","price":"2",'
        b'"time":"2025-02-19T16:00:10Z"}'
    )
    assert [type(m).__name__ for m in trades.parse(match % b"BTC-USD", sent_s)] == ["FrameIgnored"]
    assert "PriceSeen" in {type(m).__name__ for m in trades.parse(match % b"ETH-USD", sent_s)}
