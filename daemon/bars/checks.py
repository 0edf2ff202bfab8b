"""What makes a row of a file a minute bar. Everything else is refused here, before it can reach a feature."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from daemon.bars.columns import BarColumns
from daemon.events import MINUTE_US
from daemon.kernels import BoolArray, IntArray

TAKER_TOLERANCE: Final = 1e-9
"""Taker volume may exceed the volume by this share: both are rounded sums."""

MISSING_TIME: Final = np.iinfo(np.int64).min
"""Stands where a file has no time that can be read."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a row is no minute bar.

    Attributes:
        row: Position in the columns that were checked.
        text: What is wrong, in words.
    """

    row: int
    text: str


def check_values(bars: BarColumns, *, limit: int = 5) -> tuple[Problem, ...]:
    """Return the first problems of prices and volumes: not finite, not positive, high below close, ...

    A row is reported once, with its first problem.
    """
    rules = list(_rules(bars))
    wrong = np.zeros(len(bars), dtype=np.bool_)
    for broken, _ in rules:
        wrong |= broken
    return tuple(
        Problem(int(row), next(text for broken, text in rules if broken[row]))
        for row in np.flatnonzero(wrong)[:limit]
    )


def check_times(time_us: IntArray, *, limit: int = 5) -> tuple[Problem, ...]:
    """Return the first of `time_us` (n_rows,), microseconds since 1970, that are missing or off a minute."""
    missing = time_us == MISSING_TIME
    off = time_us % MINUTE_US != 0
    return tuple(
        Problem(
            int(row),
            "the time is missing or cannot be read" if missing[row] else _off_minute(int(time_us[row])),
        )
        for row in np.flatnonzero(missing | off)[:limit]
    )


def find_duplicates(bars: BarColumns, *, limit: int = 5) -> tuple[tuple[int, int], ...]:
    """Return the first neighbouring rows with the same (minute, instrument) in bars sorted by both."""
    same = (bars.minute[1:] == bars.minute[:-1]) & (bars.instrument[1:] == bars.instrument[:-1])
    return tuple((int(row), int(row) + 1) for row in np.flatnonzero(same)[:limit])


def _rules(bars: BarColumns) -> Iterator[tuple[BoolArray, str]]:
    for name in ("open", "high", "low", "close", "volume"):
        yield ~np.isfinite(getattr(bars, name)), f"{name} is missing or not a finite number"
    for name in ("open", "high", "low", "close"):
        yield getattr(bars, name) <= 0, f"{name} is not positive"
    yield bars.high < np.maximum(bars.open, bars.close), "high is below open or close"
    yield bars.low > np.minimum(bars.open, bars.close), "low is above open or close"
    yield bars.volume < 0, "volume is negative"
    yield np.isinf(bars.taker) | (bars.taker < 0), "taker volume is negative or infinite"
    yield bars.taker > bars.volume * (1.0 + TAKER_TOLERANCE), "taker volume is above volume"


def _off_minute(time_us: int) -> str:
    second = time_us % MINUTE_US / 1e6
    return (
        f"the time is {second:g} s past the minute: minute bars stand on whole minutes "
        "(bars.time_unit and bars.stamped say how times are read)"
    )
