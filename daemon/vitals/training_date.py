"""A run's profit before and after the end of what its model was trained on.

A model knows the minutes it was trained on: what it earns there says nothing of what it will earn.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from daemon.events import MINUTES_PER_DAY, BatchRecord


@dataclass(frozen=True, slots=True)
class Divided:
    """A run in two parts; money in quote currency.

    Attributes:
        date: Epoch minute behind the last that was trained on; None where the bundle does not say.
        before: Profit of the minutes before it, after all costs.
        after: Of those from it on.
        minutes_before: Decided minutes.
        minutes_after: The same.
        days_before: UTC days with such minutes before it.
    """

    date: int | None
    before: float
    after: float
    minutes_before: int
    minutes_after: int
    days_before: int

    @property
    def sentence(self) -> str:
        """What a reader must know of it."""
        if self.date is None:
            return "the model does not say what it was trained on: this run may lie within it"
        if not self.minutes_before:
            return "the whole run lies after the model's training"
        share = self.minutes_before / (self.minutes_before + self.minutes_after)
        if not self.minutes_after:
            return "the whole run lies within the model's training: it says nothing of minutes not yet seen"
        return (
            f"{share:.0%} of the run (days: {self.days_before:,}) lie within the model's training and say "
            f"nothing of minutes not yet seen: profit {self.before:+,.2f} before, {self.after:+,.2f} after "
            "the training date"
        )


class TrainingDate:
    """Follows the batches of a run from its first.

    Args:
        date: Epoch minute behind the last that was trained on; None where nobody knows.
        capital: Equity at the start, quote currency.
    """

    def __init__(self, date: int | None, capital: float) -> None:
        self._date, self._capital = date, capital
        self._at_date = self._equity = capital
        self._minutes = [0, 0]
        self._days: set[int] = set()

    def add(self, record: BatchRecord) -> None:
        """Take the next batch."""
        self._equity = float(record.book.equity)
        after = self._date is None or record.minute >= self._date
        self._minutes[after] += 1
        if not after:
            self._at_date = self._equity
            self._days.add(record.minute // MINUTES_PER_DAY)

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data."""
        return {
            "at_date": self._at_date,
            "equity": self._equity,
            "minutes": list(self._minutes),
            "days": sorted(self._days),
        }

    def restore(self, fields: Mapping[str, Any]) -> None:
        """Take up again where `to_fields` stood."""
        self._at_date, self._equity = float(fields["at_date"]), float(fields["equity"])
        self._minutes, self._days = list(fields["minutes"]), set(fields["days"])

    def figures(self) -> Divided:
        """Return both parts; without a date everything counts as after it."""
        before, after = self._at_date - self._capital, self._equity - self._at_date
        n_before, n_after = self._minutes
        return Divided(self._date, before, after, n_before, n_after, len(self._days))
