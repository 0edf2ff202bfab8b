"""The control API of a live run, joined to it: what is published to it, and what it lets in.

The API answers on its own thread. After every batch this publishes what it says, whole and never changed
afterwards; pages come from the tape, read on a worker thread; orders are handed over to the run's event loop.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog

from adapters.control import answers as a
from adapters.control.address import bracketed
from adapters.control.app import control_app
from adapters.control.guard import Guard, Refused
from adapters.control.server import ControlServer
from adapters.host.log import without_passwords
from adapters.tape.newest import END, Spot, newest_decisions, newest_fills, newest_orders
from adapters.tape.reader import TapeReader
from daemon import __version__
from daemon.commands._control_orders import Commands
from daemon.commands._control_start import token_of
from daemon.commands._control_views import (
    decision_of,
    fill_of,
    masked,
    models_of,
    order_of,
    positions_of,
    state_of,
    vitals_of,
)
from daemon.commands._in_json import moment
from daemon.commands._surviving import Surviving
from daemon.errors import PapertapeError
from daemon.events import MINUTE_MS
from daemon.live import Onlookers
from daemon.settings import Settings, is_loopback

if TYPE_CHECKING:
    from daemon.commands._live import Session
    from daemon.events import BatchRecord
    from daemon.ports import LiveClock

VITALS_EVERY_S: Final = 1.0
"""Intervals cost milliseconds: they are made no more often than this."""

PATIENCE_S: Final = 10.0
"""A run that does not take an order over in so long hangs."""

MODELS_REFUSED: Final = 10
"""So many are remembered."""

SNAPSHOT_S: Final = 60.0
RELOAD_S: Final = 150.0
"""A change of what decides waits for its minute, which may wait for bars."""
LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})

Answer = TypeVar("Answer")


class Control:
    """What the API knows of a run; implements `adapters.control.run_port.RunPort`.

    Args:
        settings: That the run is started with.
        server: Has the address.

    Raises:
        ControlError: The token cannot be used.
    """

    _session: "Session"
    _clock: "LiveClock"
    _loop: asyncio.AbstractEventLoop
    _commands: Commands

    def __init__(self, settings: Settings, server: ControlServer) -> None:
        self._settings = settings
        self._server = server
        self._token = token_of(settings.control)
        self._readers = ThreadPoolExecutor(1, thread_name_prefix="control-tape")
        self._newest: BatchRecord | None = None
        self._vitals_due_s = 0.0
        self._guard: Guard | None = None
        self._ordered_s: float | None = None
        self._surviving = Surviving("control")
        self._refused_models: deque[tuple[str, str]] = deque(maxlen=MODELS_REFUSED)

    # --- on the run's event loop ---

    def joined(self, session: "Session", clock: "LiveClock", onlookers: Onlookers) -> Onlookers:
        """Join a run, and return onlookers that publish it to the API too."""
        self._session, self._clock, self._loop = session, clock, asyncio.get_running_loop()
        session.meter.control = self
        if session.shown is not None:
            session.shown.show_drops_of(self._surviving)
        session.models.heard_by.append(lambda *refused: self._refused_models.appendleft(refused))
        self._commands = Commands(session.engine, lambda event: session.live.submit(event))  # noqa: PLW0108 - `live` comes later
        return replace(onlookers, sinks=(*onlookers.sinks, self.see))

    def see(self, batches: "Sequence[BatchRecord]") -> None:
        """Publish what is so after these batches; a sink."""
        with self._surviving:
            if batches:
                self._newest = batches[-1]
            self._commands.see(batches)
            self._publish()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Answer requests while inside."""
        self._publish()
        host = self._settings.control.host
        loopback = is_loopback(host)
        hosts = LOOPBACK_NAMES | {bracketed(host).lower()} if loopback else None
        app = control_app(self, __version__)
        self._guard = Guard(app, token=self._token, hosts=hosts, open_reads=loopback)
        self._server.serve(self._guard)
        orders = "taken" if self._token else "refused: no token is set"
        structlog.get_logger().info("control", url=self._server.url, orders=orders)
        try:
            yield
        finally:
            self._commands.end()
            await asyncio.to_thread(self._server.stop)
            self._readers.shutdown(wait=False, cancel_futures=True)

    def figures(self) -> dict[str, dict[tuple[str, ...], float]]:
        """Return the API in numbers."""
        found: dict[str, dict[tuple[str, ...], float]] = {}
        if self._guard is not None:
            found["control_requests_total"] = {key: float(n) for key, n in dict(self._guard.counts).items()}
        if self._ordered_s is not None:
            found["control_last_command_timestamp_seconds"] = {(): self._ordered_s}
        return found

    def _publish(self) -> None:
        session = self._session
        engine, watcher = session.engine, session.watcher
        self._state = state_of(engine, watcher, session.live, self._newest, __version__)
        self._positions = positions_of(engine, watcher)
        watched = session.models
        self._models = models_of(engine, watched.uri, watched.challenger.figures, self._refused_models)
        if self._loop.time() >= self._vitals_due_s:
            self._vitals_due_s = self._loop.time() + VITALS_EVERY_S
            self._vitals = vitals_of(engine)

    # --- on the API's thread ---

    def state(self) -> a.State:
        """Return what the run is now."""
        state = self._state
        ended_ms = None if state.minute is None else round(1000 * state.minute.timestamp()) + MINUTE_MS
        age_s = None if ended_ms is None else (self._clock.now_ms() - ended_ms) / 1000
        return state.model_copy(
            update={
                "age_seconds": age_s,
                "queued_messages": self._session.live.queued,
                "waiting_commands": sum(one.status == "waiting" for one in self._commands.shown),
            }
        )

    def positions(self) -> a.Positions:
        """Return what is held."""
        return self._positions

    def vitals(self) -> a.Vitals:
        """Return whether the model works."""
        return self._vitals

    def models(self) -> a.Models:
        """Return what trades."""
        return self._models

    def settings(self) -> Mapping[str, Any]:
        """Return the settings in force, secrets masked."""
        plain = self._session.engine.run.settings.model_dump(mode="json")
        return masked(plain, without_passwords)

    def commands(self) -> tuple[a.Ordered, ...]:
        """Return the newest commands, newest first."""
        return self._commands.shown

    async def orders(self, before: str | None, limit: int, instrument: str | None) -> a.Orders:
        """Return orders of the tape."""
        found, following = await self._read(
            lambda reader: newest_orders(reader, _spot(before), limit, instrument)
        )
        return a.Orders(orders=[order_of(one) for one in found], before=_said(following))

    async def fills(self, before: str | None, limit: int, instrument: str | None) -> a.Fills:
        """Return fills of the tape."""
        found, following = await self._read(
            lambda reader: newest_fills(reader, _spot(before), limit, instrument)
        )
        return a.Fills(fills=[fill_of(one) for one in found], before=_said(following))

    async def decisions(self, before: str | None, limit: int, instrument: str | None) -> a.Decisions:
        """Return decisions of the tape."""
        found, following = await self._read(
            lambda reader: newest_decisions(reader, _spot(before), limit, instrument)
        )
        return a.Decisions(decisions=[decision_of(*one) for one in found], before=_said(following))

    async def order(self, command: a.CommandName, by: str, wait_seconds: float) -> a.Ordered:
        """Let a command in before the next minute."""
        asked = datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC)
        ordered = await self._in_run(
            self._commands.give(command, by, asked, wait_seconds), wait_seconds + PATIENCE_S
        )
        self._ordered_s = self._clock.epoch_s()
        return ordered

    async def reload(self, by: str) -> a.ReloadDone:
        """Read the settings again."""
        reloader = self._session.reloader
        if reloader is None:
            raise Refused(409, "this run reads no settings again", "the run", "start it with `papertape run`")
        # Once begun it is not given up, whether who asked for it waits any longer or not.
        done = await self._in_run(reloader.reload(f"control {by}".strip()), RELOAD_S)
        return a.ReloadDone(result=done.result, changed=list(done.changed), problems=list(done.problems))

    async def snapshot(self) -> a.SnapshotMade:
        """Make a snapshot now."""
        made = await self._in_run(self._session.live.snapshot(), SNAPSHOT_S)
        if made is None:
            raise Refused(409, "no minute has been decided yet", "the run", "try again in a minute")
        structlog.get_logger().info("control snapshot", batch=made.batch)
        return a.SnapshotMade(batch=made.batch, minute=moment(made.minute))

    async def _read(self, read: Callable[[TapeReader], Answer]) -> Answer:
        """Read the tape on the worker thread: one page at a time, however many ask."""

        def reading() -> Answer:
            with TapeReader(self._session.tape_place) as reader:
                return read(reader)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._readers, reading)
        except PapertapeError as error:
            raise Refused(
                503, str(error), "the tape", "try again; `papertape verify` checks a tape"
            ) from error
        except RuntimeError:
            raise _ending() from None

    async def _in_run(self, work: Coroutine[Any, Any, Answer], patience_s: float) -> Answer:
        """Have the run's event loop do something."""
        try:
            done = asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:
            work.close()
            raise _ending() from None
        try:
            return await asyncio.wait_for(asyncio.wrap_future(done), patience_s)
        except TimeoutError:
            raise Refused(
                503, f"the run did not answer within {patience_s:g} s", "the run", "see its log; try again"
            ) from None
        except asyncio.CancelledError:
            if done.cancelled():
                raise _ending() from None
            raise


def _ending() -> Refused:
    return Refused(503, "the run is ending", "the run", "ask again when it runs")


def _spot(before: str | None) -> Spot:
    if before is None:
        return END
    batch, _, position = before.partition(".")
    return int(batch), int(position)


def _said(spot: Spot | None) -> str | None:
    return None if spot is None else f"{spot[0]}.{spot[1]}"
