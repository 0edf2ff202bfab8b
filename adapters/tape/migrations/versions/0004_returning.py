"""An instrument that left and comes back is another one to the engine: a name may have several ids."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_CELLS = "id, seq, name, quote, tick, lot, calendar, checksum"


def upgrade() -> None:
    """Make the table anew without its unique name, with the rows as they are: SQLite drops no constraint."""
    op.create_table(
        "instrument_by_id",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("name", "quote", "tick", "lot", "calendar")),
        sa.Column("checksum", sa.LargeBinary, nullable=False),
    )
    op.execute(f"INSERT INTO instrument_by_id ({_CELLS}) SELECT {_CELLS} FROM instrument")  # noqa: S608 - our own names
    op.drop_table("instrument")
    op.rename_table("instrument_by_id", "instrument")
