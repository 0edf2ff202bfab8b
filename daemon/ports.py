"""What the core asks of the world, as Protocols in events and plain data. `adapters` implement them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from daemon.diagnostics import NO_DIAGNOSTICS, Diagnostics
from daemon.events import AnyEvent, BatchRecord, Instrument, Minutes, Snapshot
from daemon.feed import BarClosed, FeedMessage

Files = Mapping[str, bytes]
"""A model bundle: file name -> content."""

Submit = Callable[[AnyEvent], Awaitable[None]]
"""Lets an event into a run before the next minute; returns when it is durable."""

Figures = Mapping[str, Mapping[tuple[str, ...], float]]
"""A run in numbers: by family of metrics, by the values of its labels (`adapters.prometheus.families`)."""


class BarSource(Protocol):
    """Recorded bars of a fixed, sorted set of instruments, streamed in time order with bounded memory."""

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """The instruments, sorted by name: the columns of every block."""

    @property
    def first_minute(self) -> int:
        """Epoch minute of the first bar."""

    @property
    def last_minute(self) -> int:
        """Epoch minute of the last bar."""

    @property
    def fingerprint(self) -> str:
        """Hash of the source's content, for the tape to know it again."""

    def blocks(self, first_minute: int, last_minute: int, max_minutes: int) -> Iterator[Minutes]:
        """Yield the session minutes of [first_minute, last_minute] in blocks of at most `max_minutes`."""


class RunSource(BarSource, Protocol):
    """Recorded bars that a run plays, which also says what of them no run ever sees."""

    def outside(self, first_minute: int, last_minute: int) -> Mapping[str, int]:
        """Return by instrument how many bars of [first_minute, last_minute] lie outside its sessions."""


class Feed(Protocol):
    """Live bars of some of a run's instruments, over one or more connections that it keeps up by itself."""

    @property
    def name(self) -> str:
        """Names it in events, metrics and logs."""

    def messages(self) -> AsyncIterator[FeedMessage]:
        """Connect, and yield what comes, for ever: a connection that breaks is made again with backoff.

        A loss is a message (`FeedLost`), never an exception. Closing the iterator closes the sockets.
        """

    def regroup(self, instruments: Sequence[str]) -> None:
        """Bring these instruments (`venue:SYMBOL`) from now on instead, at least one.

        Connects for those that join and takes leave of the others; what it brings of those that stay goes on
        without a gap. May be called while `messages` runs, on its event loop, and before.
        """

    async def history(self, instrument: str, first_minute: int, last_minute: int) -> Sequence[BarClosed]:
        """Fetch the final bars of [first_minute, last_minute], ascending; minutes without one are absent.

        The instrument need not be one that it brings. Waits where the venue asks to (`Retry-After`) and tries
        again after what passes.

        Raises:
            HistoryTooOldError: The venue keeps nothing that old; says from which minute on it does.
            FeedError: The venue refuses for good (unknown symbol, ban) or does not answer; says why.
        """


class TapeWriter(Protocol):
    """The one writer of a tape. Everything given to one call is committed in one transaction."""

    def append(
        self,
        batches: Sequence[BatchRecord],
        snapshot: Snapshot | None = None,
        diagnostics: Diagnostics = NO_DIAGNOSTICS,
        models: Mapping[str, Files] | None = None,
    ) -> None:
        """Commit a group of batches, the snapshot after its last one, and what is kept beside them.

        Of `models`, bundles by version, those stay that the batches' `ModelChanged` bring in.

        Raises:
            TapeError: The group is not on the tape; the error says why (full disk, lost lock, ...).
        """

    def close(self) -> None:
        """Release the tape and its lock."""

    def __enter__(self) -> Self:
        """Return itself; leaving closes."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""


class TapeReader(Protocol):
    """Reads a tape, also while another process writes it."""

    def header(self) -> Mapping[str, str]:
        """What the run was made of: format version, run id, settings JSON, fingerprints, experts."""

    def instruments(self) -> tuple[Instrument, ...]:
        """The run's instruments by id (their position)."""

    def model_files(self, version: str | None = None) -> Files:
        """The files of a version of the model; default: of the one that traded from the start."""

    def warmup(self, max_minutes: int) -> Iterator[bytes]:
        """Yield the warm-up bars in packed `BAR_RECORD` blocks ascending by (minute, instrument)."""

    def batches(self, after: int = 0) -> Iterator[BatchRecord]:
        """Yield the batches with a number greater than `after`, ascending, with bounded memory."""

    def last_batch(self) -> BatchRecord | None:
        """Return the newest batch, or None."""

    def snapshot(self, at_most: int | None = None) -> Snapshot | None:
        """Return the newest snapshot (after batch `at_most` or earlier), or None."""


@dataclass(frozen=True, slots=True)
class ModelVersionRecord:
    """What a registry tells of one version of a model, without its files.

    Attributes:
        version: Its number.
        aliases: That point at it, sorted.
        registered_s: When it was registered, seconds since 1970.
        metrics: What training measured.
        parameters: What it was trained with, and on which range.
    """

    version: str
    aliases: tuple[str, ...]
    registered_s: int
    metrics: Mapping[str, float]
    parameters: Mapping[str, str]


class ModelStore(Protocol):
    """Where bundles live under names, versions and aliases."""

    def load(self, uri: str) -> tuple[str, Files]:
        """Return (version, files) of `models:/NAME@ALIAS`, `models:/NAME/VERSION` or a folder.

        Raises:
            ModelNotFoundError: There is none; says what there is.
        """

    def version_of(self, uri: str) -> str:
        """Return the version that `load` would return, without its files.

        Raises:
            ModelNotFoundError: There is none; says what there is.
        """

    def register(self, name: str, alias: str | None, files: Files, metrics: Mapping[str, float]) -> str:
        """Store a bundle under `name`, point `alias` at it, and return its version."""


class Clock(Protocol):
    """The only source of the machine's time."""

    def monotonic_s(self) -> float:
        """Seconds that never go back, from an unstated origin."""


class WallClock(Clock, Protocol):
    """A clock that also knows what time it is."""

    def epoch_s(self) -> float:
        """Seconds since 1970-01-01 UTC, as the machine has it; may jump."""


class LiveClock(WallClock, Protocol):
    """A clock that can be waited for: simulated time runs fast, a test's jumps."""

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC; may jump."""

    async def sleep(self, seconds: float) -> None:
        """Wait for so many of its seconds."""
