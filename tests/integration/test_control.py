"""`papertape ctl` and schemathesis against the control API of a real run on a simulated exchange."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from adapters.tape.reader import TapeReader
from daemon import chain
from daemon.events import Command, CommandKind
from tests.integration.command_line import (
    PATIENCE_S,
    Job,
    environment,
    n_batches,
    papertape,
    started,
    wait_for,
)
from tests.integration.live_exchange import Exchange, exchange_at
from tests.loopback import free_port
from tests.runs import SETTINGS

pytestmark = pytest.mark.slow

TOKEN = "of-this-test-alone-0123"  # noqa: S105 - of a test


@dataclass(frozen=True)
class Controlled:
    """A run with a control API, and how to reach it."""

    exchange: Exchange
    process: subprocess.Popen[str]
    url: str

    def ctl(self, *words: str, token: str | None = TOKEN) -> subprocess.CompletedProcess[str]:
        variables = {} if token is None else {"PAPERTAPE_CONTROL__TOKEN": token}
        return papertape(["ctl", *words, "--url", self.url], self.exchange.folder, **variables)

    def said(self, *words: str) -> Any:
        done = self.ctl(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    @property
    def log(self) -> str:
        return (self.exchange.folder / "stderr.txt").read_text(encoding="utf-8")


@contextmanager
def controlled(job: Job, tmp_path: Path, speed: int = 300) -> Iterator[Controlled]:
    """A run that has decided minutes and holds positions."""
    port = free_port()
    token_file = tmp_path / "token"
    token_file.write_text(TOKEN + "\n", encoding="utf-8")
    control = {"enabled": True, "port": port, "token_file": str(token_file)}
    with (
        exchange_at(speed, job, tmp_path, {"control": control}) as exchange,
        started(exchange.words, exchange.folder) as process,
    ):
        run = Controlled(exchange, process, f"http://127.0.0.1:{port}")
        assert wait_for(process, lambda: n_batches(exchange.tape) >= 30), run.log
        yield run


def ended(run: Controlled) -> list[Command]:
    """End the run; its commands, from a tape that is reproduced."""
    run.process.send_signal(signal.SIGTERM)
    assert run.process.wait(60) == 0, run.log
    with TapeReader(run.exchange.tape) as reader:
        commands = [chain.read_event(record) for record in reader.events_of(Command.__name__)]
    verified = papertape(["verify", str(run.exchange.tape)], run.exchange.folder)
    assert verified.returncode == 0, verified.stderr
    return [command for command in commands if isinstance(command, Command)]


def test_a_person_sees_a_run_and_orders_it_about_from_a_terminal(job: Job, tmp_path: Path) -> None:
    with controlled(job, tmp_path) as run:
        state = run.said("status")
        assert (state["run"], state["mode"], state["instruments"]) == (SETTINGS.run.name, "normal", 4)
        shown = run.ctl("status")
        assert "trading state  normal" in shown.stdout

        decisions = run.said("decisions", "--limit", "6")
        assert len(decisions["decisions"]) == 6
        assert all(one["because"].endswith(".") for one in decisions["decisions"])
        older = run.said("decisions", "--limit", "6", "--before", decisions["before"])
        assert older["decisions"][0]["minute"] <= decisions["decisions"][-1]["minute"]
        assert run.said("orders", "--limit", "3")["orders"]

        paused = run.said("pause", "--by", "ann")
        assert (paused["status"], paused["before"], paused["after"]) == ("done", "normal", "no_entry")
        assert paused["by"] == "control ann"
        assert run.said("resume")["after"] == "normal"
        assert run.said("freeze")["after"] == "frozen"
        assert run.said("resume")["after"] == "normal"
        before = n_batches(run.exchange.tape)
        assert wait_for(run.process, lambda: n_batches(run.exchange.tape) >= before + 30), run.log

        flat = run.said("flatten")
        assert (flat["status"], flat["after"], flat["positions"]) == ("done", "flatten", 0)
        assert flat["orders"]
        assert {(one["reason"], one["status"]) for one in flat["orders"]} == {("flatten", "filled")}
        assert run.said("positions")["positions"] == []
        snapshot = run.said("snapshot")
        with TapeReader(run.exchange.tape) as reader:
            kept = reader.snapshot(snapshot["batch"])
        assert kept is not None
        assert kept.batch == snapshot["batch"]

        assert len(run.said("models")["trading"]["experts"]) == 3
        assert run.said("vitals")["verdict"]
        settings = run.said("settings")
        assert settings["policy"]["edge_multiple"] == SETTINGS.policy.edge_multiple
        assert TOKEN not in json.dumps(settings)

        for token, problem in ((None, "a token is needed"), ("wrong-" + TOKEN, "the token is not the run's")):
            refused = run.ctl("flatten", token=token)
            assert refused.returncode == 2
            assert problem in refused.stderr
        commands = ended(run)
        assert [command.command for command in commands] == [
            CommandKind.PAUSE,
            CommandKind.RESUME,
            CommandKind.FREEZE,
            CommandKind.RESUME,
            CommandKind.FLATTEN,
        ]
        assert commands[0].by == "control ann"
        assert TOKEN not in run.log
        gone = run.ctl("status")
        assert gone.returncode == 1
        assert "Does `papertape run` run there" in gone.stderr


def test_a_person_has_the_settings_read_again(job: Job, tmp_path: Path) -> None:
    with controlled(job, tmp_path) as run:
        config = tmp_path / "live.yaml"
        text = config.read_text(encoding="utf-8")
        told = json.loads(text)
        told["policy"]["max_weight"] = 0.25
        config.write_text(json.dumps(told), encoding="utf-8")
        # The file is watched too: whoever comes second finds nothing to change.
        assert run.said("reload", "--by", "ann")["result"] in {"applied", "unchanged"}
        assert run.said("settings")["policy"]["max_weight"] == 0.25
        config.write_text(text.replace('"max_weight"', '"most_weight"'), encoding="utf-8")
        rejected = run.ctl("reload")
        assert rejected.returncode == 2
        assert "policy.most_weight" in rejected.stdout
        assert run.said("settings")["policy"]["max_weight"] == 0.25
        assert ended(run) == []


def test_schemathesis_finds_nothing(job: Job, tmp_path: Path) -> None:
    # Slow enough that a busy machine has asked all it wants before the exchange's bars are over.
    with controlled(job, tmp_path, speed=100) as run:
        folder = tmp_path / "schemathesis"
        folder.mkdir()
        words = ["run", f"{run.url}/openapi.json", "--header", f"Authorization: Bearer {TOKEN}"]
        words += [
            "--phases",
            "coverage,fuzzing,stateful",
            "--max-examples",
            "4",
            "--generation-deterministic",
        ]
        words += ["--checks", "all", "--continue-on-failure", "--request-timeout", "60", "--no-color"]
        found = subprocess.run(
            [str(Path(sys.executable).with_name("st")), *words],
            cwd=folder,
            env={**environment(), "HOME": os.environ.get("HOME", str(folder))},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert found.returncode == 0, found.stdout
        assert "No issues found" in found.stdout
        state = run.said("status")
        assert state["batch"] > 30
        # Whatever it ordered is on a tape that comes out again; it was many times asked to.
        assert len(ended(run)) > 10
        assert "Traceback" not in run.log
