"""Whether a feed's stream delivers: what it says of itself, its silence, what only history has.

A feed that is connected but silent is lost. It is back when a bar or a price comes by the stream again.
"""

from collections.abc import Collection, Iterable

from daemon.events import FeedLost, FeedRestored


class Liveness:
    """One feed's stream, instrument by instrument.

    Args:
        feed: Its name.
        instruments: Of the run, that it brings.
        started_ms: When it was first listened to.
        lost: Instruments that were lost when the run was stopped.
    """

    def __init__(
        self, feed: str, instruments: Iterable[str], started_ms: int, lost: Iterable[str] = ()
    ) -> None:
        self.feed = feed
        self.instruments = tuple(sorted(instruments))
        self.heard_ms = started_ms
        self._told: frozenset[str] = frozenset(lost)
        # By instrument that is lost: whether its connection is said to be back, so that a message proves it.
        self._lost: dict[str, bool] = dict.fromkeys(self._told, True)
        # By instrument of them: those whose connection is the same, so that one message proves all.
        self._group = dict.fromkeys(self._told, self._told)
        self._mute: set[str] = set()
        self._reason = ""

    def is_lost(self, instrument: str) -> bool:
        """Say whether the stream does not deliver this instrument."""
        return instrument in self._lost or instrument in self._mute

    @property
    def n_lost(self) -> int:
        """How many instruments the stream does not deliver."""
        return len(self._now)

    def hear(self, instrument: str, received_ms: int) -> None:
        """Take note of a bar or a price that came by the stream."""
        self.heard_ms = max(self.heard_ms, received_ms)
        self._mute.discard(instrument)
        if self._lost.get(instrument):
            for name in self._group[instrument]:
                if self._lost.get(name):
                    del self._lost[name], self._group[name]

    def lose(self, instruments: Collection[str], reason: str) -> None:
        """Take note that the feed says it lost these instruments; none named means all."""
        named = set(instruments) & set(self.instruments) if instruments else set(self.instruments)
        self._lost.update(dict.fromkeys(named, False))
        for name in named:
            self._group.pop(name, None)
        self._reason = reason

    def reconnect(self, instruments: Collection[str], now_ms: int) -> None:
        """Take note that the feed says these instruments are back: the next message proves it."""
        named = frozenset(instruments) & self._lost.keys() if instruments else frozenset(self._lost)
        for name in named:
            self._lost[name] = True
            self._group[name] = named
        self.heard_ms = max(self.heard_ms, now_ms)

    def find_silent(self, now_ms: int, silence_ms: int, trading: Collection[str]) -> None:
        """Call the stream lost where nothing has come for `silence_ms` of instruments that trade."""
        quiet = [name for name in trading if name not in self._lost]
        if quiet and now_ms - self.heard_ms > silence_ms:
            group = frozenset(self.instruments) - {n for n, back in self._lost.items() if not back}
            self._lost.update(dict.fromkeys(group, True))
            self._group.update(dict.fromkeys(group, group))
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
        return frozenset(self._lost) | frozenset(self._mute)
