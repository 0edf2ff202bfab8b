"""Brings a tape's schema up to this version, inside one transaction."""

import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import StaticPool, create_engine
from sqlalchemy.exc import DBAPIError

from adapters.tape.connection import APPLICATION_ID

_FOLDER = Path(__file__).parent / "migrations"


def migrate(connection: sqlite3.Connection) -> None:
    """Run the steps that the tape lacks. A blank file becomes an empty tape.

    Args:
        connection: The writer's, in autocommit mode, no transaction open.

    Raises:
        sqlite3.Error: It cannot be written (a full disk, ...); the file is as it was.
    """
    # SQLAlchemy lends Alembic the driver's own connection: one lock, one transaction, DDL included.
    engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    try:
        with engine.connect() as lent, lent.begin():
            lent.exec_driver_sql("BEGIN IMMEDIATE")
            config.attributes["connection"] = lent
            command.upgrade(config, "head")
            lent.exec_driver_sql(f"PRAGMA application_id={APPLICATION_ID}")
    except DBAPIError as error:
        # SQLAlchemy wraps the driver's errors, which say what is the matter by their code.
        raise error.orig or error from error
