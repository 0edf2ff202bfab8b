"""`--serve`, and what carries figures to the server."""

import re
from pathlib import Path
from typing import Any, cast

import click
import pytest

from adapters.clock import SystemClock
from adapters.prometheus.server import MetricsServer
from daemon.commands._serving import Address, Feed, feed_for, probes_of, with_metrics
from daemon.commands._surviving import Surviving
from daemon.errors import MetricsError
from daemon.settings import Settings


@pytest.mark.parametrize(
    ("words", "host", "port"),
    [
        ("9477", None, 9477),
        ("0", None, 0),
        ("localhost:80", "localhost", 80),
        ("127.0.0.1:65535", "127.0.0.1", 65535),
        ("[::1]:9477", "::1", 9477),
    ],
)
def test_serve_takes_a_port_with_or_without_a_host(words: str, host: str | None, port: int) -> None:
    assert Address().convert(words, None, None) == (host, port)


@pytest.mark.parametrize("words", ["", "port", "-1", "65536", "::1", "a:b:1", "host:", "1.5", "127.0.0.1"])
def test_what_is_no_address_is_refused_with_an_example(words: str) -> None:
    with pytest.raises(click.BadParameter, match=re.escape("for example 9477")):
        Address().convert(words, None, None)


def test_serve_turns_metrics_on_and_keeps_what_it_does_not_say() -> None:
    settings = Settings.model_validate({"metrics": {"host": "::1", "max_instruments": 3}})
    assert with_metrics(settings, None) is settings
    told = with_metrics(settings, (None, 81)).metrics
    assert (told.enabled, told.host, told.port, told.max_instruments) == (True, "::1", 81, 3)
    assert with_metrics(settings, ("127.0.0.1", 81)).metrics.host == "127.0.0.1"


def test_where_metrics_are_served_does_not_change_what_a_run_is() -> None:
    assert with_metrics(Settings(), (None, 81)).identity_json() == Settings().identity_json()


class Published:
    """In the server's place: keeps what it is given."""

    def __init__(self) -> None:
        self.figures: list[Any] = []

    def publish(self, figures: Any) -> None:
        self.figures.append(figures)


class FailingMeter:
    """In the meter's place: cannot take anything."""

    def see(self, batches: object) -> None:
        raise ZeroDivisionError

    def figures(self) -> dict[str, dict[tuple[str, ...], float]]:
        return {"cash": {(): 1.0}}


def feed_of(meter: object) -> tuple[Feed, Published]:
    published = Published()
    return Feed(published, meter, SystemClock()), published  # type: ignore[arg-type]


def test_a_sink_that_fails_is_counted_and_logged_once_and_the_run_goes_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    feed, _ = feed_of(FailingMeter())
    feed.see(())
    feed.see(())
    assert feed.surviving.drops == 2
    assert capsys.readouterr().out.count("sink_failed") == 1


def test_what_another_sink_fails_to_take_is_counted_beside() -> None:
    other = Surviving("mqtt")
    with MetricsServer("127.0.0.1", 0, {}) as server:
        feed_for(server, cast("Any", FailingMeter()), SystemClock()).show_drops_of(other)
        with other:
            raise ZeroDivisionError
        (drops,) = (family for family in server.collect() if family.name == "papertape_sink_drops")
    assert {sample.labels["sink"]: sample.value for sample in drops.samples} == {"prometheus": 0, "mqtt": 1}


def test_moments_are_there_once_something_was_committed() -> None:
    feed, published = feed_of(FailingMeter())
    feed.publish()
    feed.note_commit(None)
    feed.publish()
    before, after = published.figures
    assert set(before) == {"cash", "last_good_reload_timestamp_seconds"}
    assert set(after) == {*before, "last_commit_timestamp_seconds"}
    assert before["last_good_reload_timestamp_seconds"] == after["last_good_reload_timestamp_seconds"]
    for name in set(after) - {"cash"}:
        (moment,) = after[name].values()
        assert abs(moment - SystemClock().epoch_s()) < 60.0


def test_the_tapes_size_counts_the_log_beside_it(tmp_path: Path) -> None:
    for name, size in (("a.tape", 5), ("a.tape-wal", 7), ("b.tape", 100)):
        (tmp_path / name).write_bytes(b"x" * size)
    probes = probes_of(tmp_path / "a.tape")
    assert probes["tape_bytes"]() == 12.0
    assert probes["disk_free_bytes"]() > 0.0


def test_an_address_that_cannot_be_had_is_the_users_to_mend() -> None:
    assert MetricsError.exit_code == 2
