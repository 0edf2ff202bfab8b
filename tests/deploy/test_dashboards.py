"""The dashboards that are committed are those of the code, whole and well-formed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.grafana import files
from deploy.grafana.selectors import of, resource
from tests.deploy.dashboards import dashboards, queries
from tests.deploy.promql import selectors, strange


def test_what_is_committed_is_what_the_code_makes() -> None:
    made = {f"{dashboard.uid}.json": files.text(dashboard) for dashboard in files.dashboards()}
    committed = {path.name: path.read_text(encoding="utf-8") for path in files.FOLDER.iterdir()}
    assert made == committed, "python -m deploy.grafana"


def test_the_model_of_grafanas_makers_reads_them_and_writes_the_same() -> None:
    for dashboard in dashboards():
        again = json.loads(files.text(Dashboard.from_json(dashboard)))
        for annotation in dashboard["annotations"]["list"]:
            # What Grafana reads of an annotation and the model does not know.
            assert annotation.pop("titleFormat")
            assert annotation.pop("step")
        assert again == dashboard


def test_queries_select_only_what_is_served() -> None:
    seen = 0
    for asked in queries():
        text = asked.filled(instance="here", expert="blend")
        assert not strange(text), asked
        seen += len(selectors(text))
    assert seen > 100


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    for dashboard in dashboards():
        for panel in dashboard["panels"]:
            yield dashboard["uid"], panel


def test_panels_lie_beside_each_other_and_say_what_they_mean() -> None:
    taken: dict[tuple[str, int, int], str] = {}
    identities = set()
    for uid, panel in panels():
        assert (uid, panel["id"]) not in identities
        identities.add((uid, panel["id"]))
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert x < 24, panel["title"]
                assert taken.setdefault((uid, x, y), panel["title"]) == panel["title"]
        if panel["type"] != "row":
            assert panel["description"].endswith("."), panel["title"]
            assert panel["targets"], panel["title"]


def test_a_family_or_label_that_is_not_served_cannot_be_asked_for() -> None:
    assert of("costs", component="fee") == 'papertape_costs{instance=~"$instance", component="fee"}'
    with pytest.raises(KeyError, match="no label 'kind'"):
        of("costs", kind="fee")
    with pytest.raises(KeyError):
        of("cost")
    with pytest.raises(KeyError):
        resource("process_threads")
