"""Charts as SVG: lines, bands, bars and marks on one pair of axes. Colours are the page's CSS classes."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Final

WIDTH: Final = 960.0
NARROW: Final = 420.0
"""Width of the pictures for a telephone: the letters stay as large there."""

LEFT: Final = 70.0
RIGHT: Final = 14.0
TOP: Final = 12.0
BOTTOM: Final = 26.0
N_TICKS: Final = 5
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Final = 1440
_TIME_STEPS: Final = (
    *(5, 15, 30, 60, 120, 180, 360, 720),
    *(days * _DAY for days in (1, 2, 3, 7, 14)),
)
_MONTH_STEPS: Final = (1, 2, 3, 6, 12)
TICK_ROOM: Final = 130.0
HALF_LETTER: Final = 3.4
_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)

Points = Sequence[float | None]
Form = Callable[[float, float], str]


@dataclass(frozen=True, slots=True)
class Series:
    """A line, or the band between two lines where `low` is given; None leaves a gap.

    `shape` is its CSS class: `line a`, `band a`, `area down`, ...
    """

    shape: str
    values: Points
    low: Points | None = None


class Axes:
    """One chart: `x` are its places in ascending order, all values share the y axis.

    Args:
        x: (n_points,) numbers; epoch minutes where `time`.
        series: What is drawn, in this order; lengths as `x`.
        height: In units of the picture, whose width is 960.
        form: Says a tick of the y axis, given the step from one to the next; `amount_tick` by default.
        time: Whether x are epoch minutes; else numbers from 0 to 1.
        width: In units of the picture.
        least: Half of what the y axis spans where all values are 0.
    """

    def __init__(
        self,
        x: Sequence[float],
        series: Sequence[Series],
        height: float = 260.0,
        form: Form | None = None,
        *,
        time: bool = True,
        width: float = WIDTH,
        least: float = 1.0,
    ) -> None:
        self._x, self._series, self._time, self._form = x, series, time, form or amount_tick
        self._height, self._width = height, width
        self._span = (x[0], x[-1] if x[-1] > x[0] else x[0] + 1.0)
        lines = [line for one in series for line in (one.values, one.low) if line is not None]
        known = [value for line in lines for value in line if value is not None] or [0.0, 1.0]
        low, high = min(known), max(known)
        room = (high - low) * 0.04 or abs(high) * 0.01 or least
        self._low, self._high = low - room, high + room
        self._marks: list[str] = []

    def mark(self, x: float, value: float, shape: str, title: str) -> None:
        """Put a triangle: up below the value for `buy`, down above it for `sell`; a dot for anything else."""
        across, up = self._across(x), self._up(value)
        if shape in {"buy", "sell"}:
            way = 1 if shape == "buy" else -1
            path = f"M{across:.1f} {up:.1f}l-4 {7 * way}h8z"
            drawn = f'<path class="mark {shape}" d="{path}">'
            self._marks.append(f"{drawn}<title>{escape(title)}</title></path>")
        else:
            drawn = f'<circle class="mark {shape}" cx="{across:.1f}" cy="{up:.1f}" r="3.5">'
            self._marks.append(f"{drawn}<title>{escape(title)}</title></circle>")

    def divide(self, x: float, text: str) -> None:
        """Draw an upright line at `x` with a text beside it, if `x` lies inside the chart."""
        first, last = self._span
        if not first < x < last:
            return
        across = self._across(x)
        right = across < self._width / 2
        end, place = ("start", across + 6) if right else ("end", across - 6)
        ends = f'x1="{across:.1f}" x2="{across:.1f}" y1="{TOP:g}" y2="{self._height - BOTTOM:g}"'
        self._marks.append(
            f'<line class="divide" {ends}/>'
            f'<text class="tick" x="{place:.1f}" y="{TOP + 10:g}" text-anchor="{end}">{escape(text)}</text>'
        )

    def svg(self, label: str) -> str:
        """Return the picture; `label` says to a screen reader what it shows."""
        head = f'<svg viewBox="0 0 {self._width:g} {self._height:g}" role="img" aria-label="{escape(label)}">'
        drawn = [self._path(one) for one in self._series]
        return "".join([head, *self._grid(), *drawn, *self._marks, "</svg>"])

    def _path(self, one: Series) -> str:
        if one.low is None:
            return f'<path class="{one.shape}" d="{self._line(one.values)}"/>'
        pairs = [(i, h, lo) for i, (h, lo) in enumerate(zip(one.values, one.low, strict=True))]
        known = [(i, h, lo) for i, h, lo in pairs if h is not None and lo is not None]
        there = [f"{self._across(self._x[i]):.1f} {self._up(h):.1f}" for i, h, _ in known]
        back = [f"{self._across(self._x[i]):.1f} {self._up(lo):.1f}" for i, _, lo in reversed(known)]
        return f'<path class="{one.shape}" d="M{"L".join([*there, *back])}z"/>' if known else ""

    def _line(self, values: Points) -> str:
        parts, pen_up = [], True
        for x, value in zip(self._x, values, strict=True):
            if value is None:
                pen_up = True
                continue
            parts.append(f"{'M' if pen_up else 'L'}{self._across(x):.1f} {self._up(value):.1f}")
            pen_up = False
        return "".join(parts)

    def _grid(self) -> list[str]:
        parts = []
        places = ticks(self._low, self._high)
        step = places[1] - places[0] if len(places) > 1 else 1.0
        for value in places:
            up, text = self._up(value), escape(self._form(value, step))
            ends = f'x1="{LEFT:g}" x2="{self._width - RIGHT:g}" y1="{up:.1f}" y2="{up:.1f}"'
            zero = " zero" if abs(value) < 1e-12 else ""
            parts.append(f'<line class="grid{zero}" {ends}/>')
            parts.append(f'<text class="tick y" x="{LEFT - 8:g}" y="{up + 4:.1f}">{text}</text>')
        parts += [self._tick(x, text) for x, text in self._places()]
        return parts

    def _places(self) -> list[tuple[float, str]]:
        first, last = self._span
        if self._time:
            return time_ticks(first, last, max(2, int(self._width // TICK_ROOM)))
        return [(x, f"{x:.2g}") for x in ticks(first, last)]

    def _tick(self, x: float, text: str) -> str:
        across, half = self._across(x), len(text) * HALF_LETTER
        end = "start" if across - half < 0 else "end" if across + half > self._width else "middle"
        place = f'x="{across:.1f}" y="{self._height - 6:g}" text-anchor="{end}"'
        return f'<text class="tick" {place}>{text}</text>'

    def _across(self, x: float) -> float:
        first, last = self._span
        return LEFT + (x - first) / (last - first) * (self._width - LEFT - RIGHT)

    def _up(self, value: float) -> float:
        share = (value - self._low) / (self._high - self._low)
        return self._height - BOTTOM - share * (self._height - TOP - BOTTOM)


def amount_tick(value: float, step: float) -> str:
    """Return a number with so many decimals that ticks a step apart differ."""
    return f"{value:,.{_decimals(step)}f}"


def percent_tick(value: float, step: float) -> str:
    """Return a share in percent, in the same way."""
    return f"{100.0 * value:,.{_decimals(100.0 * step)}f}%"


def plain_tick(value: float, step: float) -> str:
    """Return a price or a probability, however many digits it takes, six at most."""
    del step
    return f"{value:,.6g}"


def _decimals(step: float) -> int:
    return next((n for n in range(9) if abs(round(step, n) - step) < 1e-3 * step), 9)


def ticks(low: float, high: float) -> list[float]:
    """Return about `N_TICKS` round numbers between `low` and `high` (low < high)."""
    rough = (high - low) / N_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * s for s in _STEPS if power * s >= rough * (1 - 1e-9))
    first = math.ceil(low / step)
    return [number * step for number in range(first, math.floor(high / step) + 1)]


def time_ticks(first: float, last: float, most: int) -> list[tuple[float, str]]:
    """Return at most `most` + 1 round moments of [first, last], epoch minutes, each with its text, UTC.

    They are midnights or firsts of months if the span is long; the year is told where it begins.
    """
    span = last - first
    step = next((s for s in _TIME_STEPS if span / s < most), None)
    if step is None:
        return _dated(_months(first, last, most))
    # Whole weeks count from a Monday: 1970-01-05.
    origin = 4 * _DAY if step % (7 * _DAY) == 0 else 0
    number = math.ceil((first - origin) / step)
    moments = [float(at) for at in range(origin + number * step, math.floor(last) + 1, step)]
    if step >= _DAY:
        return _dated(moments)
    forms = ("%d %b %H:%M" if i == 0 or at % _DAY == 0 else "%H:%M" for i, at in enumerate(moments))
    return [(at, _date(at).strftime(form)) for at, form in zip(moments, forms, strict=True)]


def _months(first: float, last: float, most: int) -> list[float]:
    """Return firsts of every, or every second, third, sixth, twelfth, ... month."""
    start, end = _date(first), _date(last)
    n_months = (end.year - start.year) * 12 + end.month - start.month + 1
    step = next((s for s in _MONTH_STEPS if n_months / s <= most), 12 * math.ceil(n_months / (12 * most)))
    numbers = range(start.year * 12 + start.month - 1, end.year * 12 + end.month, 1)
    days = (datetime(n // 12, n % 12 + 1, 1, tzinfo=UTC) for n in numbers if n % step == 0)
    return [at for at in ((day - _EPOCH) / timedelta(minutes=1) for day in days) if first <= at <= last]


def _dated(moments: Sequence[float]) -> list[tuple[float, str]]:
    years = [_date(at).year for at in moments]
    told = (i == 0 or years[i - 1] != year for i, year in enumerate(years))
    return [
        (at, _date(at).strftime("%d %b %Y" if year else "%d %b"))
        for at, year in zip(moments, told, strict=True)
    ]


def _date(minute: float) -> datetime:
    return _EPOCH + timedelta(minutes=minute)
