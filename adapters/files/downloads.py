"""Bars on their way from a venue into one Parquet file, kept in parts until it is whole."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

import polars as pl

from daemon.events import MINUTE_US
from daemon.feed import BarClosed

TIME: Final = pl.Datetime("us", "UTC")
NUMBERS: Final = ("open", "high", "low", "close", "volume", "taker")
SCHEMA: Final = pl.Schema({"time": TIME, "symbol": pl.String(), **{name: pl.Float64() for name in NUMBERS}})
"""Of the file: one row a bar, `time` its open; `taker` is null where the venue does not say."""


class Download:
    """A file that is being filled. Its parts stand in a folder beside it until it is whole.

    A part holds one instrument's bars of one span of minutes. It is written whole or not at all, also if it
    is empty: a span without bars is not fetched twice.

    Args:
        file: The Parquet file to be made.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.parts = file.with_name(f"{file.name}.parts")

    def has(self, instrument: str, first_minute: int, last_minute: int) -> bool:
        """Return whether this span was kept before."""
        return self._part(instrument, first_minute, last_minute).exists()

    def keep(self, instrument: str, first_minute: int, last_minute: int, bars: Sequence[BarClosed]) -> None:
        """Keep the bars of a span."""
        self.parts.mkdir(parents=True, exist_ok=True)
        frame = pl.DataFrame(
            {
                "time": [bar.minute * MINUTE_US for bar in bars],
                "symbol": [instrument] * len(bars),
                **{name: [getattr(bar, name) for bar in bars] for name in NUMBERS},
            },
            schema=pl.Schema({**SCHEMA, "time": pl.Int64()}),
        )
        write_whole(
            frame.with_columns(pl.col("time").cast(TIME), pl.col("taker").fill_nan(None)),
            self._part(instrument, first_minute, last_minute),
        )

    def finish(self, spans: Sequence[tuple[str, int, int]]) -> int:
        """Join the parts of these spans into the file, remove them, and return how many bars there are."""
        frames = [pl.read_parquet(self._part(*span)) for span in spans]
        whole = (
            pl.concat([pl.DataFrame(schema=SCHEMA), *frames])
            .unique(["time", "symbol"])
            .sort("time", "symbol")
        )
        write_whole(whole, self.file)
        shutil.rmtree(self.parts, ignore_errors=True)
        return whole.height

    def _part(self, instrument: str, first_minute: int, last_minute: int) -> Path:
        return self.parts / f"{quote(instrument, safe='')}-{first_minute}-{last_minute}.parquet"


def write_whole(frame: pl.DataFrame, file: Path) -> None:
    """Write a file so that it is there whole or not at all."""
    unfinished = file.with_name(f"{file.name}.unfinished")
    frame.write_parquet(unfinished, compression="zstd")
    unfinished.replace(file)
