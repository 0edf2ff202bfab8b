"""What the shell must know of a venue: rules in numbers, a parser of its frames, its history's requests."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import msgspec

from daemon.feed import BarClosed, FrameMessage, FrameRefused

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class SubscriptionRefused:
    """The venue will not send what was asked for.

    Attributes:
        instrument: `venue:SYMBOL`; empty where the venue does not say which.
        reason: In the venue's words, shortened.
    """

    instrument: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReconnectAsked:
    """The venue is about to close this connection and asks for another one now."""

    reason: str


@dataclass(frozen=True, slots=True)
class InstrumentAlive:
    """The venue says that this instrument's subscription delivers, though nobody trades it."""

    instrument: str


Said = FrameMessage | SubscriptionRefused | ReconnectAsked | InstrumentAlive
"""What a frame says: to the daemon, or to the shell alone."""


@dataclass(frozen=True, slots=True)
class StreamRules:
    """A venue's websocket in numbers.

    Attributes:
        url: Where to connect.
        instruments_per_connection: More than these are spread over several connections.
        requests_per_s: Frames a client may send, with room left for pongs.
        connect_spacing_s: Least time between two connection attempts from one address.
        ping: Frame that keeps the connection alive from our side; None where the protocol's own pings do.
        ping_every_s: How often `ping` is sent.
        silent_after_s: A connection without any frame for so long is dead, however open it looks.
        quiet_after_s: An instrument without data for so long is doubted.
        speaks_each_minute: Whether every instrument has frames every minute, traded or not. Where it is so a
            doubted instrument is lost; elsewhere history is asked whether it missed anything.
        lifetime_s: A connection is replaced when it is so old: before the venue cuts it.
        max_frame_bytes: A larger frame ends the connection.
    """

    url: str
    instruments_per_connection: int
    requests_per_s: float
    connect_spacing_s: float = 1.0
    ping: bytes | None = None
    ping_every_s: float = 20.0
    silent_after_s: float = 60.0
    quiet_after_s: float = 130.0
    speaks_each_minute: bool = True
    lifetime_s: float = 23.5 * 3600
    max_frame_bytes: int = 1 << 20


@dataclass(frozen=True, slots=True)
class HistoryRules:
    """A venue's REST history in numbers.

    Attributes:
        url: Scheme and host, without a path.
        minutes_per_page: Minutes that one request may span.
        requests_per_s: Requests a second that stay well inside the venue's limit.
    """

    url: str
    minutes_per_page: int
    requests_per_s: float


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """A GET request: a path below `HistoryRules.url` and its query."""

    path: str
    query: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """What one answer held.

    Attributes:
        bars: Ascending; without the row that the venue itself says is forming.
        refused: Rows that cannot be bars.
        reach: Epoch minute before which the venue keeps nothing any more; None where it keeps everything.
    """

    bars: Sequence[BarClosed]
    refused: Sequence[FrameRefused] = ()
    reach: int | None = None


class HistoryRefusedError(Exception):
    """A venue's answer that holds no bars but says why; `passing` if it may answer later."""

    def __init__(self, reason: str, *, passing: bool = False) -> None:
        """Keep what the venue said."""
        super().__init__(reason)
        self.passing = passing


class Parser(Protocol):
    """Reads the frames of one feed, across all its connections; holds what it must remember of them."""

    def parse(self, frame: bytes, received_s: float) -> list[Said]:
        """Return what a frame says: never nothing, never an exception.

        Args:
            frame: As it came.
            received_s: Seconds since 1970 UTC by this machine's clock.
        """

    def follow(self, symbols: Sequence[str]) -> None:
        """Know these symbols from now on and no other; what is remembered of those that stay, stays."""

    def due(self, now_s: float) -> list[Said]:
        """Return the bars that have become final because time went on; `now_s` as `received_s`."""


class Venue(Protocol):
    """One venue (or one of its markets)."""

    @property
    def name(self) -> str:
        """What stands before the colon in its instruments' names."""

    @property
    def stream(self) -> StreamRules:
        """How its websocket wants to be used."""

    @property
    def history(self) -> HistoryRules:
        """How its REST history wants to be used."""

    def parser(self, symbols: Sequence[str]) -> Parser:
        """Make a parser that knows these symbols and no other."""

    def subscribe(self, symbols: Sequence[str]) -> list[bytes]:
        """Return the frames that subscribe to `symbols`, in batches that the venue takes."""

    def history_request(
        self, symbol: str, first_minute: int, last_minute: int, now_minute: int
    ) -> HistoryRequest:
        """Return the request for [first_minute, last_minute], at most `minutes_per_page` minutes.

        `now_minute` is the minute that runs: some venues keep the newest bars elsewhere.
        """

    def read_history(self, symbol: str, body: bytes) -> HistoryPage:
        """Read an answer, whatever its HTTP status was.

        Raises:
            HistoryRefusedError: It holds a refusal instead of bars, or is not the venue's own.
        """


def requests(items: Sequence[Item], most: int, frame: Callable[[Sequence[Item]], object]) -> list[bytes]:
    """Return the subscribing frames, as JSON, for batches of at most `most` items in their order."""
    return [msgspec.json.encode(frame(items[at : at + most])) for at in range(0, len(items), most)]
