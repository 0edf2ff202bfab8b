"""The alerts that are committed: valid, tested, explained, and of series that are served."""

import importlib
import re
import subprocess

import click
import pytest

from daemon.settings import Settings
from deploy.kubernetes.rules import DEPLOY, RULES
from tests.deploy.dashboards import dashboards
from tests.deploy.promql import selectors, strange
from tests.deploy.rules import CASES, Rule, read, rules
from tests.prometheus_server import found

COMMITTED = rules()
NAMES = [rule.alert for rule in COMMITTED]
RUNBOOKS = DEPLOY / "runbooks.md"
ALWAYS_FIRES = "PapertapeWatchdog"


def run(words: list[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_accepts_rules_and_configuration() -> None:
    promtool = found("promtool")
    run([promtool, "check", "config", str(DEPLOY / "prometheus" / "prometheus.yml")])
    run([promtool, "check", "rules", str(RULES)])


def test_every_alert_fires_and_stays_quiet_as_its_cases_say() -> None:
    run([found("promtool"), "test", "rules", str(CASES)])


def test_amtool_accepts_the_example_of_alertmanager() -> None:
    amtool = found("amtool", "prometheus-alertmanager")
    run([amtool, "check-config", str(DEPLOY / "alertmanager" / "alertmanager.yml")])


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    firing: set[str] = set()
    quiet: set[str] = set()
    for case in read(CASES)["tests"]:
        for asked in case["alert_rule_test"]:
            (firing if asked["exp_alerts"] else quiet).add(asked["alertname"])
            # One that has nothing to look at is quiet for no reason.
            assert case.get("input_series") or asked["alertname"] == ALWAYS_FIRES
    assert firing == set(NAMES)
    assert quiet == set(NAMES) - {ALWAYS_FIRES}


@pytest.mark.parametrize("rule", COMMITTED, ids=NAMES)
def test_an_alert_selects_only_what_is_served(rule: Rule) -> None:
    assert not strange(rule.expr)
    assert selectors(rule.expr) or rule.alert == ALWAYS_FIRES


@pytest.mark.parametrize("rule", COMMITTED, ids=NAMES)
def test_an_alert_says_what_is_wrong_how_bad_it_is_and_where_to_read_on(rule: Rule) -> None:
    assert rule.labels["severity"] in {"critical", "warning", "info", "none"}
    assert set(rule.annotations) == {"summary", "description", "runbook"}
    assert rule.annotations["runbook"] == f"deploy/runbooks.md#{rule.alert.lower()}"


def test_every_alert_has_a_section_of_the_runbooks_and_every_section_an_alert() -> None:
    sections = re.findall(r"^## (.*)$", RUNBOOKS.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(sections) == sorted(NAMES)


def test_what_the_runbooks_speak_of_exists() -> None:
    text = RUNBOOKS.read_text(encoding="utf-8")
    sections = Settings().model_dump()
    for path in re.findall(r"`([a-z]+(?:\.[a-z_]+)+)`", text):
        value = sections
        for word in path.split("."):
            assert word in value, path
            value = value[word]
    for metric in re.findall(r"`(papertape_\w+)`", text):
        assert not strange(metric)
    for words in re.findall(r"`papertape ([a-z][^`]*)`", text):
        name, *rest = words.split()
        command = importlib.import_module(f"daemon.commands.{name}").command
        if isinstance(command, click.Group):
            assert rest[0] in command.list_commands(click.Context(command)), words
        else:
            options = {option for parameter in command.params for option in parameter.opts}
            assert {word for word in rest if word.startswith("--")} <= options, words
    titles = {panel["title"] for dashboard in dashboards() for panel in dashboard["panels"]}
    assert set(re.findall(r'"([^"]+)"', text)) <= titles
