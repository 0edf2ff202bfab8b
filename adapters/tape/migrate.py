"""Brings a tape's schema up to this version, inside one transaction."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

_FOLDER = Path(__file__).parent / "migrations"


def migrate(engine: Engine, begin: str | None = None, mark: str | None = None) -> None:
    """Run the steps that the tape lacks. A blank database becomes an empty tape.

    Args:
        engine: Lends one connection for one transaction, the changes of the schema included.
        begin: Begins that transaction on a connection in autocommit mode.
        mark: Is run at its end.

    Raises:
        Exception: The driver's; it cannot be written (a full disk, ...), and everything is as it was.
    """
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    try:
        with engine.connect() as lent, lent.begin():
            if begin is not None:
                lent.exec_driver_sql(begin)
            config.attributes["connection"] = lent
            command.upgrade(config, "head")
            if mark is not None:
                lent.exec_driver_sql(mark)
    except DBAPIError as error:
        # SQLAlchemy wraps the driver's errors, which say what is the matter by their code.
        raise error.orig or error from error
