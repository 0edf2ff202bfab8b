"""A real Prometheus server for tests, and the questions they ask it."""

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import program
from tests.loopback import free_address


def found(name: str, package: str = "prometheus") -> str:
    """Where a program of a package is."""
    return program(name, f"apt-get install {package}")


def fetched(url: str) -> str | None:
    """What stands at an address; None while nobody answers or it is not ready."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - http to loopback
            return str(answer.read().decode())
    except (urllib.error.URLError, ConnectionError):
        return None


class Prometheus:
    """A running server."""

    def __init__(self, address: str) -> None:
        self._address = address

    def query(self, words: str) -> list[dict[str, Any]]:
        """The series that a query finds now; none while the server is not ready."""
        text = fetched(f"http://{self._address}/api/v1/query?{urllib.parse.urlencode({'query': words})}")
        return [] if text is None else list(json.loads(text)["data"]["result"])

    def value(self, words: str) -> float | None:
        """The value of the one series that a query finds; None if there is none."""
        series = self.query(words)
        return float(series[0]["value"][1]) if len(series) == 1 else None

    def numbers(self, words: str, begin_s: float, end_s: float) -> int:
        """How many numbers a query has between two moments, each second; one that is refused raises."""
        asked = {"query": words, "start": begin_s, "end": end_s, "step": 1}
        series = self._asked("query_range", asked)["result"]
        return sum(value != "NaN" for one in series for _, value in one["values"])

    def label_values(self, selector: str, label: str) -> list[str]:
        """The values of a label of series."""
        return list(self._asked(f"label/{label}/values", {"match[]": selector}))

    def rules(self) -> list[dict[str, Any]]:
        """Every rule with its health."""
        groups = self._asked("rules", {})["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def _asked(self, what: str, about: dict[str, Any]) -> Any:
        url = f"http://{self._address}/api/v1/{what}?{urllib.parse.urlencode(about)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.loads(answer.read())["data"]


@contextmanager
def running(words: Sequence[str], folder: Path, name: str) -> Iterator["subprocess.Popen[str]"]:
    """A server's process, which writes its log into the folder under this name; killed at the end."""
    with (folder / f"{name}.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, cwd=folder, text=True)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@contextmanager
def prometheus(
    target: str, folder: Path, *, rules: Sequence[Path] = (), alertmanager: str | None = None
) -> Iterator[tuple[Prometheus, "subprocess.Popen[str]"]]:
    """A server that scrapes a target every second, killed at the end."""
    address = free_address()
    config: dict[str, Any] = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "scrape_configs": [{"job_name": "papertape", "static_configs": [{"targets": [target]}]}],
        "rule_files": [str(path) for path in rules],
    }
    if alertmanager is not None:
        config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]}
    # JSON is YAML.
    (folder / "prometheus.yml").write_text(json.dumps(config), encoding="utf-8")
    words = [
        found("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'series'}",
        f"--web.listen-address={address}",
        "--log.level=error",
    ]
    with running(words, folder, "prometheus") as process:
        yield Prometheus(address), process
