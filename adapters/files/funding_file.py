"""Funding as it was charged, from Parquet: `instrument`, `time`, `rate`."""

import io
from collections.abc import Mapping
from typing import Final

import polars as pl

from daemon.errors import SettingsError

_COLUMNS: Final = ("instrument", "time", "rate")
LARGEST_RATE: Final = 0.1
"""Exchanges cap a rate at a few percent; what is larger is in percent or in basis points."""


def read_funding(content: bytes, source: str, venue: str) -> Mapping[str, object]:
    """Read a file of funding events into plain columns.

    `time` is when the event is charged, a timestamp (a naive one counts as UTC); `rate` is the fraction of
    the held value that longs pay and shorts receive, 0.0001 for one basis point.

    Args:
        content: Of a Parquet file.
        source: Its name, for messages.
        venue: Venue of instruments that name none.

    Returns:
        `instrument`: list of `venue:SYMBOL`; `time_us`: (n_events,) int64, microseconds since the Unix epoch;
        `rate`: (n_events,) float64.

    Raises:
        SettingsError: It is no Parquet, lacks a column, or has an event that cannot be; says which.
    """
    try:
        table = pl.read_parquet(io.BytesIO(content))
    except (OSError, pl.exceptions.PolarsError) as error:
        raise _problem(source, f"is no Parquet that can be read ({error})") from error
    missing = [name for name in _COLUMNS if name not in table.columns]
    if missing:
        raise _problem(source, f"has no column {', '.join(missing)}; there is {', '.join(table.columns)}")
    table = table.select(_COLUMNS)
    _demand_types(table, source)
    name = pl.col("instrument").cast(pl.String)
    full = pl.when(name.str.contains(":", literal=True)).then(name).otherwise(pl.lit(f"{venue}:") + name)
    table = table.select(
        full.alias("instrument"), pl.col("time").dt.epoch("us"), pl.col("rate").cast(pl.Float64)
    )
    _demand_events(table, source)
    return {
        "instrument": table["instrument"].to_list(),
        "time_us": table["time"].to_numpy(),
        "rate": table["rate"].to_numpy(),
    }


def _demand_types(table: pl.DataFrame, source: str) -> None:
    empty = [name for name in _COLUMNS if table[name].null_count()]
    if empty:
        raise _problem(source, f"has empty cells in {', '.join(empty)}; leave such rows out")
    kinds = table.schema
    if not isinstance(kinds["instrument"], pl.String | pl.Categorical | pl.Enum):
        raise _problem(source, f"instrument is {kinds['instrument']}; it must be text")
    if not isinstance(kinds["time"], pl.Datetime):
        raise _problem(source, f"time is {kinds['time']}; it must be a timestamp")
    if not kinds["rate"].is_numeric():
        raise _problem(source, f"rate is {kinds['rate']}; it must be a number")


def _demand_events(table: pl.DataFrame, source: str) -> None:
    fine = pl.col("rate").is_finite() & (pl.col("rate").abs() <= LARGEST_RATE)
    twice = ~pl.struct("instrument", "time").is_first_distinct()
    for wrong, why in (
        (~fine, f"a rate is a fraction within +-{LARGEST_RATE}, 0.0001 for one basis point"),
        (twice, "an event of this instrument at this time stands before it; keep one"),
    ):
        found = table.with_row_index("row", offset=1).filter(wrong)
        if len(found):
            row = found.row(0, named=True)
            raise _problem(source, f"row {row['row']}, {row['instrument']}, rate {row['rate']!r}: {why}")


def _problem(source: str, what: str) -> SettingsError:
    return SettingsError([f"costs.funding_file: {source}: {what}"])
