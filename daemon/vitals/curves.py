"""What a report draws over time, thinned to what a screen can show."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from daemon.events import BAR_RECORD, BatchRecord, FillKind

MOST_POINTS = 800
MOST_MARKS = 400
KEPT_EVERY: Final = 60
"""Of batches that leave the tape, one point is kept for every so many."""

COLUMNS: Final = ("minute", "equity", "best", "worst", "drawdown", "profit", "before_costs")

Marks = dict[str, list[tuple[int, float, int]]]
"""By instrument: (epoch minute, price, 1 bought or -1 sold)."""


@dataclass(frozen=True, slots=True)
class CurvePart:
    """The points of some time, and its fills.

    Attributes:
        columns: `COLUMNS` of its points.
        closes: Newest closes at its end, by instrument.
        marks: Its fills.
    """

    columns: dict[str, list[float]]
    closes: dict[str, float]
    marks: Marks


class Curves:
    """Follows the batches of a run and keeps the first, and the last of every `step`.

    Args:
        n_batches: How many will come.
        capital: Equity at the start, quote currency.
        step: A point for every so many batches; default: so many that `MOST_POINTS` are drawn.

    Attributes:
        minute: Epoch minutes of the points.
        equity: Equity after them; `best` and `worst` its band, `drawdown` a share.
        profit: Cumulative profit after all costs; `before_costs` the same without any, quote currency.
        marks: By instrument: (epoch minute, price, 1 bought or -1 sold) of its fills.
    """

    def __init__(self, n_batches: int, capital: float, step: int | None = None) -> None:
        self._step = step or max(1, -(-n_batches // MOST_POINTS))
        self._last = n_batches
        self._capital = capital
        self.minute: list[int] = []
        self.equity: list[float] = []
        self.best: list[float] = []
        self.worst: list[float] = []
        self.drawdown: list[float] = []
        self.profit: list[float] = []
        self.before_costs: list[float] = []
        self.marks: Marks = {}
        self._close: dict[str, float] = {}
        self._prices: list[dict[str, float]] = []
        self._deepest = 0.0

    def add(self, record: BatchRecord, names: Sequence[str]) -> None:
        """Take the next batch; `names` are the instruments of its bars."""
        for fill in record.fills:
            if fill.kind is not FillKind.FUNDING:
                side = 1 if fill.quantity > 0 else -1
                self.marks.setdefault(fill.instrument, []).append((fill.minute, float(fill.price), side))
        bars = np.frombuffer(record.bars, BAR_RECORD)
        self._close.update(
            zip((names[at] for at in bars["instrument"].tolist()), bars["close"].tolist(), strict=True)
        )
        book = record.book
        self._deepest = max(self._deepest, book.drawdown)
        if record.batch % self._step and record.batch not in {1, self._last}:
            return
        equity, best = float(book.equity), float(book.best)
        self.minute.append(record.minute)
        self.equity.append(equity)
        self.best.append(best)
        self.worst.append(float(book.worst))
        # The deepest since the point before, so that thinning hides no drawdown.
        self.drawdown.append(self._deepest)
        self.profit.append(equity - self._capital)
        self.before_costs.append(best + float(book.fees) - self._capital)
        self._prices.append(dict(self._close))
        self._deepest = 0.0

    def cut(self, minute: int) -> CurvePart:
        """Return the points and fills before `minute`, and keep those from it on."""
        n = bisect_left(self.minute, minute)
        columns = {name: getattr(self, name)[:n] for name in COLUMNS}
        closes = self._prices[n - 1] if n else {}
        for name in COLUMNS:
            del getattr(self, name)[:n]
        del self._prices[:n]
        before = {name: [mark for mark in marks if mark[0] < minute] for name, marks in self.marks.items()}
        self.marks = {name: marks[len(before[name]) :] for name, marks in self.marks.items()}
        return CurvePart(columns, closes, {name: marks for name, marks in before.items() if marks})

    def precede(self, parts: Sequence[CurvePart]) -> None:
        """Put earlier points, one for every `KEPT_EVERY` batches, and fills before what there is."""
        points: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        prices: list[dict[str, float]] = []
        marks: Marks = {}
        for part in parts:
            for name in COLUMNS:
                points[name] += part.columns[name]
            prices += [part.closes] * len(part.columns["minute"])
            for name, found in part.marks.items():
                marks.setdefault(name, []).extend(found)
        width = max(1, self._step // KEPT_EVERY)
        kept = [0, *range(width, len(prices), width)] if prices else []
        for name in COLUMNS:
            column = points[name]
            thinned = [column[at] for at in kept]
            if name == "drawdown":
                thinned = [max(column[at : at + width]) for at in kept]
            elif name == "minute":
                thinned = [int(minute) for minute in thinned]
            getattr(self, name)[:0] = thinned
        self._prices[:0] = [prices[at] for at in kept]
        for name, found in self.marks.items():
            marks.setdefault(name, []).extend(found)
        self.marks = marks

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data."""
        fields: dict[str, object] = {name: list(getattr(self, name)) for name in COLUMNS}
        return fields | {
            "prices": list(self._prices),
            "marks": self.marks,
            "close": self._close,
            "deepest": self._deepest,
        }

    def restore(self, fields: Mapping[str, Any]) -> None:
        """Take up again where `to_fields` stood."""
        for name in COLUMNS:
            setattr(self, name, list(fields[name]))
        self._prices = [dict(closes) for closes in fields["prices"]]
        self.marks = {
            name: [(minute, price, side) for minute, price, side in marks]
            for name, marks in fields["marks"].items()
        }
        self._close, self._deepest = dict(fields["close"]), float(fields["deepest"])

    def prices(self, name: str) -> list[float | None]:
        """Return an instrument's newest close at every point; None before its first."""
        return [closes.get(name) for closes in self._prices]

    def shown_marks(self, name: str) -> list[tuple[int, float, int]]:
        """Return an instrument's fills, evenly thinned to at most `MOST_MARKS`."""
        marks = self.marks.get(name, [])
        step = max(1, -(-len(marks) // MOST_MARKS))
        return marks[::step]
