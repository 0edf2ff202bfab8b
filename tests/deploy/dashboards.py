"""What the committed dashboards ask of Prometheus."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from deploy.grafana.files import FOLDER


@dataclass(frozen=True)
class Asked:
    """A query.

    Attributes:
        where: Dashboard and panel.
        expr: PromQL with Grafana's variables in it.
    """

    where: str
    expr: str

    def filled(self, **variables: str) -> str:
        """The query with these in place of the variables."""
        text = self.expr
        for name, value in {"__rate_interval": "15s", **variables}.items():
            text = re.sub(rf"\${name}\b", value, text)
        assert "$" not in text, f"{self.where}: {text}"
        return text


def dashboards() -> list[dict[str, Any]]:
    """All of them."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))]


def queries() -> Iterator[Asked]:
    """Every query of every panel and annotation."""
    for dashboard in dashboards():
        for panel in dashboard["panels"]:
            for target in panel.get("targets", ()):
                yield Asked(f"{dashboard['title']}, {panel['title']}", target["expr"])
        for annotation in dashboard["annotations"]["list"]:
            yield Asked(f"{dashboard['title']}, annotation {annotation['name']}", annotation["expr"])


def variables() -> Iterator[tuple[Asked, str]]:
    """Every query of a variable: whose label values it offers, and the label."""
    for dashboard in dashboards():
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                match = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
                assert match is not None, variable
                yield Asked(f"{dashboard['title']}, variable {variable['name']}", match[1]), match[2]
