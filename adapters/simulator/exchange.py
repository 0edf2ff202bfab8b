"""A simulated exchange: a real server that speaks Binance's spot protocol, with faults on command.

It serves recorded or generated bars at any speed, on loopback.
Beside Binance's own addresses it has two of its own: `/papertape/clock` sends the exchange's time
(`{"now_ms": ...}`, answered with the same), and `/papertape/control` takes faults as JSON
(`adapters.simulator.faults.Fault`), `{"fault": "?"}`, `{"fault": "clear"}`, `{"pace": "pause"}` and
`{"pace": "resume"}`.
"""

import asyncio
import contextlib
import heapq
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from adapters.simulator.book import Book, forming
from adapters.simulator.faults import MEANING, Fault, Faults
from adapters.simulator.pace import Pace
from adapters.simulator.rest import Rest
from adapters.simulator.streams import StreamConnection
from adapters.simulator.wire import Candle, kline_event, stream_of
from daemon.events import MINUTE_MS

CLOCK_PATH: Final = "/papertape/clock"
CONTROL_PATH: Final = "/papertape/control"
CLOSING_DELAY_MS: Final = 40
"""How long after the minute its closed bars are sent."""

REVISION_DELAY_MS: Final = 1000
OUT_OF_ORDER_MS: Final = 5
SHUTDOWN_NOTICE_MS: Final = 10_000
STALE_FOLLOWER_S: Final = 30.0
TOO_LARGE: Final = 2 << 20
WRONG_FIELDS: Final[tuple[dict[str, Any], ...]] = (
    {"t": "yesterday", "o": 1},
    {"o": "-5", "x": True},
    {"h": "NaN", "x": True},
    {"c": "1e999", "x": True},
    {"t": 1_700_000_000_001, "T": 1_700_000_060_000, "x": True},
    {"x": "true"},
)

Action = Callable[[], Awaitable[None]]


class SimulatedExchange:
    """The server. `run` lets its time pass, minute by minute, to the end of its bars.

    `all_subscribed` is set once every symbol is subscribed to.

    Args:
        book: Its bars.
        pace: Its time.
        forming_every_s: How often, by its own time, forming bars are sent; 0 sends only the
            minute's first price.

    Attributes:
        asked: How often somebody wanted a stream connection, the refused ones included.
    """

    def __init__(self, book: Book, pace: Pace, forming_every_s: float = 2.0) -> None:
        self.book = book
        self.pace = pace
        self.faults = Faults()
        self.asked = 0
        self.all_subscribed = asyncio.Event()
        self._rest = Rest(book)
        self._forming_every_ms = int(1000 * forming_every_s)
        self._known = frozenset(map(stream_of, book.symbols))
        self._connections: set[StreamConnection] = set()
        self._deferred: list[tuple[int, int, Action]] = []
        self._counted = 0
        self._server: Server | None = None

    @contextlib.asynccontextmanager
    async def serving(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[int]:
        """Serve while the block runs; yields the port."""
        async with serve(
            self._accept,
            host,
            port,
            process_request=self._request,
            ping_interval=None,
            open_timeout=None,
            close_timeout=1,
            compression=None,
            max_size=1 << 20,
        ) as server:
            self._server = server
            yield next(iter(server.sockets)).getsockname()[1]

    async def run(self, last_minute: int | None = None) -> None:
        """Let time pass from now to the end of `last_minute` (default: of the bars)."""
        last = self.book.last_minute if last_minute is None else last_minute
        while (minute := self.pace.now_ms // MINUTE_MS) <= last:
            await self._minute(minute)
        await self._settle(self.pace.now_ms + CLOSING_DELAY_MS + REVISION_DELAY_MS)

    # --- a minute ---

    async def _minute(self, minute: int) -> None:
        """Send what a minute brings: the bars of the one before, then its own as they form."""
        start = minute * MINUTE_MS
        await self._settle(start + CLOSING_DELAY_MS)
        candles = [c for c in (self.book.candle(s, minute) for s in self.book.symbols) if c is not None]
        moments = [start + CLOSING_DELAY_MS + 10]
        if self._forming_every_ms:
            moments += range(start + self._forming_every_ms, start + MINUTE_MS, self._forming_every_ms)
        for moment in moments:
            if moment < self.pace.now_ms:
                continue
            await self._settle(moment)
            share = (moment - start) / MINUTE_MS
            await self._publish(forming(candle, share) for candle in candles if candle.volume > 0.0)
        await self._settle(start + MINUTE_MS)
        self._close(candles, start + MINUTE_MS + CLOSING_DELAY_MS)

    def _close(self, candles: Iterable[Candle], at_ms: int) -> None:
        """Plan the closed bars of a minute, as the faults in force have it."""
        faults = self.faults
        for candle in candles:
            symbol = candle.symbol
            if faults.of("absent", symbol):
                self.book.forget(symbol, candle.minute)
                continue
            if faults.of("withheld", symbol):
                continue
            said = replace(candle, final=False) if faults.of("unflagged", symbol) else candle
            late_ms = MINUTE_MS + OUT_OF_ORDER_MS if faults.of("out_of_order", symbol) else 0
            self._later(at_ms + late_ms, partial(self._publish, (said,)))
            if faults.of("duplicate", symbol):
                self._later(at_ms + late_ms + 1, partial(self._publish, (said,)))
            if faults.of("revise", symbol):
                other = replace(said, close=(candle.high + candle.low) / 2.0, volume=candle.volume * 1.01)
                self._later(at_ms + late_ms + REVISION_DELAY_MS, partial(self._publish, (other,)))

    # --- what is sent ---

    def _later(self, at_ms: int, action: Action) -> None:
        """Do something when it is `at_ms`; what is due at once is done in the order of these calls."""
        self._counted += 1
        heapq.heappush(self._deferred, (at_ms, self._counted, action))

    async def _settle(self, until_ms: int) -> None:
        """Let time pass up to `until_ms`, doing what falls due on the way."""
        while self._deferred and self._deferred[0][0] <= until_ms:
            at_ms, _, action = heapq.heappop(self._deferred)
            await self.pace.until(at_ms)
            await action()
        await self.pace.until(until_ms)
        self.faults.expire(self.pace.now_ms)
        if not self.faults.of("stall"):
            for connection in tuple(self._connections):
                await connection.keep(self.pace.now_ms)

    async def _publish(self, candles: Iterable[Candle]) -> None:
        """Send candles to whoever subscribed to them, or not, or later."""
        for candle in candles:
            delay = self.faults.of("delay", candle.symbol)
            if delay is None:
                await self._deliver(candle)
            else:
                self._later(self.pace.now_ms + int(1000 * delay.seconds), partial(self._deliver, candle))

    async def _deliver(self, candle: Candle) -> None:
        faults = self.faults
        if faults.of("silence", candle.symbol) or faults.of("stall", candle.symbol):
            return
        event = kline_event(candle, self.pace.now_ms)
        for connection in tuple(self._connections):
            await connection.send(stream_of(candle.symbol), event)

    # --- who asks ---

    async def _request(self, socket: ServerConnection, request: Request) -> Response | None:
        """Answer questions about history; let websockets through."""
        path = request.path.partition("?")[0]
        if path.startswith("/api/"):
            return await self._history(request.path)
        if path in {CLOCK_PATH, CONTROL_PATH}:
            return None
        if not (path in {"/stream", "/ws"} or path.startswith("/ws/")):
            return socket.respond(HTTPStatus.NOT_FOUND, "no such address\n")
        self.asked += 1
        if self.faults.of("refused_connections"):
            return socket.respond(HTTPStatus.SERVICE_UNAVAILABLE, "no connections now\n")
        return None

    async def _history(self, target: str) -> Response:
        """Answer a question of REST, as the faults in force have it."""
        slow = self.faults.of("slow")
        if slow is not None:
            waited = asyncio.get_running_loop().create_future()
            self._later(self.pace.now_ms + int(1000 * slow.seconds), partial(_finish, waited))
            await waited
        broken = self.faults.of("http_error")
        if broken is not None:
            return _response(broken.status, b'{"code":-1001,"msg":"Internal error; unable to process."}', {})
        answer = self._rest.answer(target, self.pace.now_ms)
        return _response(answer.status, answer.body, answer.headers)

    async def _accept(self, socket: ServerConnection) -> None:
        """Serve a websocket until it is closed."""
        path, _, query = (socket.request.path if socket.request else "").partition("?")
        with contextlib.suppress(ConnectionClosed):
            if path == CLOCK_PATH:
                await self._tell_time(socket)
            elif path == CONTROL_PATH:
                async for message in socket:
                    await socket.send(await self.command(message))
            else:
                await self._stream(socket, path, query)

    async def _tell_time(self, socket: ServerConnection) -> None:
        """Take a follower of the time along until it leaves."""

        async def step(now_ms: int) -> None:
            try:
                async with asyncio.timeout(STALE_FOLLOWER_S):
                    await socket.send(f'{{"now_ms":{now_ms}}}')
                    await socket.recv()
            except TimeoutError:
                socket.transport.abort()

        await socket.send(f'{{"now_ms":{self.pace.now_ms}}}')
        await socket.recv()
        with self.pace.following(step):
            await socket.wait_closed()

    async def _stream(self, socket: ServerConnection, path: str, query: str) -> None:
        named = parse_qs(query).get("streams", [""])[-1] if path == "/stream" else path[len("/ws/") :]
        connection = StreamConnection(
            socket,
            [stream for stream in named.split("/") if stream],
            self._known,
            self.faults,
            self.pace.now_ms,
            combined=path == "/stream",
        )
        self._connections.add(connection)
        try:
            async for message in socket:
                if not self.faults.of("stall"):
                    await connection.answer(message, self.pace.now_ms)
                if self._known <= frozenset().union(*(each.subscribed for each in self._connections)):
                    self.all_subscribed.set()
        finally:
            self._connections.discard(connection)
            connection.stop()

    # --- what goes wrong ---

    async def command(self, message: str | bytes) -> str:
        """Carry out a command, in JSON; return what became of it, in JSON."""
        try:
            asked = msgspec.json.decode(message, type=dict[str, Any])
            if asked.get("pace") in {"pause", "resume"}:
                (self.pace.pause if asked["pace"] == "pause" else self.pace.resume)()
            elif asked.get("fault") == "clear":
                self.faults.clear()
            elif asked.get("fault") == "?":
                asked["meaning"] = MEANING
            else:
                await self.strike(msgspec.convert(asked, Fault))
        except msgspec.ValidationError as error:
            return msgspec.json.encode({"error": str(error)}).decode()
        except msgspec.DecodeError as error:
            return msgspec.json.encode({"error": f"no JSON: {error}"}).decode()
        return msgspec.json.encode({"done": asked, "now_ms": self.pace.now_ms}).decode()

    async def strike(self, fault: Fault) -> None:
        """Make a fault."""
        if fault.lasts:
            self.faults.begin(fault, self.pace.now_ms)
            return
        for connection in tuple(self._connections):
            match fault.fault:
                case "disconnect":
                    connection.cut()
                case "truncated":
                    await connection.truncate()
                case "garbage":
                    await connection.send_raw(b"\x00\x17 no JSON {{{ \xc3\xa9")
                case "oversized":
                    await connection.send_raw(b'{"padding":"' + b"x" * TOO_LARGE + b'"}')
                case "wrong_types":
                    for wrong in self._wrong():
                        await connection.send_raw(wrong)
                case "shutdown":
                    await connection.send_raw(
                        msgspec.json.encode({"e": "serverShutdown", "E": self.pace.now_ms})
                    )
                    self._later(self.pace.now_ms + SHUTDOWN_NOTICE_MS, partial(_cut, connection))

    def _wrong(self) -> list[bytes]:
        """Frames of the newest bar of the first symbol with something impossible in each."""
        symbol = self.book.symbols[0]
        candle = self.book.candle(symbol, self.pace.now_ms // MINUTE_MS)
        if candle is None:
            return [b'{"stream":7,"data":[]}']
        frames = []
        for wrong in WRONG_FIELDS:
            event = kline_event(candle, self.pace.now_ms)
            event["k"] = {**event["k"], **wrong}
            frames.append(msgspec.json.encode({"stream": stream_of(symbol), "data": event}))
        return [*frames, b'{"stream":7,"data":[]}']


def _response(status: int, body: bytes, headers: dict[str, str]) -> Response:
    code = HTTPStatus(status)
    named = {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
    return Response(code.value, code.phrase, Headers(named), body)


async def _finish(waited: asyncio.Future[None]) -> None:
    if not waited.done():
        waited.set_result(None)


async def _cut(connection: StreamConnection) -> None:
    connection.cut()
