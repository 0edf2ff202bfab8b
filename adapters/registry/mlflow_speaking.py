"""How MLflow is spoken to: with patience that ends, in errors of ours, without anybody's password."""

import os
import re
import threading
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

_ALONE: Final = threading.RLock()
"""Filters of warnings and the environment are the process's: two threads that change them at once would put
back each other's, and leave them changed for good."""

_USER_INFO: Final = re.compile(r"://[^/@]*@")


@contextmanager
def speaking(address: str, *, once: bool = False) -> Iterator[None]:
    """While one thread speaks to MLflow: its warnings are not ours, its failures become errors of ours.

    Args:
        address: Of the registry.
        once: Ask a silent server once, not again for minutes, unless MLflow's own variables say more.
    """
    with _ALONE, warnings.catch_warnings(), _impatience(once=once), failures_told(address):
        # Deprecations inside MLflow and SQLAlchemy, for them to mend.
        warnings.simplefilter("ignore")
        yield


@contextmanager
def failures_told(address: str) -> Iterator[None]:
    """Turn MLflow's failures into errors of ours."""
    try:
        yield
    except Exception as error:  # of many kinds that share no base; what is not theirs goes on as it is
        if not isinstance(error, OSError) and not type(error).__module__.startswith(
            ("mlflow.", "sqlalchemy.")
        ):
            raise
        reason = without_secrets(_reason(error), address)
        kind = StorageError if _is_machines(error, reason) else UserError
        raise kind(f"the registry {shown(address)} cannot be used: {reason}. See model.registry.") from error


@contextmanager
def _impatience(*, once: bool) -> Iterator[None]:
    impatient = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": str(PATIENCE_S)}
    ours = {name: value for name, value in impatient.items() if once and name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            del os.environ[name]


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
