"""Brings a tape's schema up to this version, inside one transaction."""

import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import StaticPool, create_engine

from adapters.tape.connection import APPLICATION_ID

_FOLDER = Path(__file__).parent / "migrations"


def migrate(connection: sqlite3.Connection) -> None:
    """Run the steps that the tape lacks. A blank file becomes an empty tape.

    Args:
        connection: The writer's, in autocommit mode, no transaction open.
    """
    # SQLAlchemy lends Alembic the driver's own connection: one lock, one transaction, DDL included.
    engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    with engine.connect() as lent, lent.begin():
        lent.exec_driver_sql("BEGIN IMMEDIATE")
        config.attributes["connection"] = lent
        command.upgrade(config, "head")
        lent.exec_driver_sql(f"PRAGMA application_id={APPLICATION_ID}")
