"""Every venue's own frames through the shared shell, over a real websocket on loopback."""

import asyncio
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from adapters.exchanges.catalogue import VENUES
from adapters.exchanges.feed import ExchangeFeed
from daemon.feed import BarClosed, PriceSeen
from tests.adapters.exchanges.loopback import BRISK, Listening, SetClock
from tests.adapters.exchanges.samples import (
    MINUTE,
    SYMBOL,
    binance,
    bybit,
    heartbeat,
    kraken,
    match,
    okx,
)

FRAMES: dict[str, list[str]] = {
    "binance": [binance("false"), binance("true")],
    "binance_um": [binance("false"), binance("true")],
    "bybit": [bybit("false"), bybit("true")],
    "bybit_linear": [bybit("false"), bybit("true")],
    "coinbase": [match(1, "22:12:59", kind="last_match"), match(2, "22:13:05"), heartbeat(2, "22:14:05")],
    # Nothing follows this row: Kraken's clock, as the frame tells it, closes the bar.
    "kraken": [kraken("22:13:00", "22:13:58", "snapshot")],
    "okx": [okx("false"), okx("true")],
}


class Venue:
    """Sends a venue's frames to whoever subscribed, and keeps what it was sent."""

    def __init__(self, frames: list[str]) -> None:
        self.frames = frames
        self.heard: list[bytes] = []
        self.pings = asyncio.Semaphore(0)

    async def handle(self, socket: ServerConnection) -> None:
        async for frame in socket:
            words = frame if isinstance(frame, bytes) else frame.encode()
            self.heard.append(words)
            if b"ping" in words:
                self.pings.release()
            else:
                for answer in self.frames:
                    await socket.send(answer)


def at(url: str, name: str, **rules: Any) -> Any:
    venue = VENUES[name]()
    brisk = {"requests_per_s": 1000.0, "connect_spacing_s": 0.01, **rules}
    return replace(venue, stream=replace(venue.stream, url=url, **brisk))


@pytest.mark.parametrize("name", VENUES)
async def test_a_bar_comes_through_whole(name: str) -> None:
    instrument, server = f"{name}:{SYMBOL[name]}", Venue(FRAMES[name])
    clock = SetClock(MINUTE + 1)
    async with serve(server.handle, "127.0.0.1", 0) as serving:
        port = next(iter(serving.sockets)).getsockname()[1]
        venue = at(f"ws://127.0.0.1:{port}", name)
        heard = Listening(ExchangeFeed(venue, [SYMBOL[name]], clock, Random(1), BRISK))
        listening = asyncio.create_task(heard.listen())
        await heard.until(lambda m: isinstance(m, PriceSeen))
        clock.minute += 0.5
        bar = await heard.until(lambda m: isinstance(m, BarClosed))
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    assert isinstance(bar, BarClosed)
    assert (bar.instrument, bar.minute) == (instrument, MINUTE)
    assert [frame for frame in server.heard if b"ping" not in frame] == venue.subscribe([SYMBOL[name]])


@pytest.mark.parametrize("name", [name for name in VENUES if VENUES[name]().stream.ping])
async def test_a_venue_that_wants_pings_of_its_own_kind_gets_them(name: str) -> None:
    server = Venue([])
    async with serve(server.handle, "127.0.0.1", 0) as serving:
        port = next(iter(serving.sockets)).getsockname()[1]
        venue = at(f"ws://127.0.0.1:{port}", name, ping_every_s=0.02)
        heard = Listening(ExchangeFeed(venue, [SYMBOL[name]], SetClock(MINUTE), Random(1), BRISK))
        listening = asyncio.create_task(heard.listen())
        async with asyncio.timeout(5):
            for _ in range(3):
                await server.pings.acquire()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    assert server.heard[-1] == venue.stream.ping


def test_the_venues_that_close_a_quiet_connection_are_pinged_before_they_do() -> None:
    silent_s = {"bybit": 600.0, "okx": 30.0}
    for name, most_s in silent_s.items():
        assert VENUES[name]().stream.ping_every_s < most_s
    for make in VENUES.values():
        rules = make().stream
        assert rules.lifetime_s < 24 * 3600
        assert rules.ping is None or rules.ping_every_s < rules.silent_after_s
