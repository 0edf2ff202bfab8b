"""Values of a run as JSON can say them."""

from datetime import UTC, datetime
from math import isfinite


def moment(minute: int) -> datetime:
    """Return an epoch minute as a moment."""
    return datetime.fromtimestamp(60 * minute, UTC)


def known(number: float) -> float | None:
    """Return a number, or None where there is none: JSON has no NaN."""
    return number if isfinite(number) else None
