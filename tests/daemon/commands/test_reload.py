"""Settings that change while a run goes on: whole or not at all, on the tape, and the run reproduces."""

import json
from pathlib import Path
from random import Random

import pytest

from adapters.tape.reader import TapeReader
from daemon import chain
from daemon.commands._verify import reproduced
from daemon.events import SettingsChanged
from daemon.settings import Settings
from tests.reloading import FIRST, Reloaded, settle, words, write

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
