"""What retention beside a run says: where the tape begins, and what it cannot do."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from adapters.tape.reader import TapeReader
from adapters.tape.retention import Goal, Pruner
from adapters.tape.writer import TapeWriter
from daemon.commands._retention import Retention
from daemon.errors import TapeError
from daemon.settings import TapeSettings
from tests.adapters.tape import samples

Series = Mapping[tuple[str, ...], Callable[[], float]]


class Server:
    """Remembers what it is to ask at each scrape."""

    def __init__(self) -> None:
        self.watched: dict[str, Series] = {}

    def watch(self, name: str, series: Series) -> None:
        self.watched[name] = series

    def asked(self) -> dict[str, float]:
        return {name.removeprefix("tape_"): series[()]() for name, series in self.watched.items()}


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    return samples.write(tmp_path / "run.tape").place


def looked(retention: Retention) -> None:
    """Let a look be taken, and what it found be taken up."""
    retention.after_commit(60)
    if retention._looking is not None:
        retention._looking.exception()
    retention.after_commit(1)


def test_scrapes_see_where_the_tape_begins(tape: Path) -> None:
    server, first = Server(), 60.0 * (samples.FIRST_MINUTE + 1)
    with TapeWriter(tape) as writer, Retention(writer, TapeSettings, lambda: 3, lambda: 0) as retention:
        retention.shown_by(server)  # type: ignore[arg-type]
        looked(retention)
        assert server.asked() == {"oldest_batch_timestamp_seconds": first, "pruned_batches_total": 0.0}
    samples.prune(tape, Goal(20, 15))
    with TapeWriter(tape) as writer, Retention(writer, TapeSettings, lambda: 3, lambda: 0) as retention:
        retention.shown_by(server)  # type: ignore[arg-type]
        assert server.asked() == {
            "oldest_batch_timestamp_seconds": first + 15 * 60.0,
            "pruned_batches_total": 15.0,
        }


def test_a_limit_below_what_windows_need_is_said_once(
    tape: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = TapeSettings.model_construct(max_bytes=1_000, keep_days=None)
    with TapeWriter(tape) as writer, Retention(writer, lambda: small, lambda: 10_000, lambda: 0) as retention:
        looked(retention)
        looked(retention)
    assert capsys.readouterr().out.count("tape.max_bytes is too small") == 1
    with TapeReader(tape) as reader:
        assert reader.pruned() is None


def test_a_step_or_a_look_that_fails_is_said_and_tried_again(
    tape: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = TapeSettings.model_construct(max_bytes=1_000, keep_days=None)

    def fail(*_: object, **__: object) -> bool:
        raise TapeError("no room")

    with TapeWriter(tape) as writer, Retention(writer, lambda: small, lambda: 3, lambda: 0) as retention:
        with monkeypatch.context() as patch:
            patch.setattr(Pruner, "step", fail)
            looked(retention)
        assert capsys.readouterr().out.count("not pruned") == 1
        with monkeypatch.context() as patch:
            patch.setattr("daemon.commands._retention.goal_of", fail)
            looked(retention)
        assert capsys.readouterr().out.count("not pruned") == 1
        taken = []
        with monkeypatch.context() as patch:
            patch.setattr(Pruner, "step", lambda _, goal, *__, **___: taken.append(goal))
            looked(retention)
        assert [goal.snapshot for goal in taken] == [40]
        assert "oldest_snapshot=40" in capsys.readouterr().out
