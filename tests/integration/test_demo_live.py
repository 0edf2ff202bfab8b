"""The demo's trading on the small run: the true daemon against an exchange in the same process."""

import os
import signal
import threading
from pathlib import Path

import click
import numpy as np
import pytest

from adapters.files.settings_file import read_settings
from adapters.registry import FolderStore
from adapters.simulator.market import SimulatedMarket
from adapters.tape import diagnostics
from adapters.tape.reader import TapeReader
from daemon.commands._demo import trade
from daemon.commands._model import from_files
from daemon.commands._replay import replay
from daemon.commands._run import Run, machine
from daemon.commands.demo import demo_settings
from daemon.events import BAR_FLAG_SYNTHETIC, BAR_RECORD
from daemon.settings import Settings
from tests import runs
from tests.integration.command_line import batches, n_batches

N = 90
FIRST = runs.first_traded()


@pytest.fixture(scope="module")
def market() -> SimulatedMarket:
    return SimulatedMarket(**{**runs.MARKET, "n_minutes": runs.LEARNED + N}, venue="binance")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "model"
    FolderStore(folder).register("small", None, runs.bundle().to_files(), {})
    return folder


@pytest.fixture(scope="module")
def live(market: SimulatedMarket, model: Path) -> Path:
    tape = model.parent / "live.tape"
    trade(runs.SETTINGS, market, FIRST, str(model), tape)
    return tape


def test_every_bar_of_the_exchange_comes_by_its_stream_in_time(live: Path, market: SimulatedMarket) -> None:
    records = batches(live)
    assert [record.minute for record in records] == list(range(FIRST, FIRST + N))
    assert not any(record.catch_up or record.events for record in records)
    bars = np.concatenate([np.frombuffer(record.bars, BAR_RECORD) for record in records])
    (truth,) = market.blocks(FIRST, FIRST + N - 1, N)
    assert np.array_equal(bars["close"], truth.close.reshape(-1))
    assert not (bars["flags"] & BAR_FLAG_SYNTHETIC).any()
    with TapeReader(live) as reader:
        late_ms = [seen.received_ms - (seen.minute + 1) * 60_000 for seen in diagnostics.arrivals(reader)]
    assert len(late_ms) == bars.size
    assert max(late_ms) < 1_000


def test_again_it_has_the_same_digest_and_a_replay_has_the_same_ledger(
    live: Path, market: SimulatedMarket, model: Path
) -> None:
    again, replayed = model.parent / "again.tape", model.parent / "replayed.tape"
    trade(runs.SETTINGS, market, FIRST, str(model), again)
    assert batches(again)[-1].digest == batches(live)[-1].digest
    version, files = FolderStore(model).load(str(model))
    loaded = from_files(version, files, runs.SETTINGS, market.instruments)
    replay(Run(runs.SETTINGS, market, FIRST, loaded.model, loaded.files, machine()), FIRST + N, replayed)
    for name in ("bars", "decisions", "orders", "fills", "ends", "book", "changes"):
        assert [getattr(a, name) for a in batches(live)] == [getattr(b, name) for b in batches(replayed)], (
            name
        )
    assert sum(len(record.fills) for record in batches(live)) > 5


def test_a_signal_ends_it_after_the_minute_at_hand_with_the_shells_code(
    market: SimulatedMarket, model: Path
) -> None:
    tape, ended = model.parent / "interrupted.tape", threading.Event()

    def interrupt() -> None:
        while n_batches(tape) < 3 and not ended.wait(0.05):
            pass
        if not ended.is_set():
            os.kill(os.getpid(), signal.SIGINT)

    watching = threading.Thread(target=interrupt)
    watching.start()
    try:
        with pytest.raises(click.exceptions.Exit) as caught:
            trade(runs.SETTINGS, market, FIRST, str(model), tape)
    finally:
        ended.set()
        watching.join()
    assert caught.value.exit_code == 130
    with TapeReader(tape) as reader:
        snapshot, last = reader.snapshot(), reader.last_batch()
    assert snapshot is not None
    assert last is not None
    assert snapshot.batch == last.batch < N


def test_the_settings_that_ship_for_a_run_beside_it_fit_its_model_and_market(repository: Path) -> None:
    shipped, demo = (
        read_settings(repository / "configs" / "demo.yaml", {}).settings,
        demo_settings(Settings()),
    )
    for section in ("features", "labels", "blend", "costs", "policy"):
        assert getattr(shipped, section) == getattr(demo, section)
    names = [instrument.name for instrument in SimulatedMarket(1, n_minutes=2).instruments]
    assert shipped.universe.instruments == tuple(name.partition(":")[2] for name in names)
