"""The HTTP header that says how long to wait, in both of its forms."""

from datetime import UTC
from email.utils import parsedate_to_datetime


def epoch_s_of(http_date: str | None) -> float | None:
    """Return an HTTP date as seconds since 1970 UTC, or None where there is none that can be read."""
    if not http_date:
        return None
    try:
        date = parsedate_to_datetime(http_date)
    except (ValueError, OverflowError):
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def retry_after_s(header: str | None, answered_at: str | None) -> float:
    """Return how long a `Retry-After` header asks to wait, 0 where it does not say (RFC 9110, 10.2.3).

    Args:
        header: Seconds, or an HTTP date.
        answered_at: The answer's own `Date`, so that a wrong clock here changes nothing.
    """
    if header and header.isascii() and header.isdigit():
        return float(header[:9])
    until_s, now_s = epoch_s_of(header), epoch_s_of(answered_at)
    return max(0.0, until_s - now_s) if until_s is not None and now_s is not None else 0.0
