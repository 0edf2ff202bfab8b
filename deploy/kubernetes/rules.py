"""The alert rules as the Prometheus operator wants them; `python -m deploy.kubernetes.rules` writes them."""

import textwrap
from pathlib import Path
from typing import Final

DEPLOY: Final = Path(__file__).resolve().parent.parent
RULES: Final = DEPLOY / "prometheus" / "rules.yml"
RESOURCE: Final = DEPLOY / "kubernetes" / "components" / "prometheus-operator" / "prometheusrule.yaml"

HEAD: Final = """\
# Made from deploy/prometheus/rules.yml by `python -m deploy.kubernetes.rules`; change it there.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: papertape
  labels:
    app.kubernetes.io/name: papertape
spec:
"""


def resource(rules: str) -> str:
    """Return the resource that holds these rules."""
    return HEAD + textwrap.indent(rules[rules.index("groups:") :], "  ")


if __name__ == "__main__":
    RESOURCE.write_text(resource(RULES.read_text("utf-8")), "utf-8")
