"""Takes the oldest batches away, a few at a time: a tape that grows for months stays within a size.

What stays, and why:

- the snapshots from a chosen one on: the run, and its verification, can be taken up at the oldest;
- the batches that this snapshot's windows look back on, whole: so the chain still proves them;
- the digest of the newest batch that is gone, from which the chain goes on;
- header, first instruments and first model: what the run was begun with; other models while something that
  stays names them; events that still matter (`_KEPT_KINDS`);
- what a report needs of what is gone: a summary of each day, and the state of the pass over all of it.

Each step is one transaction, so a kill leaves the tape before a step or after it, and both are whole tapes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final, Protocol

from adapters.tape import schema
from adapters.tape.beginning import events_digest
from adapters.tape.checksums import row_checksum
from adapters.tape.pruned import Pruned, kept_events
from adapters.tape.reader import TapeReader
from adapters.tape.records import PART_TABLES, event_of
from adapters.tape.writer import TapeWriter
from daemon import chain
from daemon.events import (
    ArithmeticChanged,
    Backfill,
    BatchRecord,
    ModelChanged,
    SettingsChanged,
    UniverseChanged,
    model_subject,
)

STEP_BARS: Final = 8_192
"""A step takes about so many bars away: some hundredths of a second."""

_KEPT_KINDS: Final = (UniverseChanged, SettingsChanged, ModelChanged, ArithmeticChanged)
"""Of the first and third every event stays, of the others the newest."""

_MODELS: Final = "SELECT * FROM event WHERE kind = ?"
_NEWEST_ONLY: Final = (SettingsChanged, ArithmeticChanged)


class Summaries(Protocol):
    """Takes what leaves the tape and keeps what a report needs of it."""

    def take(self, records: Sequence[BatchRecord]) -> None:
        """Take the next batches."""

    def ended_days(self) -> Iterator[tuple[int, bytes]]:
        """Hand out, and forget, the days that have ended: days since the epoch, and content."""

    def to_bytes(self) -> bytes:
        """Return the state of the pass, less the days that were handed out."""


@dataclass(frozen=True, slots=True)
class Goal:
    """How much is to be pruned.

    Attributes:
        snapshot: The batch of the snapshot that shall be the oldest.
        last: The newest batch that its windows do not need.
    """

    snapshot: int
    last: int


class Pruner:
    """Prunes the tape that a writer writes, on the writer's thread, between its groups.

    Args:
        tape: Its writer.
        summaries: Takes the pass up where the tape's batches begin.
        step_bars: About so many bars leave the tape in one step.
    """

    def __init__(
        self, tape: TapeWriter, summaries: Callable[[TapeReader], Summaries], step_bars: int = STEP_BARS
    ) -> None:
        self._database = tape.database
        self._reader = TapeReader(tape.place, tape.database)
        self._take_up = summaries
        self._step_bars = step_bars
        self._summaries: Summaries | None = None

    def step(self, goal: Goal, now_ms: int, at_least: int = 1) -> bool:
        """Take the next step towards a goal.

        Args:
            goal: Where to.
            now_ms: Epoch milliseconds.
            at_least: Take so many batches away, though they have more bars than a step usually takes.

        Returns:
            Whether there is more to do.

        Raises:
            TapeError: The step is not taken; says why.
        """
        try:
            with self._database.transaction():
                more = self._step(goal, now_ms, at_least)
        except BaseException:
            # The pass has gone on, the tape has not.
            self._summaries = None
            raise
        self._database.give_back()
        return more

    def _step(self, goal: Goal, now_ms: int, at_least: int) -> bool:
        pruned = self._reader.pruned()
        summaries = self._summaries = self._summaries or self._take_up(self._reader)
        if pruned is None:
            life = summaries.to_bytes()
            before, genesis = self._before_warmup(), self._reader.genesis()
            self._write(Pruned(0, 0, before, genesis, events_digest(()), life, now_ms))
            return True
        self._database.change("DELETE FROM snapshot WHERE batch < ?", (goal.snapshot,))
        if pruned.batch == 0 and self._prune_warmup(pruned, now_ms):
            return True
        if pruned.batch < goal.last:
            width = max(1, len(self._reader.universe_after(pruned.batch).names))
            n = min(max(at_least, self._step_bars // width), goal.last - pruned.batch)
            self._prune_batches(summaries, pruned, n, now_ms)
            return True
        self._forget_models(pruned)
        return False

    # --- the steps

    def _before_warmup(self) -> int:
        found = self._reader.warmup_event()
        return found[1].first_minute - 1 if found else 0

    def _prune_warmup(self, pruned: Pruned, now_ms: int) -> bool:
        """Take the next warm-up bars away; return whether there were any."""
        found = self._reader.warmup_event()
        if found is None or pruned.minute >= found[1].last_minute:
            return False
        seq, warmup = found
        width = max(1, len(self._reader.universe_after(0).names))
        last = min(warmup.last_minute, pruned.minute + max(1, self._step_bars // width))
        self._database.change(
            "DELETE FROM bar WHERE minute BETWEEN ? AND ? AND seq = ?", (pruned.minute + 1, last, seq)
        )
        self._write(replace(pruned, minute=last, pruned_ms=now_ms))
        return True

    def _prune_batches(self, summaries: Summaries, pruned: Pruned, n: int, now_ms: int) -> None:
        records = [batch.read() for batch in islice(self._reader.stored(pruned.batch, at_once=n), n)]
        if [record.batch for record in records] != list(range(pruned.batch + 1, pruned.batch + n + 1)):
            raise self._reader.damage(f"batches are missing after batch {pruned.batch}")
        summaries.take(records)
        for day, content in summaries.ended_days():
            row = (day, content)
            self._database.replace(schema.day_summary, [(*row, row_checksum("day_summary", row))])
        self._delete(pruned, records)
        last = records[-1]
        self._write(
            Pruned(
                batch=last.batch,
                seq=last.seq,
                minute=last.minute,
                digest=last.digest,
                events=events_digest(kept_events(self._reader, last.batch)),
                life=summaries.to_bytes(),
                pruned_ms=now_ms,
            )
        )

    def _delete(self, pruned: Pruned, records: Sequence[BatchRecord]) -> None:
        first, last = records[0], records[-1]
        span = (first.batch, last.batch)
        orders = [order.id for record in records for order in record.orders]
        if orders:
            self._database.change("DELETE FROM indication WHERE order_id <= ?", (max(orders),))
        for part in PART_TABLES:
            self._database.change(f"DELETE FROM {part.table.name} WHERE batch BETWEEN ? AND ?", span)  # noqa: S608 - our own table's name
        # A backfill that stays may have brought bars of these minutes, one that goes bars of earlier ones.
        minutes = (pruned.minute + 1, last.minute)
        self._database.change(
            "DELETE FROM bar WHERE minute BETWEEN ? AND ? AND seq <= ?", (*minutes, last.seq)
        )
        for record in records:
            for event in record.events:
                if event.kind == Backfill.__name__:
                    self._delete_backfilled(event.seq, chain.read_event(event))
            self._delete_refused(record)
        for table in (schema.revision, schema.arrival):
            self._database.change(f"DELETE FROM {table.name} WHERE minute <= ?", (last.minute,))  # noqa: S608 - as above
        self._delete_events(*span)
        self._database.change("DELETE FROM batch WHERE number BETWEEN ? AND ?", span)

    def _delete_backfilled(self, seq: int, event: object) -> None:
        if isinstance(event, Backfill) and event.bars:
            self._database.change(
                "DELETE FROM bar WHERE minute BETWEEN ? AND ? AND seq = ?",
                (event.bars[0][0], event.bars[-1][0], seq),
            )

    def _delete_refused(self, record: BatchRecord) -> None:
        """Take away models that were refused: with the batch goes what tells them from those that came."""
        subjects = {refusal.subject for refusal in record.refusals}
        for at in record.events if subjects else ():
            event = chain.read_event(at)
            if isinstance(event, ModelChanged) and model_subject(event.version) in subjects:
                self._database.change("DELETE FROM event WHERE seq = ?", (at.seq,))
                # Not streamed: it must see that this one is gone.
                rows = self._reader.fetch(_MODELS, (ModelChanged.__name__,))
                named = (chain.read_event(event_of(row)) for row in rows)
                versions = {other.version for other in named if isinstance(other, ModelChanged)}
                if event.version not in {*versions, self._reader.header()["model_version"]}:
                    self._delete_version(event.version)

    def _delete_version(self, version: str) -> None:
        self._database.change("DELETE FROM model_version WHERE version = ?", (version,))
        self._database.change("DELETE FROM model_file WHERE hash NOT IN (SELECT hash FROM model_version)", ())

    def _delete_events(self, first: int, last: int) -> None:
        kinds = tuple(kind.__name__ for kind in _KEPT_KINDS)
        places = ", ".join("?" * len(kinds))
        self._database.change(
            f"DELETE FROM event WHERE batch BETWEEN ? AND ? AND kind NOT IN ({places})",  # noqa: S608 - question marks
            (first, last, *kinds),
        )
        for kind in _NEWEST_ONLY:
            name = kind.__name__
            ((newest,),) = self._reader.fetch(
                "SELECT max(seq) FROM event WHERE batch BETWEEN 1 AND ? AND kind = ?", (last, name)
            )
            if newest is not None:
                self._database.change(
                    "DELETE FROM event WHERE batch BETWEEN 1 AND ? AND kind = ? AND seq < ?",
                    (last, name, newest),
                )

    def _forget_models(self, pruned: Pruned) -> None:
        """Take away the models that decided none of the batches that stay."""
        old = [event for event in kept_events(self._reader, pruned.batch) if event.kind == "ModelChanged"]
        versions = [event.version for event in map(chain.read_event, old) if isinstance(event, ModelChanged)]
        # The last of them decided the first batch that stays.
        gone = set(versions[:-1]) - {*versions[-1:], self._reader.header()["model_version"]}
        if not gone:
            return
        for record in self._reader.events_of(ModelChanged.__name__):
            event = chain.read_event(record)
            if record not in old and isinstance(event, ModelChanged):
                gone.discard(event.version)
        for record in old:
            event = chain.read_event(record)
            if isinstance(event, ModelChanged) and event.version in gone:
                self._database.change("DELETE FROM event WHERE seq = ?", (record.seq,))
        for version in gone:
            self._delete_version(version)
        self._write(replace(pruned, events=events_digest(kept_events(self._reader, pruned.batch))))

    def _write(self, pruned: Pruned) -> None:
        self._database.replace(schema.pruned, [pruned.row()])
