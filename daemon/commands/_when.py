"""A minute on the command line."""

from datetime import UTC, datetime
from typing import Any

import click


class When(click.ParamType[int]):
    """An ISO 8601 date or time, UTC unless it says otherwise; becomes an epoch minute."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the epoch minute, or fail with what a time looks like."""
        if isinstance(value, int):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time: write 2025-05-25 or 2025-05-25T13:30 (UTC)", param, ctx)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        minute, second = divmod(moment.timestamp(), 60)
        if second:
            self.fail(f"{value!r} is no whole minute", param, ctx)
        return int(minute)
