"""The first schema."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_PRICES = ("open", "high", "low", "close", "volume", "taker")
_MONEY = ("quantity", "reference", "price", "best", "worst", "fee")
_COSTS = ("spread_cost", "slippage_cost", "impact_cost", "realised")


def upgrade() -> None:
    """Make all tables in an empty file."""
    _make_run()
    _make_inputs()
    _make_outcomes()
    _make_diagnostics()


def _make_run() -> None:
    op.create_table(
        "header", *_columns(sa.Text, "key", "value"), _checksum(), _key("key"), sqlite_with_rowid=False
    )
    op.create_table(
        "instrument",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        *_columns(sa.BigInteger, "seq"),
        *_columns(sa.Text, "name", "quote", "tick", "lot", "calendar"),
        _checksum(),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "model_file", *_columns(sa.Text, "hash"), *_columns(sa.LargeBinary, "content"), _key("hash")
    )
    op.create_table(
        "model_version",
        *_columns(sa.Text, "version", "name"),
        sa.Column("hash", sa.Text, sa.ForeignKey("model_file.hash"), nullable=False),
        _checksum(),
        _key("version", "name"),
        sqlite_with_rowid=False,
    )


def _make_inputs() -> None:
    op.create_table(
        "event",
        _single_key("seq"),
        *_columns(sa.BigInteger, "batch"),
        *_columns(sa.Text, "kind"),
        *_columns(sa.LargeBinary, "payload"),
    )
    op.create_index("event_batch", "event", ["batch"])
    op.create_table(
        "bar",
        *_columns(sa.BigInteger, "minute"),
        *_columns(sa.Integer, "instrument"),
        *_columns(sa.BigInteger, "seq"),
        *_columns(sa.Double, *_PRICES, nullable=True),
        *_columns(sa.SmallInteger, "flags"),
        _key("minute", "instrument"),
        sqlite_with_rowid=False,
    )


def _make_outcomes() -> None:
    op.create_table(
        "batch",
        _single_key("number"),
        *_columns(sa.BigInteger, "seq", "minute"),
        *_columns(sa.Boolean, "catch_up"),
        *_columns(sa.LargeBinary, "decisions"),
        *_columns(sa.Text, "equity", "best", "worst", "cash", "realised", "fees"),
        *_columns(sa.Double, "gross", "net", "drawdown"),
        *_columns(sa.Text, "mode"),
        *_columns(sa.LargeBinary, "parts", "digest"),
    )
    _make_part("paper_order", "id", "minute", text=("instrument", "quantity", "reason"))
    _make_part("order_end", "order_id", "minute", text=("instrument", "unfilled", "reason"))
    _make_part("fill", "order_id", "minute", text=("instrument", "kind", *_MONEY, *_COSTS))
    _make_part("state_change", "minute", text=("before", "after", "cause"))
    _make_part("refusal", "minute", text=("subject", "reason"))
    op.create_table("snapshot", _single_key("batch"), *_columns(sa.LargeBinary, "content"), _checksum())
    op.create_table(
        "tip",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        *_columns(sa.BigInteger, "batch"),
        *_columns(sa.LargeBinary, "digest"),
        _checksum(),
    )


def _make_diagnostics() -> None:
    op.create_table(
        "revision",
        *_columns(sa.BigInteger, "minute"),
        *_columns(sa.Integer, "instrument", "position"),
        *_columns(sa.Text, "kind"),
        *_columns(sa.BigInteger, "received_us"),
        *_columns(sa.Double, *_PRICES, nullable=True),
        _checksum(),
        _key("minute", "instrument", "position"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "arrival",
        *_columns(sa.BigInteger, "minute"),
        *_columns(sa.Integer, "instrument"),
        *_columns(sa.BigInteger, "received_us"),
        _checksum(),
        _key("minute", "instrument"),
        sqlite_with_rowid=False,
    )


def _make_part(name: str, *integers: str, text: tuple[str, ...]) -> None:
    op.create_table(
        name,
        sa.Column("batch", sa.BigInteger, sa.ForeignKey("batch.number"), nullable=False),
        *_columns(sa.Integer, "position"),
        *_columns(sa.BigInteger, *integers),
        *_columns(sa.Text, *text),
        _key("batch", "position"),
        sqlite_with_rowid=False,
    )


def _columns(
    kind: type[sa.types.TypeEngine[Any]], *names: str, nullable: bool = False
) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=nullable) for name in names]


def _single_key(name: str) -> sa.Column[Any]:
    return sa.Column(name, _KEY, primary_key=True, autoincrement=False)


def _checksum() -> sa.Column[Any]:
    return sa.Column("checksum", sa.LargeBinary, nullable=False)


def _key(*columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns)
