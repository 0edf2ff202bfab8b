"""What is written comes back, exactly, whoever reads and whenever."""

from pathlib import Path

import pytest

from adapters.tape.reader import SqliteTapeReader
from daemon import chain
from tests.adapters.tape import samples


@pytest.fixture
def sample(tmp_path: Path) -> samples.Sample:
    return samples.write(tmp_path / "run.tape")


def test_every_batch_comes_back_exactly_and_its_digest_recomputes(sample: samples.Sample) -> None:
    with SqliteTapeReader(sample.path) as reader:
        read = tuple(reader.batches())
        previous = reader.genesis()
    assert read == sample.batches
    for record in read:
        assert chain.digest(previous, record) == record.digest
        previous = record.digest
