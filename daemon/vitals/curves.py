"""What a report draws over time, thinned to what a screen can show."""

from collections.abc import Sequence

import numpy as np

from daemon.events import BAR_RECORD, BatchRecord, FillKind

MOST_POINTS = 800
MOST_MARKS = 400


class Curves:
    """Follows the batches of a run and keeps the first, and the last of every `step`.

    Args:
        n_batches: How many will come.
        capital: Equity at the start, quote currency.

    Attributes:
        minute: Epoch minutes of the points.
        equity: Equity after them; `best` and `worst` its band, `drawdown` a share.
        profit: Cumulative profit after all costs; `before_costs` the same without any, quote currency.
        marks: By instrument: (epoch minute, price, 1 bought or -1 sold) of its fills.
    """

    def __init__(self, n_batches: int, capital: float) -> None:
        self._step = max(1, -(-n_batches // MOST_POINTS))
        self._last = n_batches
        self._capital = capital
        self.minute: list[int] = []
        self.equity: list[float] = []
        self.best: list[float] = []
        self.worst: list[float] = []
        self.drawdown: list[float] = []
        self.profit: list[float] = []
        self.before_costs: list[float] = []
        self.marks: dict[str, list[tuple[int, float, int]]] = {}
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

    def prices(self, name: str) -> list[float | None]:
        """Return an instrument's newest close at every point; None before its first."""
        return [closes.get(name) for closes in self._prices]

    def shown_marks(self, name: str) -> list[tuple[int, float, int]]:
        """Return an instrument's fills, evenly thinned to at most `MOST_MARKS`."""
        marks = self.marks.get(name, [])
        step = max(1, -(-len(marks) // MOST_MARKS))
        return marks[::step]
