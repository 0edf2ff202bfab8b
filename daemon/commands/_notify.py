"""Direct notifications of a live run: what people are told, and over which channels."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog

from adapters.clock import SystemClock
from adapters.host.log import without_passwords
from daemon.commands._surviving import Surviving
from daemon.commands._task_beside import beside
from daemon.errors import UserError
from daemon.events import MINUTE_MS, BatchRecord, StateChange, TradingMode, VitalChange, VitalState
from daemon.live import Health, Notice, Onlookers, Pacing, ills
from daemon.ports import LiveClock
from daemon.settings import NoticeKind, Settings

if TYPE_CHECKING:
    from adapters.notify.channel import Channel
    from adapters.prometheus.server import MetricsServer
    from daemon.commands._live import Session
    from daemon.commands._reload import Reloaded

LOOK_S: Final = 1.0
LAST_S: Final = 2.0
"""So long the end of a run waits for its last message."""

SINK: Final = "notify"


class Notifier:
    """Tells people of a run. To be used on the event loop, which it never holds up.

    Args:
        settings: Of the run.
        channels: That have begun; none: nobody is told.
        health: Of the run.
        clock: The run's.
    """

    def __init__(
        self, settings: Settings, channels: "Sequence[Channel]", health: Health, clock: LiveClock
    ) -> None:
        self._run = settings.run.name
        self._lost_ms = int(MINUTE_MS * settings.notify.feed_lost_minutes)
        self._channels = channels
        self._health = health
        self._clock = clock
        self._machine = SystemClock()
        self._pacing = Pacing(settings.notify)
        self._standing: set[tuple[NoticeKind, str]] = set()
        self._lost_from_ms: dict[str, int] = {}
        self._session: Session | None = None
        self._surviving = Surviving(SINK)

    @property
    def drops(self) -> float:
        """Messages that were not delivered, or could not be made."""
        return float(self._surviving.drops + sum(channel.drops for channel in self._channels))

    def joined(self, onlookers: Onlookers) -> Onlookers:
        """Return onlookers of whom this is one."""
        return replace(onlookers, sinks=(*onlookers.sinks, self.see)) if self._channels else onlookers

    def attend(self, session: "Session") -> None:
        """Take note that the run is warm, and look at it from now on."""
        self._session = session
        session.models.heard_by.append(self._model_refused)
        if session.reloader is not None:
            session.reloader.heard_by.append(self._reloaded)
        engine = session.engine
        text = f"model {engine.run.model.version}, {len(engine.run.names)} instruments"
        self.say(Notice("run", "started", "started", text, is_bad=False))

    def say(self, notice: Notice) -> None:
        """Tell, if it is time for it."""
        with self._surviving:
            for one in self._pacing.take(notice, self._machine.monotonic_s()):
                self._send(one)

    def see(self, records: Sequence[BatchRecord]) -> None:
        """Tell of alarms and of moves of the trading state; a sink."""
        with self._surviving:
            for record in records:
                for vital in record.vitals:
                    self.say(_of_vital(vital))
                for change in record.changes:
                    self.say(_of_change(change))

    def look(self) -> None:
        """Tell of what lasts: feeds that are lost, a tape that cannot be written, a hang; and what waited."""
        with self._surviving:
            self._look()

    def _look(self) -> None:
        for notice in self._pacing.due(self._machine.monotonic_s()):
            self._send(notice)
        if self._session is None:
            return
        checks = self._health.readiness()
        self._stands(
            "tape", "tape", "tape cannot be written", None if checks["tape"].ok else checks["tape"].reason
        )
        self._stands("health", "progress", "no progress", "; ".join(ills(self._health.progress())) or None)
        now_ms = self._clock.now_ms()
        for feed, (n, lost) in self._session.live.sequencer.in_session(now_ms).items():
            if not lost:
                self._lost_from_ms.pop(feed, None)
            lasted_ms = now_ms - self._lost_from_ms.setdefault(feed, now_ms) if lost else -1
            text = f"{lost} of {n} instruments in session are lost for {lasted_ms // MINUTE_MS} minutes"
            self._stands("feed", feed, f"feed {feed} lost", text if lasted_ms >= self._lost_ms else None)

    def _stands(self, kind: NoticeKind, subject: str, title: str, reason: str | None) -> None:
        """Tell of something when it begins and when it is over."""
        about = (kind, subject)
        if reason is not None and about not in self._standing:
            self._standing.add(about)
            self.say(Notice(kind, subject, title, reason))
        elif reason is None and about in self._standing:
            self._standing.remove(about)
            self.say(Notice(kind, f"{subject} over", f"over: {title}", "it is well again", is_bad=False))

    def _reloaded(self, done: "Reloaded") -> None:
        if done.result == "rejected":
            text = "\n".join((*done.problems, "The old settings go on."))
            self.say(Notice("settings", text, "settings rejected", text))

    def _model_refused(self, version: str, reason: str) -> None:
        self.say(Notice("model", version, f"model {version} refused", f"{reason}\nThe old one goes on."))

    def _send(self, notice: Notice) -> None:
        from adapters.notify.channel import Message

        title, text = f"papertape {self._run}: {notice.title}", without_passwords(notice.text)
        message = Message(title, text, notice.is_bad)
        for channel in self._channels:
            channel.put(message)


def _of_vital(change: VitalChange) -> Notice:
    is_over = change.after is VitalState.CLEAR
    what = f"{change.vital} of {change.subject}"
    text = f"{change.cause}\nconsequences: {change.consequences or 'none'}"
    subject = f"{change.vital} {change.subject} {change.after.value} {change.consequences}"
    return Notice("alarm", subject, f"{'over' if is_over else 'alarm'}: {what}", text, is_bad=not is_over)


def _of_change(change: StateChange) -> Notice:
    title = f"trading state {change.after.value}"
    is_bad = change.after is not TradingMode.NORMAL
    text = f"{change.before.value} -> {change.after.value}: {change.cause}"
    return Notice("trading_state", f"{change.after.value} {change.cause}", title, text, is_bad=is_bad)


def open_channels(settings: Settings) -> "Sequence[Channel]":
    """Return the channels of the settings, not begun yet.

    Raises:
        UserError: What sends messages is not installed, or an address is none.
    """
    if settings.notify.urls is None:
        return ()
    try:
        from adapters.notify.channel import channels_of
    except ModuleNotFoundError as error:
        if error.name != "apprise":
            raise
        raise UserError(
            "notify.urls: this environment has no apprise, which is the extra `notify`: "
            "pip install 'papertape[notify]', or in its folder .venv/bin/python -m pip install apprise"
        ) from error
    return channels_of(settings.notify.urls.get_secret_value(), _tell_failure)


def _tell_failure(channel: str, seconds: float) -> None:
    structlog.get_logger().warning("notification_failed", channel=channel, seconds=round(seconds, 1))


@asynccontextmanager
async def notifying(
    settings: Settings, health: Health, clock: LiveClock, server: "MetricsServer | None"
) -> AsyncIterator[Notifier]:
    """Tell people of the run inside, and of its end.

    Raises:
        UserError: What sends messages is not installed, or an address is none.
    """
    channels = open_channels(settings)
    notifier = Notifier(settings, channels, health, clock)
    if not channels:
        yield notifier
        return
    if server is not None:
        server.watch_also("sink_drops_total", {(SINK,): lambda: notifier.drops})
    for channel in channels:
        channel.start()

    async def look() -> None:
        """Look at the run, for ever."""
        while True:
            notifier.look()
            await asyncio.sleep(LOOK_S)

    try:
        async with beside(look()):
            yield notifier
    except Exception as error:
        notifier.say(Notice("run", "failed", "ended by a failure", str(error) or type(error).__name__))
        raise
    else:
        notifier.say(Notice("run", "stopped", "stopped", "in an orderly way", is_bad=False))
    finally:
        await asyncio.gather(*(asyncio.to_thread(channel.close, LAST_S) for channel in channels))
