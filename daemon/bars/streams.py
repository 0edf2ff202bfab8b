"""The streams of a run's feeds: whose bars each brings, whether it does, and the frames it came in."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from daemon.bars.frame_counts import FrameCounts
from daemon.bars.lanes import Lanes
from daemon.bars.liveness import Liveness
from daemon.events import MINUTE_MS, FeedLost, FeedRestored
from daemon.feed import BarClosed, FeedMessage, FrameIgnored, FrameRefused, PriceSeen
from daemon.settings import SealingSettings

NOBODY: Final[frozenset[str]] = frozenset()


class Streams:
    """One liveness and one count of frames a feed. For the sequencer only.

    Args:
        feeds: By feed, the instruments it brings.
        now_ms: Epoch milliseconds.
        lost: By feed, instruments that are lost as the run knows.

    Attributes:
        frames: By feed, what came of its frames.
    """

    def __init__(
        self, feeds: Mapping[str, Iterable[str]], now_ms: int, lost: Mapping[str, Iterable[str]]
    ) -> None:
        self.frames: dict[str, FrameCounts] = {}
        self._live = {
            name: Liveness(name, brought, now_ms, lost.get(name, NOBODY)) for name, brought in feeds.items()
        }
        self._feed_of: dict[str, Liveness] = {}
        self.regroup(feeds, NOBODY, now_ms)

    def regroup(self, feeds: Mapping[str, Iterable[str]], joining: Collection[str], now_ms: int) -> None:
        """Go on with other instruments by feed; of those that join nothing is known."""
        self._live = {
            name: self._live[name].regrouped(brought, joining)
            if name in self._live
            else Liveness(name, brought, now_ms)
            for name, brought in feeds.items()
        }
        self._feed_of = {name: live for live in self._live.values() for name in live.instruments}
        self.frames = {name: self.frames.get(name, FrameCounts()) for name in feeds}

    def named(self, feed: str) -> Liveness | None:
        """Return a feed, if the run has it."""
        return self._live.get(feed)

    def of(self, instrument: str) -> Liveness:
        """Return the feed that brings an instrument."""
        return self._feed_of[instrument]

    def is_lost(self, instrument: str) -> bool:
        """Say whether its stream does not deliver an instrument."""
        return self._feed_of[instrument].is_lost(instrument)

    def lost_among(self, instruments: Iterable[str]) -> Mapping[str, tuple[int, int]]:
        """Return by feed how many of these instruments it brings, and how many of those are lost."""
        found = dict.fromkeys(self._live, (0, 0))
        for name in instruments:
            live = self._feed_of[name]
            n, lost = found[live.feed]
            found[live.feed] = n + 1, lost + live.is_lost(name)
        return found

    @property
    def heard_ms(self) -> Mapping[str, int]:
        """By feed, when anything last came; at first when it was first listened to."""
        return {name: live.heard_ms for name, live in self._live.items()}

    @property
    def lost(self) -> Mapping[str, int]:
        """By feed, how many instruments its stream does not deliver."""
        return {name: live.n_lost for name, live in self._live.items()}

    def take(self, feed: str, message: FeedMessage, received_ms: int) -> None:
        """Take a message of a feed that is no final bar."""
        live = self._live.get(feed)
        if live is None:
            return
        frames = self.frames[feed]
        match message:
            case PriceSeen():
                live.hear(received_ms)
            case FeedLost():
                frames.losses += 1
                live.lose(message.instruments, message.reason)
            case FeedRestored():
                live.regain(message.instruments, received_ms)
            case FrameRefused():
                frames.refused += 1
            case FrameIgnored():
                live.hear(received_ms)
                frames.ignore(message.name)
            case BarClosed():
                pass  # of an instrument: the sequencer takes it

    def news(self) -> list[FeedLost | FeedRestored]:
        """Return what the engine has to hear."""
        return [news for live in self._live.values() if (news := live.news()) is not None]

    def look(self, lanes: Lanes, rules: SealingSettings, now_ms: int) -> None:
        """Find silence, and instruments that only history brings."""
        silence_ms = int(rules.silence_seconds * 1000)
        now, then = now_ms // MINUTE_MS, (now_ms - silence_ms) // MINUTE_MS
        trading: set[str] = set()
        for lane in lanes:
            live = self._feed_of[lane.name]
            if lane.unheard >= rules.mute_minutes:
                lane.unheard = 0
                live.mute(lane.name)
            if now in lane.minutes and then in lane.minutes:
                trading.add(live.feed)
        for name in trading:
            self._live[name].find_silent(now_ms, silence_ms)
