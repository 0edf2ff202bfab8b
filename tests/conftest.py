"""Fixtures and settings that every test shares."""

import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
import structlog
from hypothesis import HealthCheck, settings

from adapters.host.telemetry import turn_off_telemetry
from adapters.host.threads import calm_threads

if TYPE_CHECKING:
    from tests.postgresql import PostgresqlServer

REPOSITORY = Path(__file__).resolve().parent.parent
IS_CI = os.environ.get("CI", "").lower() == "true"

# A failure in CI must be the same failure at the next try: there, examples come from no random seed.
settings.register_profile(
    "ci", derandomize=True, max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("dev", max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if IS_CI else "dev"))

# As the command line does, before anything imports MLflow or LightGBM.
turn_off_telemetry()
calm_threads()


def skip_or_fail(reason: str) -> NoReturn:
    """End this test because something outside the repository is missing: a skip here, a failure in CI.

    Args:
        reason: What is missing and where it was looked for.

    Raises:
        pytest.skip.Exception: Outside CI.
        pytest.fail.Exception: In CI, where everything a test needs must be there.
    """
    if IS_CI:
        pytest.fail(reason)
    pytest.skip(reason)


def program(name: str, how: str) -> str:
    """Where a program is; without it the test ends, with how it is installed.

    Args:
        name: Of the program. A server's may be where only its owner looks.
        how: What installs it, in words.
    """
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if path is None:
        skip_or_fail(f"{name} is not installed: {how}")
    return path


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of recorded real bars beside the repository (``../shared/data``)."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not any(folder.glob("*.parquet")):
        skip_or_fail(f"recorded bars are not at {folder}: tests on real data need them")
    return folder


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root folder of the repository."""
    return REPOSITORY


@pytest.fixture(scope="session")
def postgresql() -> "Iterator[PostgresqlServer]":
    """A server of PostgreSQL, started when a test first asks for it."""
    from tests.postgresql import INITDB, PG_CTL, postgresql_server

    if INITDB is None or PG_CTL is None:
        skip_or_fail("initdb and pg_ctl are not to be found: Debian's package is `postgresql`")
    with postgresql_server() as server:
        yield server


@pytest.fixture(autouse=True)
def own_surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No PAPERTAPE_ variable of the person who runs the tests reaches them, and no log outlives its test."""
    for name in os.environ:
        if name.startswith("PAPERTAPE_") and "__" in name:
            monkeypatch.delenv(name)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
