"""How MLflow is spoken to: with patience that ends, in errors of ours, without anybody's password."""

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from daemon.errors import MACHINE_ERRNOS, StorageError, UserError

PATIENCE_S: Final = 10
"""A report waits so long for a server; the run that it tells of is over anyway."""

DISK_WORDS: Final = (
    "database or disk is full",
    "readonly database",
    "disk I/O error",
    "No space left",
    "Read-only file system",
)

_USER_INFO: Final = re.compile(r"://[^/@]*@")


@contextmanager
def asking_once() -> Iterator[None]:
    """MLflow asks a silent server again for minutes; here it asks once, unless its own variables say more."""
    impatient = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": str(PATIENCE_S)}
    ours = {name: value for name, value in impatient.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            del os.environ[name]


@contextmanager
def speaking(address: str) -> Iterator[None]:
    """While MLflow is spoken to: its libraries' warnings are not ours, its failures become errors of ours."""
    with warnings.catch_warnings():
        # Deprecations inside MLflow and SQLAlchemy, for them to mend.
        warnings.simplefilter("ignore")
        try:
            yield
        except Exception as error:
            if not isinstance(error, OSError) and not type(error).__module__.startswith(
                ("mlflow.", "sqlalchemy.")
            ):
                raise
            reason = without_secrets(_reason(error), address)
            kind = StorageError if _is_machines(error, reason) else UserError
            raise kind(
                f"the registry {shown(address)} cannot be used: {reason}. See model.registry."
            ) from error


def _reason(error: Exception) -> str:
    """Return the line of an error's text that says most: what the disk says, else the first."""
    lines = str(error).splitlines() or [type(error).__name__]
    return next((line for line in lines if any(words in line for words in DISK_WORDS)), lines[0])


def _is_machines(error: Exception, reason: str) -> bool:
    """Return whether the disk is at fault; SQLite says so in words alone."""
    return (isinstance(error, OSError) and error.errno in MACHINE_ERRNOS) or any(
        words in reason for words in DISK_WORDS
    )


def shown(address: str) -> str:
    """Return a registry's address without the user and password that may stand in it."""
    return _USER_INFO.sub("://", address)


def without_secrets(text: str, address: str) -> str:
    """Return a text of MLflow's without the user and password of the address."""
    found = _USER_INFO.search(address)
    secret = found[0].removeprefix("://") if found else ""
    return text.replace(secret, "") if secret else text
