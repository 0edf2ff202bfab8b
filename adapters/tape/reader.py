"""Reads a tape, also while its writer writes it. Memory is bounded: batches come in pages."""

from collections.abc import Container, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

from sqlalchemy import Table

from adapters.tape import schema
from adapters.tape.beginning import BEGIN_BATCH
from adapters.tape.cells import MalformedCellError, packed_bars, read_bytes, read_decimal, read_int, read_text
from adapters.tape.checksums import row_checksum
from adapters.tape.database import Database, Row
from adapters.tape.opening import open_for_reading
from adapters.tape.pages import StoredBatch, after_events, pages
from adapters.tape.place import Place
from adapters.tape.pruned import Pruned, day_summaries
from adapters.tape.records import event_of
from adapters.tape.seeking import batch_before, first_needed
from adapters.tape.statements import Statement, between, whole
from adapters.tape.universe import Universe
from daemon import chain, ports
from daemon.errors import SnapshotVersionError, TapeDamagedError, TapeVersionError
from daemon.events import BatchRecord, EventRecord, Instrument, Snapshot, UniverseChanged, Warmup
from daemon.snapshot import HEAD_BYTES, decode_snapshot, has_this_version

PAGE_BARS: Final = 16_384
"""About so many bars are in memory at a time."""

_NEWEST_SNAPSHOT: Final = "SELECT * FROM snapshot WHERE batch <= ? ORDER BY batch DESC LIMIT 1"
_SNAPSHOT_HEADS: Final = f"SELECT batch, substr(content, 1, {HEAD_BYTES}) FROM snapshot ORDER BY batch"  # noqa: S608 - a number of ours
_ADMITTED_BARS: Final = (
    "SELECT * FROM bar WHERE minute BETWEEN ? AND ? AND seq = ? ORDER BY minute, instrument"
)
_NEWEST_ROWS: Final = "SELECT * FROM bar WHERE minute >= ? ORDER BY minute DESC, instrument DESC"
_NEWEST_NUMBER: Final = "SELECT max(number) FROM batch"
_EVENTS_OF_KIND: Final = "SELECT * FROM event WHERE kind = ? ORDER BY seq"
_CHANGES_OF_UNIVERSE: Final = "SELECT * FROM event WHERE kind = ? AND batch BETWEEN 1 AND ? ORDER BY seq"
_ALL: Final = 2**63 - 1


class TapeReader(ports.TapeReader):
    """Reads the tape at `place`.

    Args:
        place: Where the tape is.
        database: The writer's own, to see what it has not committed; it is left open. Default: a new one.

    Raises:
        TapeVersionError: There is no tape, or one of another version.
        TapeDamagedError: Its pages cannot be read.
    """

    def __init__(self, place: Place, database: Database | None = None) -> None:
        self._place = place
        self._owned = database is None
        self._database = open_for_reading(place) if database is None else database

    @property
    def place(self) -> Place:
        """Where the tape is."""
        return self._place

    @property
    def database(self) -> Database:
        """What holds it, for those of this package that count and compare rows."""
        return self._database

    def close(self) -> None:
        """Let go of the tape, if the connection is this reader's own."""
        if self._owned:
            self._database.close()

    def __enter__(self) -> Self:
        """Return itself; leaving closes."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def header(self) -> Mapping[str, str]:
        """Return what the run was made of.

        Beside what `begin` was given: `model_version`, and `begin_events`, the digest of its events.
        """
        rows = self._checked(schema.header)
        return {
            self._cell(read_text, key, "header.key"): self._cell(read_text, value, f"header[{key!r}]")
            for key, value in rows
        }

    def instruments(self) -> tuple[Instrument, ...]:
        """Return the run's first instruments by id (their position)."""
        rows = [row for row in self._checked(schema.instrument) if row[1] == 0]
        if [row[0] for row in rows] != list(range(len(rows))):
            raise self.damage("instrument ids do not count up from 0")
        return tuple(
            Instrument(
                name=self._cell(read_text, name, "instrument.name"),
                quote=self._cell(read_text, quote, "instrument.quote"),
                tick=self._cell(read_decimal, tick, "instrument.tick"),
                lot=self._cell(read_decimal, lot, "instrument.lot"),
                calendar=self._cell(read_text, calendar, "instrument.calendar"),
            )
            for _, _, name, quote, tick, lot, calendar in rows
        )

    def names(self) -> dict[int, str]:
        """Return the name behind every id that the run ever gave."""
        rows = self._checked(schema.instrument)
        return {row[0]: self._cell(read_text, row[2], "instrument.name") for row in rows}

    def model_hashes(self, version: str | None = None) -> Mapping[str, str]:
        """Return the file names of a version of the model and the hex digests of their content.

        Default: the version that traded from the start. One that is not on the tape has no files.
        """
        version = self._model_version() if version is None else version
        return {name: digest for of, name, digest in self._checked(schema.model_version) if of == version}

    def model_files(
        self, version: str | None = None, only: Container[str] | None = None
    ) -> Mapping[str, bytes]:
        """Return the files of a version of the model; default: of the one that traded from the start.

        Args:
            version: Of the model.
            only: Names of the files that are read; default: all.
        """
        files = {}
        for name, digest in self.model_hashes(version).items():
            if only is not None and name not in only:
                continue
            rows = self.fetch("SELECT content FROM model_file WHERE hash = ?", (digest,))
            content = rows[0][0] if rows else None
            if not isinstance(content, bytes) or chain.content_digest(content) != digest:
                raise self.damage(f"file {name} of the model does not match its digest")
            files[name] = content
        return files

    def genesis(self) -> bytes:
        """Return the digest that the chain starts from, computed from the stored rows."""
        return chain.genesis(self.header(), self.instruments(), self.model_hashes())

    def tip(self) -> tuple[int, bytes] | None:
        """Return number and digest of the newest batch (0 and the genesis if none); None if never begun."""
        rows = self._checked(schema.tip)
        if not rows:
            return None
        ((_, number, digest),) = rows
        return self._cell(read_int, number, "tip.batch"), self._cell(read_bytes, digest, "tip.digest")

    def demand_begun(self) -> tuple[int, bytes]:
        """Return the tip of a tape that was begun.

        Raises:
            TapeVersionError: It was not: its writer stopped before it had anything to write.
        """
        tip = self.tip()
        if tip is None:
            message = (
                f"nothing is on the tape {self._place} yet: its run stopped before it began; start it again"
            )
            raise TapeVersionError(message)
        return tip

    def begin_events(self) -> tuple[EventRecord, ...]:
        """Return the events from before the first decided minute."""
        rows = self.fetch(between(schema.event, "batch"), (BEGIN_BATCH, BEGIN_BATCH))
        try:
            return tuple(event_of(row) for row in rows)
        except MalformedCellError as error:
            raise self.damage(str(error)) from error

    def warmup(self, max_minutes: int) -> Iterator[bytes]:
        """Yield the warm-up bars in packed `BAR_RECORD` blocks ascending by (minute, instrument)."""
        found = self.warmup_event()
        if found is None:
            return
        seq, event = found
        first = self._next_minute(event.first_minute)
        while first is not None and first <= event.last_minute:
            last = min(first + max_minutes - 1, event.last_minute)
            block = self.admitted_bars(first, last, seq)
            if block:
                yield block
            first = self._next_minute(last + 1)

    def warmup_event(self) -> tuple[int, Warmup] | None:
        """Return the sequence number and content of the event that tells of the warm-up bars."""
        for record in self.begin_events():
            if record.kind == Warmup.__name__:
                event = self._cell(lambda cell, _: chain.read_event(cell), record, f"event {record.seq}")
                if isinstance(event, Warmup):
                    return record.seq, event
        return None

    def admitted_bars(self, first_minute: int, last_minute: int, seq: int) -> bytes:
        """Return the bars of [first_minute, last_minute] that the input `seq` admitted, packed, by id."""
        rows = self.fetch(_ADMITTED_BARS, (first_minute, last_minute, seq))
        packed: bytes = self._cell(lambda cells, _: packed_bars(cells)[0].tobytes(), rows, "bar")
        return packed

    def pruned(self) -> Pruned | None:
        """Return where batches were taken away, or None from a tape that is whole."""
        return Pruned.of(self)

    def day_summaries(self) -> Iterator[bytes]:
        """Yield what is kept of the days whose batches are gone, ascending."""
        return day_summaries(self)

    def stored(self, after: int = 0, at_once: int | None = None) -> Iterator[StoredBatch]:
        """Yield the batches with a number greater than `after` as they stand, readable or not.

        Args:
            after: A batch's number.
            at_once: So many are read at once; default: about `PAGE_BARS` bars.
        """
        universe = self.universe_after(after)
        n_batches = at_once or max(1, PAGE_BARS // max(1, len(universe.names)))
        for page in pages(self._database, after, universe, n_batches):
            yield from page

    def batches(self, after: int = 0) -> Iterator[BatchRecord]:
        """Yield the batches with a number greater than `after`, ascending, with bounded memory.

        Those that were pruned are passed over.

        Raises:
            TapeDamagedError: One is missing or cannot be read; names batch and field.
        """
        pruned = self.pruned()
        after = max(after, pruned.batch if pruned else 0)
        for batch in self.stored(after):
            after += 1
            if batch.number != after:
                raise self.damage(f"batch {after} is missing")
            yield batch.read()

    def last_batch(self) -> BatchRecord | None:
        """Return the newest batch, or None."""
        ((newest,),) = self.fetch(_NEWEST_NUMBER)
        if newest is None:
            return None
        (batch,) = self.stored(newest - 1)
        return batch.read()

    def oldest_snapshot(self) -> Snapshot:
        """Return the oldest snapshot that this version reads.

        Raises:
            SnapshotVersionError: There is none.
            TapeDamagedError: It does not match its checksum.
        """
        for number, head in self.rows(_SNAPSHOT_HEADS):
            if has_this_version(head) and (found := self.snapshot(number)) is not None:
                return found
        raise SnapshotVersionError(
            f"the tape {self._place} has no snapshot that this papertape reads; use the one that wrote it"
        )

    def snapshot(self, at_most: int | None = None) -> Snapshot | None:
        """Return the newest snapshot (after batch `at_most` or earlier), or None.

        Raises:
            TapeDamagedError: It does not match its checksum.
        """
        rows = self.fetch(_NEWEST_SNAPSHOT, (_ALL if at_most is None else at_most,))
        if not rows:
            return None
        ((number, content, checksum),) = rows
        if row_checksum("snapshot", (number, content)) != checksum:
            raise self.damage(f"the snapshot after batch {number} does not match its checksum")
        return decode_snapshot(content)

    def events_of(self, kind: str) -> Iterator[EventRecord]:
        """Yield the events of one kind, ascending by sequence number."""
        for row in self.rows(_EVENTS_OF_KIND, (kind,)):
            yield self._cell(lambda cells, _: event_of(cells), row, "event")

    def batch_before(self, minute: int) -> int:
        """Return the number of the newest batch of an earlier minute than `minute`, or 0."""
        return batch_before(self._database, minute)

    def first_needed(self, minute: int, n_rows: int) -> int:
        """Return the latest minute from which on each lane has its newest `n_rows` bars up to `minute`.

        Bars that were refused do not count. Of an instrument that has fewer bars, all are needed.
        """
        ids = self.universe_after(self.batch_before(minute + 1)).ids
        try:
            return first_needed(self._database, minute, n_rows, ids)
        except MalformedCellError as error:
            raise self.damage(str(error)) from error

    def newest_rows(self, first_minute: int) -> Iterator[tuple[str, int, float, float, int]]:
        """Yield (instrument, minute, close, taker, flags) of the bars since `first_minute`, newest first.

        Of the instruments that the run has at the tape's end, since each joined.
        """
        tip = self.tip()
        universe = self.universe_after(tip[0] if tip else 0)
        names = dict(zip(universe.ids.tolist(), universe.names, strict=True))
        for row in self.rows(_NEWEST_ROWS, (first_minute,)):
            bar = self._cell(lambda cells, _: packed_bars([cells])[0][0], row, "bar")
            key = int(bar["instrument"])
            if key in names:
                yield (
                    names[key],
                    int(bar["minute"]),
                    float(bar["close"]),
                    float(bar["taker"]),
                    int(bar["flags"]),
                )

    def universe_after(self, number: int) -> Universe:
        """Return the universe after batch `number`."""
        universe = Universe.first(tuple(one.name for one in self.instruments()))
        rows = self.fetch(_CHANGES_OF_UNIVERSE, (UniverseChanged.__name__, number))
        try:
            return after_events(universe, tuple(event_of(row) for row in rows))
        except ValueError as error:
            raise self.damage(f"a change of the universe cannot be read: {error}") from error

    def fetch(self, statement: Statement, cells: Sequence[object] = ()) -> list[Row]:
        """Return what `Database.fetch` does."""
        return self._database.fetch(statement, cells)

    def rows(self, statement: Statement, cells: Sequence[object] = ()) -> Iterator[Row]:
        """Yield the rows of a statement with bounded memory."""
        return self._database.stream(statement, cells)

    def _next_minute(self, minute: int) -> int | None:
        """Return the first minute from `minute` on that has a bar: no time is spent on weekends or nights."""
        ((found,),) = self.fetch("SELECT min(minute) FROM bar WHERE minute >= ?", (minute,))
        return None if found is None else int(self._cell(read_int, found, "bar.minute"))

    def _model_version(self) -> str:
        version = self.header().get("model_version")
        if version is None:
            raise self.damage("its header names no model")
        return version

    def _checked(self, table: Table) -> list[tuple[Any, ...]]:
        """Return the rows of a table whose rows carry a checksum, without it."""
        rows = self.fetch(whole(table))
        for *cells, checksum in rows:
            if row_checksum(table.name, cells) != checksum:
                raise self.damage(f"row {cells[0]!r} of table {table.name} does not match its checksum")
        return [row[:-1] for row in rows]

    def _cell(self, read: Any, cell: Any, place: str) -> Any:
        try:
            return read(cell, place)
        except ValueError as error:
            raise self.damage(f"{place}: {error}") from error

    def damage(self, what: str) -> TapeDamagedError:
        """Return the error that says what of this tape is damaged."""
        return TapeDamagedError(
            f"the tape {self._place} is damaged: {what}; restore a copy, or replay it anew"
        )
