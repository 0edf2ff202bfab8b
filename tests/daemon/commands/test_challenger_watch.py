"""The challenger that the settings name, scored from a tape, whatever it is."""

from collections.abc import Callable
from pathlib import Path

import pytest
import structlog

from adapters.tape.reader import TapeReader
from daemon.__main__ import main
from daemon.commands._challenger import ChallengerWatch
from daemon.commands._version_figures import version_series
from daemon.engine import Engine
from daemon.run_model import assemble
from tests.integration.command_line import write_job
from tests.runs import SETTINGS, bundle, market, model

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
    folder.mkdir(exist_ok=True)
    files = {**bundle(seed).to_files(), **{name.replace("_", "."): text for name, text in instead.items()}}
    for name, content in files.items():
        (folder / name).write_bytes(content)


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


def test_the_tape_is_not_written(watched: Watched, tape: Path) -> None:
    with TapeReader(tape) as reader:
        before = reader.tip()
    watch = watched("two")
    watch.look()
    watch.score()
    with TapeReader(tape) as reader:
        assert reader.tip() == before
    assert main(["verify", str(tape)]) == 0
