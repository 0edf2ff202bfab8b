"""./papertape on a bare machine: an environment from the lock, once, whatever happens in between.

The scripts are the real ones; the lock beside them is small and the program behind them prints its arguments.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

UNKNOWN = f"papertape-test-no-such-package==1.0 --hash=sha256:{'0' * 64}\n"


@pytest.fixture
def home(repository: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "a folder with spaces"
    folder.mkdir()
    shutil.copy(repository / "papertape", folder)
    shutil.copytree(repository / ".ci", folder / ".ci")
    (folder / "requirements.lock").write_text("# nothing\n")
    (folder / "papertape.py").write_text("import sys\nprint(sys.argv[1:])\nprint(sys.prefix)\nsys.exit(7)\n")
    return folder


def environment() -> dict[str, str]:
    return os.environ | {"PAPERTAPE_PYTHON": sys.executable, "PIP_NO_INDEX": "1"}


def run(
    home: Path, *words: str, cwd: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [home / "papertape", *words],
        cwd=cwd or home,
        env=environment() | variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
def test_an_environment_is_made_once_and_made_again_when_the_lock_changes_or_an_install_broke_off(
    home: Path, tmp_path: Path
) -> None:
    first = run(home, "replay", "--bars", "a b", cwd=tmp_path)
    assert first.returncode == 7, first.stderr
    assert first.stdout.splitlines() == ["['replay', '--bars', 'a b']", str(home / ".venv")]
    assert "making .venv/" in first.stderr

    again = run(home, "x", PAPERTAPE_PYTHON="/nowhere")
    assert (again.returncode, again.stderr) == (7, "")

    (home / "requirements.lock").write_text("# another lock\n")
    assert "making .venv/" in run(home).stderr

    # Killed while pip ran: there is a Python, and half of the packages, and no stamp.
    (home / ".venv" / "installed.lock").unlink()
    (home / ".venv" / "half-made").write_text("")
    repaired = run(home)
    assert (repaired.returncode, "making .venv/" in repaired.stderr) == (7, True)
    assert not (home / ".venv" / "half-made").exists()

    (home / "requirements.lock").write_text(UNKNOWN)
    for _ in range(2):
        failed = run(home)
        assert failed.returncode == 1
        assert "papertape-test-no-such-package" in failed.stderr
        assert "The network is needed this once" in failed.stderr
        assert "Traceback" not in failed.stderr
        assert failed.stdout == ""


@pytest.mark.slow
def test_two_that_start_at_once_make_one_environment_and_both_run(home: Path) -> None:
    both = [
        subprocess.Popen(
            [home / "papertape", str(index)],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(2)
    ]
    outputs = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [7, 7], outputs
    assert sum("making .venv/ from" in stderr for _, stderr in outputs) == 1
    assert [stdout.splitlines()[0] for stdout, _ in outputs] == ["['0']", "['1']"]


@pytest.mark.slow
def test_one_that_was_killed_while_it_made_the_environment_blocks_nobody(home: Path) -> None:
    process = subprocess.Popen(
        [home / "papertape"], env=environment(), stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stderr is not None
    assert "making .venv/" in process.stderr.readline()
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (home / ".venv" / "installed.lock").exists()
    done = run(home)
    assert done.returncode == 7, done.stderr


def test_a_machine_without_a_fitting_python_is_told_what_to_install(home: Path) -> None:
    done = run(home, PAPERTAPE_PYTHON="/nowhere/python3")
    assert done.returncode == 1
    assert "Python >= 3.11" in done.stderr
    assert "/nowhere/python3" in done.stderr
    assert "apt-get install python3-venv" in done.stderr.replace("python3 python3-venv", "python3-venv")


@pytest.mark.parametrize("script", ["papertape", "test", ".ci/run", ".ci/environment.sh"])
def test_the_scripts_are_plain_posix_shell(script: str, repository: Path) -> None:
    subprocess.run(["/bin/sh", "-n", repository / script], check=True)
    text = (repository / script).read_text()
    assert "[[" not in text
    assert "function " not in text
