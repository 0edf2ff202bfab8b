"""Epoch minutes as text."""

from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def clock(minute: int) -> str:
    """Return an epoch minute as text, UTC: `2025-05-25 13:07`."""
    return (EPOCH + timedelta(minutes=minute)).strftime("%Y-%m-%d %H:%M")
