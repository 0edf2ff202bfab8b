"""The first half of verification: every stored row is hashed again. Any machine can; no model is computed."""

from collections.abc import Callable, Iterator
from typing import Final

from sqlalchemy import Table

from adapters.tape import schema
from adapters.tape.beginning import BEGIN_BATCH, EVENTS_KEY, events_digest
from adapters.tape.checksums import row_checksum
from adapters.tape.findings import Finding
from adapters.tape.pruned import kept_events
from adapters.tape.reader import TapeReader
from adapters.tape.records import PART_TABLES
from adapters.tape.statements import whole
from adapters.tape.walk import Walk
from daemon import chain
from daemon.errors import TapeError
from daemon.events import ModelChanged

_CHECKED: Final = (
    schema.header,
    schema.instrument,
    schema.model_version,
    schema.tip,
    schema.snapshot,
    schema.revision,
    schema.arrival,
    schema.indication,
    schema.pruned,
    schema.day_summary,
)
"""Tables whose rows carry a checksum."""

_ORPHANED_BARS: Final = """
    SELECT bar.minute, bar.instrument, bar.seq FROM bar
    LEFT JOIN (SELECT seq AS of_batch, minute AS minute_of_batch FROM batch) ON of_batch = bar.seq
    LEFT JOIN (SELECT seq AS of_event FROM event WHERE kind IN ('Warmup', 'Backfill')) ON of_event = bar.seq
    WHERE (of_batch IS NULL OR minute_of_batch <> bar.minute) AND of_event IS NULL
    LIMIT 10
"""
_UNUSED_FILES: Final = "SELECT hash FROM model_file WHERE hash NOT IN (SELECT hash FROM model_version)"
_LOST_FILES: Final = (
    "SELECT version, name FROM model_version WHERE hash NOT IN (SELECT hash FROM model_file) ORDER BY 1, 2"
)
_SNAPSHOT_OF_NOTHING: Final = (
    "SELECT batch FROM snapshot WHERE batch NOT IN (SELECT number FROM batch) ORDER BY batch"
)
_WARMUP_MINUTES: Final = 1440


def check_intact(reader: TapeReader, progress: Callable[[int], None] | None = None) -> Iterator[Finding]:
    """Yield everything on the tape that is not as it was written; an intact tape yields nothing.

    Args:
        reader: The tape.
        progress: Told the number of each batch that has been hashed.
    """
    walk = Walk(reader, progress)
    steps: tuple[Callable[[], Iterator[Finding]], ...] = (
        lambda: _pages(reader),
        lambda: _checksums(reader),
        lambda: _model_files(reader),
        lambda: _begin_events(reader),
        lambda: _kept_events(reader),
        lambda: _warmup(reader, walk),
        walk.findings,
        lambda: _model_versions(reader, walk),
        lambda: _joined(reader, walk),
        lambda: _strays(reader, walk),
    )
    for step in steps:
        try:
            yield from step()
        except TapeError as error:
            # What cannot be read is a finding; the other steps may still find more.
            yield Finding(str(error))


def _pages(reader: TapeReader) -> Iterator[Finding]:
    for damage in reader.database.damages():
        yield Finding(damage)


def _checksums(reader: TapeReader) -> Iterator[Finding]:
    for table in _CHECKED:
        yield from _checksums_of(reader, table)


def _checksums_of(reader: TapeReader, table: Table) -> Iterator[Finding]:
    for *cells, checksum in reader.rows(whole(table)):
        if row_checksum(table.name, cells) != checksum:
            key = ", ".join(f"{column.name} {cells[at]!r}" for at, column in enumerate(table.primary_key))
            yield Finding(f"{table.name} of {key} does not match its checksum", table=table.name)


def _model_files(reader: TapeReader) -> Iterator[Finding]:
    for digest, content in reader.rows(whole(schema.model_file)):
        if not isinstance(content, bytes) or chain.content_digest(content) != digest:
            yield Finding(f"the model file {digest!r} does not match its digest", table="model_file")
    for (digest,) in reader.fetch(_UNUSED_FILES, ()):
        yield Finding(f"the model file {digest!r} belongs to no version", table="model_file")
    for version, name in reader.fetch(_LOST_FILES, ()):
        yield Finding(f"file {name} of model version {version} is missing", table="model_file")


def _begin_events(reader: TapeReader) -> Iterator[Finding]:
    if events_digest(reader.begin_events()) != reader.header().get(EVENTS_KEY):
        yield Finding("the events from before the first batch do not match the header", table="event")


def _kept_events(reader: TapeReader) -> Iterator[Finding]:
    pruned = reader.pruned()
    if pruned is not None and events_digest(kept_events(reader, pruned.batch)) != pruned.events:
        yield Finding("the events from before the first batch that is left do not match", table="event")


def _warmup(reader: TapeReader, walk: Walk) -> Iterator[Finding]:
    found = reader.warmup_event()
    blocks = walk.counted(reader.warmup(_WARMUP_MINUTES))
    if reader.pruned() is not None:
        for _ in blocks:
            pass  # some of them are gone; those that are left are counted
    elif found is not None and chain.warmup_digest(blocks) != found[1].digest:
        yield Finding("the warm-up bars do not match the digest of their event", table="bar")


def _model_versions(reader: TapeReader, walk: Walk) -> Iterator[Finding]:
    """Each version is the header's or one that an event brought in; the chain covers both."""
    brought = {event.version: dict(event.files) for event in walk.events_of(ModelChanged)}
    first = reader.header().get("model_version")
    stored: dict[str, dict[str, str]] = {}
    for version, name, digest, _ in reader.rows(whole(schema.model_version)):
        stored.setdefault(version, {})[name] = digest
    for version, files in stored.items():
        if version != first and brought.get(version) != files:
            yield Finding(
                f"model version {version!r} is on the tape but no event brought it in", table="model_version"
            )


def _joined(reader: TapeReader, walk: Walk) -> Iterator[Finding]:
    """Instruments that joined later are as their events say; the chain starts from the first ones."""
    rows = {row[0]: row[1:-1] for row in reader.rows(whole(schema.instrument)) if row[1] != 0}
    for key in sorted(rows.keys() | walk.joined.keys(), key=str):
        if rows.get(key) != walk.joined.get(key):
            yield Finding(
                f"instrument {key!r} is not as the event says by which it joined", table="instrument"
            )


def _strays(reader: TapeReader, walk: Walk) -> Iterator[Finding]:
    """Rows that belong to nothing: no step before this one has read them."""
    pruned = reader.pruned()
    last_gone = pruned.batch if pruned else BEGIN_BATCH
    for table in (*(part.table for part in PART_TABLES), schema.event):
        statement = f"SELECT DISTINCT batch FROM {table.name} WHERE batch NOT IN (SELECT number FROM batch)"  # noqa: S608 - our own table's name
        for (number,) in reader.fetch(statement, ()):
            if table is not schema.event or not BEGIN_BATCH <= number <= last_gone:
                yield Finding(
                    f"{table.name} has rows of batch {number!r}, which there is not", table=table.name
                )
    for (number,) in reader.fetch(_SNAPSHOT_OF_NOTHING, ()):
        yield Finding(f"there is a snapshot after batch {number}, which there is not", table="snapshot")
    ((n_bars,),) = reader.fetch("SELECT count(*) FROM bar", ())
    if n_bars == walk.n_bars:
        return
    orphans = reader.fetch(_ORPHANED_BARS, ())
    for minute, key, seq in orphans:
        yield Finding.of_bar(minute, key, f"no input admitted it (seq {seq!r})")
    # Bars of batches that could not be read are not counted, and those batches are findings already.
    if not orphans and walk.is_whole:
        yield Finding(f"{n_bars} bars are on the tape, its inputs admitted {walk.n_bars}", table="bar")
