"""A tape's batches as engine inputs again, and the first difference between two records of the same batch."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from daemon import chain
from daemon.events import (
    BAR_FLAG_REFUSED,
    BAR_FLAG_SYNTHETIC,
    BAR_RECORD,
    AnyEvent,
    Backfill,
    BatchRecord,
    Minutes,
    UniverseChanged,
)


def minutes_of(
    records: Sequence[BatchRecord], n_instruments: int, *, without_refused: bool = False
) -> Minutes:
    """Return the sealed minutes of batches that follow each other, with refused bars or without."""
    bars = [np.frombuffer(record.bars, BAR_RECORD) for record in records]
    at = np.repeat(np.arange(len(records)), [len(rows) for rows in bars])
    minutes = np.array([record.minute for record in records], dtype=np.int64)
    catch_up = np.array([record.catch_up for record in records], dtype=np.bool_)
    rows = np.concatenate([np.empty(0, BAR_RECORD), *bars])
    if without_refused:
        admitted = (rows["flags"] & BAR_FLAG_REFUSED) == 0
        rows, at = rows[admitted], at[admitted]
    return unpacked(rows, at, minutes, catch_up, n_instruments)


def unpacked(
    rows: np.ndarray, at: np.ndarray, minutes: np.ndarray, catch_up: np.ndarray, n_instruments: int
) -> Minutes:
    """Return packed bars as sealed minutes.

    Args:
        rows: (n_rows,) of dtype `BAR_RECORD`.
        at: (n_rows,) index of each row's minute among `minutes`.
        minutes: (n_minutes,) epoch minutes, the ones without a bar too.
        catch_up: (n_minutes,) bool.
        n_instruments: Width of the columns.
    """
    shape = (len(minutes), n_instruments)
    columns = {name: np.full(shape, np.nan) for name in ("open", "high", "low", "close", "volume", "taker")}
    present, synthetic = np.zeros(shape, dtype=np.bool_), np.zeros(shape, dtype=np.bool_)
    cell = (at, rows["instrument"])
    for name, column in columns.items():
        column[cell] = rows[name]
    present[cell] = True
    synthetic[cell] = (rows["flags"] & BAR_FLAG_SYNTHETIC) > 0
    return Minutes(minute=minutes, **columns, present=present, synthetic=synthetic, catch_up=catch_up)


def packed(minutes: Minutes, flags: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return (rows of dtype `BAR_RECORD`, (n_rows,) index of each row's minute)."""
    at, instrument = np.nonzero(minutes.present)
    rows = np.empty(len(at), BAR_RECORD)
    rows["instrument"] = instrument
    rows["minute"] = minutes.minute[at]
    for name in ("open", "high", "low", "close", "volume", "taker"):
        rows[name] = getattr(minutes, name)[at, instrument]
    rows["flags"] = flags | (minutes.synthetic[at, instrument] * BAR_FLAG_SYNTHETIC)
    return rows, at


def inputs(
    records: Iterable[BatchRecord],
    instruments: Sequence[str],
    max_minutes: int,
    *,
    without_refused: bool = False,
) -> Iterator[AnyEvent | Minutes]:
    """Yield what went into the engine, in order: events, and minutes in runs of at most `max_minutes`.

    Args:
        records: Batches that follow each other.
        instruments: Names of the run before the first of them, sorted.
        max_minutes: Most minutes of a run.
        without_refused: Leave out bars that the engine refused, of minutes and of backfills.
    """
    names = tuple(instruments)
    run: list[BatchRecord] = []
    for record in records:
        if run and (record.events or len(run) == max_minutes):
            yield minutes_of(run, len(names), without_refused=without_refused)
            run = []
        for event in map(chain.read_event, record.events):
            if isinstance(event, UniverseChanged):
                names = event.after(names)
            yield _admitted(event, record) if without_refused and isinstance(event, Backfill) else event
        run.append(record)
    if run:
        yield minutes_of(run, len(names), without_refused=without_refused)


def _admitted(backfill: Backfill, record: BatchRecord) -> Backfill:
    refused = {refusal.minute for refusal in record.refusals if refusal.subject == backfill.instrument}
    return msgspec.structs.replace(
        backfill, bars=tuple(bar for bar in backfill.bars if bar[0] not in refused)
    )


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two records of one batch part: the first field, and the instrument where one is concerned."""

    batch: int
    minute: int
    instrument: str | None
    field: str
    stored: str
    computed: str

    def __str__(self) -> str:
        """Say it in one line."""
        of = f" {self.instrument}" if self.instrument else ""
        return f"batch {self.batch}{of}: {self.field} is {self.stored} on the tape and {self.computed} now"


def first_difference(
    stored: BatchRecord, computed: BatchRecord, decision: np.dtype, instruments: Sequence[str]
) -> Difference | None:
    """Return where `computed` departs from `stored`, in the order of a batch's path; None if they agree."""
    if stored == computed:
        return None
    for field in stored.__struct_fields__:
        before, after = getattr(stored, field), getattr(computed, field)
        if before == after or field == "digest":
            continue
        instrument, place, old, new = _within(field, before, after, decision, instruments)
        return Difference(stored.batch, stored.minute, instrument, place, old, new)
    old, new = stored.digest.hex()[:16], computed.digest.hex()[:16]
    return Difference(stored.batch, stored.minute, None, "digest (an earlier batch differs)", old, new)


def _within(
    field: str, before: object, after: object, decision: np.dtype, instruments: Sequence[str]
) -> tuple[str | None, str, str, str]:
    if isinstance(before, bytes) and isinstance(after, bytes):
        dtype = BAR_RECORD if field == "bars" else decision
        return _within_rows(field, np.frombuffer(before, dtype), np.frombuffer(after, dtype), instruments)
    if isinstance(before, tuple) and isinstance(after, tuple):
        for old, new in zip(before, after, strict=False):
            if old != new:
                return _within_structs(field, old, new)
        return None, f"number of {field}", str(len(before)), str(len(after))
    if isinstance(before, msgspec.Struct) and isinstance(after, msgspec.Struct):
        return _within_structs(field, before, after)
    return None, field, str(before), str(after)


def _within_structs(
    field: str, before: msgspec.Struct, after: msgspec.Struct
) -> tuple[str | None, str, str, str]:
    instrument = getattr(before, "instrument", None)
    for name in before.__struct_fields__:
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            return instrument, f"{field}.{name}", str(old), str(new)
    return instrument, field, str(before), str(after)


def _within_rows(
    field: str, before: np.ndarray, after: np.ndarray, instruments: Sequence[str]
) -> tuple[str | None, str, str, str]:
    if len(before) != len(after):
        return None, f"number of {field}", str(len(before)), str(len(after))
    for old, new in zip(before, after, strict=True):
        for name in before.dtype.names or ():
            if old[name].tobytes() != new[name].tobytes():
                return instruments[int(old["instrument"])], f"{field}.{name}", str(old[name]), str(new[name])
    return None, field, "other bytes", "other bytes"
