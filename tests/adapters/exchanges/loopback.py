"""A venue on loopback: a real websocket server and a real HTTP server, which do what a test tells them."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import msgspec
from aiohttp import web
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from adapters.clock import SystemClock
from adapters.exchanges.binance import BinanceSpot
from adapters.exchanges.feed import ExchangeFeed, FeedRules
from adapters.exchanges.history import Patience
from daemon.events import FeedLost, FeedRestored
from daemon.feed import BarClosed, FeedMessage

BRISK = FeedRules(
    tick_s=0.02,
    poll_s=0.05,
    settle_s=0.01,
    patience=Patience(answer_s=2.0, attempts=3, first_wait_s=0.01, longest_wait_s=5.0),
)
"""Rules of a feed whose tests need not wait."""


def kline(symbol: str, minute: int, *, final: bool = True, price: float = 100.0) -> str:
    """A frame of Binance about one minute, as a server would send it."""
    text = f"{price:.2f}"
    bar = {
        "t": minute * 60_000,
        "T": minute * 60_000 + 59_999,
        "s": symbol,
        "i": "1m",
        **dict.fromkeys("ohlc", text),
        "v": "2.0",
        "V": "1.0",
        "x": final,
    }
    data = {"e": "kline", "E": minute * 60_000, "s": symbol, "k": bar}
    return msgspec.json.encode({"stream": f"{symbol.lower()}@kline_1m", "data": data}).decode()


def rows(first_minute: int, last_minute: int) -> list[list[Any]]:
    """Rows of Binance's REST history."""
    return [
        [m * 60_000, "100", "101", "99", "100", "2", m * 60_000 + 59_999, "0", 1, "1", "0", "0"]
        for m in range(first_minute, last_minute + 1)
    ]


class SetClock(SystemClock):
    """The real clock, but for a wall time that a test sets."""

    def __init__(self, minute: float) -> None:
        self.minute = minute

    def epoch_s(self) -> float:
        return self.minute * 60.0


Answer = Callable[[web.Request], web.StreamResponse]


@dataclass
class LoopbackVenue:
    """What the servers saw, and handles to make them misbehave.

    Attributes:
        stream_url: Of the websocket server.
        history_url: Of the HTTP server.
        sockets: Open connections, oldest first.
        opened: How many connections there were.
        subscriptions: What was subscribed to, a list of topics a connection.
        requests: The queries that the HTTP server got.
        answers: Answers to give before those of a healthy venue.
    """

    stream_url: str = ""
    history_url: str = ""
    sockets: list[ServerConnection] = field(default_factory=list)
    opened: int = 0
    subscriptions: list[list[str]] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)
    answers: deque[Answer] = field(default_factory=deque)
    most_open: int = 0
    acknowledges: bool = True
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def handle(self, socket: ServerConnection) -> None:
        self.sockets.append(socket)
        self.opened += 1
        self.most_open = max(self.most_open, len(self.sockets))
        topics: list[str] = []
        self.subscriptions.append(topics)
        try:
            async for frame in socket:
                asked = msgspec.json.decode(frame)
                topics += asked["params"]
                if self.acknowledges:
                    await socket.send(msgspec.json.encode({"result": None, "id": asked["id"]}).decode())
                async with self.changed:
                    self.changed.notify_all()
        finally:
            self.sockets.remove(socket)
            async with self.changed:
                self.changed.notify_all()

    async def when_subscribed(self, n_connections: int) -> ServerConnection:
        """Wait until so many connections have come and the newest has subscribed; return it."""
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(lambda: self.opened >= n_connections and bool(self.subscriptions[-1]))
        return self.sockets[-1]

    async def when_nobody_is_connected(self) -> None:
        """Wait until every connection is closed."""
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(lambda: not self.sockets)

    async def broadcast(self, frame: str) -> None:
        """Send a frame over every open connection, as a venue does."""
        for socket in list(self.sockets):
            with suppress(ConnectionClosed):
                await socket.send(frame)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(dict(request.query))
        if self.answers:
            return self.answers.popleft()(request)
        first, last = (int(request.query[key]) // 60_000 for key in ("startTime", "endTime"))
        return web.json_response(rows(first, last)[: int(request.query["limit"])])

    def venue(self, **rules: Any) -> BinanceSpot:
        """Binance, but here."""
        healthy = BinanceSpot()
        brisk = {"requests_per_s": 1000.0, "connect_spacing_s": 0.01, "quiet_after_s": 30.0, **rules}
        return replace(
            healthy,
            stream=replace(healthy.stream, url=self.stream_url, **brisk),
            history=replace(healthy.history, url=self.history_url, requests_per_s=1000.0),
        )


@asynccontextmanager
async def loopback_venue(**options: Any) -> AsyncIterator[LoopbackVenue]:
    """Run both servers on free ports."""
    venue = LoopbackVenue()
    application = web.Application()
    application.router.add_get("/{path:.*}", venue.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    venue.history_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    server: Server
    try:
        async with serve(venue.handle, "127.0.0.1", 0, **options) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            venue.stream_url = f"ws://127.0.0.1:{port}/stream"
            yield venue
    finally:
        await runner.cleanup()


class Listening:
    """A feed's messages as they come, kept, and waited for by what they say."""

    def __init__(self, feed: ExchangeFeed) -> None:
        self.feed = feed
        self.messages: list[FeedMessage] = []
        self._came = asyncio.Condition()

    async def listen(self) -> None:
        async for message in self.feed.messages():
            self.messages.append(message)
            async with self._came:
                self._came.notify_all()

    async def until(self, wanted: Callable[[FeedMessage], bool], n_times: int = 1) -> FeedMessage:
        """Return the n-th message that is wanted, waiting for it."""

        def found() -> list[FeedMessage]:
            return [message for message in self.messages if wanted(message)]

        async with asyncio.timeout(10), self._came:
            await self._came.wait_for(lambda: len(found()) >= n_times)
        return found()[n_times - 1]

    async def bar(self, minute: int, symbol: str = "BTCUSDT") -> BarClosed:
        """Return the bar of a minute, waiting for it."""
        found = await self.until(
            lambda m: isinstance(m, BarClosed) and (m.instrument, m.minute) == (f"binance:{symbol}", minute)
        )
        assert isinstance(found, BarClosed)
        return found

    async def loss(self, n_times: int = 1) -> FeedLost:
        found = await self.until(lambda m: isinstance(m, FeedLost), n_times)
        assert isinstance(found, FeedLost)
        return found

    async def restoration(self, n_times: int = 1) -> FeedRestored:
        found = await self.until(lambda m: isinstance(m, FeedRestored), n_times)
        assert isinstance(found, FeedRestored)
        return found

    def kinds(self) -> list[str]:
        return [type(message).__name__ for message in self.messages]


@asynccontextmanager
async def listening(
    venue: BinanceSpot,
    symbols: Sequence[str] = ("BTCUSDT",),
    rules: FeedRules = BRISK,
    clock: SystemClock | None = None,
) -> AsyncIterator[Listening]:
    """Run a feed and keep what it says."""
    here = Listening(ExchangeFeed(venue, symbols, clock or SystemClock(), Random(7), rules))
    task = asyncio.create_task(here.listen())
    try:
        yield here
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
