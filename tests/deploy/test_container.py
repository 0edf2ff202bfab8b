"""deploy/Dockerfile and deploy/compose.yaml: linted, and what they name is there."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from ruamel.yaml import YAML

from adapters.files.settings_file import read_settings
from daemon import __version__
from deploy.kubernetes.rules import DEPLOY
from tests.deploy.manifests import checkov

DOCKERFILE = DEPLOY / "Dockerfile"
COMPOSE = DEPLOY / "compose.yaml"


def test_hadolint_has_no_remark() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.slow
def test_checkov_has_no_remark() -> None:
    done = checkov("dockerfile", [DOCKERFILE])
    assert done.returncode == 0, done.stdout
    assert "Failed checks: 0" in done.stdout


def test_what_the_build_copies_is_there_and_let_through(repository: Path) -> None:
    let_through = {
        line.removeprefix("!")
        for line in (repository / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = set()
    for line in DOCKERFILE.read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            copied |= set(line.split()[1:-1])
    assert copied == let_through
    for name in copied:
        assert (repository / name).exists(), name


def names_locked(text: str) -> list[str]:
    return re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE)


def needed(names: list[str]) -> set[str]:
    """Return these distributions and all they need, as they are installed here."""
    seen: set[str] = set()
    waiting = [Requirement(name) for name in names]
    while waiting:
        wanted = waiting.pop()
        key = f"{wanted.name}[{','.join(sorted(wanted.extras))}]"
        if key in seen:
            continue
        seen.add(key)
        for text in distribution(wanted.name).requires or ():
            needs = Requirement(text)
            extras = wanted.extras or {""}
            if needs.marker is None or any(needs.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(needs)
    return {re.sub(r"[-_.]+", "-", key.partition("[")[0]).lower() for key in seen}


def test_the_image_has_the_extras_with_all_they_need_from_the_lock(repository: Path) -> None:
    extras = [Requirement(text) for text in distribution_extras(repository)]
    files = [DEPLOY / "locked.py", repository / "requirements-dev.lock", DEPLOY / "extras.txt"]
    words = [sys.executable, *map(str, files)]
    selected = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    first = set(names_locked((repository / "requirements.lock").read_text()))
    assert set(names_locked(selected)) == needed([str(extra) for extra in extras]) - first
    assert selected.count("==") <= selected.count("--hash=sha256:")


def distribution_extras(repository: Path) -> list[str]:
    """Return what the extras of the project ask for."""
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    return [text for texts in project["optional-dependencies"].values() for text in texts]


def compose() -> dict[str, Any]:
    document: dict[str, Any] = YAML(typ="safe", pure=True).load(COMPOSE.read_text())
    return document


def test_every_file_that_compose_mounts_is_there() -> None:
    n_mounts = 0
    for service in compose()["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            if source.startswith("."):
                assert (COMPOSE.parent / source).exists(), source
                n_mounts += 1
            else:
                assert source in compose()["volumes"]
    assert n_mounts >= 6


def test_compose_publishes_on_loopback_alone_and_pins_its_images() -> None:
    for name, service in compose()["services"].items():
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), name
        assert re.search(r":v?\d+\.\d+\.\d+$", service["image"]), name
    assert compose()["services"]["papertape"]["image"] == f"papertape:{__version__}"


def test_the_services_of_compose_speak_to_each_other_by_name() -> None:
    services = compose()["services"]
    settings = read_settings(DEPLOY / "compose" / "papertape" / "papertape.yaml", {}).settings
    stream = settings.feeds.venues["binance"].stream_url
    assert stream is not None
    assert stream.startswith("ws://exchange:9480/")
    assert services["exchange"]["command"][-1] == "9480"
    assert settings.mqtt.host in services
    prometheus = YAML(typ="safe", pure=True).load((DEPLOY / "compose" / "prometheus.yml").read_text())
    (job,) = prometheus["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"papertape:{settings.metrics.port}"]}]
    (alerts,) = prometheus["alerting"]["alertmanagers"]
    assert alerts["static_configs"] == [{"targets": ["alertmanager:9093"]}]
    assert "alertmanager" in services
