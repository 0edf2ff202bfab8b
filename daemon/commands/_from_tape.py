"""An engine brought to where a tape begins, from the tape alone: after its warm-up, or after a snapshot."""

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Final

import numpy as np

from daemon import chain, playback
from daemon.bars.grid import Grid
from daemon.commands._tape_models import TapeModels
from daemon.engine import Engine
from daemon.events import (
    BAR_FLAG_REFUSED,
    BAR_RECORD,
    Backfill,
    Instrument,
    Minutes,
    Snapshot,
    UniverseChanged,
    Warmup,
)

if TYPE_CHECKING:
    from adapters.tape.reader import TapeReader

CHUNK_ROWS: Final = 8_192
"""Bars prepared at once: enough for columns to pay, little enough for the cache and for memory."""


def bring(engine: Engine, reader: "TapeReader", models: TapeModels, snapshot: Snapshot | None) -> None:
    """Bring an engine that has seen nothing to where a snapshot stands, or before the first batch.

    Args:
        engine: Of the model and settings that the tape began with.
        reader: Of the tape.
        models: Of the same tape.
        snapshot: Of the tape; None: its warm-up alone is taken.

    Raises:
        TapeDamagedError: What the snapshot needs is missing, or not as it was.
        TapeVersionError: Its settings are of another version of papertape.
    """
    run = engine.run
    if snapshot is None:
        for minutes in warmup_minutes(reader, run.instruments):
            engine.warm(minutes)
        engine.begin(reader.genesis(), max((record.seq for record in reader.begin_events()), default=0))
        return
    models.demand(engine, str(snapshot.state["model"]))
    engine.restore(snapshot, *history(reader, run.instruments, snapshot, run.model.plan.history_rows))


def history(
    reader: "TapeReader", instruments: Sequence[Instrument], snapshot: Snapshot, rows: int
) -> tuple[Iterator[Minutes | Backfill | UniverseChanged], tuple[str, ...]]:
    """Return the inputs up to a snapshot, from so early that every lane has its newest `rows` rows.

    Beside them, the names of the instruments that the run had when they begin.
    """
    return history_until(reader, instruments, snapshot.batch, snapshot.minute, rows)


def history_until(
    reader: "TapeReader", instruments: Sequence[Instrument], batch: int, minute: int, rows: int
) -> tuple[Iterator[Minutes | Backfill | UniverseChanged], tuple[str, ...]]:
    """Return the inputs up to a batch, as `history` does up to a snapshot's; `minute` is the batch's."""
    start = reader.first_needed(minute, rows)
    names = reader.universe_after(reader.batch_before(start)).names
    return _history(reader, instruments, batch, start, names), names


def _history(
    reader: "TapeReader",
    instruments: Sequence[Instrument],
    batch: int,
    start: int,
    names: tuple[str, ...],
) -> Iterator[Minutes | Backfill | UniverseChanged]:
    for minutes in warmup_minutes(reader, instruments, without_refused=True):
        kept = minutes[slice(int(np.searchsorted(minutes.minute, start)), None)]
        if len(kept):
            yield kept
    records = takewhile(lambda record: record.batch <= batch, reader.batches(reader.batch_before(start)))
    chunk_minutes = max(1, CHUNK_ROWS // len(names))
    for item in playback.inputs(records, names, chunk_minutes, without_refused=True):
        if isinstance(item, Minutes | Backfill | UniverseChanged):
            yield item


def warmup_minutes(
    reader: "TapeReader", instruments: Sequence[Instrument], *, without_refused: bool = False
) -> Iterator[Minutes]:
    """Yield a tape's warm-up as sealed minutes, the empty ones too."""
    warmup = next(
        (event for event in map(chain.read_event, reader.begin_events()) if isinstance(event, Warmup)), None
    )
    if warmup is None:
        return
    grid = Grid([instrument.calendar for instrument in instruments])
    blocks = np.concatenate(
        [np.empty(0, BAR_RECORD), *(np.frombuffer(block, BAR_RECORD) for block in reader.warmup(1440))]
    )
    if without_refused:
        blocks = blocks[(blocks["flags"] & BAR_FLAG_REFUSED) == 0]
    for minute in grid.runs(warmup.first_minute, warmup.last_minute, max(1, CHUNK_ROWS // len(instruments))):
        low, high = np.searchsorted(blocks["minute"], [minute[0], minute[-1] + 1])
        rows = blocks[low:high]
        at = np.searchsorted(minute, rows["minute"])
        yield playback.unpacked(rows, at, minute, np.zeros(len(minute), np.bool_), len(instruments))
