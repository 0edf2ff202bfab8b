"""Signals made outside papertape, from Parquet: `instrument`, `known_at`, `down`, `flat`, `up` or `score`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import polars as pl

from daemon.errors import SettingsError

_MOVES: Final = ("down", "flat", "up")


def read_signals(path: Path | str, venue: str) -> Mapping[str, object]:
    """Read a file of signals into plain columns.

    `known_at` is when the signal could first be acted on, a timestamp (a naive one counts as UTC).
    Probabilities stand in `down`, `flat`, `up`; a `score` is the log-odds of up against down.

    Args:
        path: A Parquet file.
        venue: Venue of instruments that name none.

    Returns:
        `instrument`: list of `venue:SYMBOL`; `known_us`: (n,) int64, microseconds since the Unix epoch; and
        `p`: (n, 3) or `score`: (n,), float64.

    Raises:
        SettingsError: The file cannot be read, lacks a column, or has an empty cell; says which.
    """
    try:
        table = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise _problem(path, f"cannot be read ({error})") from error
    values = ["score"] if "score" in table.columns else list(_MOVES)
    wanted = ["instrument", "known_at", *values]
    missing = [name for name in wanted if name not in table.columns]
    if missing:
        raise _problem(path, f"has no column {', '.join(missing)}; there is {', '.join(table.columns)}")
    table = table.select(wanted)
    empty = [name for name in wanted if table[name].null_count()]
    if empty:
        raise _problem(path, f"has empty cells in {', '.join(empty)}; leave such rows out")
    if not isinstance(table.schema["known_at"], pl.Datetime):
        raise _problem(path, f"known_at is {table.schema['known_at']}; it must be a timestamp")
    wrong = [name for name in values if not table.schema[name].is_numeric()]
    if wrong:
        raise _problem(path, f"{', '.join(wrong)} must be numbers")
    name = pl.col("instrument").cast(pl.String)
    full = pl.when(name.str.contains(":", literal=True)).then(name).otherwise(pl.lit(f"{venue}:") + name)
    columns: dict[str, object] = {
        "instrument": table.select(full.alias("instrument"))["instrument"].to_list(),
        "known_us": table["known_at"].dt.epoch("us").to_numpy(),
    }
    numbers = table.select(pl.col(values).cast(pl.Float64)).to_numpy()
    return columns | ({"score": numbers[:, 0]} if len(values) == 1 else {"p": numbers})


def _problem(path: Path | str, what: str) -> SettingsError:
    return SettingsError([f"experts.signals.file: {path}: {what}"])
