"""Where a tape begins whose first batches were taken away, and what is kept of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from adapters.tape import schema
from adapters.tape.cells import Cell
from adapters.tape.checksums import row_checksum
from adapters.tape.records import event_of
from adapters.tape.statements import whole
from daemon.events import EventRecord

if TYPE_CHECKING:
    from adapters.tape.reader import TapeReader

OLD_EVENTS: Final = "SELECT * FROM event WHERE batch BETWEEN 1 AND ? ORDER BY seq"


@dataclass(frozen=True, slots=True)
class Pruned:
    """The end of what was taken away.

    Attributes:
        batch: Number of the newest batch that is gone; 0 while only warm-up bars are.
        seq: Its sequence number.
        minute: Its minute; of batch 0 the newest whose warm-up bars are gone.
        digest: Its digest: the chain goes on from it.
        events: Digest of the older events that stay (`kept_events`).
        life: What a report needs of all that is gone, beside the summaries of days.
        pruned_ms: When the last step of it was taken, epoch milliseconds.
    """

    batch: int
    seq: int
    minute: int
    digest: bytes
    events: str
    life: bytes
    pruned_ms: int

    @classmethod
    def of(cls, reader: "TapeReader") -> Self | None:
        """Read it; None from a tape that is whole.

        Raises:
            TapeDamagedError: It does not match its checksum.
        """
        rows = reader.fetch(whole(schema.pruned))
        if not rows:
            return None
        ((key, *cells, checksum),) = rows
        if row_checksum("pruned", (key, *cells)) != checksum:
            raise reader.damage("where it was pruned does not match its checksum")
        return cls(*cells)

    def row(self) -> tuple[Cell, ...]:
        """Return it as the row of its table."""
        cells = (1, self.batch, self.seq, self.minute, self.digest, self.events, self.life, self.pruned_ms)
        return (*cells, row_checksum("pruned", cells))


def day_summaries(reader: "TapeReader") -> Iterator[bytes]:
    """Yield what is kept of the days that are gone, ascending.

    Raises:
        TapeDamagedError: One does not match its checksum.
    """
    for day, content, checksum in reader.rows(whole(schema.day_summary)):
        if row_checksum("day_summary", (day, content)) != checksum:
            raise reader.damage(f"the summary of day {day} does not match its checksum")
        yield content


def kept_events(reader: "TapeReader", batch: int) -> tuple[EventRecord, ...]:
    """Return the events that stay of the batches up to `batch`, which are gone."""
    # Not streamed: a step of pruning must see what it has deleted itself.
    return tuple(event_of(row) for row in reader.fetch(OLD_EVENTS, (batch,)))
