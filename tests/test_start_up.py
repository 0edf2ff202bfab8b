"""papertape starts only where `daemon` and `adapters` are its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def start(*path: Path) -> subprocess.CompletedProcess[str]:
    """Start `python -m papertape --version` with these folders first on the path."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path))}
    words = [sys.executable, "-P", "-m", "papertape", "--version"]
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("name", ["daemon", "adapters"])
@pytest.mark.parametrize("form", ["package", "module", "folder"])
def test_a_foreign_package_that_is_found_first_is_named_with_what_to_do(
    name: str, form: str, repository: Path, tmp_path: Path
) -> None:
    foreign = tmp_path / name
    if form == "package":
        foreign.mkdir()
        (foreign / "__init__.py").write_text("raise RuntimeError('foreign code was run')\n")
    elif form == "module":
        foreign = tmp_path / f"{name}.py"
        foreign.write_text("raise RuntimeError('foreign code was run')\n")
    else:
        # A folder without __init__.py gives way to a real package behind it, so ours must be hidden.
        foreign.mkdir()
        other = tmp_path / "ours"
        other.mkdir()
        shutil.copy(repository / "papertape.py", other)
        repository = other
    done = start(tmp_path, repository)
    assert done.returncode == 2
    assert str(tmp_path) in done.stderr
    assert f"`{name}`" in done.stderr or form == "folder"
    assert "an environment of its own" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_it_starts_where_both_are_ours(repository: Path, tmp_path: Path) -> None:
    assert start(tmp_path, repository).returncode == 0


def test_another_distribution_that_wrote_into_our_folder_is_named(repository: Path, tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    for name in ("daemon", "adapters"):
        shutil.copytree(repository / name, site / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(repository / "papertape.py", site)
    for name, files in {
        "papertape-0.1.0.dist-info": "daemon/__init__.py,,\nadapters/__init__.py,,\npapertape.py,,\n",
        "innocent-2.0.dist-info": "daemonic/__init__.py,,\ninnocent/daemon/x.py,,\n",
    }.items():
        (site / name).mkdir()
        (site / name / "RECORD").write_text(files)
    assert start(site).returncode == 0
    (site / "python_daemon-3.1.2.dist-info").mkdir()
    (site / "python_daemon-3.1.2.dist-info" / "RECORD").write_text("daemon/pidfile.py,,\n")
    done = start(site)
    assert done.returncode == 2
    assert "python_daemon" in done.stderr
    assert str(site / "daemon") in done.stderr
    assert "an environment of its own" in done.stderr


def test_python_m_daemon_passes_through_the_same_check(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "adapters.py").write_text("")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "daemon", "--version"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(repository)])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "`adapters`" in done.stderr
