"""The live service: feeds -> one bounded queue -> sequencer -> engine on its own thread -> tape -> sinks.

One task per feed reads its messages, one task per request fetches history, one task ticks; a single loop
puts all of it through the sequencer and hands the sealed minutes to the engine. Nothing else touches either.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Final, TypeVar

from daemon.bars.asking import Answer, Ask
from daemon.bars.drained import Drained
from daemon.bars.sequencer import Sequencer
from daemon.diagnostics import NO_DIAGNOSTICS, Diagnostics
from daemon.engine import Engine
from daemon.errors import FeedError, PapertapeError
from daemon.events import MINUTE_MS, AnyEvent, BatchRecord, Minutes, Snapshot
from daemon.feed import PriceSeen
from daemon.indications import Indications
from daemon.live.fetching import Fetching
from daemon.live.listening import Listening
from daemon.live.loop_lag import LoopLag
from daemon.live.onlookers import NOBODY, Onlookers
from daemon.live.snapshots import SnapshotsAsked
from daemon.live.universe import UniverseChange, starts_after
from daemon.ports import Feed, LiveClock
from daemon.service import outcomes
from daemon.settings import SealingSettings, Settings

Done = TypeVar("Done")

LiveCommit = Callable[[Sequence[BatchRecord], Snapshot | None, Diagnostics], None]
"""Makes batches durable, the snapshot after the last of them, and what is kept beside them."""

CHUNK_ROWS: Final = 8_192
"""Bars decided at once while catching up; between two such chunks a stop is heard."""

COMMANDS_MOST: Final = 100
"""Most events from outside that wait for their minute; further ones are refused."""


class LiveRun:
    """A run on live feeds.

    Args:
        engine: At the tape's end.
        sequencer: At the minute behind it.
        feeds: By the names that the sequencer knows.
        clock: The time.
        rules: Section `sealing` of the settings.
        commit: Called on the engine's thread, before any sink sees what it is given.
        onlookers: Who sees it.

    Attributes:
        sequencer: Puts bars on the grid; read its counts, nothing else.
        indications: What first prices and fills came to.
        step_since_s: When the engine's thread was given what it works on, by the loop's time; None: it waits.
        loop_lag: How late the event loop is.
    """

    _trees: ThreadPoolExecutor

    def __init__(
        self,
        engine: Engine,
        sequencer: Sequencer,
        feeds: Mapping[str, Feed],
        clock: LiveClock,
        rules: SealingSettings,
        commit: LiveCommit,
        onlookers: Onlookers = NOBODY,
    ) -> None:
        self.sequencer = sequencer
        self.indications = Indications()
        self.loop_lag = LoopLag()
        self._engine = engine
        self._clock = clock
        self._commit = commit
        self._onlookers = onlookers
        self._listening = Listening(feeds, clock, rules.queue_messages, self._wake)
        self._fetching = Fetching(self._listening.feeds, clock, rules.history_requests)
        self._answers: deque[Answer] = deque()
        self._woken, self._idle = asyncio.Event(), asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._requests: dict[asyncio.Task[None], float] = {}
        self._events: list[AnyEvent] = []
        self._told: list[tuple[AnyEvent, asyncio.Future[None]]] = []
        self._changes: deque[tuple[UniverseChange, asyncio.Future[None]]] = deque()
        self._snapshots = SnapshotsAsked()
        self._diagnostics = NO_DIAGNOSTICS
        self.step_since_s: float | None = None
        self._chunk_minutes = max(1, CHUNK_ROWS // len(engine.run.names))

    @property
    def queued(self) -> int:
        """How many messages wait."""
        return self._listening.inbox.qsize()

    @property
    def feeds(self) -> Mapping[str, Feed]:
        """What is listened to."""
        return self._listening.feeds

    @property
    def fetching(self) -> int:
        """How many requests for history are under way."""
        return len(self._requests)

    async def settled(self, patience_s: float = 0.0) -> None:
        """Wait until all that has come is decided, and for history until `patience_s` after it was asked."""
        await self._idle.wait()
        loop = asyncio.get_running_loop()
        while young := {task: at for task, at in self._requests.items() if loop.time() < at + patience_s}:
            remaining_s = max(young.values()) + patience_s - loop.time()
            await asyncio.wait(tuple(young), timeout=max(0.0, remaining_s))
            await self._idle.wait()

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set; then finish the batch at hand, leave a snapshot and close the feeds.

        Raises:
            PapertapeError: It cannot go on (the tape cannot be written, ...); nothing uncommitted was seen.
        """
        failure: PapertapeError | None = None
        with (
            ThreadPoolExecutor(1, thread_name_prefix="engine") as thread,
            ThreadPoolExecutor(1, thread_name_prefix="trees") as self._trees,
        ):
            async with asyncio.TaskGroup() as group:
                self._listening.start(partial(self._start, group))
                self._start(group, self._tick())
                self._start(group, self.loop_lag.watch())
                self._start(group, self._hear(stop))
                try:
                    await self._work(stop, thread, group)
                except PapertapeError as error:
                    failure = error
                finally:
                    for task in tuple(self._tasks):
                        task.cancel()
        for _, told in (*self._told, *self._changes):
            told.cancel()
        self._snapshots.forget()
        if failure is not None:
            raise failure

    async def submit(self, event: AnyEvent) -> None:
        """Let an event (a command, new settings, ...) in before the next minute; return when it is durable.

        Raises:
            asyncio.CancelledError: The run ended before.
            FeedError: Too many events wait already.
        """
        if len(self._told) >= COMMANDS_MOST:
            raise FeedError(f"{COMMANDS_MOST} events wait for their minute already; try again later")
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._told.append((event, told))
        await told

    async def regroup(self, change: UniverseChange) -> None:
        """Go on with other instruments from the next minute on; return when that is durable.

        Raises:
            asyncio.CancelledError: The run ended before.
        """
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._changes.append((change, told))
        self._wake()
        await told

    async def snapshot(self) -> Snapshot | None:
        """Make a snapshot before the next minute; return it when it is durable, None before the first minute.

        Raises:
            asyncio.CancelledError: The run ended before.
        """
        return await self._snapshots.ask(self._wake)

    def reconfigure(self, settings: Settings) -> None:
        """Seal by other settings from now on; for the event loop's thread."""
        self.sequencer.reconfigure(settings)
        self._wake()

    def _start(self, group: asyncio.TaskGroup, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # --- what comes in ---

    async def _tick(self) -> None:
        """Wake the loop when time has something to say."""
        while True:
            wait_ms = self.sequencer.wake_ms - self._clock.now_ms()
            await self._clock.sleep(max(0.001, wait_ms / 1000))
            self._wake()

    async def _hear(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._wake()

    async def _fetch(self, ask: Ask) -> None:
        """Fetch what the sequencer wants to know."""
        self._answers.append(await self._fetching.answer(ask))
        self._wake()

    def _wake(self) -> None:
        self._idle.clear()
        self._woken.set()

    # --- what is made of it ---

    async def _work(self, stop: asyncio.Event, thread: ThreadPoolExecutor, group: asyncio.TaskGroup) -> None:
        while not stop.is_set():
            if not self._woken.is_set():
                self._idle.set()
            await self._woken.wait()
            self._woken.clear()
            self._take_in()
            self.sequencer.advance(self._clock.now_ms())
            drained = self.sequencer.drain()
            for ask in drained.asks:
                request = self._start(group, self._fetch(ask))
                self._requests[request] = asyncio.get_running_loop().time()
                request.add_done_callback(self._requests.pop)
            await self._decide(drained, stop, thread)
            self._change_universe(group)
            await self._snapshots.answer(lambda: self._leave_snapshot(thread))
        await self._leave_snapshot(thread)

    def _take_in(self) -> None:
        """Put what waits through the sequencer: no more than the queue held when it was looked at."""
        inbox = self._listening.inbox
        for _ in range(inbox.qsize()):
            name, message, received_ms = inbox.get_nowait()
            if isinstance(message, PriceSeen):
                seen = self.indications.see(message, received_ms)
                if seen is not None:
                    self._keep(Diagnostics(indications=(seen,)))
                    for show in self._onlookers.indicated:
                        show(seen)
            self.sequencer.take(name, message, received_ms)
        while self._answers:
            self.sequencer.answer(self._answers.popleft(), self._clock.now_ms())

    def _change_universe(self, group: asyncio.TaskGroup) -> None:
        """Let a change of the universe in, where nothing is left for the engine and the one before is in.

        Not while minutes are caught up: who leaves would be closed at a price of long ago.
        """
        run, now_ms = self._engine.run, self._clock.now_ms()
        behind = self.sequencer.overdue_ms(now_ms) >= MINUTE_MS
        if not self._changes or behind or tuple(self.sequencer.counts) != run.names:
            return
        change, told = self._changes.popleft()
        backfills = change.backfills(self._engine.state.recent)
        instruments = change.after(run.instruments)
        self.sequencer.regroup(
            instruments,
            {name: brought for name, (_, brought) in change.feeds.items()},
            starts_after(backfills),
            now_ms,
        )
        for feed, brought in change.feeds.values():
            feed.regroup(brought)
        feeds = {name: feed for name, (feed, _) in change.feeds.items()}
        self._listening.regroup(feeds, partial(self._start, group))
        self._events += [change.event, *(one for one in backfills if one.bars)]
        self._told.append((change.settings, told))
        self._chunk_minutes = max(1, CHUNK_ROWS // len(instruments))

    async def _decide(self, drained: Drained, stop: asyncio.Event, thread: ThreadPoolExecutor) -> None:
        """Give the engine what is sealed; an event waits here for its minute, whose batch keeps it."""
        self._keep(drained.diagnostics)
        minutes: list[Minutes] = []
        for item in drained.inputs:
            if isinstance(item, Minutes):
                minutes.append(item)
                if len(minutes) < self._chunk_minutes:
                    continue
            await self._decide_minutes(minutes, thread)
            minutes = []
            if stop.is_set():
                return
            if not isinstance(item, Minutes):
                self._events.append(item)
        await self._decide_minutes(minutes, thread)

    async def _decide_minutes(self, minutes: list[Minutes], thread: ThreadPoolExecutor) -> None:
        if not minutes:
            return
        told, self._told = self._told, []
        events = [*self._events, *(event for event, _ in told)]
        self._events = []
        whole = minutes[0] if len(minutes) == 1 else Minutes.concat(minutes)
        try:
            records = await self._in(thread, lambda: self._step(events, whole))
        except BaseException:
            for _, future in told:
                future.cancel()
            raise
        for _, future in told:
            if not future.done():
                future.set_result(None)
        self.indications.commit(records, self._clock.now_ms())
        for sink in self._onlookers.sinks:
            sink(records)

    def _step(self, events: Sequence[AnyEvent], minutes: Minutes) -> Sequence[BatchRecord]:
        """Decide and commit; on the engine's thread."""
        timed = self._onlookers.timed
        decided: list[BatchRecord] = []
        for records, snapshot in outcomes(self._engine, iter([*events, minutes]), self._trees, timed):
            with timed("commit"):
                self._commit(records, snapshot, self._take_diagnostics())
            decided += records
        return decided

    async def _leave_snapshot(self, thread: ThreadPoolExecutor) -> Snapshot | None:
        def leave() -> Snapshot | None:
            snapshot = self._engine.snapshot()
            self._commit((), snapshot, self._take_diagnostics())
            return snapshot

        return await self._in(thread, leave)

    async def _in(self, thread: ThreadPoolExecutor, work: Callable[[], Done]) -> Done:
        """Run on the engine's thread to its end, also if this task is cancelled meanwhile."""
        loop = asyncio.get_running_loop()
        self.step_since_s = loop.time()
        running = loop.run_in_executor(thread, work)
        try:
            return await asyncio.shield(running)
        finally:
            self.step_since_s = None

    def _keep(self, more: Diagnostics) -> None:
        """Let diagnostics wait for the next commit."""
        if more:
            kept = self._diagnostics
            self._diagnostics = replace(
                kept,
                bars=(*kept.bars, *more.bars),
                arrivals=(*kept.arrivals, *more.arrivals),
                indications=(*kept.indications, *more.indications),
            )

    def _take_diagnostics(self) -> Diagnostics:
        kept, self._diagnostics = self._diagnostics, NO_DIAGNOSTICS
        return kept
