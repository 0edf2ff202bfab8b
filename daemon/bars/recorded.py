"""Recorded bars of one or several files as one source of sealed minutes, streamed with bounded memory."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from daemon.bars.checks import MISSING_TIME, check_times, check_values, find_duplicates
from daemon.bars.columns import BarColumns
from daemon.bars.grid import Grid
from daemon.bars.instruments import check_quotes, describe, full_name
from daemon.bars.sealing import seal
from daemon.bars.sessions import ALWAYS
from daemon.errors import BarsError
from daemon.events import MINUTE_US, Instrument, Minutes
from daemon.kernels import FloatArray, IntArray
from daemon.settings import Settings

SEEN_MINUTES: Final = 1_440
CLOSE_SLACK_US: Final = 1_000_000
"""Venues that stamp the close often stamp the last moment inside the minute: 15:33:59.999."""


EARLIEST_US: Final = 315_532_800_000_000
"""1980-01-01."""

LATEST_US: Final = 4_102_444_800_000_000
"""2100-01-01. Times beyond these two are times in another unit, and one of them alone would make a run of
centuries of empty minutes."""


class Symbol(Protocol):
    """What a first look at a file says about one of its symbols."""

    @property
    def first_us(self) -> int:
        """Its earliest time, microseconds since 1970."""

    @property
    def last_us(self) -> int:
        """Its latest time."""

    @property
    def closes(self) -> FloatArray:
        """(n,) the closes of its first bars, n >= 1, as the file has them."""


class RecordedFile(Protocol):
    """One file of bars as `adapters.files` reads it: columns in the file's own terms, nothing judged."""

    @property
    def name(self) -> str:
        """What to call it in messages."""

    @property
    def digest(self) -> bytes:
        """Hash of its content."""

    @property
    def symbols(self) -> Mapping[str, Symbol]:
        """By symbol as the file writes it, in the file's fixed order."""

    def read(self, first_us: int, last_us: int) -> Iterator[Mapping[str, npt.NDArray[np.generic]]]:
        """Yield its rows with a time in [first_us, last_us] or none, ascending by time, in bounded blocks.

        Keys: `time_us` (the smallest int64 where there is none), `symbol` (position in `symbols`, -1 where
        there is none), `row` (data rows from 1): int64; `open`, `high`, `low`, `close`, `volume`, `taker`:
        float64, NaN where there is none.
        """


@dataclass(slots=True)
class _Cursor:
    """Reads one file ahead, as far as it is asked to."""

    blocks: Iterator[BarColumns]
    waiting: BarColumns
    done: bool = False

    def up_to(self, last: int) -> list[BarColumns]:
        """Take the bars not yet taken of all minutes up to `last`."""
        taken: list[BarColumns] = []
        while not self.done and (not len(self.waiting) or int(self.waiting.minute[-1]) <= last):
            taken.append(self.waiting)
            following = next(self.blocks, None)
            self.done = following is None
            self.waiting = following if following is not None else BarColumns.empty()
        cut = int(np.searchsorted(self.waiting.minute, last, side="right"))
        taken.append(self.waiting.take(slice(0, cut)))
        self.waiting = self.waiting.take(slice(cut, None))
        return [part for part in taken if len(part)]


class RecordedBars:
    """Bar files as one `ports.BarSource`: what stands in a minute is the same however blocks are cut.

    Args:
        files: The files; bars of one instrument may be spread over several.
        settings: Universe, calendar, how times are stamped, the longest run of absent minutes that is filled.

    Raises:
        BarsError: A file cannot be read, an instrument of the settings is in none of them, or instruments are
            quoted
            in another currency than the run's.
    """

    def __init__(self, files: Sequence[RecordedFile], settings: Settings) -> None:
        self._files = tuple(files)
        self._settings = settings
        self._symbols_of = {file.name: tuple(file.symbols) for file in self._files}
        found = self._found()
        self.instruments: Final[tuple[Instrument, ...]] = tuple(
            describe(symbol, _sample([span.closes for _, span in spans]), settings)
            for symbol, spans in (found[name] for name in self._wanted(found))
        )
        check_quotes(self.instruments, settings.run.quote)
        spans = [span for name in self._names for _, span in found[name][1]]
        self.first_minute: Final = min(self._minute(span.first_us) for span in spans)
        self.last_minute: Final = max(self._minute(span.last_us) for span in spans)
        self._grid = Grid([instrument.calendar for instrument in self.instruments])

    @property
    def fingerprint(self) -> str:
        """Hash of the content of all files, whatever their names and order."""
        whole = hashlib.blake2b(digest_size=32)
        for digest in sorted(file.digest for file in self._files):
            whole.update(digest)
        return whole.hexdigest()

    def blocks(self, first_minute: int, last_minute: int, max_minutes: int) -> Iterator[Minutes]:
        """Yield the session minutes of [first_minute, last_minute] that lie within the source, in blocks.

        Args:
            first_minute: Epoch minute.
            last_minute: Epoch minute, included.
            max_minutes: Every block but the last has exactly so many minutes.

        Raises:
            BarsError: A row is no minute bar, or two rows are the same bar; says which and what to do.
        """
        first, last = max(first_minute, self.first_minute), min(last_minute, self.last_minute)
        margin = self._settings.bars.max_synthetic_minutes
        cursors = [
            _Cursor(self._bars_of(position, first - margin, last + margin), BarColumns.empty())
            for position in range(len(self._files))
        ]
        kept = BarColumns.empty()
        for minute in self._grid.runs(first, last, max_minutes):
            until = int(minute[-1]) + margin
            fresh = self._merged([part for cursor in cursors for part in cursor.up_to(until)])
            kept = BarColumns.concat([kept, fresh])
            yield seal(kept, self._grid, len(self.instruments), minute, margin)
            kept = kept.take(slice(int(np.searchsorted(kept.minute, int(minute[-1]) - margin)), None))

    def outside(self, first_minute: int, last_minute: int) -> dict[str, int]:
        """Count the bars of [first_minute, last_minute] that `blocks` leaves out: outside their sessions.

        This reads the files once more, if any instrument keeps sessions at all.

        Returns:
            By instrument, sorted; those without such bars are not there.
        """
        counts = np.zeros(len(self.instruments), dtype=np.int64)
        if all(instrument.calendar == ALWAYS for instrument in self.instruments):
            return {}
        for position in range(len(self._files)):
            for bars in self._bars_of(position, first_minute, last_minute):
                asked = bars.take((bars.minute >= first_minute) & (bars.minute <= last_minute))
                minute, at = np.unique(asked.minute, return_inverse=True)
                closed = self._grid.sessions(minute)[at, asked.instrument] < 0
                counts += np.bincount(asked.instrument[closed], minlength=len(counts))
        return {name: count for name, count in zip(self._names, counts.tolist(), strict=True) if count}

    def demand_good(self, first_minute: int, last_minute: int) -> None:
        """Read the bars of [first_minute, last_minute] once, to find wrong ones before a run begins.

        Raises:
            BarsError: As from `blocks`.
        """
        for _ in self.blocks(first_minute, last_minute, SEEN_MINUTES):
            pass

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(instrument.name for instrument in self.instruments)

    def _found(self) -> dict[str, tuple[str, list[tuple[str, Symbol]]]]:
        """Return what the files hold by full name: the symbol and the spans of every file that has it."""
        found: dict[str, tuple[str, list[tuple[str, Symbol]]]] = {}
        for file in self._files:
            for symbol, span in file.symbols.items():
                name = full_name(symbol, self._settings.universe.venue)
                self._demand_plausible(file.name, name, span)
                found.setdefault(name, (symbol, []))[1].append((file.name, span))
        if not found:
            raise BarsError(
                f"there are no bars in {', '.join(file.name for file in self._files) or 'no file'}."
            )
        return found

    def _demand_plausible(self, file: str, name: str, span: Symbol) -> None:
        for time_us in (span.first_us, span.last_us):
            if not EARLIEST_US <= time_us < LATEST_US:
                raise BarsError(
                    f"{file}: {name} has a bar at {np.datetime64(time_us, 'us')}, and bars are from 1980 to "
                    f"2099. If times are whole numbers, say in bars.time_unit what they count (it is "
                    f"{self._settings.bars.time_unit!r}); else mend or remove the row."
                )

    def _wanted(self, found: Mapping[str, object]) -> list[str]:
        universe = self._settings.universe
        if universe.instruments == "all":
            return sorted(found)
        wanted = {full_name(symbol, universe.venue) for symbol in universe.instruments}
        if missing := sorted(wanted - set(found)):
            raise BarsError(
                f"universe.instruments names {', '.join(missing)}, which the bar files do not hold. "
                f"They hold {', '.join(sorted(found))}. A symbol without a venue gets universe.venue, "
                f"now {universe.venue!r}."
            )
        return sorted(wanted)

    def _minute(self, time_us: int) -> int:
        """Return the epoch minute of the bar's open, whatever end of the bar the file stamps."""
        if self._settings.bars.stamped == "open":
            return time_us // MINUTE_US
        return (time_us + CLOSE_SLACK_US) // MINUTE_US - 1

    def _bars_of(self, position: int, first: int, last: int) -> Iterator[BarColumns]:
        """Yield the checked bars of one file, of wanted instruments, ascending by (minute, instrument)."""
        file = self._files[position]
        names = [full_name(symbol, self._settings.universe.venue) for symbol in self._symbols_of[file.name]]
        # One more place at the end, where the symbol -1 (none) finds itself.
        index = np.array([self._names.index(name) if name in self._names else -1 for name in [*names, ""]])
        stamp_shift = 0 if self._settings.bars.stamped == "open" else MINUTE_US
        for raw in file.read(
            first * MINUTE_US + stamp_shift - CLOSE_SLACK_US, last * MINUTE_US + stamp_shift
        ):
            yield self._checked(file, raw, index, position)

    def _checked(
        self, file: RecordedFile, raw: Mapping[str, npt.NDArray[np.generic]], index: IntArray, position: int
    ) -> BarColumns:
        time_us, row, symbol = (raw[key].astype(np.int64, copy=False) for key in ("time_us", "row", "symbol"))
        if np.any(symbol < 0):
            raise BarsError(
                f"{file.name}: row {int(row[np.argmax(symbol < 0)])} has no symbol. Remove or mend it."
            )
        if self._settings.bars.stamped == "close":
            time_us = _opening(time_us)
        wanted = index[symbol] >= 0
        if problems := check_times(time_us[wanted]):
            lines = [f"row {int(row[wanted][problem.row])}: {problem.text}" for problem in problems]
            raise BarsError(_complaint(file.name, lines))
        bars = BarColumns(
            instrument=index[symbol],
            minute=time_us // MINUTE_US,
            **{name: raw[name].astype(np.float64, copy=False) for name in _FLOATS},
            row=row,
            file=np.full(len(row), position, dtype=np.int64),
        ).take(wanted)
        if wrong := check_values(bars):
            raise BarsError(_complaint(file.name, [f"{self._where(bars, p.row)}: {p.text}" for p in wrong]))
        return bars

    def _merged(self, parts: list[BarColumns]) -> BarColumns:
        if not parts:
            return BarColumns.empty()
        bars = BarColumns.concat(parts)
        key = bars.minute * len(self.instruments) + bars.instrument
        step = np.diff(key)
        if np.any(step <= 0):
            bars = bars.take(np.argsort(key, kind="stable"))
            if pairs := find_duplicates(bars):
                raise BarsError(self._duplicate(bars, *pairs[0]))
        return bars

    def _duplicate(self, bars: BarColumns, one: int, other: int) -> str:
        names = [self._files[int(bars.file[row])].name for row in (one, other)]
        place = f"in {names[0]}" if names[0] == names[1] else f"once in {names[0]}, once in {names[1]}"
        return (
            f"two rows are the same bar ({place}): {self._where(bars, one)} and {self._where(bars, other)}. "
            f"A bar may stand only once: remove one of them, or give only one of the files."
        )

    def _where(self, bars: BarColumns, row: int) -> str:
        moment = np.datetime64(int(bars.minute[row]), "m")
        return f"row {int(bars.row[row])} ({self._names[int(bars.instrument[row])]}, {moment}Z)"


_FLOATS: Final = ("open", "high", "low", "close", "volume", "taker")


def _sample(parts: Sequence[FloatArray]) -> FloatArray:
    """Join the first closes of an instrument, leaving out what is no price: reading will complain of it."""
    closes = np.concatenate(list(parts))
    closes = closes[np.isfinite(closes) & (closes > 0)]
    return closes if len(closes) else np.ones(1)


def _opening(closing_us: IntArray) -> IntArray:
    """Turn the moments at which bars ended into those at which they began; what is missing stays so."""
    inside = closing_us % MINUTE_US
    end = np.where(inside >= MINUTE_US - CLOSE_SLACK_US, closing_us - inside + MINUTE_US, closing_us)
    return np.where(closing_us == MISSING_TIME, MISSING_TIME, end - MINUTE_US)


def _complaint(name: str, lines: Sequence[str]) -> str:
    return (
        f"{name} holds rows that are no minute bars: {'; '.join(lines)}. "
        f"Mend or remove them (the first ones are shown)."
    )
