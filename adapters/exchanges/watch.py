"""Which instruments of a feed deliver: a machine without input and output, told what came and when."""

from collections.abc import Iterable
from dataclasses import dataclass

from daemon.events import FeedLost, FeedRestored


@dataclass(slots=True)
class _Heard:
    """What is known of one instrument.

    Attributes:
        spoke_s: When it last proved that it delivers, or was given time to.
        is_lost: It was reported lost and not restored.
        is_back: It has spoken since its connection came up.
        is_connected: Its connection is open.
    """

    spoke_s: float
    is_lost: bool = False
    is_back: bool = False
    is_connected: bool = False


class Watch:
    """Knows of every instrument when it last delivered and whether it counts as lost.

    Times are seconds of a clock that never goes back. Every change is reported once: a loss when it is
    noticed, a return when it is proven.

    Args:
        feed: Name in the events.
        instruments: `venue:SYMBOL` of all.
        quiet_after_s: Without data for so long a connected instrument is doubted.
        now_s: When watching begins.
    """

    def __init__(self, feed: str, instruments: Iterable[str], quiet_after_s: float, now_s: float) -> None:
        self._feed = feed
        self._quiet_after_s = quiet_after_s
        self._heard = {name: _Heard(now_s) for name in instruments}

    def regroup(self, instruments: Iterable[str], now_s: float) -> None:
        """Watch these instruments instead; of those that join nothing is known yet."""
        self._heard = {name: self._heard.get(name) or _Heard(now_s) for name in instruments}

    def spoke(self, instrument: str, now_s: float) -> bool:
        """Note that an instrument delivered; return whether that is a lost one's first word."""
        heard = self._heard[instrument]
        heard.spoke_s = now_s
        returns = heard.is_lost and not heard.is_back
        heard.is_back = True
        return returns

    def up(self, instruments: Iterable[str], now_s: float) -> None:
        """Note that the connection of these is open: they have time to speak from now on."""
        for name in instruments:
            heard = self._heard[name]
            heard.spoke_s, heard.is_back, heard.is_connected = now_s, False, True

    def down(self, instruments: Iterable[str], reason: str) -> FeedLost | None:
        """Note that no connection of these is open; return the loss of those not lost already."""
        names = tuple(instruments)
        for name in names:
            self._heard[name].is_connected = False
        return self.lose(names, reason)

    def lose(self, instruments: Iterable[str], reason: str) -> FeedLost | None:
        """Return the loss of those of the instruments that are not lost already."""
        lost = tuple(name for name in instruments if not self._heard[name].is_lost)
        for name in lost:
            self._heard[name].is_lost, self._heard[name].is_back = True, False
        return FeedLost(feed=self._feed, instruments=lost, reason=reason) if lost else None

    def doubted(self, now_s: float) -> tuple[str, ...]:
        """Return the connected instruments that have been quiet for too long and are not lost."""
        return tuple(
            name
            for name, heard in self._heard.items()
            if heard.is_connected and not heard.is_lost and now_s - heard.spoke_s >= self._quiet_after_s
        )

    def trust(self, instrument: str, now_s: float) -> None:
        """Note that a quiet instrument was found to have missed nothing."""
        self._heard[instrument].spoke_s = now_s

    def is_lost(self, instrument: str) -> bool:
        """Return whether an instrument counts as lost."""
        return self._heard[instrument].is_lost

    def is_back(self, instrument: str) -> bool:
        """Return whether an instrument has spoken since its connection came up or it was lost."""
        heard = self._heard[instrument]
        return heard.is_connected and heard.is_back

    def is_connected(self, instrument: str) -> bool:
        """Return whether an instrument's connection is open."""
        return self._heard[instrument].is_connected

    @property
    def lost(self) -> tuple[str, ...]:
        """The instruments that count as lost."""
        return tuple(name for name, heard in self._heard.items() if heard.is_lost)

    def restore(self, instruments: Iterable[str]) -> FeedRestored | None:
        """Return the return of those of the instruments that were lost."""
        back = tuple(name for name in instruments if name in self._heard and self._heard[name].is_lost)
        for name in back:
            self._heard[name].is_lost = False
        return FeedRestored(feed=self._feed, instruments=back) if back else None
