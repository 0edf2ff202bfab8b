"""What the tests of the real commands share: a job, and its replay without any interruption."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.command_line import Job, papertape, write_job
from tests.integration.live_exchange import Exchange, simulated_exchange


@pytest.fixture(scope="session")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """Bars, settings and model. Each test writes a tape of its own beside them."""
    return write_job(tmp_path_factory.mktemp("job"))


@pytest.fixture(scope="session")
def whole(job: Job) -> Path:
    """The tape of a replay of 1,200 minutes that nothing disturbed."""
    done = papertape(job.words("whole.tape"), job.folder)
    assert done.returncode == 0, done.stderr
    return job.folder / "whole.tape"


@pytest.fixture
def exchange(job: Job, tmp_path: Path) -> Iterator[Exchange]:
    """The market of the job, served, and the words of a run on it."""
    with simulated_exchange(job, tmp_path) as served:
        yield served
