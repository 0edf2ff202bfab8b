"""What a feed's frames came to, and what its venue's clock says of the machine's."""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final

LAGS: Final = 64
"""The clock skew is looked for in so many bars of a feed."""

NAMES_MOST: Final = 100
"""Most different names of ignored frames that are counted apart; the others are counted together."""

OTHERS: Final = "other"


@dataclass(slots=True)
class FrameCounts:
    """Frames of one feed.

    Attributes:
        refused: Frames or bars that could not be what they claimed.
        losses: How often the feed said that it lost something.
        ignored: Known frames that say nothing of bars, by name.
        lags_ms: Of the last streamed bars: when they came less when their minute ended.
    """

    refused: int = 0
    losses: int = 0
    ignored: Counter[str] = field(default_factory=Counter)
    lags_ms: deque[int] = field(default_factory=lambda: deque(maxlen=LAGS))

    def ignore(self, name: str) -> None:
        """Count a frame that says nothing of bars."""
        self.ignored[name if name in self.ignored or len(self.ignored) < NAMES_MOST else OTHERS] += 1

    @property
    def skew_ms(self) -> int | None:
        """Least lag lately: negative, the machine's clock is behind; large, it is ahead or the feed slow."""
        return min(self.lags_ms, default=None)
