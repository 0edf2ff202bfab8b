"""What tests of tapes share: each of them runs on every kind of database."""

from pathlib import Path

import pytest

from adapters.tape.place import Place
from tests.adapters.tape import samples
from tests.adapters.tape.homes import Home, PostgresqlHome, SqliteHome


@pytest.fixture(params=["sqlite", "postgresql"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    """A place for tapes."""
    if request.param == "sqlite":
        return SqliteHome(tmp_path)
    return PostgresqlHome(request.getfixturevalue("postgresql"))


@pytest.fixture
def sample(home: Home) -> samples.Sample[Place]:
    """A finished tape of forty batches."""
    return samples.write(home.place())


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def finished(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> samples.Sample[Place]:
    """A finished tape of forty batches that several tests read and none changes."""
    if request.param == "sqlite":
        return samples.write(tmp_path_factory.mktemp("finished") / "run.tape")
    return samples.write(request.getfixturevalue("postgresql").place())
