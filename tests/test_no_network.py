"""No command opens a connection outside loopback, and no library calls home."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from adapters.host.telemetry import SWITCHES
from daemon.__main__ import cli
from tests.command_lines import COMMAND_LINES, NEED_A_RUN, NEED_A_VENUE, SETTINGS

# MLflow keeps quiet by itself where it sees one of these: a test that leaves them set proves nothing.
CI_VARIABLES = (
    "BITBUCKET_BUILD_NUMBER",
    "BUILDKITE",
    "CI",
    "CIRCLECI",
    "CLOUD_RUN_EXECUTION",
    "CODEBUILD_BUILD_ARN",
    "GITHUB_ACTIONS",
    "GITLAB_CI",
    "JENKINS_URL",
    "PYTEST_CURRENT_TEST",
    "PYTEST_VERSION",
    "PYTEST_XDIST_WORKER",
    "RUNBOT_HOST_URL",
    "RUNBOT_WORKER_ID",
    "TEAMCITY_VERSION",
    "TF_BUILD",
    "TRAVIS",
)


def guarded(words: list[str], repository: Path, folder: Path) -> tuple[subprocess.CompletedProcess[str], str]:
    """Run Python under the guard, in `folder`; return what it did and what the guard wrote down."""
    record = folder / "connections"
    environment = {
        name: value for name, value in os.environ.items() if name not in {*CI_VARIABLES, *SWITCHES}
    }
    environment["PYTHONPATH"] = f"{repository / 'tests' / 'network_guard'}{os.pathsep}{repository}"
    environment["NETWORK_GUARD_RECORD"] = str(record)
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done, record.read_text(encoding="utf-8") if record.exists() else ""


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        yield path
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        assert child is not None
        yield from leaves(child, (*path, name))


LEAVES = tuple(leaves(cli))


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_command_is_among_the_command_lines_that_are_really_run(path: tuple[str, ...]) -> None:
    beside = path in NEED_A_VENUE or path[0] in NEED_A_RUN
    assert beside or any(tuple(line.split()[: len(path)]) == path for line in COMMAND_LINES)


@pytest.mark.slow
def test_no_command_opens_a_connection_outside_loopback(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SETTINGS)
    for line in ["--help", *(" ".join(path) + " --help" for path in LEAVES), *COMMAND_LINES]:
        words = shlex.split(line.format(repository=repository))
        done, connections = guarded(["-P", "-m", "papertape", *words], repository, tmp_path)
        assert connections == "", f"papertape {line}"
        assert done.returncode == 0, f"papertape {line}: {done.stderr}"


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.create_connection(('192.0.2.1', 9), timeout=0.1)",
        "import socket; socket.getaddrinfo('example.invalid', 80)",
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 9))",
        "import urllib.request; urllib.request.urlopen('http://example.invalid', timeout=0.1)",
    ],
)
def test_the_guard_refuses_and_records_a_real_attempt(code: str, repository: Path, tmp_path: Path) -> None:
    done, connections = guarded(["-c", code], repository, tmp_path)
    assert done.returncode != 0
    assert "192.0.2.1" in connections or "example.invalid" in connections


def test_the_guard_lets_loopback_pass(repository: Path, tmp_path: Path) -> None:
    code = (
        "import socket; server = socket.create_server(('127.0.0.1', 0)); "
        "socket.create_connection(server.getsockname(), timeout=5)"
    )
    done, connections = guarded(["-c", code], repository, tmp_path)
    assert (done.returncode, connections) == (0, "")


def test_mlflow_sees_that_its_telemetry_is_off_where_it_sees_no_ci(repository: Path, tmp_path: Path) -> None:
    code = (
        "from adapters.host.telemetry import turn_off_telemetry; turn_off_telemetry(); "
        "from mlflow.telemetry.utils import is_telemetry_disabled; print(is_telemetry_disabled())"
    )
    done, _ = guarded(["-c", code], repository, tmp_path)
    assert done.stdout.strip() == "True"
    without = code.replace("turn_off_telemetry(); ", "", 1).replace("turn_off_telemetry()", "0")
    done, _ = guarded(["-c", without], repository, tmp_path)
    assert done.stdout.strip() == "False", "the machine looks like CI to MLflow: this test proves nothing"
