"""What comes out of the sequencer."""

from collections.abc import Sequence
from dataclasses import dataclass

from daemon.bars.asking import Ask
from daemon.diagnostics import Diagnostics
from daemon.events import Backfill, FeedLost, FeedRestored, Minutes


@dataclass(frozen=True, slots=True)
class Drained:
    """What came out since the last time.

    Attributes:
        inputs: For the engine, in order.
        asks: For the feeds' history.
        diagnostics: For the tape.
    """

    inputs: Sequence[Minutes | Backfill | FeedLost | FeedRestored]
    asks: Sequence[Ask]
    diagnostics: Diagnostics
