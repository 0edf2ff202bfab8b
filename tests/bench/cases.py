"""The cases: what is run, what is measured, what it must reach."""

import asyncio
import json
import os
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import lightgbm
import numpy as np
from river import linear_model, multiclass, optim, preprocessing

from adapters.simulator.market import SimulatedMarket
from adapters.tape.writer import TapeWriter
from daemon.commands._run import Run, begin
from daemon.features import compile_plan
from daemon.models.bundle import Bundle
from daemon.models.calibration import Calibrator
from daemon.models.online import OnlineLearner
from daemon.models.tree_text import with_feature_names
from daemon.run_model import assemble
from daemon.service import play
from daemon.settings import Settings
from tests.bench.command_lines import help_start, six_months
from tests.bench.live import live_minute
from tests.bench.live_wire import live_wire

MACHINE = {"arithmetic": "bench", "versions": "{}"}
WARM_MINUTES = 3_000
SOFTER = Calibrator(((0.8, 0.05, 0.0), (0.0, 0.8, 0.05), (0.05, 0.0, 0.8)), (0.01, -0.02, 0.01))


@cache
def market(n_instruments: int, n_minutes: int) -> SimulatedMarket:
    """A simulated market of so many instruments."""
    return SimulatedMarket(11, n_instruments, n_minutes)


def settings(**sections: object) -> Settings:
    """The default settings, but for these sections."""
    return Settings.model_validate({"run": {"name": "bench"}, **sections})


def default_bundle(n_instruments: int) -> Bundle:
    """A model of default size: 80 features, 300 rounds x 3 classes x 31 leaves, River on 20 features.

    What the trees have learned does not matter to their speed, so they learn from random classes.
    """
    names = compile_plan(settings().features, ()).names
    trees = _booster(len(names), 3, "multiclass", 300)
    learner = OnlineLearner(names[:20], settings().experts.online)
    return _bundle(
        n_instruments,
        Settings(),
        trees=with_feature_names(trees, names),
        experts=("trees", "online", "base_rate"),
        calibrators={"trees": SOFTER, "online": SOFTER},
        learners={"online": learner.to_fields()},
    )


def lean_bundle(n_instruments: int) -> Bundle:
    """20 features, one binary booster of 300 trees, nothing that learns."""
    lean = settings(features={"groups": ["twenty"]})
    names = compile_plan(lean.features, ()).names
    trees = _booster(len(names), 1, "binary", 300)
    return _bundle(
        n_instruments, lean, trees=with_feature_names(trees, names), experts=("trees",), learners={}
    )


def _booster(n_features: int, n_classes: int, objective: str, rounds: int) -> bytes:
    rng = np.random.default_rng(5)
    values = rng.normal(size=(20_000, n_features))
    parameters = {"objective": objective, "num_leaves": 31, "verbose": -1, "num_threads": 2}
    if n_classes > 1:
        parameters["num_class"] = n_classes
    labels = rng.integers(0, max(n_classes, 2), len(values))
    return lightgbm.train(parameters, lightgbm.Dataset(values, labels), rounds).model_to_string().encode()


def _bundle(n_instruments: int, made_with: Settings, **parts: Any) -> Bundle:
    names = tuple(i.name for i in market(n_instruments, 2).instruments)
    plan = compile_plan(made_with.features, names)
    return Bundle(
        name="bench",
        settings_json=made_with.identity_json(),
        features=made_with.features,
        schema=plan.schema,
        reference=names,
        labels=made_with.labels,
        edge={"class_means": [-1.0, 0.0, 1.0], "slope": 1.0},
        **parts,
    )


def replay(
    bundle: Bundle,
    n_instruments: int,
    n_minutes: int,
    run_settings: Settings,
    look: Callable[[Path], None] = lambda _: None,
) -> float:
    """Replay `n_minutes` onto a tape; return the seconds it took, without the warm-up.

    `look` is shown the tape's file when it is closed.
    """
    source = market(n_instruments, WARM_MINUTES + n_minutes)
    names = tuple(i.name for i in source.instruments)
    model = assemble("1", bundle, run_settings, names)
    run = Run(run_settings, source, source.first_minute + WARM_MINUTES, model, bundle.to_files(), MACHINE)
    engine = run.engine()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bench.tape"
        with TapeWriter(file) as tape:
            begin(run, engine, tape)
            inputs = source.blocks(run.first_minute, source.last_minute, run.chunk_minutes)
            started = time.perf_counter()
            asyncio.run(play(engine, inputs, tape.append))
            seconds = time.perf_counter() - started
        look(file)
    print(f"{sum(engine.run.funnel.counts().exits.values())} exits", file=sys.stderr)
    return seconds


def bare(bundle: Bundle, n_instruments: int, n_minutes: int) -> float:
    """Seconds of the models' own work on the same rows: trees in batches of 4,096, River row by row."""
    source = market(n_instruments, WARM_MINUTES + n_minutes)
    names = tuple(i.name for i in source.instruments)
    plan = compile_plan(bundle.features, names)
    state = plan.initial(names)
    values = []
    for minutes in source.blocks(source.first_minute, source.last_minute, max(1, 8192 // n_instruments)):
        block, state = plan.advance(state, minutes)
        values.append(block.values)
    rows = np.concatenate(values)[WARM_MINUTES * n_instruments :]
    booster = lightgbm.Booster(model_str=(bundle.trees or b"").decode())
    started = time.perf_counter()
    for at in range(0, len(rows), 4_096):
        booster.predict(rows[at : at + 4_096], raw_score=True, num_threads=1)
    pipeline = preprocessing.StandardScaler() | multiclass.OneVsRestClassifier(
        linear_model.LogisticRegression(optimizer=optim.SGD(0.01))
    )
    labels = np.random.default_rng(1).integers(0, 3, len(rows)).tolist()
    for row, label in zip(rows[:, :20].tolist(), labels, strict=True):
        named = dict(zip(plan.names, row, strict=False))
        pipeline.predict_proba_one(named)
        pipeline.learn_one(named, label)
    return time.perf_counter() - started


def default_replay(n_instruments: int, n_minutes: int, least: float, most_ratio: float) -> dict[str, object]:
    """Replay with default settings against bare."""
    bundle = default_bundle(n_instruments)
    pairs = []
    for _ in range(2):
        base = bare(bundle, n_instruments, n_minutes)
        pairs.append((replay(bundle, n_instruments, n_minutes, settings()), base))
    seconds, base = min(pairs)
    speed, ratio = n_instruments * n_minutes / seconds, min(s / b for s, b in pairs)
    bare_us = base / (n_instruments * n_minutes) * 1e6
    return {
        "measured": f"{speed:,.0f} bars/s, {ratio:.2f} x bare ({bare_us:.0f} us a row)",
        "must": f"{least:,.0f} bars/s and <= {most_ratio} x bare",
        "met": speed >= least and ratio <= most_ratio,
        "bars_per_s": speed,
        "ratio": ratio,
    }


def lean_replay(n_instruments: int, n_minutes: int, least: float) -> dict[str, object]:
    """Replay of the lean model, trading."""
    eager = settings(features={"groups": ["twenty"]}, blend={"kind": "fixed"}, policy={"edge_multiple": 0.5})
    bundle = lean_bundle(n_instruments)
    seconds = min(replay(bundle, n_instruments, n_minutes, eager) for _ in range(2))
    speed = n_instruments * n_minutes / seconds
    return {
        "measured": f"{speed:,.0f} bars/s",
        "must": f"{least:,.0f} bars/s",
        "met": speed >= least,
        "bars_per_s": speed,
    }


def features(n_instruments: int) -> dict[str, object]:
    """Microseconds a bar of 80 features, for a history and for four times of it."""
    costs = []
    for n_bars in (65_536, 262_144):
        source = market(n_instruments, n_bars // n_instruments)
        names = tuple(i.name for i in source.instruments)
        plan = compile_plan(settings().features, names)
        best = float("inf")
        for _ in range(2):
            state = plan.initial(names)
            started = time.perf_counter()
            for minutes in source.blocks(source.first_minute, source.last_minute, 8192 // n_instruments):
                _, state = plan.advance(state, minutes)
            best = min(best, time.perf_counter() - started)
        costs.append(best / n_bars * 1e6)
    growth = costs[1] / costs[0]
    return {
        "measured": f"{costs[0]:.1f} us a bar, {costs[1]:.1f} for 4 x the bars",
        "must": "<= 8 us a bar, linear in bars",
        "met": max(costs) <= 8.0 and growth < 1.25,
        "us_per_bar": costs[1],
        "growth": growth,
    }


def memory() -> dict[str, object]:
    """Peak memory of the lean model over 50 instruments and 200,000 bars."""
    lean_replay(50, 4_000, 0.0)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"measured": f"{peak_mb:,.0f} MB", "must": "<= 500 MB", "met": peak_mb <= 500, "peak_mb": peak_mb}


def tape_bytes(n_instruments: int, n_minutes: int, limit_bytes: float) -> dict[str, object]:
    """Bytes of the tape for one bar that was decided on, by what they hold."""
    found: dict[str, float] = {}

    def look(file: Path) -> None:
        with closing(sqlite3.connect(file)) as connection:
            sizes = dict(connection.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name"))
            (n_bars,) = connection.execute("SELECT count(*) FROM bar").fetchone()
            (n_snapshots,) = connection.execute("SELECT count(*) FROM snapshot").fetchone()
            (said,) = connection.execute("SELECT sum(length(decisions)) FROM batch").fetchone()
        n_decided = n_instruments * n_minutes
        found["bars"] = sizes.pop("bar") / n_bars
        found["decisions"] = said / n_decided
        found["minutes"] = (sizes.pop("batch") - said) / n_decided
        found["snapshot"] = sizes.pop("snapshot") / n_snapshots
        found["model and header"] = sizes.pop("model_file") + sizes.pop("header")
        found["trades and the rest"] = sum(sizes.values()) / n_decided

    replay(default_bundle(n_instruments), n_instruments, n_minutes, settings(), look)
    once = ("snapshot", "model and header")
    total = sum(size for name, size in found.items() if name not in once)
    parts = ", ".join(f"{name} {size:.0f}" for name, size in found.items() if name not in once)
    rest = ", ".join(f"a {name} {found[name] / 1024:,.0f} kB" for name in once)
    return {
        "measured": f"{total:.0f} bytes a bar ({parts}); {rest}",
        "must": f"<= {limit_bytes:.0f}",
        "met": total <= limit_bytes,
        "bytes": found,
    }


CASES: dict[str, tuple[str, Callable[[], dict[str, object]]]] = {
    "default-1": ("replay, default settings, 1 instrument", lambda: default_replay(1, 20_000, 5_000, 3.0)),
    "default-16": (
        "replay, default settings, 16 instruments",
        lambda: default_replay(16, 2_000, 10_000, 1.5),
    ),
    "lean-1": ("replay, 20 features, 300 trees, 1 instrument", lambda: lean_replay(1, 40_000, 10_000)),
    "lean-50": ("replay, 20 features, 300 trees, 50 instruments", lambda: lean_replay(50, 4_000, 20_000)),
    "features-1": ("batch features, 80, 1 instrument", lambda: features(1)),
    "features-16": ("batch features, 80, 16 instruments", lambda: features(16)),
    "memory-50": ("memory, lean, 50 instruments, 200,000 bars", memory),
    "live-500": ("live minute, 500 instruments, default", lambda: live_minute(500, 300, "default", 150.0)),
    "live-10000": (
        "live minute, 10,000 instruments, short",
        lambda: live_minute(10_000, 60, "short", 2_000.0),
    ),
    "live-wire-500": (
        "live minute over a websocket, 500 instruments, default",
        lambda: live_wire(default_bundle(500), 500, 100, 250.0, 50.0),
    ),
    "replay-6-months": ("memory, replay of 4 instruments, real bars", lambda: six_months(600.0)),
    "tape-1": ("tape, 1 instrument", lambda: tape_bytes(1, 20_000, 600.0)),
    "tape-16": ("tape, 16 instruments", lambda: tape_bytes(16, 2_000, 300.0)),
    "tape-500": ("tape, 500 instruments", lambda: tape_bytes(500, 100, 300.0)),
    "help": ("start of papertape --help", lambda: help_start(15, 0.5)),
}


if __name__ == "__main__":
    title, case = CASES[sys.argv[1]]
    print(json.dumps({"case": title, **case()}))
