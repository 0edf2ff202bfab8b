"""deploy/kubernetes: rendered by kubectl, held against schemas, a security linter, our settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from ruamel.yaml import YAML

from adapters.files.settings_file import read_settings
from deploy.kubernetes.rules import RESOURCE, RULES
from deploy.kubernetes.rules import resource as resource_of
from tests.deploy.manifests import OVERLAYS, checkov, rendered, resource, resources

VERSIONS = ("1.30", "1.37")
"""Of Kubernetes: an old one that is still met, and the newest whose schemas there are."""

OF_THE_OPERATOR = {"PodMonitor", "PrometheusRule"}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_resource_is_strictly_valid(overlay: str, version: str) -> None:
    found = resources(overlay)
    for item in found:
        if item["kind"] not in OF_THE_OPERATOR:
            kubernetes_validate.validate(item, version, strict=True)
    wanted = {"ConfigMap", "NetworkPolicy", "PodDisruptionBudget", "Secret", "Service", "StatefulSet"}
    assert wanted <= {item["kind"] for item in found}


def test_a_misspelt_field_would_be_found() -> None:
    wrong = resource("binance", "StatefulSet")
    wrong["spec"]["template"]["spec"]["terminationGracePeriod"] = 60
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)


@pytest.mark.slow
def test_the_security_linter_finds_nothing_that_is_not_explained(tmp_path: Path) -> None:
    files = []
    for overlay in OVERLAYS:
        files.append(tmp_path / f"{overlay}.yaml")
        files[-1].write_text(rendered(overlay))
    done = checkov("kubernetes", files)
    assert done.returncode == 0, done.stdout
    assert "Failed checks: 0" in done.stdout
    for item in resources("binance"):
        for key, value in item["metadata"].get("annotations", {}).items():
            if key.startswith("checkov.io/skip"):
                check, reason = value.split("=")
                assert check.startswith("CKV_")
                assert len(reason) > 20


def containers(overlay: str) -> list[Mapping[str, Any]]:
    pod = resource(overlay, "StatefulSet")["spec"]["template"]["spec"]
    return [*pod.get("initContainers", ()), *pod["containers"]]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_container_has_rights(overlay: str) -> None:
    pod = resource(overlay, "StatefulSet")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not pod["automountServiceAccountToken"]
    for container in containers(overlay):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert set(container["resources"]) == {"requests", "limits"}
        assert container["image"] == "papertape:0.1.0"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_settings_of_an_overlay_are_valid_where_they_are_mounted(overlay: str, tmp_path: Path) -> None:
    text = resource(overlay, "ConfigMap")["data"]["papertape.yaml"]
    file = tmp_path / "papertape.yaml"
    file.write_text(text)
    (daemon,) = [container for container in containers(overlay) if container["name"] == "papertape"]
    environment = {item["name"]: item["value"] for item in daemon["env"] if "value" in item}
    settings = read_settings(file, environment).settings
    assert (settings.metrics.enabled, settings.metrics.port) == (True, daemon["ports"][0]["containerPort"])
    mounts = {mount["mountPath"]: mount for mount in daemon["volumeMounts"]}
    # A subPath would never be renewed, and so never reloaded.
    assert mounts["/etc/papertape"] == {"name": "settings", "mountPath": "/etc/papertape", "readOnly": True}
    assert Path(settings.tape.path).is_relative_to("/var/lib/papertape")
    assert resource(overlay, "ConfigMap")["metadata"]["name"] == "papertape"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_probes_ask_what_the_server_answers(overlay: str) -> None:
    (daemon,) = [container for container in containers(overlay) if container["name"] == "papertape"]
    asked = {name: daemon[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {name: get["path"] for name, get in asked.items()} == {
        "startupProbe": "/healthz",
        "livenessProbe": "/healthz",
        "readinessProbe": "/readyz",
    }
    assert {get["port"] for get in asked.values()} == {"metrics"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_everything_that_selects_selects_the_pod(overlay: str) -> None:
    labels = resource(overlay, "StatefulSet")["spec"]["template"]["metadata"]["labels"]
    for selector in (
        resource(overlay, "StatefulSet")["spec"]["selector"]["matchLabels"],
        resource(overlay, "Service")["spec"]["selector"],
        resource(overlay, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        resource(overlay, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
    ):
        assert selector
        assert selector.items() <= labels.items()
    if overlay != "demo":
        selector = resource(overlay, "PodMonitor")["spec"]["selector"]["matchLabels"]
        assert selector.items() <= labels.items()
    grace = resource(overlay, "StatefulSet")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    # The drain that took longest took 6.8 s.
    assert grace > 4 * 7


def test_the_operator_gets_the_rules_that_prometheus_gets() -> None:
    assert RESOURCE.read_text() == resource_of(RULES.read_text()), "run python -m deploy.kubernetes.rules"
    groups = YAML(typ="safe", pure=True).load(RULES.read_text())["groups"]
    assert resource("binance", "PrometheusRule")["spec"]["groups"] == groups
    (endpoint,) = resource("binance", "PodMonitor")["spec"]["podMetricsEndpoints"]
    job = resource("binance", "PodMonitor")["spec"]["jobLabel"]
    # The rules know the job as `papertape`: the value of this label of the pod.
    labels = resource("binance", "StatefulSet")["spec"]["template"]["metadata"]["labels"]
    assert labels[job] == "papertape"
    assert endpoint["port"] == "metrics"
