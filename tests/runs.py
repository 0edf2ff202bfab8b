"""A small run for tests of the whole engine: a simulated market, a model trained in two seconds."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np

from adapters.simulator.market import SimulatedMarket
from daemon.engine import Engine
from daemon.events import AnyEvent, BatchRecord, Minutes, Snapshot
from daemon.models.bundle import Bundle
from daemon.ports import Files
from daemon.run_model import RunModel, assemble
from daemon.service import outcomes
from daemon.settings import Settings
from daemon.training.train import train

SETTINGS = Settings.model_validate(
    {
        "run": {"name": "test"},
        "features": {"groups": ["twenty"], "sigma_bars": 60},
        "labels": {"horizon_minutes": 10, "threshold_sigma": 0.5},
        "experts": {
            "trees": {"rounds": 12, "leaves": 6, "min_leaf_rows": 40, "threads": 1},
            "online": {"max_features": 5},
        },
        "training": {"folds": 0, "min_rows": 500, "embargo_minutes": 10},
        "policy": {"edge_multiple": 0.2, "max_weight": 0.3},
        "costs": {"taker_fee_bps": 0.5, "half_spread_bps": 0.2, "slippage_bps": 0.1},
        "universe": {"halt_minutes": 5, "delist_minutes": 40},
        "tape": {"snapshot_batches": 50},
    }
)
LEARNED = 2_400
"""Minutes that the model was trained on; what comes after is traded."""

MARKET = {"seed": 3, "n_instruments": 4, "n_minutes": 3_600}


@cache
def market() -> SimulatedMarket:
    """Four instruments, every minute with a bar."""
    return SimulatedMarket(**MARKET)  # type: ignore[arg-type]


@cache
def bundle(seed: int = 1) -> Bundle:
    """A model of the market's first part; another seed is another version of it."""
    settings = SETTINGS.model_copy(update={"run": SETTINGS.run.model_copy(update={"seed": seed})})
    return train(market(), settings, name="test", span=(None, first_traded() - 1)).bundle


def first_traded() -> int:
    """Epoch minute of the first decision."""
    return market().first_minute + LEARNED


def model(version: str = "1", settings: Settings = SETTINGS) -> RunModel:
    """The model, ready to trade; the version is also the seed of its training."""
    names = tuple(instrument.name for instrument in market().instruments)
    return assemble(version, bundle(int(version)), settings, names)


def fresh_engine(settings: Settings = SETTINGS, funding: Mapping[str, object] | None = None) -> Engine:
    """An engine that is warm and stands before its first batch."""
    engine = Engine(model(settings=settings), settings, market().instruments, {"2": model("2")}, funding)
    start = first_traded()
    for minutes in market().blocks(start - 600, start - 1, 173):
        engine.warm(minutes)
    engine.begin(b"g" * 32, 1)
    return engine


def traded(n_minutes: int, first: int = 0) -> Minutes:
    """Minutes of the traded part as they are generated."""
    start = first_traded() + first
    return next(iter(market().blocks(start, start + n_minutes - 1, n_minutes)))


def without(minutes: Minutes, absent: np.ndarray) -> Minutes:
    """The minutes without the bars of the cells that are True."""
    names = ("open", "high", "low", "close", "volume", "taker")
    columns = {name: np.where(absent, np.nan, getattr(minutes, name)) for name in names}
    return replace(
        minutes, **columns, present=minutes.present & ~absent, synthetic=minutes.synthetic & ~absent
    )


def decided(engine: Engine, inputs: Iterable[AnyEvent | Minutes]) -> tuple[list[BatchRecord], list[Snapshot]]:
    """What the engine makes of inputs: its batches and the snapshots on the way."""
    batches: list[BatchRecord] = []
    snapshots: list[Snapshot] = []
    with ThreadPoolExecutor(1) as trees:
        for records, snapshot in outcomes(engine, iter(inputs), trees):
            batches += records
            snapshots += [snapshot] if snapshot else []
    return batches, snapshots


def digests(records: Iterable[BatchRecord]) -> list[str]:
    """The digests of batches, for people."""
    return [record.digest.hex() for record in records]


def write_bundle(folder: Path, files: Files) -> None:
    """Write a model's files into a folder, which is made if it is not there."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def cut(minutes: Minutes, cuts: Sequence[int]) -> list[Minutes]:
    """The minutes in parts that begin at `cuts`."""
    edges = sorted({0, len(minutes), *(c for c in cuts if 0 < c < len(minutes))})
    return [minutes[a:b] for a, b in pairwise(edges)]
