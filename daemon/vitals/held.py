"""What a run holds, as a person sees it: each position with the age of the price it is valued at."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class HeldPosition:
    """One position; money in quote currency, `weight` a share of equity.

    `mark_age_minutes` is how many session minutes ago the price was made that it is valued at.
    """

    instrument: str
    quantity: Decimal
    weight: float
    unrealised: Decimal
    mark_age_minutes: int = 0


def positions_panel(
    title: str, positions: Sequence[HeldPosition]
) -> tuple[str, tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Return title, columns and rows of what is held, with the age of the price it is valued at."""
    rows = tuple(
        (
            p.instrument,
            f"{p.quantity:+f}",
            f"{p.weight:+.1%}",
            f"{p.unrealised:+,.2f}",
            f"{p.mark_age_minutes} min old" if p.mark_age_minutes else "now",
        )
        for p in positions
    )
    return title, ("instrument", "quantity", "weight", "unrealised", "mark"), rows
