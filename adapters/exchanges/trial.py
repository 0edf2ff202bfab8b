"""A venue tried before a run: is it there, does it know the symbols, what time is it there."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

import aiohttp

from adapters.exchanges.connection import ConnectError, Connection, described
from adapters.exchanges.history import History, Patience
from adapters.exchanges.pacing import Pacer
from adapters.exchanges.questions import QUESTIONS, Listed, NoAnswerError
from adapters.exchanges.venue import HistoryRequest, InstrumentAlive, SubscriptionRefused, Venue
from daemon.errors import FeedError
from daemon.feed import BarClosed, PriceSeen
from daemon.ports import LiveClock

LOOK_BACK_MINUTES: Final = 60
"""The newest closed bar is looked for in so many minutes: thin markets have none for a while."""


@dataclass(slots=True)
class SymbolTrial:
    """What was found out about one instrument.

    Attributes:
        listed: What the venue lists; None where it did not say.
        first_frame_s: When its first frame came, seconds after the connection; None where none came.
        newest_minute: Epoch minute of the newest closed bar in its history; None where there is none.
        problems: What did not work.
    """

    listed: Listed | None = None
    first_frame_s: float | None = None
    newest_minute: int | None = None
    problems: list[str] = field(default_factory=list)


@dataclass(slots=True)
class VenueTrial:
    """What was found out about one venue.

    Attributes:
        name: The venue's.
        connected_ms: How long connecting took; None where it failed.
        skew_s: Clock here less clock there; None where the venue did not say. `skew_within_s` is how far it
            may be off, half of what the answer took.
        symbols: By symbol.
        problems: What did not work of the venue itself.
        refusals: What it said to subscriptions without naming a symbol.
    """

    name: str
    connected_ms: float | None = None
    skew_s: float | None = None
    skew_within_s: float = 0.0
    symbols: dict[str, SymbolTrial] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)


class Trial:
    """Tries one venue, once.

    Args:
        venue: Which.
        symbols: As it writes them.
        clock: The machine's.
        wait_s: How long frames are waited for.
        at_once: Requests under way together.
    """

    def __init__(
        self, venue: Venue, symbols: Sequence[str], clock: LiveClock, wait_s: float, at_once: int
    ) -> None:
        self._venue = venue
        self._symbols = tuple(symbols)
        self._clock = clock
        self._wait_s = wait_s
        self._at_once = at_once
        self._found = VenueTrial(venue.name, symbols={symbol: SymbolTrial() for symbol in symbols})
        self._questions = QUESTIONS[venue.name]
        self._pacer = Pacer(1.0 / venue.history.requests_per_s, clock)
        self._bodies: dict[str, bytes] = {}

    async def run(self) -> VenueTrial:
        """Try it: the stream, and beside it the questions."""
        await asyncio.gather(self._stream(), self._rest())
        return self._found

    # --- the stream

    async def _stream(self) -> None:
        rules = self._venue.stream
        size = rules.instruments_per_connection
        for at in range(0, len(self._symbols), size):
            await self._connection(self._symbols[at : at + size])
            await self._clock.sleep(rules.connect_spacing_s if at + size < len(self._symbols) else 0.0)

    async def _connection(self, symbols: Sequence[str]) -> None:
        """Connect, subscribe, and wait for the first frame of each."""
        first = _FirstFrames(self._venue, symbols, self._clock, self._found)
        began_s = self._clock.monotonic_s()
        subscribe = self._venue.subscribe(symbols)
        try:
            connection = await Connection.open(self._venue.stream, subscribe, first.take, self._clock)
        except ConnectError as problem:
            self._found.problems.append(f"no stream at {self._venue.stream.url}: {problem}")
            return
        first.opened_s = self._clock.monotonic_s()
        connected_ms = 1000.0 * (first.opened_s - began_s)
        self._found.connected_ms = max(self._found.connected_ms or 0.0, connected_ms)
        tasks: list[asyncio.Future[object]] = [
            asyncio.ensure_future(work)
            for work in (connection.run(), first.all_here.wait(), self._clock.sleep(self._wait_s))
        ]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if connection.has_ended:
            self._found.problems.append(f"the stream ended at once: {connection.reason}")
        elif first.waiting == set(symbols):
            self._found.problems.append(f"connected, and nothing of any symbol within {self._wait_s:g} s")
        await connection.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- the questions

    async def _rest(self) -> None:
        patience = Patience(answer_s=10.0, attempts=2, longest_wait_s=10.0)
        history = History(self._venue, self._clock, Random(0), lambda _: None, patience)  # noqa: S311 - waits
        async with history.session() as session:
            if not await self._ask_time(session):
                return
            slots = asyncio.Semaphore(self._at_once)

            async def ask(symbol: str) -> None:
                async with slots:
                    await self._ask_listing(session, symbol)
                    await self._ask_history(session, history, symbol)

            await asyncio.gather(*(ask(symbol) for symbol in self._symbols))

    async def _ask_time(self, session: aiohttp.ClientSession) -> bool:
        """Compare clocks; return whether the venue answers at all."""
        asked_s = self._clock.epoch_s()
        try:
            body = await self._get(session, HistoryRequest(self._questions.time_path, {}))
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            url = self._venue.history.url
            self._found.problems.append(f"no answer from {url}: {described(problem)}")
            return False
        answered_s = self._clock.epoch_s()
        try:
            there_s = self._questions.time_s(body)
        except NoAnswerError as problem:
            self._found.problems.append(f"says no time: {problem}")
            return True
        self._found.skew_s = (asked_s + answered_s) / 2 - there_s
        self._found.skew_within_s = (answered_s - asked_s) / 2
        return True

    async def _ask_listing(self, session: aiohttp.ClientSession, symbol: str) -> None:
        found = self._found.symbols[symbol]
        try:
            body = await self._get(session, self._questions.listing(symbol))
            found.listed = self._questions.listed(symbol, body)
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            found.problems.append(f"no listing: {described(problem)}")
        except NoAnswerError as problem:
            found.problems.append(f"no listing: {problem}")

    async def _ask_history(self, session: aiohttp.ClientSession, history: History, symbol: str) -> None:
        found = self._found.symbols[symbol]
        last = int(self._clock.epoch_s() // 60) - 1
        try:
            bars = await history.fetch(session, symbol, last - LOOK_BACK_MINUTES + 1, last)
        except FeedError as problem:
            found.problems.append(str(problem))
        else:
            found.newest_minute = bars[-1].minute if bars else None

    async def _get(self, session: aiohttp.ClientSession, request: HistoryRequest) -> bytes:
        """Ask, at the venue's pace; what was asked before (a list of everything) is not asked again."""
        key = f"{request.path}?{sorted(request.query.items())}"
        if key not in self._bodies:
            await self._pacer.turn()
            url = self._venue.history.url.rstrip("/") + request.path
            async with session.get(url, params=request.query) as answer:
                self._bodies[key] = await answer.read()
        return self._bodies[key]


class _FirstFrames:
    """Waits for the first frame of every symbol of a connection."""

    def __init__(self, venue: Venue, symbols: Sequence[str], clock: LiveClock, found: VenueTrial) -> None:
        self._parser = venue.parser(symbols)
        self._clock = clock
        self._found = found
        self.opened_s = clock.monotonic_s()
        self.waiting = set(symbols)
        self.all_here = asyncio.Event()

    async def take(self, frame: bytes) -> None:
        """Take a frame."""
        for said in self._parser.parse(frame, self._clock.epoch_s()):
            match said:
                case BarClosed() | PriceSeen() | InstrumentAlive():
                    self._came(said.instrument.partition(":")[2])
                case SubscriptionRefused():
                    self._refused(said)
                case _:
                    pass
        if not self.waiting:
            self.all_here.set()

    def _came(self, symbol: str) -> None:
        if symbol in self.waiting:
            self.waiting.discard(symbol)
            self._found.symbols[symbol].first_frame_s = self._clock.monotonic_s() - self.opened_s

    def _refused(self, said: SubscriptionRefused) -> None:
        symbol = said.instrument.partition(":")[2]
        if symbol in self.waiting:
            self.waiting.discard(symbol)
            self._found.symbols[symbol].problems.append(f"subscription refused: {said.reason}")
        else:
            self._found.refusals.append(said.reason)
