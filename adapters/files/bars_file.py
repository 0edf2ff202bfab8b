"""One Parquet or CSV file of recorded bars, streamed: columns in the file's own terms, nothing judged."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from daemon.errors import BarsError
from daemon.settings import BarsSettings

BLOCK_ROWS: Final = 65_536
SAMPLE_ROWS: Final = 1_000
"""So many first closes of a symbol show how finely it is priced."""

MISSING_TIME: Final = np.iinfo(np.int64).min
_PRICES: Final = ("open", "high", "low", "close", "volume")
_PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_TEXTS: Final = (pl.String, pl.Categorical, pl.Enum, pl.Null)
_HASH_BYTES: Final = 1 << 20
_MOST_US: Final = 1 << 62
"""Beyond this (some 146,000 years) a time in the wrong unit stays where it is, instead of wrapping around."""

Columns = Mapping[str, npt.NDArray[np.generic]]


@dataclass(slots=True)
class SymbolSpan:
    """What a first look says about a symbol: earliest and latest time (microseconds), first closes."""

    first_us: int
    last_us: int
    closes: npt.NDArray[np.float64]


class BarFile:
    """A file of minute bars.

    Times may be timestamps (naive ones count as UTC), integers since 1970 in `bars.time_unit`, or ISO 8601
    texts. A file whose times descend somewhere is sorted in memory when it is read; one in order of time is
    streamed.

    Args:
        path: Ends in `.parquet`/`.pq` or `.csv` (also `.csv.gz`, `.csv.zst`).
        settings: What the columns are called and in what unit integer times are.

    Raises:
        BarsError: The file is not there, of another kind, damaged, or lacks a column.
    """

    def __init__(self, path: Path | str, settings: BarsSettings) -> None:
        self.path: Final = Path(path)
        self._settings = settings
        self._has_symbols = False
        self._query = self._opened()

    @property
    def name(self) -> str:
        """The path as it was given."""
        return str(self.path)

    @cached_property
    def digest(self) -> bytes:
        """BLAKE2b-256 of the file's bytes."""
        whole = hashlib.blake2b(digest_size=32)
        for path in self.hashed():
            with path.open("rb") as file:
                while block := file.read(_HASH_BYTES):
                    whole.update(block)
        return whole.digest()

    def hashed(self) -> tuple[Path, ...]:
        """Return the files that the digest covers."""
        return (self.path,)

    def is_there(self) -> bool:
        """Return whether there is anything to read."""
        return self.path.is_file()

    def scanned(self) -> pl.LazyFrame:
        """Return the query of the rows as they stand."""
        if ".csv" in self.path.suffixes:
            # A text that is no number must name its row later, so CSV is read as texts and converted here.
            return pl.scan_csv(self.path, infer_schema=False)
        return pl.scan_parquet(self.path, glob=False)

    @property
    def symbols(self) -> Mapping[str, SymbolSpan]:
        """By symbol, sorted: where its bars begin and end."""
        return self._survey[0]

    def read(self, first_us: int, last_us: int) -> Iterator[Columns]:
        """Yield the rows of [first_us, last_us], and those without a time, in blocks ascending by time.

        See `daemon.bars.recorded.RecordedFile.read` for the columns.

        Raises:
            BarsError: The file is damaged.
        """
        symbols, in_order = self._survey
        code = pl.col("symbol").cast(pl.Enum(list(symbols)), strict=False).to_physical()
        query = self._query.with_columns(
            code.cast(pl.Int64).fill_null(-1), pl.col("time_us").fill_null(MISSING_TIME)
        )
        if not in_order:
            # Here rows must be numbered before they are sorted. In a stream that is done below: polars would
            # hold far more of the file to number its rows.
            query = query.with_row_index("row", offset=1).with_columns(pl.col("row").cast(pl.Int64))
            query = query.sort("time_us", maintain_order=True)
        n_before = 0
        for frame in self._batches(query):
            columns = {name: frame[name].to_numpy() for name in frame.columns}
            columns.setdefault("row", np.arange(n_before + 1, n_before + frame.height + 1))
            n_before += frame.height
            time = columns["time_us"]
            asked = ((time >= first_us) & (time <= last_us)) | (time == MISSING_TIME)
            if asked.any():
                yield {name: column[asked] for name, column in columns.items()}

    @cached_property
    def _survey(self) -> tuple[dict[str, SymbolSpan], bool]:
        """Stream the times once: where each symbol begins and ends, and whether times ever descend."""
        spans: dict[str, SymbolSpan] = {}
        in_order, latest = True, MISSING_TIME
        for frame in self._batches(self._query.select("time_us", "symbol", "close")):
            known = frame.drop_nulls(["time_us", "symbol"])
            time = known["time_us"].to_numpy()
            if len(time):
                in_order = in_order and int(time[0]) >= latest and bool(np.all(time[1:] >= time[:-1]))
                latest = int(time[-1])
            for symbol, first, last, closes in _by_symbol(known).iter_rows():
                _widen(spans, symbol, first, last, np.array(closes, dtype=np.float64))
        return dict(sorted(spans.items())), in_order

    def _opened(self) -> pl.LazyFrame:
        """Return the query of the file's rows with our names and types; only the schema has been read."""
        columns = self._settings
        is_csv = ".csv" in self.path.suffixes
        if not self.is_there():
            raise BarsError(
                f"{self.name}: there is no such file. Give the paths of recorded bars with --bars."
            )
        if not is_csv and self.path.suffix not in {".parquet", ".pq"}:
            raise BarsError(
                f"{self.name}: bar files are Parquet (.parquet, .pq) or CSV (.csv, .csv.gz, .csv.zst)."
            )
        try:
            query = self.scanned()
            schema = query.collect_schema()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise self._unreadable(error) from error
        self._has_symbols = columns.symbol in schema
        self._demand(schema)
        self._demand_kinds(schema)
        taker = columns.taker_volume
        return query.select(
            self._time(query, schema[columns.time]).alias("time_us"),
            (
                pl.col(columns.symbol).cast(pl.String) if self._has_symbols else pl.lit(columns.symbol_value)
            ).alias("symbol"),
            *(_number(getattr(columns, name)).alias(name) for name in _PRICES),
            (_number(taker) if taker else pl.lit(float("nan"))).alias("taker"),
        )

    def _demand(self, schema: pl.Schema) -> None:
        """Complain of every column that the settings name and the file lacks."""
        asked = ["time", *_PRICES, *(["taker_volume"] if self._settings.taker_volume else [])]
        missing = [
            f"bars.{key}: {name}" for key in asked if (name := getattr(self._settings, key)) not in schema
        ]
        if not self._has_symbols and self._settings.symbol_value is None:
            missing.append(
                f"bars.symbol: {self._settings.symbol} (or say in bars.symbol_value what the file holds)"
            )
        if missing:
            raise BarsError(
                f"{self.name}: columns are missing: {'; '.join(missing)}. "
                f"The file has {', '.join(schema.names())}. "
                f"Say in the settings, section bars, what the columns are called."
            )

    def _demand_kinds(self, schema: pl.Schema) -> None:
        """Complain of columns that hold neither numbers nor texts: polars would make numbers of a date."""
        asked = [*_PRICES, *(["taker_volume"] if self._settings.taker_volume else [])]
        columns = [(f"bars.{key}", getattr(self._settings, key), "numbers") for key in asked]
        if self._has_symbols:
            columns.append(("bars.symbol", self._settings.symbol, "names"))
        wrong = [
            f"{name} is {schema[name]}, not {what} ({setting})"
            for setting, name, what in columns
            if not (schema[name].is_numeric() or schema[name] in _TEXTS)
        ]
        if wrong:
            raise BarsError(
                f"{self.name}: columns hold something else: {'; '.join(wrong)}. "
                f"Say in the settings, section bars, which columns are meant, or mend the file."
            )

    def _time(self, query: pl.LazyFrame, kind: pl.DataType) -> pl.Expr:
        """Return the expression of the time column in microseconds since 1970, null if unreadable."""
        column = pl.col(self._settings.time)
        if kind.is_temporal() and kind != pl.Time() and not isinstance(kind, pl.Duration):
            return column.dt.epoch("us")
        first = query.select(column.drop_nulls().head(1)).collect().to_series()
        sample = str(first[0]) if len(first) else ""
        if kind.is_numeric() or sample.isdigit():
            return _scaled(column.cast(pl.Int64, strict=False), self._unit(sample))
        if kind == pl.String():
            seconds = column.str.replace(r"([T ]\d\d:\d\d)(Z|[+-]\d\d:?\d\d)?$", "${1}:00${2}")
            offset = seconds.str.contains(r"[T ].*(Z|[+-]\d\d:?\d\d)$")
            text = pl.when(offset).then(seconds).otherwise(seconds + "Z")
            return text.str.to_datetime(_ISO, time_unit="us", time_zone="UTC", strict=False).dt.epoch("us")
        raise BarsError(f"{self.name}: column {self._settings.time} is {kind}, which is no time.")

    def _unit(self, sample: str) -> str:
        if self._settings.time_unit != "auto":
            return self._settings.time_unit
        digits = len(sample.partition(".")[0])
        # Today's times have 10 digits in seconds, 13 in milliseconds, 16 in microseconds, 19 in nanoseconds.
        return next((unit for unit, most in (("s", 11), ("ms", 14), ("us", 17)) if digits <= most), "ns")

    def _batches(self, query: pl.LazyFrame) -> Iterator[pl.DataFrame]:
        try:
            yield from query.collect_batches(chunk_size=BLOCK_ROWS, maintain_order=True, lazy=True)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> BarsError:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        return BarsError(
            f"{self.name}: cannot be read as bars: {reason}. The file is damaged or of another kind."
        )


_ISO: Final = "%+"


def _number(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.Float64, strict=False).fill_null(float("nan"))


def _scaled(time: pl.Expr, unit: str) -> pl.Expr:
    per_second = _PER_SECOND[unit]
    if per_second > 10**6:
        return time // (per_second // 10**6)
    factor = 10**6 // per_second
    return time.clip(-(_MOST_US // factor), _MOST_US // factor) * factor


def _by_symbol(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.group_by("symbol").agg(
        pl.col("time_us").min().alias("first"),
        pl.col("time_us").max().alias("last"),
        pl.col("close").head(SAMPLE_ROWS),
    )


def _widen(
    spans: dict[str, SymbolSpan], symbol: str, first: int, last: int, closes: npt.NDArray[np.float64]
) -> None:
    if (span := spans.get(symbol)) is None:
        spans[symbol] = SymbolSpan(first, last, closes)
        return
    span.first_us, span.last_us = min(span.first_us, first), max(span.last_us, last)
    if len(span.closes) < SAMPLE_ROWS:
        span.closes = np.concatenate([span.closes, closes])[:SAMPLE_ROWS]
