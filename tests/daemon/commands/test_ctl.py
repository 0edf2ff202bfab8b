"""`papertape ctl` in this process: whom it asks, what it draws, how it ends."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.control import answers as a
from daemon.__main__ import main
from daemon.commands import _ctl
from daemon.commands._control_views import models_of, order_made, positions_of, state_of, vitals_of
from daemon.commands._ctl_tables import DRAWN, draw
from daemon.commands._views import Watcher
from tests.daemon.test_live import Played
from tests.quiet_run import TOKEN, Api, QuietRun, quiet_api
from tests.runs import cut, decided, first_traded, fresh_engine, traded

WORLD = "0.0.0.0"  # noqa: S104 - never bound to
NOW = datetime(2024, 1, 2, 16, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    with quiet_api() as served:
        yield served


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAPERTAPE_CONTROL__TOKEN", TOKEN)


def newest(api: Api) -> Any:
    """What the run was asked last."""
    return api.run.asked[-1]


def url(api: Api) -> list[str]:
    return ["--url", api.server.url]


@pytest.mark.parametrize(
    "name", ["status", "positions", "orders", "decisions", "vitals", "models", "settings", "snapshot"]
)
def test_what_is_seen_is_drawn_or_json(api: Api, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ctl", name, *url(api)]) == 0
    assert capsys.readouterr().out.strip()
    assert main(["ctl", name, "--json", *url(api)]) == 0
    assert isinstance(json.loads(capsys.readouterr().out), dict)


def test_a_page_is_asked_for_as_told(api: Api) -> None:
    words = ["--limit", "3", "--before", "7.1", "--instrument", "binance:BTCUSDT"]
    assert main(["ctl", "orders", *words, *url(api)]) == 0
    assert newest(api) == ("orders", "7.1", 3, "binance:BTCUSDT")


def test_who_asks_is_the_user_or_whom_he_names_in_letters_that_the_tape_takes(
    api: Api, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["ctl", "pause", "--wait", "0", "--by", "Ann <ann@example>", *url(api)]) == 0
    assert newest(api) == ("pause", "Ann ann@example", 0.0)
    monkeypatch.setattr("getpass.getuser", lambda: "jo")
    assert main(["ctl", "reload", *url(api)]) == 0
    assert newest(api) == ("reload", "ctl jo")
    monkeypatch.setattr("getpass.getuser", {}.popitem)  # which raises KeyError
    assert main(["ctl", "freeze", "--wait", "0", *url(api)]) == 0
    assert newest(api) == ("freeze", "ctl ", 0.0)
    assert "waits for its minute" in capsys.readouterr().out


def ordered(status: str, **told: object) -> a.Ordered:
    return a.Ordered.model_validate(
        {
            "id": 7,
            "command": "flatten",
            "by": "control ann",
            "asked": NOW,
            "status": status,
            "minute": None,
            "before": None,
            "after": None,
            "positions": None,
            "orders": [],
            **told,
        }
    )


def test_it_waits_until_a_command_is_done_and_one_that_is_lost_ends_with_1(
    api: Api, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_ctl, "POLL_S", 0.0)
    closing = ordered("closing", minute=NOW, before="normal", after="flatten", positions=2)
    ends = {
        "done": ordered("done", minute=NOW, before="normal", after="flatten", positions=0),
        "lost": ordered("lost"),
    }
    for name, code in (("done", 0), ("lost", 1)):
        told = iter([ordered("waiting"), closing, ends[name]])
        monkeypatch.setattr(QuietRun, "commands", lambda _run, told=told: (next(told),))
        assert main(["ctl", "flatten", *url(api)]) == code
        said = capsys.readouterr().out
        assert ("normal to flatten" in said) == (name == "done")
        assert name in said


def test_refusals_and_mistakes_end_with_2_and_nobody_there_with_1(
    api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAPERTAPE_CONTROL__TOKEN", "another-token-of-enough-letters")
    assert main(["ctl", "pause", *url(api)]) == 2
    assert "the token is not the run's" in capsys.readouterr().err
    assert main(["ctl", "status", "--url", "nowhere"]) == 2
    assert main(["ctl", "status", "--config", str(tmp_path / "missing.yaml")]) == 2
    monkeypatch.setenv("PAPERTAPE_CONTROL__TOKEN", "short")
    assert main(["ctl", "status", *url(api)]) == 2
    monkeypatch.delenv("PAPERTAPE_CONTROL__TOKEN")
    monkeypatch.setenv("PAPERTAPE_CONTROL__PORT", "1")
    assert main(["ctl", "status"]) == 1
    assert "nobody answers at http://127.0.0.1:1" in capsys.readouterr().err


def test_a_rejected_file_ends_with_2(
    api: Api, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def rejected(_run: QuietRun, by: str) -> a.ReloadDone:
        return a.ReloadDone(result="rejected", changed=[], problems=["run.yaml:3: costs.impact: too large"])

    monkeypatch.setattr(QuietRun, "reload", rejected)
    assert main(["ctl", "reload", *url(api)]) == 2
    assert "run.yaml:3: costs.impact: too large" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("settings", "address", "authority"),
    [
        ({}, "http://127.0.0.1:9478", None),
        ({"HOST": WORLD, "CERT_FILE": "c.pem", "KEY_FILE": "k.pem"}, "https://127.0.0.1:9478", "c.pem"),
        ({"HOST": "::1", "PORT": "7"}, "http://[::1]:7", None),
    ],
)
def test_the_address_is_that_of_the_settings(
    settings: dict[str, str], address: str, authority: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"PAPERTAPE_CONTROL__{name}", value)
    client = _ctl.client_for(None, None, None)
    assert (client.url, client.token, client.ca_file) == (address, TOKEN, authority)
    named = _ctl.client_for(None, "https://trader:9/", Path("ca.pem"))
    assert (named.url, named.ca_file) == ("https://trader:9", "ca.pem")


def test_what_a_real_run_answers_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    engine = fresh_engine()
    live = Played(engine=engine).live
    watcher = Watcher(engine, first_traded(), first_traded() + 240)
    batches, _ = decided(engine, cut(traded(240), []))
    watcher.see(batches)
    made = [order_made(order) for record in batches for order in record.orders]
    part = a.OrderFill(minute=NOW, quantity="1", price="2.5", fee="0.1", realised="0")
    waiting, filled = made[0], made[1].model_copy(update={"status": "filled", "fills": [part]})
    expired = made[2].model_copy(update={"status": "ended", "unfilled": "3", "ended_by": "expired"})
    alarm = a.AlarmState(
        vital="skill", subject="blend", since=NOW, value=1.0, bound=0.0, cause="worse", consequences=[]
    )
    state = state_of(engine, watcher, live, batches[-1], "1")
    causes = [a.Cause(cause="command", mode="flatten")]
    feeds = [a.FeedState(feed="file", lost_instruments=2)]
    state = state.model_copy(
        update={"alarms": [alarm], "causes": causes, "feeds": feeds, "age_seconds": 7200.0, "catch_up": True}
    )
    vitals = vitals_of(engine).model_copy(update={"alarms": [alarm]})
    challenger = a.ChallengerState(
        version="9", since=NOW, labels=5, skill_nats=None, champion_skill_nats=None, gain_nats=None
    )
    refused = [a.ModelRefused(version="8", reason="its labels differ")]
    answers: dict[str, a.Answer] = {
        "status": state,
        "positions": positions_of(engine, watcher),
        "orders": a.Orders(orders=[waiting, filled, expired], before="5.0"),
        "vitals": vitals,
        "models": models_of(engine, "x").model_copy(update={"challenger": challenger, "refused": refused}),
        "ordered": ordered("closing", minute=NOW, before="normal", after="flatten", orders=[expired]),
        "reload": a.ReloadDone(result="applied", changed=["costs.impact (0.1 -> 0.2)"], problems=[]),
    }
    said = {}
    for name, answer in answers.items():
        draw(name, json.loads(answer.model_dump_json()))
        said[name] = capsys.readouterr().out
    assert set(DRAWN) - set(said) == {"decisions", "settings", "snapshot"}
    assert "flatten (command)" not in said["status"]
    assert "normal (command)" in said["status"]
    assert "ended 120 min ago, catching up" in said["status"]
    assert "lost instruments file: 2" in said["status"]
    assert "worse" in said["status"]
    assert all(held.instrument in said["positions"] for held in watcher.positions())
    assert "1 at 2.5" in said["orders"]
    assert "expired: 3 left" in said["orders"]
    assert "more: --before 5.0" in said["orders"]
    assert vitals.verdict in said["vitals"]
    assert "its labels differ" in said["models"]
    assert "9 since 2024-01-02 16:05" in said["models"]
    assert "positions are being closed" in said["ordered"]
    assert "costs.impact (0.1 -> 0.2)" in said["reload"]
