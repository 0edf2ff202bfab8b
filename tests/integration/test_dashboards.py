"""A real Prometheus server watches the demo, and every query of every dashboard and rule finds something."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from deploy.kubernetes.rules import RULES
from tests.deploy.dashboards import queries, variables
from tests.deploy.promql import now, selectors
from tests.deploy.rules import OF_A_RUN_ALONE, rules
from tests.integration.command_line import metrics_address, started, wait_for
from tests.prometheus_server import Prometheus, prometheus

pytestmark = pytest.mark.slow

MINUTES = "12000"
"""An eighth of them is traded: a little more than the window of drift."""

SURROUNDINGS = {
    "PAPERTAPE_METRICS__LINGER_SECONDS": "600",
    "PAPERTAPE_VITALS__DRIFT_WINDOW_MINUTES": "1440",
    "PAPERTAPE_VITALS__GROUPS": "{majors: [ALFAUSDT, BRAVOUSDT]}",
}


@dataclass(frozen=True)
class Watched:
    """A demo that is done, and the server that scraped it from its beginning.

    Attributes:
        server: Still scrapes it.
        instance: What it calls the demo.
        began_s: When the demo began.
    """

    server: Prometheus
    instance: str
    began_s: float

    def numbers(self, words: str) -> int:
        """How many numbers a query has, over the time of the demo."""
        return self.server.numbers(words, self.began_s, time.time())


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    log, began_s = folder / "stderr.txt", time.time()
    words = ["demo", "--minutes", MINUTES, "--out", str(folder / "demo"), "--serve", "0"]
    with started(words, folder, **SURROUNDINGS) as process:
        instance = metrics_address(process, log)
        with prometheus(instance, folder, rules=[RULES]) as (server, _):
            assert wait_for(process, lambda: "metrics_linger" in log.read_text()), log.read_text()
            # What is served last is asked for by the second: it must have been there for longer than one.
            done_s, scraped = time.time() + 1.0, "timestamp(papertape_capital)"
            assert wait_for(process, lambda: (server.value(scraped) or 0.0) > done_s)
            yield Watched(server, instance, began_s)


def test_every_query_of_every_panel_finds_numbers(watched: Watched) -> None:
    experts = watched.server.label_values("papertape_expert_labels", "expert")
    assert len(experts) == 4
    empty = []
    for asked in queries():
        for expert in experts if "$expert" in asked.expr else ("",):
            words = asked.filled(instance=watched.instance, expert=expert)
            if not watched.numbers(words):
                empty.append(f"{asked.where}: {words}")
    assert not empty, "\n".join(empty)


def test_every_variable_has_values(watched: Watched) -> None:
    for asked, label in variables():
        selector = asked.filled(instance=watched.instance, run="demo")
        assert watched.server.label_values(selector, label), asked


def test_every_rule_is_evaluated_and_all_that_it_selects_is_there(watched: Watched) -> None:
    evaluated = {rule["name"]: rule for rule in watched.server.rules()}
    for rule in rules():
        assert evaluated[rule.alert]["health"] == "ok", evaluated[rule.alert]
        for selector in selectors(rule.expr):
            if selector.name in OF_A_RUN_ALONE:
                continue  # tests/integration/test_alerts.py has a run
            assert watched.numbers(now(selector)), f"{rule.alert}: {now(selector)}"
    firing = {name for name, rule in evaluated.items() if rule["state"] == "firing"}
    assert firing <= {"PapertapeWatchdog", "PapertapeCatchUp"}
