"""Walks the digest chain from the header to the tip and gathers what the events on the way promise."""

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, Final, TypeVar

from adapters.tape.checksums import PARTS, PartsChecksums, differing_parts
from adapters.tape.findings import Finding
from adapters.tape.group import backfilled
from adapters.tape.pages import StoredBatch
from adapters.tape.pruned import kept_events
from adapters.tape.reader import TapeReader
from adapters.tape.universe import Universe
from daemon import chain
from daemon.errors import TapeDamagedError
from daemon.events import (
    BAR_RECORD,
    AnyEvent,
    Backfill,
    BatchRecord,
    EventRecord,
    ModelChanged,
    UniverseChanged,
)

Kind = TypeVar("Kind")
_TOLD_EVERY: Final = 256
_PRUNED: Final = "SELECT number FROM batch WHERE number <= ? ORDER BY number LIMIT 1"


class Walk:
    """One pass over the batches; `findings` runs it, the rest is known afterwards.

    Attributes:
        n_bars: Bars that were admitted by an input.
        is_whole: Every batch was there and could be read.
        joined: (seq, name, quote, tick, lot, calendar) of instruments that joined, by the id they must have.
    """

    def __init__(self, reader: TapeReader, progress: Callable[[int], None] | None) -> None:
        self._reader = reader
        self._progress = progress
        self._parts = PartsChecksums()
        self._kept: list[AnyEvent] = []
        self._universe = Universe.first(())
        # Digests that the next batch may follow: a damaged digest must not make every later batch a finding.
        self._previous: tuple[bytes, ...] = ()
        self.n_bars = 0
        self.is_whole = True
        self.joined: dict[int, tuple[Any, ...]] = {}

    def events_of(self, kind: type[Kind]) -> list[Kind]:
        """Return the events of a kind that stays known (changes of the model) in order."""
        return [event for event in self._kept if isinstance(event, kind)]

    def counted(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Pass packed bars on and count them as admitted."""
        for block in blocks:
            self.n_bars += len(block) // BAR_RECORD.itemsize
            yield block

    def findings(self) -> Iterator[Finding]:
        """Yield each batch that is missing, unreadable, or does not follow from the one before it."""
        number = yield from self._from_the_start()
        for (old,) in self._reader.fetch(_PRUNED, (number,)):
            yield Finding(f"batch {old} is there, though it was pruned", "batch", old)
        for batch in self._reader.stored(number):
            if batch.number != number + 1:
                yield Finding(f"batches {number + 1} to {batch.number - 1} are missing", "batch", number + 1)
                self._previous, self.is_whole = (), False
            number = batch.number
            yield from self._of_batch(batch)
            if self._progress and number % _TOLD_EVERY == 0:
                self._progress(number)
        yield from self._of_tip(number)

    def _from_the_start(self) -> Generator[Finding, None, int]:
        """Find the digest that the chain goes on from, and return the number of the batch that it is of."""
        self._universe = self._reader.universe_after(0)
        try:
            pruned = self._reader.pruned()
            self._previous = (pruned.digest if pruned else self._reader.genesis(),)
        except TapeDamagedError as error:
            yield Finding(f"where the chain starts is unknown: {error}", table="header")
            return 0
        if pruned is None:
            return 0
        for record in kept_events(self._reader, pruned.batch):
            event = chain.read_event(record)
            if isinstance(event, UniverseChanged):
                self._join(record.seq, event)
            elif isinstance(event, ModelChanged):
                self._kept.append(event)
        return pruned.batch

    def _of_batch(self, batch: StoredBatch) -> Iterator[Finding]:
        record, stored = batch.record, batch.digest
        if record is None:
            yield Finding(f"{batch.name} cannot be read: {batch.problem}", "batch", batch.number)
            self._previous = (stored,) if isinstance(stored, bytes) else ()
            self.is_whole = False
            return
        parts = batch.parts if isinstance(batch.parts, bytes) else b""
        changed = differing_parts(parts, self._parts.of(record))
        if not self._follows(record):
            what = f"{', '.join(changed)} changed" if changed else "it does not follow from what is before it"
            yield Finding(f"{batch.name} does not match its digest: {what}", "batch", batch.number, changed)
        elif changed or len(parts) != 2 * len(PARTS):
            what = "the checksums of its parts changed, the parts did not"
            yield Finding(f"{batch.name}: {what}", "batch", batch.number, ("parts",))
        self.n_bars += len(record.bars) // BAR_RECORD.itemsize
        for event in record.events:
            yield from self._of_event(batch, event)

    def _follows(self, record: BatchRecord) -> bool:
        """Whether the batch's digest is that of its content after one of the digests it may follow."""
        computed = tuple(chain.digest(digest, record) for digest in self._previous)
        follows = record.digest in computed or not computed
        self._previous = (record.digest,) if follows else (record.digest, *computed)
        return follows

    def _of_event(self, batch: StoredBatch, record: EventRecord) -> Iterator[Finding]:
        try:
            event = chain.read_event(record)
        except ValueError as error:
            yield Finding(f"{batch.name}: event {record.seq} cannot be read: {error}", "event", batch.number)
            return
        if isinstance(event, UniverseChanged):
            self._join(record.seq, event)
        elif isinstance(event, Backfill):
            yield from self._of_backfill(batch, record.seq, event)
        elif isinstance(event, ModelChanged):
            self._kept.append(event)

    def _join(self, seq: int, event: UniverseChanged) -> None:
        self._universe, fresh = self._universe.changed(event)
        for key, one in fresh.items():
            self.joined[key] = (seq, *one.to_text())

    def _of_backfill(self, batch: StoredBatch, seq: int, event: Backfill) -> Iterator[Finding]:
        if not event.bars:
            return
        key = self._universe.known.get(event.instrument, -1)
        stored = self._reader.admitted_bars(event.bars[0][0], event.bars[-1][0], seq)
        self.n_bars += len(stored) // BAR_RECORD.itemsize
        if key < 0 or stored != backfilled(event, key).tobytes():
            text = f"{batch.name}: the bars of backfill {seq} of {event.instrument} are not as the event says"
            yield Finding(text, "bar", batch.number)

    def _of_tip(self, number: int) -> Iterator[Finding]:
        tip = self._reader.tip()
        if tip is None:
            yield Finding("the end of the chain is missing", table="tip")
        elif tip[0] != number:
            yield Finding(
                f"the tape ends with batch {number}, it was written up to batch {tip[0]}", "tip", number
            )
        elif self._previous and tip[1] not in self._previous:
            yield Finding("the end of the chain is not the digest of the newest batch", "tip", number)
