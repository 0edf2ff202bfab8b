"""Bars that were fetched from feeds' history, as a source: what a live run warms up with."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from daemon.bars.columns import BarColumns
from daemon.bars.grid import Grid
from daemon.bars.instruments import check_quotes, describe, is_described
from daemon.bars.sealing import seal
from daemon.errors import BarsError
from daemon.events import Instrument, Minutes
from daemon.feed import BarClosed
from daemon.settings import Settings

LIVE: Final = "live"
"""Stands for the fingerprint: what a live run was given is what its tape holds."""

_VALUES: Final = ("open", "high", "low", "close", "volume", "taker")


class FetchedBars:
    """A source of bars in memory, by instrument.

    Args:
        bars: By full name, ascending by minute. An instrument may have none where the settings say its
            tick and lot (`universe.overrides`): a feed without a past, like MQTT's.
        settings: For what the instruments are, and the longest run of absent minutes that is filled.

    Raises:
        BarsError: An instrument has no bar and is not described, or is quoted in another currency than the
            run's.
    """

    def __init__(self, bars: Mapping[str, Sequence[BarClosed]], settings: Settings) -> None:
        without = sorted(
            name for name, found in bars.items() if not found and not is_described(name, settings)
        )
        if without:
            raise BarsError(
                f"there is no recent bar of {', '.join(without)}: their tick and lot are unknown. Check the "
                "symbols, leave them out of universe.instruments, or say tick and lot in universe.overrides."
            )
        self._margin = settings.bars.max_synthetic_minutes
        self.instruments: Final[tuple[Instrument, ...]] = tuple(
            describe(name, np.array([bar.close for bar in bars[name]]), settings) for name in sorted(bars)
        )
        check_quotes(self.instruments, settings.run.quote)
        self._grid = Grid([instrument.calendar for instrument in self.instruments])
        self._columns = _columns([bars[instrument.name] for instrument in self.instruments])
        any_bar = len(self._columns.minute) > 0
        self.first_minute: Final = int(self._columns.minute[0]) if any_bar else 0
        self.last_minute: Final = int(self._columns.minute[-1]) if any_bar else -1
        self.fingerprint: Final = LIVE

    def blocks(self, first_minute: int, last_minute: int, max_minutes: int) -> Iterator[Minutes]:
        """Yield the session minutes of [first_minute, last_minute] from the first bar on, in blocks."""
        if self.last_minute < 0:
            return
        first = max(first_minute, self.first_minute)
        for minute in self._grid.runs(first, last_minute, max_minutes):
            around = (int(minute[0]) - self._margin, int(minute[-1]) + self._margin + 1)
            near = self._columns.take(slice(*np.searchsorted(self._columns.minute, around).tolist()))
            yield seal(near, self._grid, len(self.instruments), minute, self._margin)

    def outside(self, first_minute: int, last_minute: int) -> Mapping[str, int]:
        """Return nothing: a history is asked for session minutes."""
        del first_minute, last_minute
        return {}


def _columns(bars: Sequence[Sequence[BarClosed]]) -> BarColumns:
    counts = [len(of_one) for of_one in bars]
    every = [bar for of_one in bars for bar in of_one]
    none = np.zeros(len(every), dtype=np.int64)
    columns = BarColumns(
        instrument=np.repeat(np.arange(len(bars)), counts),
        minute=np.array([bar.minute for bar in every], dtype=np.int64),
        **{name: np.array([getattr(bar, name) for bar in every], dtype=np.float64) for name in _VALUES},
        row=none,
        file=none,
    )
    return columns.take(np.lexsort((columns.instrument, columns.minute)))
