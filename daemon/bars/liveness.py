"""Whether a feed's stream delivers: what it says of itself, its silence, what only history has.

A feed knows its venue and says itself what it lost and what is proven back. Beside that, a feed from which
nothing at all comes is lost until something comes, and an instrument whose traded bars only history has is
lost until its stream brings it.
"""

from collections.abc import Collection, Iterable

from daemon.events import FeedLost, FeedRestored


class Liveness:
    """One feed's stream, instrument by instrument.

    Args:
        feed: Its name.
        instruments: Of the run, that it brings.
        started_ms: When it was first listened to.
        lost: Instruments that were lost when the run was stopped; whatever comes first clears them.

    Attributes:
        heard_ms: When anything last came.
    """

    def __init__(
        self, feed: str, instruments: Iterable[str], started_ms: int, lost: Iterable[str] = ()
    ) -> None:
        self.feed = feed
        self.instruments = tuple(sorted(instruments))
        self.heard_ms = started_ms
        self._before = frozenset(lost)
        self._lost: set[str] = set()
        self._mute: set[str] = set()
        self._silent = False
        self._told = self._before
        self._reason = ""

    def is_lost(self, instrument: str) -> bool:
        """Say whether the stream does not deliver this instrument."""
        return self._silent or any(instrument in some for some in (self._lost, self._mute, self._before))

    @property
    def n_lost(self) -> int:
        """How many instruments the stream does not deliver."""
        return len(self._now)

    def regrouped(self, instruments: Iterable[str], joining: Collection[str]) -> "Liveness":
        """Bring other instruments from now on; of those that join nothing is known. Return itself."""
        self.instruments = tuple(sorted(instruments))
        stay = set(self.instruments) - set(joining)
        self._lost &= stay
        self._mute &= stay
        self._before, self._told = self._before & stay, self._told & stay
        return self

    def hear(self, received_ms: int, instrument: str | None = None) -> None:
        """Take note that something came; a final bar names its instrument, prices prove no bars."""
        self.heard_ms = max(self.heard_ms, received_ms)
        self._silent, self._before = False, frozenset()
        if instrument is not None:
            self._mute.discard(instrument)

    def lose(self, instruments: Collection[str], reason: str) -> None:
        """Take note that the feed says it lost these instruments; none named means all."""
        self._lost.update(set(instruments or self.instruments) & set(self.instruments))
        self._reason = reason

    def regain(self, instruments: Collection[str], now_ms: int) -> None:
        """Take note that the feed says these instruments are proven back; none named means all."""
        self.hear(now_ms)
        self._lost -= set(instruments or self.instruments)

    def find_silent(self, now_ms: int, silence_ms: int) -> None:
        """Call the feed lost if nothing has come for so long; to be asked while it should have something."""
        if now_ms - self.heard_ms > silence_ms and not self._silent:
            self._silent = True
            self._reason = f"connected, and silent for {silence_ms // 1000} s"

    def mute(self, instrument: str) -> None:
        """Call one instrument lost: history has its bars, the stream has not."""
        if not self.is_lost(instrument):
            self._mute.add(instrument)
            self._reason = f"{instrument} is in its history and not in its stream"

    def news(self) -> FeedLost | FeedRestored | None:
        """Return what the engine has to hear; None if it knows."""
        now = self._now
        if now == self._told:
            return None
        before, self._told = self._told, now
        if now:
            return FeedLost(feed=self.feed, instruments=tuple(sorted(now)), reason=self._reason)
        return FeedRestored(feed=self.feed, instruments=tuple(sorted(before)))

    @property
    def _now(self) -> frozenset[str]:
        if self._silent:
            return frozenset(self.instruments)
        return self._before | self._lost | self._mute
