"""What a tape says of the machine that made it."""

from adapters.host.fingerprint import COMPUTING, arithmetic, versions
from daemon import __version__


def test_versions_name_papertape_python_and_all_that_computes() -> None:
    told = versions()
    assert set(told) == {"papertape", "python", *COMPUTING}
    assert told["papertape"] == __version__


def test_arithmetic_is_the_same_every_time_on_one_machine() -> None:
    assert arithmetic() == arithmetic()
