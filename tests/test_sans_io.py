"""The core's files hold nothing that touches the world.

The import contracts in pyproject.toml watch packages; this reads the source itself, for calls that need no
import.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
# The composition roots and the asyncio shells.
SHELL = ("commands/", "__main__.py", "live/", "service.py")

CALLS = {
    "open",
    "print",
    "input",
    "exec",
    "eval",
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
    "Timestamp.now",
    "Timestamp.utcnow",
    "os.urandom",
}
# Generators that draw their seed from the machine when they are given none.
SEEDED = {"default_rng", "PCG64", "RandomState", "SeedSequence"}
MODULES = {
    "asyncio",
    "logging",
    "multiprocessing",
    "os",
    "pathlib",
    "random",
    "secrets",
    "shutil",
    "socket",
    "sqlite3",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "urllib",
    "uuid",
}


def core_files() -> list[Path]:
    folder = REPOSITORY / "daemon"
    files = sorted(folder.rglob("*.py"))
    return [file for file in files if not file.relative_to(folder).as_posix().startswith(SHELL)]


def offences(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] in MODULES:
                    yield f"line {node.lineno}: import {alias.name}"
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
            yield f"line {node.lineno}: from {node.module} import ..."
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            last = name.rsplit(".", maxsplit=1)[-1]
            if (
                any(name == call or name.endswith(f".{call}") for call in CALLS if "." in call)
                or name in CALLS
                # Drawing from numpy's global generator, or from one that seeds itself.
                or (name.startswith("np.random.") and last.islower() and last != "default_rng")
                or (last in SEEDED and not node.args and not node.keywords)
            ):
                yield f"line {node.lineno}: {name}()"


@pytest.mark.parametrize("file", core_files(), ids=lambda file: file.relative_to(REPOSITORY).as_posix())
def test_a_file_of_the_core_touches_neither_files_nor_network_clock_or_chance(file: Path) -> None:
    assert list(offences(file.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "import os.path",
        "from time import monotonic",
        "open('x')",
        "datetime.now(UTC)",
        "datetime.datetime.now()",
        "np.random.default_rng()",
        "np.random.normal(3)",
        "np.random.PCG64()",
        "def f():\n    import socket",
        "print(1)",
    ],
)
def test_the_reader_of_sources_sees_what_it_is_there_for(source: str) -> None:
    assert list(offences(source))


@pytest.mark.parametrize(
    "source", ["np.random.default_rng(seed)", "bar.open", "import polars", "timestamp.now_seen", "reopen(x)"]
)
def test_the_reader_of_sources_leaves_the_rest_alone(source: str) -> None:
    assert list(offences(source)) == []
