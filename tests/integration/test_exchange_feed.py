"""The Binance feed against the simulated exchange: real sockets, simulated time, and its faults."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest

from adapters.exchanges.catalogue import venue_of
from adapters.exchanges.feed import ExchangeFeed
from adapters.simulator.book import Book
from adapters.simulator.exchange import SimulatedExchange
from adapters.simulator.faults import Fault
from adapters.simulator.follower import FollowingClock
from adapters.simulator.market import SimulatedMarket
from adapters.simulator.pace import Pace
from daemon.events import FeedLost, FeedRestored
from daemon.feed import BarClosed, FeedMessage

MARKET = SimulatedMarket(seed=3, n_instruments=3, n_minutes=3_000)
NOW = MARKET.first_minute + 1_500
SYMBOLS = tuple(Book(MARKET).symbols)
NAMES = tuple(f"binance:{symbol}" for symbol in SYMBOLS)
SPEED = 1_200.0
"""A minute of the exchange takes 50 ms."""


class Heard:
    """What a feed said."""

    def __init__(self) -> None:
        self.messages: list[FeedMessage] = []
        self.came = asyncio.Condition()

    def bars(self) -> dict[tuple[str, int], BarClosed]:
        """The first bar that came of every instrument and minute."""
        found: dict[tuple[str, int], BarClosed] = {}
        for message in self.messages:
            if isinstance(message, BarClosed):
                found.setdefault((message.instrument, message.minute), message)
        return found

    def of(self, kind: type) -> list[FeedMessage]:
        return [message for message in self.messages if isinstance(message, kind)]


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[SimulatedExchange, Heard]]:
    """A feed that listens to an exchange whose time stands still until it is run."""
    exchange, heard = SimulatedExchange(Book(MARKET), Pace(NOW * 60_000, SPEED), 20.0), Heard()
    async with exchange.serving() as port:
        clock = FollowingClock(f"ws://127.0.0.1:{port}/papertape/clock")
        async with clock.following():
            venue = venue_of("binance", f"ws://127.0.0.1:{port}/stream", f"http://127.0.0.1:{port}")
            feed = ExchangeFeed(venue, SYMBOLS, clock, Random(1))

            async def listen() -> None:
                async for message in feed.messages():
                    heard.messages.append(message)
                    async with heard.came:
                        heard.came.notify_all()

            listening = asyncio.create_task(listen())
            try:
                yield exchange, heard
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)


async def run(exchange: SimulatedExchange, heard: Heard, n_minutes: int) -> None:
    """Let so many minutes pass, and then more until the feed has brought the last of them and lost nobody."""
    first = exchange.pace.now_ms // 60_000
    running = asyncio.create_task(exchange.run(first + n_minutes + 600))
    wanted = {(name, first + n_minutes - 1) for name in NAMES}
    async with asyncio.timeout(30), heard.came:
        await heard.came.wait_for(
            lambda: (
                wanted <= heard.bars().keys()
                and sum(len(m.instruments) for m in heard.of(FeedLost) if isinstance(m, FeedLost))
                == sum(len(m.instruments) for m in heard.of(FeedRestored) if isinstance(m, FeedRestored))
            )
        )
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def missing(exchange: SimulatedExchange, heard: Heard, n_minutes: int) -> list[tuple[str, int]]:
    """The bars of the exchange that the feed has not brought, or brought otherwise than they are."""
    had, wrong = heard.bars(), []
    for name in NAMES:
        # The feed may have connected within the first minute, whose bar is then its history's.
        for minute in range(NOW + 1, NOW + n_minutes):
            candle, bar = exchange.book.candle(name.partition(":")[2], minute), had.get((name, minute))
            assert candle is not None
            if bar is None or (bar.open, bar.close, bar.volume) != (candle.open, candle.close, candle.volume):
                wrong.append((name, minute - NOW))
    return wrong


async def test_every_bar_of_a_healthy_exchange_comes_and_nobody_is_lost() -> None:
    async with connected() as (exchange, heard):
        await run(exchange, heard, 30)
        assert missing(exchange, heard, 30) == []
        assert heard.of(FeedLost) == []


@pytest.mark.parametrize(
    ("fault", "loses"),
    [
        (Fault(fault="disconnect"), True),
        (Fault(fault="shutdown"), None),
        (Fault(fault="garbage"), False),
        (Fault(fault="truncated"), True),
        (Fault(fault="oversized"), True),
        (Fault(fault="wrong_types"), False),
        (Fault(fault="silence", for_s=400.0), True),
        (Fault(fault="stall", for_s=400.0), True),
        (Fault(fault="delay", for_s=300.0, seconds=5.0), None),
        (Fault(fault="duplicate", for_s=300.0), False),
        (Fault(fault="out_of_order", for_s=300.0), False),
        (Fault(fault="silence", for_s=400.0, symbols=SYMBOLS[:1]), True),
    ],
    ids=lambda value: f"{value.fault}-{len(value.symbols)}" if isinstance(value, Fault) else str(value),
)
async def test_no_fault_of_the_stream_costs_a_bar(fault: Fault, loses: bool | None) -> None:
    async with connected() as (exchange, heard):
        await run(exchange, heard, 3)
        await exchange.strike(fault)
        await run(exchange, heard, 12)
        assert missing(exchange, heard, 12) == []
        if loses is not None:
            assert bool(heard.of(FeedLost)) == loses


async def test_an_exchange_that_refuses_connections_and_answers_nothing_costs_no_bar_either() -> None:
    async with connected() as (exchange, heard):
        await run(exchange, heard, 3)
        await exchange.strike(Fault(fault="refused_connections", for_s=300.0))
        await exchange.strike(Fault(fault="http_error", for_s=240.0, status=503))
        await exchange.strike(Fault(fault="disconnect"))
        await run(exchange, heard, 15)
        assert missing(exchange, heard, 15) == []
        lost = heard.of(FeedLost)
        assert [len(m.instruments) for m in lost if isinstance(m, FeedLost)] == [3]
