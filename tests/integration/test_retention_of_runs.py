"""Retention beside a run: its tape stops growing, its memory too, and a kill in the midst costs nothing."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from adapters.simulator.market import SimulatedMarket
from adapters.tape.intact import check_intact
from adapters.tape.reader import TapeReader
from adapters.tape.writer import TapeWriter
from daemon import chain
from daemon.__main__ import main
from daemon.commands._retention import Retention
from daemon.engine import Engine
from daemon.events import (
    BAR_RECORD,
    AnyEvent,
    Minutes,
    ModelChanged,
    SettingsChanged,
    UniverseChanged,
    Warmup,
)
from daemon.run_model import assemble
from daemon.service import outcomes
from daemon.settings import TapeSettings
from tests import runs
from tests.adapters.tape import samples
from tests.integration.command_line import environment
from tests.other_experts import NARROW, narrow

LIMIT = 1_700_000
"""Ten times a snapshot, which is much: a real limit is some hundred times as large."""
GROUP = 24
N_MINUTES = 3_360
SETTINGS = runs.SETTINGS.model_copy(update={"tape": TapeSettings(snapshot_batches=160, max_bytes=LIMIT)})


def begun(tape: TapeWriter, market: SimulatedMarket) -> Engine:
    """An engine on a tape that has its warm-up and model."""
    model = runs.model(settings=SETTINGS)
    engine = Engine(model, SETTINGS, market.instruments)
    start = runs.first_traded()
    blocks = [engine.warm(block).tobytes() for block in market.blocks(start - 600, start - 1, 200)]
    event = Warmup(
        first_minute=start - 600,
        last_minute=start - 1,
        n_bars=sum(map(len, blocks)) // BAR_RECORD.itemsize,
        digest=chain.warmup_digest(blocks),
    )
    genesis = tape.begin(
        {
            "name": "test",
            "settings": SETTINGS.identity_json(),
            "bars": "0",
            "format": "1",
            "first_minute": str(start),
            "arithmetic": "a",
            "versions": "{}",
            "experts": '["trees", "online", "base_rate"]',
        },
        market.instruments,
        "1",
        runs.bundle().to_files(),
        warmup=blocks,
        events=iter([chain.record_event(1, event)]),
    )
    engine.begin(genesis, 1)
    return engine


def sizes(tape: TapeWriter, engine: Engine, market: SimulatedMarket) -> Iterator[int]:
    """Trade, and yield the size of what is on the tape after each group."""
    start = runs.first_traded()
    rows = engine.run.model.plan.history_rows
    with (
        Retention(tape, lambda: engine.run.settings.tape, lambda: rows, lambda: 0) as retention,
        ThreadPoolExecutor(1) as trees,
    ):
        for minutes in market.blocks(start, start + N_MINUTES - 1, GROUP):
            for records, snapshot in outcomes(engine, iter([minutes]), trees):
                tape.append(records, snapshot)
                retention.after_commit(len(records))
                while retention._looking is not None:
                    retention._looking.result()
                    retention.after_commit(0)
                yield tape.database.used_bytes()


def test_a_long_run_stays_within_its_size_and_its_report_is_of_the_whole_life(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "run.tape"
    market = SimulatedMarket(**{**runs.MARKET, "n_minutes": runs.LEARNED + N_MINUTES})  # type: ignore[arg-type]
    with TapeWriter(place) as tape:
        engine = begun(tape, market)
        found = list(sizes(tape, engine, market))
    # Two snapshots, a tenth of this limit each, may come between two looks.
    assert max(found) < 1.2 * LIMIT
    assert place.stat().st_size < 1.2 * LIMIT
    with TapeReader(place) as reader:
        pruned = reader.pruned()
        assert pruned is not None
        assert pruned.batch > 0.5 * N_MINUTES
        summaries = [len(one) for one in reader.day_summaries()]
        assert len(summaries) == 2
        assert len(pruned.life) < 60_000, "what is carried does not grow with the run"
    assert main(["verify", str(place), "--only", "intact"]) == 0
    assert main(["report", str(place), "--json", "--trials", "1"]) == 0
    assert f'"minutes": {N_MINUTES}' in capsys.readouterr().out


@pytest.mark.parametrize("n_before", [100, 750], ids=["gone", "before the oldest snapshot"])
def test_a_run_that_changed_is_reproduced_after_its_changes_have_left_its_tape(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], n_before: int
) -> None:
    """Its model changes so late: in a batch that leaves, or in one that windows look back on."""
    place, market = tmp_path / "run.tape", runs.market()
    names = tuple(instrument.name for instrument in market.instruments)
    other = narrow(runs.bundle(2))
    second = other.to_files()
    hashes = {name: chain.content_digest(content) for name, content in second.items()}
    dearer = SETTINGS.model_copy(update={"costs": SETTINGS.costs.model_copy(update={"taker_fee_bps": 0.6})})
    minutes = runs.traded(1_000)
    fewer = Minutes(
        **{
            name: cells[:, [0, 2, 3]] if cells.ndim == 2 else cells
            for name, cells in ((name, getattr(minutes, name)) for name in Minutes.__slots__)
        }
    )
    swap = ModelChanged(version="2", files=hashes, experts=NARROW)
    inputs: list[AnyEvent | Minutes] = [
        minutes[:100],
        *([swap] if n_before == 100 else []),
        SettingsChanged(settings_json=dearer.identity_json()),
        minutes[100:200],
        UniverseChanged(removed=(names[1],)),
        fewer[200:750],
        *([swap] if n_before == 750 else []),
        fewer[750:],
    ]
    with TapeWriter(place) as tape, ThreadPoolExecutor(1) as trees:
        engine = begun(tape, market)
        engine.library["2"] = assemble("2", other, SETTINGS, names)
        for records, snapshot in outcomes(engine, iter(inputs), trees):
            tape.append(records, snapshot, models={"2": second})
    assert engine.run.model.version == "2"
    assert engine.run.settings.costs.taker_fee_bps == 0.6
    with TapeReader(place) as reader:
        before = reader.demand_begun()
    assert main(["report", str(place), "--json", "--trials", "1"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert main(["tape", "prune", str(place), "--keep-days", "0.1"]) == 0
    capsys.readouterr()
    assert main(["verify", str(place)]) == 0, capsys.readouterr().out
    said = capsys.readouterr().out
    assert "batches 1 to " in said
    assert said.splitlines()[-1].endswith(before[1].hex())
    with TapeReader(place) as reader:
        pruned = reader.pruned()
        assert pruned is not None
        assert 400 < pruned.batch < 750 < reader.oldest_snapshot().batch
    assert main(["report", str(place), "--json", "--trials", "1"]) == 0
    after = json.loads(capsys.readouterr().out)
    for name in ("run", "trades", "instruments", "positions", "days", "bars"):
        assert after[name] == report[name], name
    assert [one["name"] for one in after["experts"]] == ["trees", "online", "base_rate", "blend"]
    for ours, theirs in zip(after["experts"], report["experts"], strict=True):
        assert ours["confusion"] == theirs["confusion"]
    assert main(["tape", "export", str(place), "--out", str(tmp_path)]) == 0
    decisions = pl.read_parquet(tmp_path / "decisions.parquet")
    assert decisions.height == (len(minutes) - pruned.batch) * len(fewer.close[0])
    told = dict(decisions.select("batch", "model").unique().iter_rows())
    assert told == {n: "1" if n <= n_before else "2" for n in range(pruned.batch + 1, len(minutes) + 1)}
    assert (decisions["online_up"].is_nan() == (decisions["batch"] > n_before)).all()
    assert not decisions["trees_up"].is_nan().any()


# --- kill -9

PRUNING = """
import sys
from pathlib import Path
from adapters.tape.retention import Goal, Pruner
from adapters.tape.writer import TapeWriter
from tests.adapters.tape import samples
with TapeWriter(Path(sys.argv[1])) as tape:
    pruner = Pruner(tape, samples.PlainSummaries, step_bars=1)
    while pruner.step(Goal(120, 115), 0):
        print("step", flush=True)
print("done", flush=True)
"""


def test_a_kill_in_the_midst_of_pruning_leaves_a_whole_tape_that_is_pruned_on(tmp_path: Path) -> None:
    sample = samples.write(tmp_path / "run.tape", n=240)
    reached = []
    for n_steps in (1, 40, 60):
        process = subprocess.Popen(
            [sys.executable, "-c", PRUNING, str(sample.place)],
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        assert process.stdout is not None
        try:
            for _ in range(n_steps):
                assert process.stdout.readline() == "step\n"
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            process.stdout.close()
        with TapeReader(sample.place) as reader:
            assert list(check_intact(reader)) == []
            pruned = reader.pruned()
            assert pruned is not None
            reached.append(pruned.batch)
            assert tuple(reader.batches()) == sample.batches[pruned.batch :]
    assert all(one <= two for one, two in pairwise(reached))
    assert reached[-1] > 80
