"""The decisions on a tape as polars frames; which experts have columns follows the models that traded."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import polars as pl

from adapters.tape.cells import read_bytes
from adapters.tape.in_force import Models, Universes
from adapters.tape.reader import TapeReader
from adapters.tape.slices import SLICE, TIME, Row, Schema, TapeTable, frames, integers, times
from daemon.events import BLEND, decision_dtype
from daemon.kernels import FloatArray

_SIDES: Final = ("down", "flat", "up")
_BYTES: Final = "SELECT coalesce(sum(length(decisions)), 0) FROM batch WHERE number >= ? AND number < ?"
_NO_BATCH: Final = 2**62


def decisions_table(reader: TapeReader, reasons: Mapping[int, str]) -> TapeTable:
    """Return the decisions, one row per scored instrument and minute: what each expert said, and why what.

    Every expert of any version of the model has its columns, in the order in which they came; NaN where one
    said nothing, or was not among the model's.
    """
    models, universes = Models(reader), Universes(reader)
    every = (*dict.fromkeys(name for names in models.experts.values() for name in names), BLEND)
    columns: Schema = {
        "batch": pl.Int64,
        "time": TIME,
        "instrument": pl.String,
        "model": pl.String,
        **{f"{name}_{side}": pl.Float64 for name in every for side in _SIDES},
        **dict.fromkeys(("edge", "sigma", "target"), pl.Float64),
        "reason": pl.String,
    }

    def frame(rows: list[Row]) -> pl.DataFrame:
        blobs = [
            np.frombuffer(read_bytes(row[2], "batch.decisions"), decision_dtype(models.experts_at(row[0])))
            for row in rows
        ]
        counts = [len(blob) for blob in blobs]
        places = [blob["instrument"].tolist() for blob in blobs]
        names, versions = ([of(row[0]) for row in rows] for of in (universes.names_at, models.version_at))
        reason = np.concatenate([blob["reason"] for blob in blobs])
        data = {
            "batch": np.repeat(integers(rows, 0, "batch.number"), counts),
            "time": times(np.repeat(integers(rows, 1, "batch.minute"), counts)),
            "instrument": [of[at] for of, held in zip(names, places, strict=True) for at in held],
            "model": [version for version, n in zip(versions, counts, strict=True) for _ in range(n)],
            **{
                f"{name}_{side}": column
                for name in every
                for side, column in zip(_SIDES, _said(blobs, name), strict=True)
            },
            **{name: np.concatenate([blob[name] for blob in blobs]) for name in ("edge", "sigma", "target")},
            "reason": [reasons.get(number, str(number)) for number in reason.tolist()],
        }
        return pl.DataFrame(data, schema=columns)

    statement = "SELECT number, minute, decisions FROM batch ORDER BY number"
    # A batch holds a row per instrument: the slice is that much shorter.
    n_batches = max(1, SLICE // max(1, len(reader.instruments())))
    n_rows = _count_decisions(reader, models)
    return TapeTable(columns, n_rows, frames(reader, statement, frame, n_batches))


def _said(blobs: Sequence[np.ndarray], name: str) -> FloatArray:
    """Return (3, n_rows) of what an expert said in batches of any model, NaN where it was not among them."""
    silent = np.full(len(_SIDES), np.nan)
    parts = [
        blob[name] if name in (blob.dtype.names or ()) else np.tile(silent, (len(blob), 1)) for blob in blobs
    ]
    return np.ascontiguousarray(np.concatenate(parts).T)


def _count_decisions(reader: TapeReader, models: Models) -> int:
    starts = [number for number, _ in models.changes]
    total = 0
    for start, end in pairwise([*starts, _NO_BATCH]):
        ((n_bytes,),) = reader.fetch(_BYTES, (start, end))
        total += int(n_bytes) // decision_dtype(models.experts_at(start)).itemsize
    return total
