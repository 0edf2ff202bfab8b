"""Vitals that go out of their bounds."""

import sqlalchemy as sa
from alembic import op

from daemon.errors import TapeVersionError

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table of the changes of vitals.

    Raises:
        TapeVersionError: The tape holds batches: their digests are of a form without vitals.
    """
    if op.get_bind().exec_driver_sql("SELECT count(*) FROM batch").scalar():
        what = "the tape's batches were written before vitals stood in them"
        message = f"{what}; use the papertape that wrote it, or replay onto a new tape"
        raise TapeVersionError(message)
    op.create_table(
        "vital_change",
        sa.Column("batch", sa.BigInteger, sa.ForeignKey("batch.number"), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("minute", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("vital", "subject", "before", "after")),
        *(sa.Column(name, sa.Double, nullable=False) for name in ("value", "bound")),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("cause", "consequences")),
        sa.PrimaryKeyConstraint("batch", "position"),
        sqlite_with_rowid=False,
    )
