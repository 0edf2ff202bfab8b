"""Live bars of one venue: its connections, its history, and what a loss and a return are."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

import aiohttp

from adapters.exchanges.history import History, Patience
from adapters.exchanges.line import Line
from adapters.exchanges.lines import Lines
from adapters.exchanges.pacing import comes
from adapters.exchanges.venue import (
    InstrumentAlive,
    ReconnectAsked,
    Said,
    SubscriptionRefused,
    Venue,
)
from adapters.exchanges.watch import Watch
from daemon.errors import FeedError
from daemon.events import FeedLost, FeedRestored
from daemon.feed import BarClosed, FeedMessage, FrameRefused, PriceSeen
from daemon.ports import LiveClock

OnFrame = Callable[[str, bytes, float], None]


@dataclass(frozen=True, slots=True)
class FeedRules:
    """How a feed behaves, whatever its venue.

    Attributes:
        queue_frames: Frames read and not yet taken; when full, nothing more is read from the sockets.
        tick_s: How often time is looked at: for bars that close with it, and for silence.
        poll_s: How often history is asked for instruments that are lost.
        settle_s: How long returns are gathered, so that many come as one.
        history_lag_s: How long after a minute's end its bar may take to stand in the history.
        history_at_once: Requests for history that may be under way together.
        patience: How long to wait for a history.
    """

    queue_frames: int = 4096
    tick_s: float = 1.0
    poll_s: float = 15.0
    settle_s: float = 1.0
    history_lag_s: float = 2.0
    history_at_once: int = 8
    patience: Patience = field(default_factory=Patience)


class ExchangeFeed:
    """Implements `ports.Feed` for one venue.

    **Lost** is an instrument whose connection broke, that has been quiet for too long though connected (its
    venue lets every instrument speak every minute), or whose history holds bars that the stream did not bring
    (at other venues, where quiet may be true). While it is lost its history is polled, and the bars come as
    messages.

    **Restored** it is when its connection is open, it has spoken since, and the minutes in between have been
    asked for; those bars come before `FeedRestored`. Where an instrument may be quiet, the answered history
    alone proves it.

    Args:
        venue: What is peculiar to it.
        symbols: As the venue writes them.
        clock: The machine's.
        chance: For waits; seeded by whoever starts the process.
        rules: How it behaves.
        on_frame: Told of every frame as it came (venue, frame, seconds since 1970 UTC), before it is read.
    """

    def __init__(
        self,
        venue: Venue,
        symbols: Sequence[str],
        clock: LiveClock,
        chance: Random,
        rules: FeedRules | None = None,
        on_frame: OnFrame | None = None,
    ) -> None:
        self._venue = venue
        self._symbols = {f"{venue.name}:{symbol}": symbol for symbol in symbols}
        self._clock = clock
        self._chance = chance
        self._rules = rules or FeedRules()
        self._on_frame = on_frame
        self._parser = venue.parser(symbols)
        self._history = History(venue, clock, chance, self._refused_row, self._rules.patience)
        self._queue: asyncio.Queue[list[FeedMessage] | None] = asyncio.Queue(self._rules.queue_frames)
        self._watch = Watch(venue.name, self._symbols, venue.stream.quiet_after_s, clock.monotonic_s())
        self._covered = dict.fromkeys(self._symbols, self._last_over())
        self._wake = asyncio.Event()
        self._lines = Lines(venue, self._symbols, self, clock, chance)

    @property
    def name(self) -> str:
        """The venue's name (`Feed.name`)."""
        return self._venue.name

    async def messages(self) -> AsyncIterator[FeedMessage]:
        """Connect and yield what comes, for ever (`Feed.messages`)."""
        self._covered = dict.fromkeys(self._symbols, self._last_over())
        self._queue = asyncio.Queue(self._rules.queue_frames)
        working = asyncio.create_task(self._work())
        try:
            while (messages := await self._queue.get()) is not None:
                for message in messages:
                    yield message
            await working
        finally:
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working

    async def history(self, instrument: str, first_minute: int, last_minute: int) -> Sequence[BarClosed]:
        """Fetch final bars (`Feed.history`)."""
        last = min(last_minute, int(self._clock.epoch_s() // 60) - 1)
        # A bar that is not in the history yet must not look like one that never was.
        await self._clock.sleep((last + 1) * 60 + self._rules.history_lag_s - self._clock.epoch_s())
        async with self._history.session() as session:
            return await self._history.fetch(session, instrument.partition(":")[2], first_minute, last)

    def regroup(self, instruments: Sequence[str]) -> None:
        """Bring these instruments from now on instead (`Feed.regroup`)."""
        symbols = {name: name.partition(":")[2] for name in instruments}
        self._parser.follow(tuple(symbols.values()))
        self._watch.regroup(symbols, self._clock.monotonic_s())
        since = self._last_over()
        self._covered = {name: self._covered.get(name, since) for name in symbols}
        self._symbols = symbols
        self._lines.regroup(symbols)

    # --- Listener: what the lines tell

    async def frame(self, line: Line, frame: bytes) -> None:
        """Take a frame of a line (`Listener.frame`)."""
        received_s = self._clock.epoch_s()
        if self._on_frame is not None:
            self._on_frame(self.name, frame, received_s)
        await self._take(self._parser.parse(frame, received_s), line)

    async def up(self, line: Line) -> None:
        """Take note that a line is connected (`Listener.up`)."""
        self._watch.up(line.instruments, self._clock.monotonic_s())
        self._wake.set()

    async def down(self, line: Line, reason: str) -> None:
        """Take note that a line is not connected (`Listener.down`)."""
        await self._put(self._watch.down(line.instruments, f"not connected: {reason}"))

    # --- the tasks

    async def _work(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                self._lines.start(group)
                group.create_task(self._tick())
                group.create_task(self._recover())
        except Exception:
            # The reader must learn of a defect, or it would wait for ever.
            await self._queue.put(None)
            raise
        finally:
            self._lines.stop()

    async def _tick(self) -> None:
        """Close bars that close with time, and notice who has been quiet for too long."""
        while True:
            await self._clock.sleep(self._rules.tick_s)
            await self._take(self._parser.due(self._clock.epoch_s()), None)
            doubted = self._watch.doubted(self._clock.monotonic_s())
            if doubted and self._venue.stream.speaks_each_minute:
                reason = f"nothing for {self._venue.stream.quiet_after_s:g} s though connected"
                await self._put(self._watch.lose(doubted, reason))
                # Subscribed again on another connection: this one may never deliver them.
                self._lines.replace(doubted, reason)
                self._wake.set()

    async def _recover(self) -> None:
        """Ask history about everyone who is lost or doubted, and restore who is proven back."""
        async with self._history.session() as session:
            while True:
                await comes(self._wake, self._rules.poll_s, self._clock)
                await self._clock.sleep(self._rules.settle_s)
                self._wake.clear()
                suspects = {*self._watch.lost, *self._watch.doubted(self._clock.monotonic_s())}
                at_once = asyncio.Semaphore(self._rules.history_at_once)
                proven = await asyncio.gather(
                    *(self._prove(session, name, at_once) for name in sorted(suspects))
                )
                await self._put(self._watch.restore(name for name in proven if name is not None))

    async def _prove(
        self, session: aiohttp.ClientSession, instrument: str, at_once: asyncio.Semaphore
    ) -> str | None:
        """Fetch what an instrument may have missed; return it if it is proven to deliver again."""
        if instrument not in self._symbols:
            return None
        first, last = self._covered[instrument] + 1, self._last_over()
        answered = True
        bars: Sequence[BarClosed] = ()
        if first <= last:
            try:
                async with at_once:
                    bars = await self._history.fetch(session, self._symbols[instrument], first, last)
            except FeedError as problem:
                answered = False
                await self._put(FrameRefused(self.name, str(problem)[:200], ""))
            if instrument not in self._symbols:
                return None  # it left meanwhile
            if answered:
                self._covered[instrument] = max(last, self._covered[instrument])
        if not self._watch.is_lost(instrument):
            await self._judge_quiet(instrument, bars, answered=answered)
            return None
        await self._put(*bars)
        if instrument not in self._symbols:
            return None
        quiet_is_true = answered and not self._venue.stream.speaks_each_minute
        is_proven = self._watch.is_back(instrument) or (
            quiet_is_true and self._watch.is_connected(instrument)
        )
        return instrument if is_proven else None

    async def _judge_quiet(self, instrument: str, bars: Sequence[BarClosed], *, answered: bool) -> None:
        """Decide whether a quiet instrument is quiet or lost, by what its history holds that never came."""
        if any(bar.volume > 0.0 for bar in bars):
            reason = f"{len(bars)} bars in its history that the stream did not bring"
            await self._put(self._watch.lose((instrument,), reason), *bars)
        elif answered:
            self._watch.trust(instrument, self._clock.monotonic_s())

    # --- what is said

    async def _take(self, said: Iterable[Said], line: Line | None) -> None:
        """Pass on what was said to the daemon; do what was said to the shell."""
        messages: list[FeedMessage] = []
        for message in said:
            match message:
                case BarClosed() | PriceSeen():
                    self._heard(message)
                    messages.append(message)
                case InstrumentAlive():
                    self._spoke(message.instrument)
                case SubscriptionRefused():
                    messages.append(self._refused(message))
                    if message.instrument in self._symbols:
                        lost = self._watch.lose((message.instrument,), f"refused: {message.reason}")
                        messages += [lost] if lost else []
                case ReconnectAsked():
                    if line is not None:
                        line.replace(message.reason)
                case _:
                    messages.append(message)
        if messages:
            await self._queue.put(messages)

    def _heard(self, message: BarClosed | PriceSeen) -> None:
        name = message.instrument
        # While it is lost, history closes the hole first: a bar after the hole must not hide it.
        if isinstance(message, BarClosed) and not self._watch.is_lost(name):
            self._covered[name] = max(self._covered[name], message.minute)
        self._spoke(name)

    def _spoke(self, instrument: str) -> None:
        if self._watch.spoke(instrument, self._clock.monotonic_s()):
            self._wake.set()

    def _refused(self, refusal: SubscriptionRefused) -> FrameRefused:
        about = f" of {refusal.instrument}" if refusal.instrument else ""
        return FrameRefused(self.name, f"subscription{about} refused: {refusal.reason}"[:200], "")

    def _refused_row(self, refusal: FrameRefused) -> None:
        """Pass on a row of history that cannot be a bar, unless nobody takes messages."""
        with suppress(asyncio.QueueFull):
            self._queue.put_nowait([refusal])

    async def _put(self, *messages: FeedMessage | FeedLost | FeedRestored | None) -> None:
        if kept := [message for message in messages if message is not None]:
            await self._queue.put(kept)

    # --- what stands fixed

    def _last_over(self) -> int:
        """Return the newest minute that is over and may be expected in the history."""
        return int((self._clock.epoch_s() - self._rules.history_lag_s) // 60) - 1
