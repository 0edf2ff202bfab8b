"""The tables of a tape, in SQLAlchemy's terms: one schema for SQLite and any database that comes later.

What the digest chain does not cover row by row carries a `checksum` of its own (see `checksums`). Decimals
are text, because money is exact. Columns of 64-bit floats hold every bit pattern (see `cells`).
"""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy.types import TypeEngine

from daemon.errors import TapeVersionError

REVISION: Final = "0005"
"""The newest migration: the schema this version writes and reads."""

metadata = MetaData()

Key = BigInteger().with_variant(Integer(), "sqlite")
"""A single-column key: in SQLite `INTEGER PRIMARY KEY` is the row's own id and needs no index."""


def _required(name: str, kind: type[TypeEngine[Any]]) -> Column[Any]:
    return Column(name, kind, nullable=False)


def _in_batch(name: str, *columns: Column[Any]) -> Table:
    """Return a table of things that one batch holds in order: keyed by batch and position."""
    batch_column: Column[int] = Column("batch", BigInteger, ForeignKey("batch.number"), primary_key=True)
    position: Column[int] = Column("position", Integer, primary_key=True)
    return Table(name, metadata, batch_column, position, *columns, sqlite_with_rowid=False)


header = Table(
    "header",
    metadata,
    Column("key", Text, primary_key=True),
    _required("value", Text),
    _required("checksum", LargeBinary),
    sqlite_with_rowid=False,
)
"""What the run was made of. The chain starts from the digest of all of it."""

instrument = Table(
    "instrument",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    _required("seq", BigInteger),
    _required("name", Text),
    _required("quote", Text),
    _required("tick", Text),
    _required("lot", Text),
    _required("calendar", Text),
    _required("checksum", LargeBinary),
)
"""Every instrument the run ever had, by an id for each time it joined; `seq` is that of the event, or 0."""

model_file = Table(
    "model_file",
    metadata,
    Column("hash", Text, primary_key=True),
    _required("content", LargeBinary),
)
"""Files of model bundles by the digest of their content, each once."""

model_version = Table(
    "model_version",
    metadata,
    Column("version", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("hash", Text, ForeignKey("model_file.hash"), nullable=False),
    _required("checksum", LargeBinary),
    sqlite_with_rowid=False,
)
"""Which files a version of the model consists of."""

batch = Table(
    "batch",
    metadata,
    Column("number", Key, primary_key=True, autoincrement=False),
    _required("seq", BigInteger),
    _required("minute", BigInteger),
    _required("catch_up", Boolean),
    _required("decisions", LargeBinary),
    _required("equity", Text),
    _required("best", Text),
    _required("worst", Text),
    _required("cash", Text),
    _required("realised", Text),
    _required("fees", Text),
    _required("gross", Double),
    _required("net", Double),
    _required("drawdown", Double),
    _required("mode", Text),
    _required("parts", LargeBinary),
    _required("digest", LargeBinary),
)
"""One row per decided minute. `parts` are short checksums that say which part a broken digest is about."""

event = Table(
    "event",
    metadata,
    Column("seq", Key, primary_key=True, autoincrement=False),
    _required("batch", BigInteger),
    _required("kind", Text),
    _required("payload", LargeBinary),
    Index("event_batch", "batch"),
)
"""Every engine input that is no sealed minute; batch 0 holds those from before the first decided minute."""

bar = Table(
    "bar",
    metadata,
    Column("minute", BigInteger, primary_key=True),
    Column("instrument", Integer, primary_key=True),
    _required("seq", BigInteger),
    Column("open", Double),
    Column("high", Double),
    Column("low", Double),
    Column("close", Double),
    Column("volume", Double),
    Column("taker", Double),
    _required("flags", SmallInteger),
    # Rows come in the order of this key, so the table only ever grows at its end: that is what makes it fast.
    sqlite_with_rowid=False,
)
"""Every bar that entered the engine, with the sequence number of the input that admitted it. NULL is NaN."""

revision = Table(
    "revision",
    metadata,
    Column("minute", BigInteger, primary_key=True),
    Column("instrument", Integer, primary_key=True),
    Column("position", Integer, primary_key=True),
    _required("kind", Text),
    _required("received_us", BigInteger),
    Column("open", Double),
    Column("high", Double),
    Column("low", Double),
    Column("close", Double),
    Column("volume", Double),
    Column("taker", Double),
    _required("checksum", LargeBinary),
    sqlite_with_rowid=False,
)
"""Bars that came too late or again with other values: stored, never applied. Written by live feeds."""

paper_order = _in_batch(
    "paper_order",
    _required("id", BigInteger),
    _required("minute", BigInteger),
    _required("instrument", Text),
    _required("quantity", Text),
    _required("reason", Text),
)

order_end = _in_batch(
    "order_end",
    _required("order_id", BigInteger),
    _required("minute", BigInteger),
    _required("instrument", Text),
    _required("unfilled", Text),
    _required("reason", Text),
)

fill = _in_batch(
    "fill",
    _required("order_id", BigInteger),
    _required("minute", BigInteger),
    _required("instrument", Text),
    _required("kind", Text),
    _required("quantity", Text),
    _required("reference", Text),
    _required("price", Text),
    _required("best", Text),
    _required("worst", Text),
    _required("fee", Text),
    _required("spread_cost", Text),
    _required("slippage_cost", Text),
    _required("impact_cost", Text),
    _required("realised", Text),
)

state_change = _in_batch(
    "state_change",
    _required("minute", BigInteger),
    _required("before", Text),
    _required("after", Text),
    _required("cause", Text),
)

vital_change = _in_batch(
    "vital_change",
    _required("minute", BigInteger),
    _required("vital", Text),
    _required("subject", Text),
    _required("before", Text),
    _required("after", Text),
    _required("value", Double),
    _required("bound", Double),
    _required("cause", Text),
    _required("consequences", Text),
)

refusal = _in_batch(
    "refusal",
    _required("minute", BigInteger),
    _required("subject", Text),
    _required("reason", Text),
)

snapshot = Table(
    "snapshot",
    metadata,
    Column("batch", Key, primary_key=True, autoincrement=False),
    _required("content", LargeBinary),
    _required("checksum", LargeBinary),
)
"""The engine's state after a batch (see `daemon.snapshot`)."""

arrival = Table(
    "arrival",
    metadata,
    Column("minute", BigInteger, primary_key=True),
    Column("instrument", Integer, primary_key=True),
    _required("received_us", BigInteger),
    _required("checksum", LargeBinary),
    sqlite_with_rowid=False,
)
"""When a bar reached this machine: diagnostic, no part of the chain. Written by live feeds."""

indication = Table(
    "indication",
    metadata,
    Column("order_id", Key, primary_key=True, autoincrement=False),
    _required("instrument", Integer),
    _required("minute", BigInteger),
    _required("price", Double),
    _required("committed_us", BigInteger),
    _required("received_us", BigInteger),
    _required("checksum", LargeBinary),
)
"""The first price seen after the commit of a decision with an order: diagnostic. Written by live feeds."""

tip = Table(
    "tip",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    _required("batch", BigInteger),
    _required("digest", LargeBinary),
    _required("checksum", LargeBinary),
)
"""One row: the end of the chain, which tells a tape that lost its last batches from one that had none."""


pruned = Table(
    "pruned",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    _required("batch", BigInteger),
    _required("seq", BigInteger),
    _required("minute", BigInteger),
    _required("digest", LargeBinary),
    _required("events", Text),
    _required("life", LargeBinary),
    _required("pruned_ms", BigInteger),
    _required("checksum", LargeBinary),
)
"""One row where retention took batches away: the newest of them, from whose digest the chain goes on.

`events` is the digest of older events that stay, `life` what a report needs of the batches that are gone,
beside the rows of `day_summary`.
"""

day_summary = Table(
    "day_summary",
    metadata,
    Column("day", Key, primary_key=True, autoincrement=False),
    _required("content", LargeBinary),
    _required("checksum", LargeBinary),
)
"""What a report needs of each UTC day whose batches are gone; days count from the epoch."""


def demand_this_revision(found: str, place: object) -> None:
    """Check that a tape has the schema that this version reads and writes.

    Args:
        found: Its newest migration, or an empty text.
        place: Where it is.

    Raises:
        TapeVersionError: It has another; names both.
    """
    if found == REVISION:
        return
    remedy = "use the papertape that wrote it"
    if "" < found < REVISION:
        remedy = (
            f"bring it up with `papertape tape migrate {place}` (copy it before: `papertape tape backup`), "
            f"as a run that goes on with it does, or {remedy}"
        )
    message = f"{place} has schema version {found or 'none'}, this papertape reads {REVISION}; {remedy}"
    raise TapeVersionError(message)
