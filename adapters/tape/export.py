"""A tape as Parquet files, for notebooks. They stream out in slices and appear whole or not at all."""

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from polars.io.plugins import register_io_source

from adapters.tape.decision_frames import decisions_table
from adapters.tape.frames import (
    bars_table,
    equity_table,
    events_table,
    fills_table,
    orders_table,
    states_table,
    vitals_table,
)
from adapters.tape.reader import TapeReader
from adapters.tape.slices import TapeTable
from daemon.errors import MACHINE_ERRNOS, TapeError, TapePlaceError

Told = Callable[[str, int, int], None]
"""Told which file is being written, how many of its rows are done, and how many there are."""


def export(
    reader: TapeReader, folder: Path, reasons: Mapping[int, str], told: Told | None = None
) -> list[Path]:
    """Write what is on a tape as `bars.parquet`, `decisions.parquet`, ... into a folder.

    Times are bar opens, UTC; money and quantities become 64-bit floats (their exact text stays on the tape).
    Files of these names that are there already are replaced, each by one rename.

    Args:
        reader: The tape.
        folder: Made where there is none.
        reasons: Words for the numbers in a decision's `reason`.
        told: Progress.

    Returns:
        The files.

    Raises:
        TapePlaceError: No folder can be there.
        TapeError: It cannot be written.
        TapeDamagedError: A row cannot be read; the files before it stand.
    """
    tables: dict[str, Callable[[TapeReader], TapeTable]] = {
        "bars": bars_table,
        "decisions": partial(decisions_table, reasons=reasons),
        "orders": orders_table,
        "fills": fills_table,
        "equity": equity_table,
        "states": states_table,
        "vitals": vitals_table,
        "events": events_table,
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_write(folder / f"{name}.parquet", table(reader), told) for name, table in tables.items()]
    except OSError as error:
        kind = TapeError if error.errno in MACHINE_ERRNOS else TapePlaceError
        message = f"the tape cannot be exported to {folder}: {error.strerror or error}; name another folder"
        raise kind(message) from error


def _write(target: Path, table: TapeTable, told: Told | None) -> Path:
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    raised: list[Exception] = []

    def frames(*narrowed: Any) -> Iterator[pl.DataFrame]:
        # A sink asks for every column and row, so what could narrow them is empty.
        del narrowed
        done = 0
        try:
            for frame in table.frames:
                yield frame
                done += len(frame)
                if told:
                    told(target.name, done, table.n_rows)
        except Exception as error:
            # polars would tell of it in its own words.
            raised.append(error)
            raise

    try:
        # Given a name, polars may make the file after it has failed, and so after it was taken away here.
        with unfinished.open("wb") as file:
            register_io_source(frames, schema=table.schema).sink_parquet(file)
        unfinished.replace(target)
    except pl.exceptions.PolarsError as error:
        raise raised[0] if raised else TapeError(f"{target} cannot be written: {error}") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return target
