"""The challenger that the settings name, scored from a tape, whatever it is."""

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
import structlog

from adapters.tape.place import place_of
from adapters.tape.reader import TapeReader
from daemon.__main__ import main
from daemon.commands import _challenger
from daemon.commands._challenger import ChallengerWatch
from daemon.commands._version_figures import version_series
from daemon.engine import Engine
from daemon.errors import StorageError, TapeDamagedError
from daemon.ports import Files
from daemon.run_model import assemble
from tests.integration.command_line import write_job
from tests.runs import SETTINGS, bundle, market, model, write_bundle

N = 300


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of five hours, version 1 of the model trading."""
    job = write_job(tmp_path_factory.mktemp("challenged"))
    assert main(job.words("run.tape", until="2024-01-02T21:00")) == 0
    return job.folder / "run.tape"


Watched = Callable[[str | None], ChallengerWatch]


@pytest.fixture
def watched(tape: Path, tmp_path: Path) -> Watched:
    """Watches a challenger of this address, beside an engine that nobody moves."""
    put(tmp_path / "two", 2)

    def make(uri: str | None) -> ChallengerWatch:
        engine = Engine(model(), SETTINGS, market().instruments)
        told = SETTINGS.model.model_copy(update={"challenger": uri and str(tmp_path / uri)})
        engine.run.settings = SETTINGS.model_copy(update={"model": told})
        return ChallengerWatch(engine, tape)

    return make


def put(folder: Path, seed: int, **instead: bytes) -> None:
    files = {**bundle(seed).to_files(), **{name.replace("_", "."): text for name, text in instead.items()}}
    write_bundle(folder, files)


def test_it_is_scored_on_what_the_tape_holds_and_shown_beside_the_champion(watched: Watched) -> None:
    watch = watched("two")
    watch.look()
    watch.score()
    found = watch.figures
    assert found is not None
    assert found.champion is not None
    assert found.skill.rows == found.champion.rows == (N - SETTINGS.labels.horizon_minutes - 1) * 4
    run = Engine(assemble("1", bundle(), SETTINGS, ()), SETTINGS, market().instruments).run
    shown = version_series(run, found)
    assert shown["model_labels"][found.version, "challenger"] == found.skill.rows
    assert set(shown["challenger_gain_nats"]) == {(found.version, e) for e in ("mean", "low", "high")}
    watch.score()
    assert watch.figures == found


def test_without_one_there_is_nothing_and_an_address_can_be_taken_away(watched: Watched) -> None:
    watch = watched(None)
    watch.look()
    watch.score()
    assert watch.figures is None
    watch = watched("two")
    watch.look()
    watch.score()
    settings = watch._engine.run.settings
    nobody = settings.model.model_copy(update={"challenger": None})
    watch._engine.run.settings = settings.model_copy(update={"model": nobody})
    watch.look()
    watch.score()
    assert watch.figures is None


def test_one_that_is_bad_or_away_is_told_of_once_and_another_takes_its_place(
    watched: Watched, tmp_path: Path
) -> None:
    watch = watched("later")
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            watch.look()
            watch.score()
    assert [line["event"] for line in lines] == ["challenger not scored"]
    put(tmp_path / "later", 2, trees_txt=b"torn")
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            watch.look()
            watch.score()
    assert watch.figures is None
    put(tmp_path / "later", 2)
    watch.look()
    watch.score()
    assert watch.figures is not None


class Registry:
    """In a registry's place: knows its versions by number, and goes away when it is told to."""

    def __init__(self, **held: int) -> None:
        self.held = held
        self.asked_away = self.loading_away = False

    def version_of(self, uri: str) -> str:
        if self.asked_away:
            raise StorageError("nobody answers")
        return "1"

    def load(self, uri: str) -> tuple[str, Files]:
        if self.loading_away:
            raise StorageError("nobody answers any more")
        return "1", bundle(self.held[Path(uri).name]).to_files()


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A registry of two models, each of which has a version 1."""
    found = Registry(two=2, three=3)
    monkeypatch.setattr(_challenger, "open_store", lambda uri, registry: found)
    return found


def test_a_version_is_scored_though_the_registry_goes_away_before_it_is_loaded(
    watched: Watched, registry: Registry
) -> None:
    watch = watched("two")
    registry.loading_away = True
    watch.look()
    registry.loading_away = False
    watch.look()
    watch.score()
    assert watch.figures is not None


def test_a_version_is_scored_though_the_tape_is_away_when_it_comes(
    watched: Watched, registry: Registry, tape: Path
) -> None:
    watch = watched("two")
    watch._place = place_of("postgresql://papertape@127.0.0.1:1/nobody?connect_timeout=2")
    watch.look()
    watch._place = tape
    watch.look()
    watch.score()
    assert watch.figures is not None


def test_another_model_of_the_same_number_is_begun_with_though_its_registry_was_away(
    watched: Watched, registry: Registry
) -> None:
    watch = watched("two")
    watch.look()
    watch.score()
    before = watch.figures
    watch._engine.run.settings = watched("three")._engine.run.settings
    registry.asked_away = True
    watch.look()
    watch.score()
    assert watch.figures == before
    registry.asked_away = False
    watch.look()
    watch.score()
    assert before is not None
    assert watch.figures is not None
    assert watch.figures.skill != before.skill


def test_a_bundle_that_fails_in_any_way_is_given_up_until_the_address_points_elsewhere(
    watched: Watched, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_args: object) -> None:
        raise RecursionError("too deep")

    watch = watched("two")
    with monkeypatch.context() as patch, structlog.testing.capture_logs() as lines:
        patch.setattr(_challenger, "from_files", fails)
        for _ in range(2):
            watch.look()
            watch.score()
    assert [(line["event"], line["reason"]) for line in lines] == [
        ("challenger given up", "RecursionError: too deep")
    ]
    watch._engine.run.settings = watched("three")._engine.run.settings
    watch.look()
    watch.score()
    assert watch.figures is not None


def test_a_tape_that_is_damaged_is_told_of_and_not_read_again_and_again(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Damaged(TapeReader):
        def batches(self, *_args: object, **_named: object) -> NoReturn:
            raise TapeDamagedError("batch 7 does not match its digest")

    watch = watched("two")
    watch.look()
    monkeypatch.setattr(_challenger, "TapeReader", Damaged)
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            watch.score()
    assert [line["event"] for line in lines] == ["challenger given up"]
    assert watch.figures is None


def test_the_tape_is_not_written(watched: Watched, tape: Path) -> None:
    with TapeReader(tape) as reader:
        before = reader.tip()
    watch = watched("two")
    watch.look()
    watch.score()
    with TapeReader(tape) as reader:
        assert reader.tip() == before
    assert main(["verify", str(tape)]) == 0
