"""The versions of a model as lines of text."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Final

from daemon.ports import ModelVersionRecord

NOTHING: Final = "-"
HEADS: Final = ("", "version", "aliases", "registered", "learned from", "to", "log-loss", "experts")


def lines(records: Sequence[ModelVersionRecord], alias: str | None) -> Iterator[str]:
    """Yield a table, one line a version; the one that `alias` points at has a star."""
    rows = [HEADS, *(_row(record, alias) for record in records)]
    widths = [max(map(len, column)) for column in zip_longest(*rows, fillvalue="")]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _row(record: ModelVersionRecord, alias: str | None) -> tuple[str, ...]:
    loss = record.metrics.get("calibration.log_loss.blend")
    return (
        "*" if alias in record.aliases else " ",
        record.version,
        ", ".join(record.aliases) or NOTHING,
        datetime.fromtimestamp(record.registered_s, UTC).strftime("%Y-%m-%d %H:%M"),
        record.parameters.get("range.start", NOTHING),
        record.parameters.get("range.end", NOTHING),
        NOTHING if loss is None else f"{loss:.4f}",
        record.parameters.get("experts", NOTHING),
    )
