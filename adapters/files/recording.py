"""A recording of bars that is never lost: days as Parquet, what is not closed yet as lines of CSV.

A bar is appended to the journal of its day (`2024-01-01.csv`) as it comes: one write, so that a kill takes
nothing that was written. A day that is over is made `2024-01-01.parquet` and its journal removed; until then
both are read as one (`day_files`), and a bar that stands in both counts once.
"""

import fcntl
import os
import shutil
from collections.abc import Sequence
from datetime import date, timedelta
from math import isnan
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from adapters.files.bars_file import BarFile
from adapters.files.downloads import NUMBERS, SCHEMA, TIME, write_whole
from daemon.errors import UserError
from daemon.events import MINUTE_US
from daemon.feed import BarClosed
from daemon.settings import BarsSettings

MINUTES_PER_DAY: Final = 1_440
ACCOUNTS: Final = "accounted.json"
DAYS_REMEMBERED: Final = 4
HEADER: Final = ",".join(SCHEMA.names()).encode() + b"\n"
_EPOCH: Final = date(1970, 1, 1)
_ACCOUNTS: Final = msgspec.json.Decoder(dict[str, int])


class DayFile(BarFile):
    """One day of a recording: its Parquet, its journal, or both as one."""

    def scanned(self) -> pl.LazyFrame:
        """Return the day's rows, each bar once, ascending by time."""
        return merged(self.path)

    def is_there(self) -> bool:
        """Return whether anything of the day is."""
        return self.path.is_file() or _journal(self.path).is_file()

    def hashed(self) -> tuple[Path, ...]:
        """Return the files that make up the day."""
        return tuple(file for file in (self.path, _journal(self.path)) if file.is_file())


def day_files(folder: Path, settings: BarsSettings) -> list[BarFile]:
    """Return the days of a recording, also while it is being made."""
    return [DayFile(folder / f"{day}.parquet", settings) for day in _days(folder)]


def merged(parquet: Path) -> pl.LazyFrame:
    """Return the rows of a day, each bar once, ascending by time: its Parquet's and its journal's."""
    parts = [pl.LazyFrame(schema=SCHEMA)]
    if parquet.is_file():
        parts.append(pl.scan_parquet(parquet, glob=False))
    journal = _journal(parquet)
    if journal.is_file():
        # What a torn last line says is not taken: read at most up to the last end of a line.
        whole, _, _ = journal.read_bytes().rpartition(b"\n")
        rows = pl.read_csv(whole or HEADER, schema=pl.Schema({**SCHEMA, "time": pl.Int64()}))
        parts.append(rows.lazy().with_columns(pl.col("time").cast(TIME)))
    return pl.concat(parts).unique(["time", "symbol"], keep="first").sort("time", "symbol")


class Recording:
    """The one writer of a recording.

    Args:
        out: A folder, or a Parquet file that everything is joined into at the end (until then its parts stand
            in a folder beside it).

    Raises:
        UserError: Another process writes it.
    """

    def __init__(self, out: Path) -> None:
        self.file: Final = out if out.suffix in {".parquet", ".pq"} else None
        self.folder: Final = out.with_name(f"{out.name}.parts") if self.file else out
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = self._locked()
        self._journals: dict[date, int] = {}
        self._minutes: dict[date, dict[str, bytearray]] = {}
        self._accounted = self._known_accounts()
        for day in _days(self.folder):
            _mend(_journal(self._parquet(day)))

    def keep(self, bars: Sequence[BarClosed]) -> int:
        """Append the bars that are not there yet, in one write a day; return how many those were."""
        lines: dict[date, list[str]] = {}
        for bar in bars:
            day = _EPOCH + timedelta(days=bar.minute // MINUTES_PER_DAY)
            seen, at = self._seen(day, bar.instrument), bar.minute % MINUTES_PER_DAY
            if not seen[at]:
                seen[at] = 1
                lines.setdefault(day, []).append(_line(bar))
        for day, of_day in lines.items():
            os.write(self._journal_of(day), "".join(of_day).encode())
        return sum(map(len, lines.values()))

    def missing(self, instrument: str, last_minute: int) -> tuple[int, int] | None:
        """Return the first and last minute up to `last_minute` that are not accounted for, or None.

        What is there at the beginning is accounted for at once.
        """
        minutes = [
            minute
            for minute in range(self._accounted[instrument], last_minute + 1)
            if not self._seen(_EPOCH + timedelta(days=minute // MINUTES_PER_DAY), instrument)[
                minute % MINUTES_PER_DAY
            ]
        ]
        self._accounted[instrument] = (
            minutes[0] if minutes else max(last_minute + 1, self._accounted[instrument])
        )
        return (minutes[0], minutes[-1]) if minutes else None

    def begin(self, instrument: str, minute: int) -> int:
        """Return the first minute that is not accounted for: where it stopped before, or `minute`."""
        return self._accounted.setdefault(instrument, minute)

    def account(self, instrument: str, until_minute: int) -> None:
        """Note that everything before this minute is there or does not exist."""
        self._accounted[instrument] = max(until_minute, self._accounted[instrument])

    def save(self, today_minute: int) -> None:
        """Make days that are over Parquet, and what is accounted for durable."""
        today = _EPOCH + timedelta(days=today_minute // MINUTES_PER_DAY)
        for day in _days(self.folder):
            if day < today and _journal(self._parquet(day)).is_file():
                self._close(day)
        for day in sorted(self._minutes)[:-DAYS_REMEMBERED]:
            del self._minutes[day]
        unfinished = self.folder / f"{ACCOUNTS}.unfinished"
        unfinished.write_bytes(msgspec.json.encode(self._accounted))
        unfinished.replace(self.folder / ACCOUNTS)

    def finish(self) -> int:
        """Make every day Parquet, join them where one file was asked for; return how many bars there are."""
        self.save((1 << 31) - 1)
        days = [pl.scan_parquet(self._parquet(day), glob=False) for day in _days(self.folder)]
        whole = pl.concat([pl.LazyFrame(schema=SCHEMA), *days])
        if self.file is not None:
            before = [pl.scan_parquet(self.file, glob=False)] if self.file.is_file() else []
            joined = pl.concat([*before, whole]).unique(["time", "symbol"], keep="first", maintain_order=True)
            write_whole(joined.sort("time", "symbol").collect(), self.file)
            shutil.rmtree(self.folder)
            whole = pl.scan_parquet(self.file, glob=False)
        os.close(self._lock)
        return int(whole.select(pl.len()).collect().item())

    def _locked(self) -> int:
        """Return the lock; the kernel gives it up when the process ends, however it ends."""
        lock = os.open(self.folder / ".lock", os.O_CREAT | os.O_RDWR, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise UserError(
                f"{self.folder} is being recorded by another process; stop it first or name another --out"
            ) from None
        return lock

    def _known_accounts(self) -> dict[str, int]:
        accounts = self.folder / ACCOUNTS
        if accounts.is_file():
            return _ACCOUNTS.decode(accounts.read_bytes())
        if self.file is None or not self.file.is_file():
            return {}
        newest = pl.scan_parquet(self.file, glob=False).group_by("symbol").agg(pl.col("time").max()).collect()
        return {symbol: int(time.timestamp() // 60) + 1 for symbol, time in newest.iter_rows()}

    def _seen(self, day: date, instrument: str) -> bytearray:
        """Return for every minute of the day whether its bar is there."""
        if day not in self._minutes:
            self._minutes[day] = {}
            rows = merged(self._parquet(day)).select("symbol", pl.col("time").dt.epoch("s")).collect()
            for symbol, seconds in rows.iter_rows():
                self._seen(day, symbol)[seconds // 60 % MINUTES_PER_DAY] = 1
        return self._minutes[day].setdefault(instrument, bytearray(MINUTES_PER_DAY))

    def _journal_of(self, day: date) -> int:
        if day not in self._journals:
            file = _journal(self._parquet(day))
            self._journals[day] = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
            if not file.stat().st_size:
                os.write(self._journals[day], HEADER)
        return self._journals[day]

    def _close(self, day: date) -> None:
        """Make a day Parquet. Killed in between, both stand and say the same."""
        parquet = self._parquet(day)
        write_whole(merged(parquet).collect(), parquet)
        if (journal := self._journals.pop(day, None)) is not None:
            os.close(journal)
        _journal(parquet).unlink()

    def _parquet(self, day: date) -> Path:
        return self.folder / f"{day}.parquet"


def _journal(parquet: Path) -> Path:
    return parquet.with_suffix(".csv")


def _days(folder: Path) -> list[date]:
    """Return the days of which anything is there, ascending."""
    days = set()
    for file in folder.iterdir():
        if file.suffix in {".parquet", ".csv"}:
            try:
                days.add(date.fromisoformat(file.stem))
            except ValueError:
                continue  # not ours
    return sorted(days)


def _mend(journal: Path) -> None:
    """Cut a line off that was torn when the machine went down: the next one must not be joined to it."""
    if journal.is_file():
        whole, end, _ = journal.read_bytes().rpartition(b"\n")
        os.truncate(journal, len(whole) + len(end))


def _line(bar: BarClosed) -> str:
    # Shortest forms that give the same floats again; nothing where the venue does not say what takers bought.
    numbers = ("" if isnan(value) else repr(value) for value in (getattr(bar, name) for name in NUMBERS))
    return f"{bar.minute * MINUTE_US},{bar.instrument},{','.join(numbers)}\n"
