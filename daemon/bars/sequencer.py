"""The machine between the feeds and the engine: puts live bars on the minute grid and seals the minutes.

No clock, no socket: messages go in with the time they came, time goes in by `advance`, and `Drained` comes
out. The rules, for every instrument alone:

- A minute is *resolved* when its bar is there, or history says that nobody traded. History is asked from
  `grace_seconds` after the minute's end on, for what is missing; a lost stream is polled the same way.
- A minute is *sealed* when every instrument that is awaited is resolved, or at `deadline_seconds`. It is
  never opened again. Rows go out in order: bars behind a gap wait until history has filled it.
- What is resolved after its minute was sealed goes out as `Backfill` before the next minute.
- A minute sealed when the one behind it is over already is `catch_up`: its orders could not be filled any
  more. Such minutes wait for history as long as it answers (`catch_up_seconds`).
- A halted instrument (no bar for `universe.halt_minutes`) and one whose history fails are not awaited.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from daemon.bars.asking import Answer, Ask, Asking
from daemon.bars.deadlines import Deadlines
from daemon.bars.drained import Drained
from daemon.bars.frame_counts import FrameCounts
from daemon.bars.lane import HELD_MINUTES, Lane, LaneCounts, LaneStart
from daemon.bars.lanes import Lanes
from daemon.bars.liveness import Liveness
from daemon.bars.noted import Noted
from daemon.bars.settled import backfill, fill, unfilled
from daemon.bars.streams import Streams
from daemon.events import MINUTE_MS, Backfill, FeedLost, FeedRestored, Instrument, Minutes
from daemon.feed import BarClosed, FeedMessage
from daemon.settings import Settings

TICK_MS: Final = 1_000
"""Longest time between two calls of `advance`."""

ASKED_MINUTES: Final = 1_000
"""Most minutes of one request, and most that history is read ahead of the seal: a page of most venues."""


class Sequencer:
    """Feeds' messages in, sealed minutes out.

    Args:
        settings: Its sections `sealing`, `universe` and `bars`.
        instruments: Of the run, sorted by name: the columns.
        feeds: By feed, the instruments it brings; together those of the run, each once.
        first_minute: The first minute to seal.
        now_ms: Epoch milliseconds.
        starts: Where instruments stand; default: nothing is known of them.
        lost: By feed, instruments that are lost as the run knows.
    """

    def __init__(
        self,
        settings: Settings,
        instruments: Sequence[Instrument],
        feeds: Mapping[str, Iterable[str]],
        first_minute: int,
        now_ms: int,
        *,
        starts: Mapping[str, LaneStart] | None = None,
        lost: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        self._lanes = Lanes(instruments, first_minute - 1, starts or {})
        self._streams = Streams(feeds, now_ms, lost or {})
        self._asking = Asking(settings.sealing)
        self._deadlines = Deadlines(settings.sealing, now_ms)
        self.reconfigure(settings)
        self._now_ms = self._looked_ms = now_ms
        self._sealed = first_minute - 1
        self._next = self._lanes.after(self._sealed)
        self._inputs: list[Minutes | Backfill | FeedLost | FeedRestored] = []
        self.noted = Noted()

    def reconfigure(self, settings: Settings) -> None:
        """Go on by other rules; what was asked for and what is known stays."""
        self._rules = settings.sealing
        self._asking.reconfigure(self._rules)
        self._deadlines.reconfigure(self._rules)
        self._halt_minutes = settings.universe.halt_minutes
        self._most_flat = settings.bars.max_synthetic_minutes if self._rules.empty == "flat" else 0

    def regroup(
        self,
        instruments: Sequence[Instrument],
        feeds: Mapping[str, Iterable[str]],
        starts: Mapping[str, LaneStart],
        now_ms: int,
    ) -> None:
        """Go on with other instruments from the next minute on; to be called when all is drained.

        Args:
            instruments: All of them, sorted by name.
            feeds: By feed, the instruments it brings from now on.
            starts: Where those stand that join; the others stay where they are.
            now_ms: Epoch milliseconds.
        """
        # Where all markets were closed, one that is open begins now, not when the others closed.
        before = max(self._sealed, min(self._next, now_ms // MINUTE_MS) - 1)
        for name in self._lanes.regroup(instruments, before, starts):
            self._asking.forget(name)
        self._streams.regroup(feeds, starts, now_ms)
        self._next = self._lanes.after(before)

    # --- what is known ---

    @property
    def counts(self) -> Mapping[str, LaneCounts]:
        """What came, by instrument."""
        return self._lanes.counts

    @property
    def departed(self) -> Mapping[str, int]:
        """What came of instruments that left, by what became of it (`LaneCounts.by_way`)."""
        return self._lanes.departed

    @property
    def heard_ms(self) -> Mapping[str, int]:
        """By feed, when anything last came; at first when it was first listened to."""
        return self._streams.heard_ms

    @property
    def lost(self) -> Mapping[str, int]:
        """By feed, how many instruments its stream does not deliver."""
        return self._streams.lost

    @property
    def frames(self) -> Mapping[str, FrameCounts]:
        """By feed, what came of its frames."""
        return self._streams.frames

    def in_session(self, now_ms: int) -> Mapping[str, tuple[int, int]]:
        """Return by feed how many of its instruments are in session, and how many of those are lost."""
        minute = now_ms // MINUTE_MS
        return self._streams.lost_among(lane.name for lane in self._lanes if minute in lane.minutes)

    def overdue_ms(self, now_ms: int) -> int:
        """Return how long ago the next minute to seal ended; below 0 before its end."""
        return now_ms - (self._next + 1) * MINUTE_MS

    @property
    def wake_ms(self) -> int:
        """When `advance` has to be called at the latest."""
        end = (self._next + 1) * MINUTE_MS
        due = (end, end + self._grace_ms, end + self._deadline_ms)
        return min([self._now_ms + TICK_MS, *(at for at in due if at > self._now_ms)])

    # --- what goes in ---

    def take(self, feed: str, message: FeedMessage, received_ms: int) -> None:
        """Take a message of a feed; one that has left may have some on their way."""
        if isinstance(message, BarClosed):
            live = self._streams.named(feed)
            if live is not None:
                self._take_bar(live, self._streams.frames[feed], message, received_ms)
        else:
            self._streams.take(feed, message, received_ms)

    def answer(self, answer: Answer, now_ms: int) -> None:
        """Take what history said."""
        ask = answer.ask
        lane = self._lanes.of(ask.instrument)
        if lane is None:
            return
        if answer.failure is not None:
            self._asking.failed(ask, now_ms)
            return
        halted = lane.idle >= self._halt_minutes
        self._asking.answered(ask, now_ms, wait_minutes=self._rules.halted_poll_minutes if halted else 0)
        self._deadlines.progress(now_ms)
        if answer.begins is not None:
            lane.give_up_to(min(answer.begins - 1, ask.last_minute))
            return
        for bar in answer.bars:
            if bar.instrument == ask.instrument and ask.first_minute <= bar.minute <= ask.last_minute:
                self._offer(lane, bar, now_ms, streamed=False)
        lane.declare(ask.last_minute)

    def advance(self, now_ms: int) -> None:
        """Let time pass, never backwards; seal what is due."""
        self._now_ms = max(self._now_ms, now_ms)
        if self._now_ms >= self._looked_ms + TICK_MS:
            self._looked_ms = self._now_ms
            self._streams.look(self._lanes, self._rules, self._now_ms)
        self._inputs += self._streams.news()
        self._ask()
        while self._is_due():
            self._seal()
            self._ask()

    def drain(self) -> Drained:
        """Hand over what came out."""
        drained = Drained(tuple(self._inputs), self._asking.drain(), self.noted.drain())
        self._inputs = []
        return drained

    # --- bars ---

    def _take_bar(self, live: Liveness, frames: FrameCounts, bar: BarClosed, received_ms: int) -> None:
        lane = self._lanes.of(bar.instrument)
        lag_ms = received_ms - (bar.minute + 1) * MINUTE_MS
        if lane is None or bar.problem() is not None or lag_ms < -self._rules.max_skew_seconds * 1000:
            frames.refused += 1
            if lane is not None:
                lane.counts.refused += 1
            return
        frames.lags_ms.append(lag_ms)
        live.hear(received_ms, bar.instrument)
        self._offer(lane, bar, received_ms, streamed=True)

    def _offer(self, lane: Lane, bar: BarClosed, received_ms: int, *, streamed: bool) -> None:
        if bar.minute not in lane.minutes or bar.problem() is not None:
            lane.counts.refused += 1
            return
        self.noted.unapplied(lane.take(bar, received_ms, streamed=streamed), bar, received_ms)

    # --- asking ---

    def _ask(self) -> None:
        """Ask history for what is open and should have come."""
        # Not far ahead of the seal: what has come waits in memory.
        ripe = min((self._now_ms - self._grace_ms) // MINUTE_MS - 1, self._next + ASKED_MINUTES - 1)
        for lane in self._lanes:
            if lane.resolve(ripe):
                continue
            if ripe - lane.known > HELD_MINUTES:
                lane.give_up_to(ripe - HELD_MINUTES)
            live = self._streams.of(lane.name)
            if not self._rules.confirm_empty and not live.is_lost(lane.name) and not lane.has_behind(ripe):
                lane.declare(ripe)
                continue
            span = lane.open_before(ripe)
            if span is None:
                continue
            waited = self._now_ms - (span[0] + 1) * MINUTE_MS
            if waited > self._rules.gap_minutes * MINUTE_MS and self._asking.is_failing(lane.name):
                lane.give_up()
            ask = Ask(live.feed, lane.name, span[0], min(span[1], span[0] + ASKED_MINUTES - 1))
            self._asking.want(ask, self._now_ms, urgent=lane.has_behind(span[0]))

    # --- sealing ---

    def _is_awaited(self, lane: Lane) -> bool:
        """Say whether the next minute waits for this lane."""
        if self._next not in lane.minutes or lane.idle >= self._halt_minutes:
            return False
        if not self._asking.is_failing(lane.name):
            return True
        # Without history only the stream can bring it, if nothing else is missing.
        return lane.resolve(self._next - 1) and not self._streams.is_lost(lane.name)

    def _is_due(self) -> bool:
        if self._deadlines.has_passed(self._next, self._now_ms):
            return True
        awaited = 0
        for lane in self._lanes:
            if self._is_awaited(lane):
                awaited += 1
                if not lane.resolve(self._next):
                    return False
        return awaited > 0 or self._deadlines.is_late(self._next, self._now_ms)

    def _seal(self) -> None:
        minute = self._next
        sealed = unfilled(minute, len(self._lanes), catch_up=self._deadlines.is_missed(minute, self._now_ms))
        for column, lane in enumerate(self._lanes):
            lane.resolve(minute)
            if lane.known < minute - 1 or lane.cursor < minute - 1:
                self._backfill(lane, minute - 1)
            for row in lane.settle(minute, self._most_flat):
                fill(sealed, column, row)
                self.noted.arrival(row)
        self._inputs.append(sealed)
        self._sealed, self._next = minute, self._lanes.after(minute)

    def _backfill(self, lane: Lane, minute: int) -> None:
        rows = list(lane.settle(minute, self._most_flat))
        if rows:
            self._inputs.append(backfill(lane.name, rows))
        for row in rows:
            self.noted.arrival(row)

    @property
    def _grace_ms(self) -> int:
        return int(self._rules.grace_seconds * 1000)

    @property
    def _deadline_ms(self) -> int:
        return int(self._rules.deadline_seconds * 1000)
