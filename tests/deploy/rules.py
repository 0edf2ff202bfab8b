"""The alerts that are committed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from deploy.kubernetes.rules import RULES

OF_A_RUN_ALONE = frozenset({"papertape_settings_rejected"})
"""What rules select and a demo does not have: only `papertape run` reads its settings again."""

CASES = Path(__file__).resolve().parent / "rules_test.yml"


@dataclass(frozen=True)
class Rule:
    """An alert: its name, its expression, its labels, and what it says."""

    alert: str
    expr: str
    labels: dict[str, str]
    annotations: dict[str, str]


def read(path: Path) -> Any:
    """What a YAML file holds."""
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


def rules() -> list[Rule]:
    """All of them."""
    return [
        Rule(rule["alert"], rule["expr"], rule["labels"], rule["annotations"])
        for group in read(RULES)["groups"]
        for rule in group["rules"]
    ]
