"""What a feed says, before the sequencer has put it on the minute grid: frozen, one message per fact.

Times are **minutes since the Unix epoch, UTC**, of a bar's open. Prices are quote currency per unit, volumes
base units. A message that stands here is already clean: finite, positive, consistent (`BarClosed.problem`).
"""

from dataclasses import dataclass
from math import inf, isnan, nan

from daemon.events import FeedLost, FeedRestored


@dataclass(frozen=True, slots=True)
class BarClosed:
    """A bar that its venue calls final.

    Attributes:
        instrument: `venue:SYMBOL`.
        minute: Epoch minute of its open.
        open: First price; `high`, `low`, `close` alike.
        volume: Base units traded.
        taker: Base units bought by takers; NaN where the venue does not say.
    """

    instrument: str
    minute: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    taker: float = nan

    def problem(self) -> str | None:
        """Return why this cannot be a bar, or None."""
        prices = (self.open, self.high, self.low, self.close)
        if not all(0.0 < price < inf for price in prices):
            return "prices must be positive and finite"
        if self.high < max(prices) or self.low > min(prices):
            return "open and close must lie between low and high"
        if not 0.0 <= self.volume < inf:
            return "volume must be finite and not negative"
        if not isnan(self.taker) and not 0.0 <= self.taker <= self.volume:
            return "taker volume must lie between 0 and the volume"
        return None


@dataclass(frozen=True, slots=True)
class PriceSeen:
    """A price of a minute that is not closed: a forming bar's newest, or a trade's.

    The first one after a decision's commit is published as an indication of its fill; any one proves that the
    stream delivers.
    """

    instrument: str
    minute: int
    price: float


@dataclass(frozen=True, slots=True)
class FrameRefused:
    """A frame, or a bar in one, that cannot be what it claims to be; nothing of it was taken.

    Attributes:
        feed: Its feed's name.
        reason: What is wrong, for a person; holds no secret.
        excerpt: Its beginning, at most 200 characters.
    """

    feed: str
    reason: str
    excerpt: str


@dataclass(frozen=True, slots=True)
class FrameIgnored:
    """A frame that is known and says nothing about bars; `name` says which, for the count."""

    feed: str
    name: str


FrameMessage = BarClosed | PriceSeen | FrameRefused | FrameIgnored
"""What a parser makes of a frame."""

FeedMessage = FrameMessage | FeedLost | FeedRestored
"""What a feed says."""
