"""What the policy sees of the book: floats only; nothing else returns from the ledger."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class BookView:
    """The book after this minute's marks, by index of the instrument; one in no mapping is flat and idle.

    Attributes:
        equity: Quote currency.
        weights: Signed value of what is held over equity; over the run's capital where there is no equity.
        leads_to: Of instruments with a waiting order, the weight if it is filled whole; exactly 0.0 where
            flat.
        halted: Held or ordered instruments without a bar for `halt_minutes`.
    """

    equity: float
    weights: dict[int, float] = field(default_factory=dict)
    leads_to: dict[int, float] = field(default_factory=dict)
    halted: frozenset[int] = frozenset()
