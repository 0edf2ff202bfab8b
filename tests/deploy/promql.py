"""What a query selects, and whether papertape serves it."""

import re

import promql_parser
from promql_parser import Expr, VectorSelector

from adapters.prometheus.families import FAMILIES
from deploy.grafana.selectors import RESOURCES

LABELS = {
    f"{family.full_name}{part}": set(family.labels)
    for family in FAMILIES
    for part in (("_bucket", "_sum", "_count") if family.kind == "histogram" else ("",))
}
PROMETHEUS_OWN = {
    "up": set[str](),
    "ALERTS": {"alertname", "alertstate"},
    **{name: set[str]() for name in RESOURCES},
}
OF_THE_SCRAPE = {"instance", "job", "le"}


def selectors(query: str) -> list[VectorSelector]:
    """Every selector of a query; one that does not parse raises."""
    found: list[VectorSelector] = []

    def visit(expr: Expr) -> None:
        if isinstance(expr, VectorSelector):
            found.append(expr)

    promql_parser.walk(promql_parser.parse(query), visit)
    return found


def now(selector: VectorSelector) -> str:
    """The selector without its offset."""
    return re.sub(r" offset \w+$", "", selector.prettify())


def strange(query: str) -> list[str]:
    """What a query selects that papertape does not serve: names, and labels that a name does not have."""
    known = {**LABELS, **PROMETHEUS_OWN}
    found = []
    for selector in selectors(query):
        name = selector.name or ""
        if name not in known:
            found.append(name)
            continue
        labels = {matcher.name for matcher in selector.matchers.matchers}
        found += [f"{name}{{{label}}}" for label in sorted(labels - known[name] - OF_THE_SCRAPE)]
    return found
