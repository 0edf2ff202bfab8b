"""The server that a scrape asks."""

import socket
import urllib.request
from typing import cast

import pytest
from prometheus_client.parser import text_string_to_metric_families

from adapters.prometheus.families import FAMILIES
from adapters.prometheus.server import MetricsServer
from daemon.errors import MetricsError

HOST = "127.0.0.1"


def scrape(server: MetricsServer) -> str:
    """What Prometheus would be told."""
    with urllib.request.urlopen(f"http://{HOST}:{server.port}/metrics", timeout=10) as answer:
        return cast("bytes", answer.read()).decode()


def series(text: str, name: str) -> dict[tuple[str, ...], float]:
    """The series of one name, by the values of their labels in the order of the labels' names."""
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == f"papertape_{name}"
    }


def test_a_scrape_gets_the_newest_figures_and_no_series_that_is_not_among_them() -> None:
    with MetricsServer(HOST, 0, {}) as server:
        server.publish({"cash": {(): 5.0}, "position_quantity": {("a:X",): 1.5, ("a:Y",): -2.0}})
        before = scrape(server)
        server.publish({"cash": {(): 6.25}, "position_quantity": {("a:Y",): -2.0}})
        after = scrape(server)
    assert series(before, "cash") == {(): 5.0}
    assert series(before, "position_quantity") == {("a:X",): 1.5, ("a:Y",): -2.0}
    assert series(after, "cash") == {(): 6.25}
    assert series(after, "position_quantity") == {("a:Y",): -2.0}


def test_labels_stand_under_their_own_names() -> None:
    with MetricsServer(HOST, 0, {}) as server:
        server.publish(
            {
                "refusals_total": {("has_edge", "no_edge"): 3.0},
                "run_info": {("demo", "USDT"): 1.0},
            }
        )
        text = scrape(server)
    assert 'papertape_refusals_total{reason="no_edge",step="has_edge"} 3.0' in text
    assert 'papertape_run_info{quote="USDT",run="demo"} 1.0' in text
    kinds = {family.name: family.type for family in text_string_to_metric_families(text)}
    assert kinds["papertape_refusals"] == "counter"


def test_a_probe_is_asked_at_every_scrape_and_one_that_fails_has_no_series() -> None:
    answers = iter([1.0, 2.0])

    def asked() -> float:
        answer = next(answers, None)
        if answer is None:
            raise FileNotFoundError
        return answer

    with MetricsServer(HOST, 0, {"tape_bytes": asked}) as server:
        found = [series(scrape(server), "tape_bytes") for _ in range(3)]
    assert found == [{(): 1.0}, {(): 2.0}, {}]


def test_a_stage_that_was_timed_is_in_the_histogram() -> None:
    with MetricsServer(HOST, 0, {}) as server:
        for _ in range(3):
            with server.timed("commit"):
                pass
        text = scrape(server)
    assert series(text, "stage_seconds_count") == {("commit",): 3.0}
    assert series(text, "stage_seconds_bucket")[("+Inf", "commit")] == 3.0
    assert "_created" not in text


def test_a_figure_of_no_known_family_is_refused() -> None:
    server = MetricsServer(HOST, 0, {})
    with pytest.raises(KeyError, match="no_such"):
        server.publish({"no_such": {(): 1.0}})


def test_an_address_in_use_is_named_with_what_to_do_and_the_port_is_free_after_the_end() -> None:
    with MetricsServer(HOST, 0, {}) as server:
        port = server.port
        with pytest.raises(MetricsError, match=rf"127\.0\.0\.1:{port}.*in use.*--serve"):
            MetricsServer(HOST, port, {}).__enter__()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((HOST, port))


def test_every_family_but_the_histogram_can_be_published() -> None:
    figures = {
        family.name: {tuple("x" for _ in family.labels): 1.0}
        for family in FAMILIES
        if family.kind != "histogram"
    }
    with MetricsServer(HOST, 0, {}) as server:
        server.publish(figures)
        text = scrape(server)
    for name, expected in figures.items():
        assert series(text, name) == expected
