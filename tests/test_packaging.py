"""What pip and pipx install, and what the lock files promise."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from daemon import __version__

PIN = re.compile(r"^([a-z0-9][a-z0-9-]*)==(\S+)")


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    words = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(words, cwd=repository, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl"))


def project(repository: Path) -> dict[str, list[str]]:
    table: dict[str, dict[str, list[str]]] = tomllib.loads((repository / "pyproject.toml").read_text())
    return table["project"] | {"dev": table["dependency-groups"]["dev"]}


def pins(lock: Path) -> set[tuple[str, str]]:
    return {(found[1], found[2]) for line in lock.read_text().splitlines() if (found := PIN.match(line))}


def test_the_wheel_holds_every_file_of_both_packages_and_nothing_else(repository: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    ours = {
        path.relative_to(repository).as_posix()
        for folder in ("daemon", "adapters")
        for path in (repository / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert names == ours | {"papertape.py"}


def test_the_installed_command_runs_from_anywhere_and_knows_its_version(wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-input"]
    subprocess.run([*pip, "--prefix", str(place), str(wheel)], check=True, capture_output=True, timeout=120)
    site = next(place.rglob("site-packages"))
    script = place / "bin" / "papertape"
    environment = os.environ | {"PYTHONPATH": str(site)}
    for words in (["--version"], ["config", "check", "default.yaml"]):
        (tmp_path / "default.yaml").write_text("run: {name: here}\n")
        done = subprocess.run(
            [script, *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert (__version__ if words == ["--version"] else "valid") in done.stdout


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_pins_every_package_with_hashes_and_names_no_index(name: str, repository: Path) -> None:
    text = (repository / name).read_text()
    entries = re.split(r"\n(?=\S)", text.strip())
    assert len(entries) > 30
    for entry in entries:
        assert PIN.match(entry), entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry
    assert not re.search(r"https?:|file:|--index|--extra|--find-links|@ ", text)


def test_the_locks_hold_what_the_project_declares(repository: Path) -> None:
    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[<>=!~ ;\[]", text)[0].lower().replace(".", "-") for text in requirements}

    runtime = pins(repository / "requirements.lock")
    development = pins(repository / "requirements-dev.lock")
    declared = project(repository)
    assert names(declared["dependencies"]) <= {name for name, _ in runtime}
    assert names(declared["dev"]) <= {name for name, _ in development}
    assert runtime <= development, "the daemon is tested with other versions than it runs with"


def test_the_licence_is_the_one_that_is_declared(repository: Path) -> None:
    assert "Apache License" in (repository / "LICENSE").read_text()
