"""Settings that change while a run goes on: whole or not at all, on the tape, and the run reproduces."""

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from ruamel.yaml import YAML

from adapters.tape.reader import TapeReader
from daemon import chain
from daemon.commands import Invocation
from daemon.commands._verify import reproduced
from daemon.errors import TapeMismatchError
from daemon.events import SettingsChanged
from daemon.settings import Settings
from tests.reloading import FIRST, Reloaded, market, settle, words, write

pytestmark = pytest.mark.asyncio


@pytest.fixture
def run(tmp_path: Path) -> Reloaded:
    reloaded = Reloaded(tmp_path)
    settle(reloaded.file)
    return reloaded


def told_by(tape: Path) -> list[Settings]:
    """The settings in force in each batch, as the tape alone tells them."""
    with TapeReader(tape) as reader:
        now = Settings.model_validate_json(reader.header()["settings"])
        found = []
        for record in reader.batches():
            for event in map(chain.read_event, record.events):
                if isinstance(event, SettingsChanged):
                    now = now.deciding_as(event.settings_json)
            found.append(now)
    return found


async def test_a_thousand_reloads_good_and_bad_miss_no_minute_and_let_no_bad_value_in(run: Reloaded) -> None:
    chance, good = Random(7), {10_000}
    results = []
    async with run.running() as (_, reloader):
        for at in range(1_000):
            kind = chance.choice(("good", "bad", "cold", "torn", "empty", "same"))
            notional = 1_000 + at
            if kind == "good":
                good.add(notional)
                settle(run.file, policy={"notional": notional})
            elif kind == "bad":
                settle(run.file, policy={"notional": notional, "max_weight": -1})
            elif kind == "cold":
                settle(run.file, policy={"notional": notional}, run={"capital": 5})
            elif kind == "torn":
                whole = json.dumps(words(policy={"notional": notional}))
                write(run.file, whole[: len(whole) // 2])
            elif kind == "empty":
                write(run.file, "")
            else:
                settle(run.file, policy={"notional": int(reloader.settings.policy.notional)})
            done = await reloader.reload("test")
            wanted = {"good": "applied", "same": "unchanged"}.get(kind, "rejected")
            assert done.result == wanted, (kind, done)
            assert bool(done.problems) == reloader.rejected == (wanted == "rejected")
            results.append(done.result)
    minutes = [record.minute for record in run.records]
    assert minutes == list(range(FIRST, FIRST + len(minutes)))
    assert not any(record.catch_up for record in run.records)
    active = [int(settings.policy.notional) for settings in run.in_force]
    assert set(active) <= good
    assert len(set(active)) > 100
    assert [int(settings.policy.notional) for settings in told_by(run.tape)] == active
    assert {settings.policy.max_weight for settings in run.in_force} == {0.3}
    assert {settings.run.capital for settings in run.in_force} == {100_000}
    with TapeReader(run.tape) as reader:
        assert reproduced(reader)


async def test_a_file_renamed_over_the_old_one_is_taken_over_and_a_hangup_reads_it_again(
    run: Reloaded,
) -> None:
    hangup = asyncio.Event()
    async with run.running() as (_, reloader), reloader.watching(hangup):
        settle(run.file, policy={"notional": 20_000})
        await until(lambda: reloader.settings.policy.notional == 20_000)
        write(run.file, "policy: [")
        await until(lambda: reloader.rejected)
        settle(run.file, policy={"notional": 20_000})
        await until(lambda: not reloader.rejected)
        read = reloader.counts["unchanged"]
        hangup.set()
        await until(lambda: reloader.counts["unchanged"] > read)
        await run.minutes(1)
    assert run.in_force[-1].policy.notional == 20_000


async def test_a_half_written_file_is_waited_for(run: Reloaded) -> None:
    text = json.dumps(words(policy={"notional": 30_000}))
    async with run.running(still_s=0.01, patience_s=30.0) as (_, reloader):
        run.file.write_text(text[:100])
        reloading = asyncio.create_task(reloader.reload("test"))
        done, _ = await asyncio.wait((reloading,), timeout=0.1)
        assert not done
        run.file.write_text(text)
        assert (await reloading).changed == ("policy.notional (10000 -> 30000)",)


async def test_all_that_needs_a_restart_is_named_with_its_line_and_nothing_of_the_file_is_taken(
    run: Reloaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with run.running() as (session, reloader):
        before = session.engine.run.settings
        told = words(
            policy={"notional": 7},
            run={"capital": 5, "seed": 9},
            metrics={"port": 1},
            feeds={"clock_url": "ws://user:hunter2@nowhere"},
        )
        YAML().dump(told, run.file)
        monkeypatch.setenv("PAPERTAPE_TAPE__PATH", "elsewhere.tape")
        done = await reloader.reload("test")
        assert session.engine.run.settings is before
    lines = run.file.read_text().splitlines()
    port = f"{run.file}:{lines.index('  port: 1') + 1}: metrics.port (9477 -> 1)"
    fresh = "needs a restart; put it back, or restart with another --tape, as another run"
    assert done.result == "rejected"
    assert [problem.partition(": ")[2] for problem in done.problems] == [
        f"run.capital (100000 -> 5) {fresh}",
        f"run.seed (1 -> 9) {fresh}",
        "feeds.clock_url needs a restart; put it back, or restart",
        "PAPERTAPE_TAPE__PATH: tape.path needs a restart; put it back, or restart",
        "metrics.port (9477 -> 1) needs a restart; put it back, or restart",
    ]
    assert done.problems[-1].startswith(port)
    assert "hunter2" not in str(done)


async def test_a_group_of_unknown_instruments_is_refused(run: Reloaded) -> None:
    async with run.running() as (_, reloader):
        settle(run.file, vitals={"groups": {"a": ["NOSUCH"]}})
        (problem,) = (await reloader.reload("test")).problems
        assert "vitals.groups.a names NOSUCH, which is not in the run" in problem


async def test_what_lies_around_the_engine_is_other_at_once_and_on_no_tape(run: Reloaded) -> None:
    async with run.running() as (session, reloader):
        settle(
            run.file,
            sealing={"grace_seconds": 2.0, "deadline_seconds": 9.0},
            metrics={"max_instruments": 2},
            log={"level": "warning"},
            model={"watch_seconds": 77},
        )
        done = await reloader.reload("test")
        assert done.result == "applied"
        assert session.engine.run.settings == reloader.settings
        assert session.engine.run.settings.model.watch_seconds == 77
        figures = session.meter.figures()
        assert figures["instruments_without_series"] == {(): 2.0}
        before = session.live.sequencer.wake_ms
        assert logging.getLogger().level == logging.ERROR  # as the command line says
        await run.minutes(2)
        assert session.live.sequencer.wake_ms > before
    assert not any(record.events for record in run.records)


async def test_a_change_of_the_log_is_in_the_log_before_and_after(
    run: Reloaded, capfd: pytest.CaptureFixture[str]
) -> None:
    async with run.running(told=Invocation()) as (_, reloader):
        for level in ("warning", "error", "debug", "info"):
            settle(run.file, log={"level": level, "format": "json"})
            assert (await reloader.reload("test")).result == "applied"
            assert logging.getLogger().level == getattr(logging, level.upper())
    told = "".join(capfd.readouterr())
    # From warning to error nothing of a lower level can be shown.
    assert told.count("settings_applied") == 3


async def test_a_restart_goes_on_under_what_the_file_says_by_then(run: Reloaded) -> None:
    async with run.running() as (_, reloader):
        await run.minutes(3)
        settle(run.file, policy={"notional": 20_000})
        assert (await reloader.reload("test")).result == "applied"
    half = len(run.records)
    last = run.records[-1].minute
    settle(run.file, policy={"notional": 30_000}, log={"level": "debug"})
    async with run.running(last + 1):
        await run.minutes(3)
    run_on = len(run.records)
    async with run.running(run.records[-1].minute + 1):
        await run.minutes(1)
    active = [int(settings.policy.notional) for settings in run.in_force]
    assert set(active[half:]) == {30_000}
    assert [int(settings.policy.notional) for settings in told_by(run.tape)] == active
    kinds = [event.kind for record in run.records[half:] for event in record.events]
    assert kinds == ["SettingsChanged"]
    assert not any(record.events for record in run.records[run_on:])
    with TapeReader(run.tape) as reader:
        assert reproduced(reader)


async def test_a_restart_under_settings_of_another_run_is_refused_by_name(run: Reloaded) -> None:
    async with run.running():
        await run.minutes(1)
    settle(run.file, labels={"horizon_minutes": 20}, policy={"notional": 5})
    with pytest.raises(TapeMismatchError, match=r"different settings \(labels\.horizon_minutes\)\."):
        async with run.running(FIRST + 5):
            pass
    settle(run.file, universe={"overrides": {market().instruments[0].name: {"lot": "0.5"}}})
    with pytest.raises(TapeMismatchError, match=r"different settings \(universe\.overrides of binance:ALFA"):
        async with run.running(FIRST + 5):
            pass


async def test_instruments_leave_and_come_back_with_the_file(run: Reloaded) -> None:
    names = [one.name for one in market().instruments]
    async with run.running() as (session, reloader):
        for wanted in (names[:-1], names):
            settle(run.file, universe={"instruments": wanted}, policy={"notional": 1_000 * len(wanted)})
            done = await reloader.reload("test")
            assert (done.result, done.problems) == ("applied", ())
            assert list(session.engine.run.names) == wanted
            await run.minutes(2)
        settle(run.file, universe={"instruments": [*names, "NOSUCHUSDT"]})
        done = await reloader.reload("test")
        assert done.result == "rejected"
        assert list(session.engine.run.names) == names
    kinds = {event.kind for record in run.records for event in record.events}
    assert kinds == {"UniverseChanged", "SettingsChanged", "Backfill"}
    minutes = [record.minute for record in run.records]
    assert minutes == list(range(FIRST, FIRST + len(minutes)))
    assert run.in_force[-1].policy.notional == 4_000
    with TapeReader(run.tape) as reader:
        assert reproduced(reader)


async def test_a_secret_that_changes_is_no_change_of_the_tape_and_is_never_shown(
    run: Reloaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAPERTAPE_MQTT__USERNAME", "anna")
    monkeypatch.setenv("PAPERTAPE_MQTT__PASSWORD", "hunter2")
    async with run.running() as (_, reloader):
        assert (await reloader.reload("test")).result == "unchanged"
        settle(run.file, policy={"notional": 20_000})
        assert (await reloader.reload("test")).changed == ("policy.notional (10000 -> 20000)",)
        assert reloader.settings.mqtt.password is not None
        assert reloader.settings.mqtt.password.get_secret_value() == "hunter2"
        monkeypatch.setenv("PAPERTAPE_MQTT__PASSWORD", "swordfish")
        done = await reloader.reload("test")
    assert done.result == "rejected"
    assert "mqtt.password needs a restart" in done.problems[0]
    assert "swordfish" not in str(done)
    for file in run.folder.glob("run.tape*"):
        assert not {b"hunter2", b"swordfish", b"****"} & {
            word for word in (b"hunter2", b"swordfish", b"****") if word in file.read_bytes()
        }
    monkeypatch.setenv("PAPERTAPE_MQTT__PASSWORD", "swordfish")
    async with run.running(run.records[-1].minute + 1):
        await run.minutes(1)
    assert sum(len(record.events) for record in run.records) == 1


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(3_000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


async def test_who_asks_may_leave_and_the_change_is_made_all_the_same(run: Reloaded) -> None:
    async with run.running() as (session, reloader):
        settle(run.file, policy={"notional": 20_000}, model={"watch_seconds": 5})
        asking = asyncio.create_task(reloader.reload("test"))
        await asyncio.sleep(0)
        asking.cancel()
        await until(lambda: reloader.counts["applied"] == 1)
        assert reloader.settings.policy.notional == 20_000
        assert session.engine.run.settings == reloader.settings


async def test_a_fault_in_taking_settings_over_is_a_refusal_and_later_ones_are_heard(
    run: Reloaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with run.running() as (session, reloader):
        settle(run.file, policy={"notional": 20_000})
        with monkeypatch.context() as broken:
            broken.setattr(session.universe, "is_asked_by", lambda _: 1 / 0)
            done = await reloader.reload("test")
        assert (done.result, done.problems) == ("rejected", ("ZeroDivisionError: division by zero",))
        assert (await reloader.reload("test")).result == "applied"
