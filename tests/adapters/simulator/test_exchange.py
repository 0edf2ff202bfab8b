"""The simulated exchange as a client of Binance meets it: over real sockets, by Binance's own words."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import aiohttp
import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from adapters.simulator.book import Book
from adapters.simulator.exchange import SimulatedExchange
from adapters.simulator.faults import MEANING, Fault
from adapters.simulator.follower import FollowingClock
from adapters.simulator.market import SimulatedMarket
from adapters.simulator.pace import Pace
from adapters.simulator.wire import Candle, stream_of
from daemon.errors import FeedError, SettingsError

MARKET = SimulatedMarket(seed=3, n_instruments=3, n_minutes=3_000)
NOW = MARKET.first_minute + 1_500
SYMBOL = "ALFAUSDT"


@asynccontextmanager
async def opened(
    speed: float = 600.0, forming_every_s: float = 20.0
) -> AsyncIterator[tuple[SimulatedExchange, str]]:
    """An exchange whose time stands still, and its address without a scheme."""
    exchange = SimulatedExchange(Book(MARKET), Pace(NOW * 60_000, speed), forming_every_s)
    async with exchange.serving() as port:
        yield exchange, f"127.0.0.1:{port}"


@asynccontextmanager
async def subscribed(address: str, *symbols: str) -> AsyncIterator[ClientConnection]:
    """A connection with the combined streams of these symbols."""
    streams = "/".join(stream_of(symbol) for symbol in symbols)
    async with connect(f"ws://{address}/stream?streams={streams}", max_size=8 << 20) as socket:
        yield socket


async def received(socket: ClientConnection, exchange: SimulatedExchange, minutes: int) -> list[bytes]:
    """Every frame of the next minutes, until the exchange has settled them or the connection is gone."""
    frames: list[bytes] = []

    async def read() -> None:
        with suppress(ConnectionClosed):
            while True:
                frames.append(await socket.recv(decode=False))

    reading = asyncio.create_task(read())
    await exchange.run(NOW + minutes - 1)
    with suppress(ConnectionClosed):
        await (await socket.ping())
    reading.cancel()
    return frames


def klines(frames: list[bytes]) -> list[dict[str, Any]]:
    return [event["data"]["k"] for event in map(json.loads, frames) if "data" in event]


def closed(frames: list[bytes]) -> list[tuple[int, float, float]]:
    """Minute, close and volume of every final bar, in the order in which they came."""
    return [(k["t"] // 60_000, float(k["c"]), float(k["v"])) for k in klines(frames) if k["x"]]


def held(exchange: SimulatedExchange, minute: int, symbol: str = SYMBOL) -> Candle:
    candle = exchange.book.candle(symbol, minute)
    assert candle is not None
    return candle


async def test_every_minute_forms_and_closes_as_the_market_has_it() -> None:
    async with opened() as (exchange, address), subscribed(address, SYMBOL) as socket:
        frames = await received(socket, exchange, 3)
    minutes = [NOW, NOW + 1, NOW + 2]
    bars = [held(exchange, minute) for minute in minutes]
    assert closed(frames) == [(bar.minute, bar.close, bar.volume) for bar in bars]
    forming = [k for k in klines(frames) if not k["x"] and k["t"] == NOW * 60_000]
    assert len(forming) == 3
    assert float(forming[0]["o"]) == bars[0].open
    assert all(float(k["l"]) <= float(k["c"]) <= float(k["h"]) for k in klines(frames))
    assert {json.loads(frame)["stream"] for frame in frames} == {"alfausdt@kline_1m"}


async def test_subscriptions_are_answered_and_listed() -> None:
    async with opened() as (exchange, address), connect(f"ws://{address}/ws") as socket:
        await socket.send('{"method":"SUBSCRIBE","params":["bravousdt@kline_1m","moonusdt@kline_1m"],"id":7}')
        assert json.loads(await socket.recv()) == {"result": None, "id": 7}
        await socket.send('{"method":"LIST_SUBSCRIPTIONS","id":"eight"}')
        assert json.loads(await socket.recv())["result"] == ["bravousdt@kline_1m", "moonusdt@kline_1m"]
        await socket.send("hello")
        assert "error" in json.loads(await socket.recv())
        await socket.send('{"method":"UNSUBSCRIBE","params":["bravousdt@kline_1m"],"id":9}')
        await socket.recv()
        assert await received(socket, exchange, 1) == []


async def test_who_asks_too_often_is_cut_off() -> None:
    async with opened() as (_, address), connect(f"ws://{address}/ws") as socket:
        for number in range(6):
            await socket.send(f'{{"method":"LIST_SUBSCRIPTIONS","id":{number}}}')
        await socket.wait_closed()
        assert socket.close_code == 1008


async def test_a_connection_is_pinged_and_cut_after_a_day() -> None:
    async with opened(float("inf"), 0.0) as (exchange, address), subscribed(address, SYMBOL) as socket:
        frames = await received(socket, exchange, 1_450)
    assert socket.close_code == 1001
    assert len(closed(frames)) in {1_439, 1_440}


async def get(address: str, target: str) -> tuple[int, Any, dict[str, str]]:
    async with aiohttp.ClientSession() as session, session.get(f"http://{address}{target}") as answer:
        return answer.status, await answer.json(), dict(answer.headers)


async def test_history_ends_in_the_minute_that_runs_and_leaves_out_what_is_absent() -> None:
    async with opened() as (exchange, address):
        exchange.book.forget(SYMBOL, NOW - 2)
        await exchange.pace.until(NOW * 60_000 + 30_000)
        target = f"/api/v3/klines?symbol={SYMBOL}&interval=1m&startTime={(NOW - 4) * 60_000}&limit=1000"
        status, rows, headers = await get(address, target)
    assert status == 200
    assert [row[0] // 60_000 - NOW for row in rows] == [-4, -3, -1, 0]
    assert [float(row[4]) for row in rows[:-1]] == [held(exchange, NOW + at).close for at in (-4, -3, -1)]
    assert float(rows[-1][5]) == pytest.approx(held(exchange, NOW).volume / 2)
    assert headers["X-MBX-USED-WEIGHT-1M"] == "2"


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("/api/v3/klines?symbol=MOONUSDT&interval=1m", -1121),
        (f"/api/v3/klines?symbol={SYMBOL}&interval=1h", -1120),
        (f"/api/v3/klines?symbol={SYMBOL}&interval=1m&limit=many", -1100),
        ("/api/v3/exchangeInfo?symbol=MOONUSDT", -1121),
    ],
)
async def test_a_wrong_question_is_answered_with_binances_code(target: str, code: int) -> None:
    async with opened() as (_, address):
        status, body, _ = await get(address, target)
    assert (status, body["code"]) == (400, code)


async def test_instruments_and_time_are_told() -> None:
    async with opened() as (_, address):
        _, information, _ = await get(address, '/api/v3/exchangeInfo?symbols=["ALFAUSDT"]')
        _, time, _ = await get(address, "/api/v3/time")
        assert (await get(address, "/api/v3/ping"))[1] == {}
    assert [one["symbol"] for one in information["symbols"]] == [SYMBOL]
    assert information["symbols"][0]["filters"][0]["tickSize"] == str(MARKET.instruments[0].tick)
    assert time == {"serverTime": NOW * 60_000}


async def test_too_many_questions_are_refused_then_banned_then_forgiven() -> None:
    async with opened() as (exchange, address):
        everything = "/api/v3/exchangeInfo"
        statuses = [(await get(address, everything))[0] for _ in range(322)]
        assert statuses == [200] * 300 + [429] * 21 + [418]
        assert (await get(address, everything))[2]["Retry-After"] == "120"
        await exchange.pace.until((NOW + 2) * 60_000)
        assert (await get(address, everything))[0] == 200


async def test_a_wrong_address_is_not_found() -> None:
    async with opened() as (_, address):
        assert (await get(address, "/api/v3/depth"))[0] == 404
        with pytest.raises(InvalidStatus):
            await connect(f"ws://{address}/elsewhere")


# --- faults ---


def made(kind: str, **fields: float) -> Fault:
    return msgspec.convert({"fault": kind, **fields}, Fault)


async def struck(
    fault: Fault, minutes: int = 3, forming_every_s: float = 0.0
) -> tuple[SimulatedExchange, list[bytes], int | None]:
    """What a subscriber receives in three minutes under a fault, and its connection's closing code."""
    async with (
        opened(forming_every_s=forming_every_s) as (exchange, address),
        subscribed(address, SYMBOL) as socket,
    ):
        await socket.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
        await socket.recv()
        await exchange.strike(fault)
        frames = await received(socket, exchange, minutes)
        return exchange, frames, socket.close_code


def minutes_of(frames: list[bytes]) -> list[int]:
    return [minute - NOW for minute, _, _ in closed(frames)]


@pytest.mark.parametrize("kind", ["disconnect", "truncated"])
async def test_a_broken_connection_closes_without_a_word(kind: str) -> None:
    _, frames, code = await struck(made(kind))
    assert (frames, code) == ([], 1006)


async def test_a_shutdown_is_announced_and_carried_out() -> None:
    _, frames, code = await struck(Fault(fault="shutdown"))
    assert json.loads(frames[0])["e"] == "serverShutdown"
    assert (minutes_of(frames[:1]), code) == ([], 1006)


async def test_garbage_and_monsters_come_between_good_frames() -> None:
    for kind, size in (("garbage", 10), ("oversized", 2 << 20)):
        _, frames, code = await struck(made(kind))
        assert len(frames[0]) >= size
        assert code is None
        assert minutes_of(frames[1:]) == [0, 1, 2]


async def test_silence_ends_and_what_was_said_meanwhile_is_gone() -> None:
    for kind in ("silence", "stall"):
        _, frames, code = await struck(made(kind, for_s=90.0))
        assert (minutes_of(frames), code) == ([1, 2], None)


async def test_bars_come_late_twice_or_in_another_order() -> None:
    exchange, frames, _ = await struck(Fault(fault="delay", for_s=70.0, seconds=90.0))
    assert minutes_of(frames) == [1, 0, 2] or minutes_of(frames) == [1, 0]
    _, frames, _ = await struck(Fault(fault="duplicate", for_s=70.0))
    assert minutes_of(frames) == [0, 0, 1, 2]
    _, frames, _ = await struck(Fault(fault="out_of_order", for_s=70.0))
    assert minutes_of(frames) == [1, 0, 2]
    _, frames, _ = await struck(Fault(fault="revise", for_s=70.0))
    assert minutes_of(frames) == [0, 0, 1, 2]
    assert closed(frames)[0] != closed(frames)[1]
    _, frames, _ = await struck(Fault(fault="unflagged", for_s=70.0))
    assert minutes_of(frames) == [1, 2]
    assert exchange.book.candle(SYMBOL, NOW) is not None


async def test_a_withheld_bar_is_in_history_and_an_absent_one_is_not() -> None:
    exchange, frames, _ = await struck(Fault(fault="withheld", for_s=70.0, symbols=(SYMBOL,)))
    assert minutes_of(frames) == [1, 2]
    assert exchange.book.candle(SYMBOL, NOW) is not None
    exchange, frames, _ = await struck(Fault(fault="absent", for_s=70.0))
    assert minutes_of(frames) == [1, 2]
    assert exchange.book.candle(SYMBOL, NOW) is None
    _, frames, _ = await struck(Fault(fault="withheld", for_s=70.0, symbols=("BRAVOUSDT",)))
    assert minutes_of(frames) == [0, 1, 2]


async def test_wrong_frames_are_wrong_and_the_good_ones_go_on() -> None:
    _, frames, _ = await struck(Fault(fault="wrong_types"))
    assert len(frames) >= 7
    assert minutes_of([frame for frame in frames[7:] if b'"data":{' in frame]) == [0, 1, 2]


async def test_history_fails_and_dawdles_on_command() -> None:
    async with opened() as (exchange, address):
        await exchange.strike(Fault(fault="http_error", for_s=60.0, status=502))
        assert (await get(address, "/api/v3/ping"))[0] == 502
        exchange.faults.clear()
        await exchange.strike(Fault(fault="slow", for_s=60.0, seconds=30.0))
        asking = asyncio.create_task(get(address, "/api/v3/time"))
        running = asyncio.create_task(exchange.run(NOW))
        assert (await asking)[1]["serverTime"] >= NOW * 60_000 + 30_000
        await running


async def test_connections_are_refused_and_subscriptions_ignored_on_command() -> None:
    async with opened() as (exchange, address):
        await exchange.strike(Fault(fault="refused_connections", for_s=60.0))
        with pytest.raises(InvalidStatus, match="503"):
            await connect(f"ws://{address}/stream")
        exchange.faults.clear()
        await exchange.strike(Fault(fault="ignored_subscription", for_s=600.0))
        async with subscribed(address, SYMBOL) as socket:
            assert await received(socket, exchange, 2) == []


async def test_faults_are_made_over_a_connection_and_nonsense_is_answered() -> None:
    async with opened() as (exchange, address), connect(f"ws://{address}/papertape/control") as control:

        async def said(command: str) -> dict[str, Any]:
            await control.send(command)
            answer: dict[str, Any] = json.loads(await control.recv())
            return answer

        assert (await said('{"fault":"silence","for_s":60}'))["now_ms"] == NOW * 60_000
        assert [fault.fault for fault in exchange.faults.in_force] == ["silence"]
        assert "done" in await said('{"fault":"clear"}')
        assert not exchange.faults.in_force
        assert "done" in await said('{"pace":"pause"}')
        assert "done" in await said('{"pace":"resume"}')
        for nonsense in ('{"fault":"earthquake"}', "fault", '{"fault":"delay","sekonds":1}', "[1]"):
            assert "error" in await said(nonsense)


def test_every_fault_is_explained() -> None:
    kinds = set(MEANING)
    for kind in kinds:
        made(kind)
    assert len(kinds) == 19


# --- the clock ---


async def test_time_waits_for_who_follows_it() -> None:
    gate = asyncio.Event()

    async def settled() -> None:
        if clock.now_ms() >= NOW * 60_000 + 30_000:
            await gate.wait()

    async with opened(float("inf"), 0.0) as (exchange, address):
        clock = FollowingClock(f"ws://{address}/papertape/clock", settled)
        async with clock.following():
            assert clock.now_ms() == NOW * 60_000
            woken = asyncio.create_task(clock.sleep(90.0))
            running = asyncio.create_task(exchange.run(NOW + 2))
            await clock.sleep(25.0)
            while clock.now_ms() < NOW * 60_000 + 30_000:
                await clock.sleep(0.0)
            assert exchange.pace.now_ms - clock.now_ms() <= 12_000
            assert not woken.done()
            gate.set()
            await running
            await woken
            assert clock.now_ms() == exchange.pace.now_ms
            assert clock.monotonic_s() == clock.now_ms() / 1000


async def test_a_clock_that_is_not_there_or_stops_is_an_error() -> None:
    with pytest.raises(FeedError, match="no simulated exchange"):
        async with FollowingClock("ws://127.0.0.1:1/papertape/clock").following():
            pass
    with pytest.raises(FeedError, match="is gone"):
        await _follow_one_that_goes()


async def test_what_a_follower_fails_of_is_seen_as_it_is() -> None:
    async with opened() as (_, address):
        with pytest.raises(SettingsError, match="universe"):
            async with FollowingClock(f"ws://{address}/papertape/clock").following():
                raise SettingsError(["universe: none"])


async def _follow_one_that_goes() -> None:
    async with AsyncExitStack() as stack:
        _, address = await stack.enter_async_context(opened())
        async with FollowingClock(f"ws://{address}/papertape/clock").following():
            await stack.aclose()
            await asyncio.get_running_loop().create_future()
