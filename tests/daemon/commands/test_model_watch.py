"""The model's alias watched: a real registry's, a folder, one that is away, and what is refused."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from adapters.registry import MlflowStore
from adapters.tape.reader import TapeReader
from adapters.tape.writer import TapeWriter
from daemon.commands import _swap
from daemon.commands._swap import ModelWatch
from daemon.commands._tape_models import TapeModels
from daemon.engine import Engine
from daemon.errors import FeedError, TapeDamagedError
from daemon.events import AnyEvent, ModelChanged
from daemon.settings import Settings
from tests.runs import SETTINGS, bundle, decided, fresh_engine, market, traded, write_bundle

URI = "models:/papertape@champion"


@pytest.fixture(scope="module")
def registries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for registries: MLflow takes seconds to make one."""
    return tmp_path_factory.mktemp("registries")


class Run:
    """A run of one engine that decides a minute whenever an event waits for it."""

    def __init__(self, folder: Path, uri: str, registry: str = "", watch_seconds: float = 30.0) -> None:
        told = {"uri": uri, "registry": registry, "watch_seconds": watch_seconds}
        model = SETTINGS.model.model_copy(update=told)
        self.settings: Settings = SETTINGS.model_copy(update={"model": model})
        self.engine: Engine = fresh_engine(self.settings)
        self.tape = folder / "run.tape"
        header = {"name": "test", "first_minute": "0", "experts": "[]", "settings": "{}"}
        with TapeWriter(self.tape) as tape:
            tape.begin(header, market().instruments, "1", bundle().to_files())
        self.watch = ModelWatch(self.engine, self.tape, self.settings, uri)
        self.events: list[AnyEvent] = []
        self.came = asyncio.Event()
        self.full = False

    async def submit(self, event: AnyEvent) -> None:
        if self.full:
            raise FeedError("100 events wait for their minute already; try again later")
        self.events.append(event)
        self.came.set()
        self.engine.apply(event)
        self.watch.see(decided(self.engine, [traded(1, self.engine.batch)])[0])

    def poll(self) -> str:
        """Look once; returns what trades then."""
        asyncio.run(self.watch.poll(self.submit))
        return self.engine.run.model.version

    @property
    def counts(self) -> tuple[int, int]:
        of = self.watch.figures()["model_swaps_total"]
        return int(of["swapped",]), int(of["refused",])


def test_promotions_and_rollbacks_in_a_real_registry_are_followed(registries: Path, tmp_path: Path) -> None:
    address = f"sqlite:///{registries}/first.db"
    store = MlflowStore(address)
    store.register("papertape", "champion", bundle(1).to_files(), {})
    run = Run(tmp_path, URI, address)
    assert run.poll() == "1"
    assert run.events == []  # it trades already
    store.register("papertape", "champion", bundle(2).to_files(), {})
    assert run.poll() == "2"
    store.roll_back("papertape", "champion")
    assert run.poll() == "1"
    assert run.poll() == "1"
    assert [event.version for event in run.events if isinstance(event, ModelChanged)] == ["2", "1"]
    assert run.counts == (2, 0)
    assert run.watch.figures()["model_swapped_timestamp_seconds"][()] == 60.0 * run.engine.minute


def test_a_registry_that_goes_away_is_told_of_once_and_counted_and_the_run_goes_on(
    registries: Path, tmp_path: Path
) -> None:
    address = f"sqlite:///{registries}/leaving.db"
    MlflowStore(address).register("papertape", "champion", bundle(1).to_files(), {})
    run = Run(tmp_path, URI, address)
    run.poll()
    (registries / "leaving.db").rename(registries / "gone.db")
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            assert run.poll() == "1"
        found = run.watch.figures()
        assert found["model_registry_reachable"][()] == 0.0
        assert found["model_registry_failures_total"][()] == 3.0
        (registries / "gone.db").rename(registries / "leaving.db")
        run.poll()
    assert [line["event"] for line in lines] == ["model registry away", "model registry back"]
    assert "there is no such file" in lines[0]["reason"]
    assert run.watch.figures()["model_registry_reachable"][()] == 1.0


def test_another_bundle_of_the_same_number_gets_a_name_of_its_own(registries: Path, tmp_path: Path) -> None:
    address = f"sqlite:///{registries}/second.db"
    MlflowStore(address).register("papertape", "champion", bundle(2).to_files(), {})
    run = Run(tmp_path, URI, address)
    version = run.poll()
    assert version.startswith("1+")
    (event,) = run.events
    assert isinstance(event, ModelChanged)
    with TapeReader(run.tape) as reader:
        assert event.files != reader.model_hashes("1")


def test_what_is_refused_is_tried_again_only_when_the_alias_has_moved(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    write_bundle(folder, bundle(1).to_files())
    run = Run(tmp_path, str(folder))
    run.poll()
    other = bundle(2)
    bad = replace(other, labels=other.labels.model_copy(update={"horizon_minutes": 20}))
    with structlog.testing.capture_logs() as lines:
        for one in (bad, bad, bundle(1), bad):
            write_bundle(folder, one.to_files())
            run.poll()
    refused = [line for line in lines if line["event"] == "model refused"]
    assert [line["reason"] for line in refused] == [
        "labels.horizon_minutes is 10 here and 20 in the model"
    ] * 2
    assert run.counts[1] == 2


def test_what_the_engine_refuses_after_all_is_told_of_and_counted(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    write_bundle(folder, bundle(1).to_files())
    run = Run(tmp_path, str(folder))
    run.engine.apply(ModelChanged(version="never loaded", files={}))
    with structlog.testing.capture_logs() as lines:
        run.watch.see(decided(run.engine, [traded(1)])[0])
    assert [(line["event"], line["model"]) for line in lines] == [("model refused", "never loaded")]
    assert run.counts == (0, 1)


def test_where_too_many_events_wait_the_next_look_tries_again(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    write_bundle(folder, bundle(2).to_files())
    run = Run(tmp_path, str(folder))
    run.full = True
    assert run.poll() == "1"
    run.full = False
    assert run.poll() != "1"
    assert run.counts == (1, 0)


def test_a_tape_that_is_away_is_no_fault_of_the_registry_and_the_next_look_tries_again(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "model"
    write_bundle(folder, bundle(2).to_files())
    run = Run(tmp_path, str(folder))
    away = run.tape.rename(tmp_path / "away.tape")
    with structlog.testing.capture_logs() as lines:
        assert run.poll() == "1"
    assert [line["event"] for line in lines] == ["model waits"]
    assert run.watch.figures()["model_registry_reachable"][()] == 1.0
    assert run.watch.figures()["model_registry_failures_total"][()] == 0.0
    away.rename(run.tape)
    assert run.poll() != "1"
    assert run.counts == (1, 0)


@pytest.mark.parametrize(("uri", "every_s"), [("models:/papertape/1", 0.01), ("model", 0.0)])
async def test_a_version_by_its_number_is_not_watched_nor_anything_where_nobody_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str, every_s: float
) -> None:
    monkeypatch.setattr(_swap, "NAP_S", 0.001)
    write_bundle(tmp_path / "model", bundle(2).to_files())
    where = uri if uri.startswith("models:") else str(tmp_path / uri)
    run = Run(tmp_path, where, "sqlite:////nowhere/mlflow.db", every_s)
    async with run.watch.running(run.submit):
        await asyncio.sleep(0.05)  # fifty naps: time to look, if it looked
    assert run.events == []
    assert run.watch.figures()["model_registry_failures_total"][()] == 0.0


async def test_a_folder_that_is_replaced_while_it_is_read_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "model"
    write_bundle(folder, bundle(2).to_files())
    run = Run(tmp_path, str(folder), watch_seconds=0.002)
    read, left = Path.read_bytes, [1, 2, 3]

    def read_late(path: Path) -> bytes:
        if path.parent == folder and left:
            left.pop()
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return read(path)

    monkeypatch.setattr(_swap, "NAP_S", 0.001)
    monkeypatch.setattr(Path, "read_bytes", read_late)
    async with asyncio.timeout(60), run.watch.running(run.submit):
        await run.came.wait()
    assert run.watch.figures()["model_registry_failures_total"][()] == 3.0


async def test_it_is_looked_at_again_and_again_while_the_run_lasts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_swap, "NAP_S", 0.001)
    write_bundle(tmp_path / "model", bundle(2).to_files())
    run = Run(tmp_path, str(tmp_path / "model"), watch_seconds=0.002)
    async with asyncio.timeout(60), run.watch.running(run.submit):
        await run.came.wait()
        run.came.clear()
        write_bundle(tmp_path / "model", bundle(1).to_files())
        await run.came.wait()
    assert run.counts == (2, 0)


def test_a_snapshot_of_a_version_that_the_tape_lost_is_damage(tmp_path: Path) -> None:
    run = Run(tmp_path, str(tmp_path / "model"))
    with TapeReader(run.tape) as reader:
        models = TapeModels(reader, SETTINGS)
        models.demand(run.engine, "1")
        with pytest.raises(TapeDamagedError, match="version 3 of the model, which a snapshot names"):
            models.demand(run.engine, "3")
