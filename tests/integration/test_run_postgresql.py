"""`papertape run` and `replay` onto a tape on a real PostgreSQL server, which goes away meanwhile."""

import signal
from pathlib import Path

import pytest

from adapters.tape.place import ServerPlace, place_of
from daemon.__main__ import main
from tests.integration.command_line import (
    POLL_S,
    Job,
    batches,
    digest,
    n_batches,
    papertape,
    said,
    started,
    wait_for,
)
from tests.integration.live_exchange import Exchange
from tests.postgresql import PostgresqlServer, url_of

pytestmark = pytest.mark.slow


@pytest.fixture
def place(postgresql: PostgresqlServer) -> ServerPlace:
    return postgresql.place()


def test_a_run_waits_for_its_server_is_killed_and_comes_to_a_tape_without_gap_or_double(
    exchange: Exchange, place: ServerPlace, postgresql: PostgresqlServer
) -> None:
    log = exchange.folder / "stderr.txt"
    words = [*exchange.words[:-1], url_of(place)]
    with started(words, exchange.folder) as process:
        assert wait_for(process, lambda: n_batches(place) >= 15), log.read_text(encoding="utf-8")
        postgresql.stop("immediate")
        try:
            assert wait_for(process, lambda: bool(said(log, "tape_away"))), log.read_text(encoding="utf-8")
        finally:
            postgresql.start_again()
        before = n_batches(place)
        assert wait_for(process, lambda: n_batches(place) >= before + 15), log.read_text(encoding="utf-8")
        (back,) = said(log, "tape_back")
        assert int(str(back["retries"])) >= 1
        process.kill()
        process.wait()
    killed_at = n_batches(place)
    with started(words, exchange.folder) as process:
        assert wait_for(process, lambda: n_batches(place) >= killed_at + 15), log.read_text(encoding="utf-8")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0, log.read_text(encoding="utf-8")
    minutes = [record.minute for record in batches(place)]
    assert minutes == list(range(minutes[0], minutes[0] + len(minutes)))
    verified = papertape(["verify", url_of(place)], exchange.folder)
    assert verified.returncode == 0, verified.stdout
    assert "reproduced" in verified.stdout


def test_a_replay_that_is_killed_goes_on_and_comes_to_the_digest_of_a_tape_in_a_file(
    job: Job, whole: Path, place: ServerPlace
) -> None:
    words = [*job.words("unused")[:-1], url_of(place)]
    with started(words, job.folder) as process:
        assert wait_for(process, lambda: n_batches(place) >= 48, POLL_S)
    assert n_batches(place) < 1_200
    done = papertape(words, job.folder)
    assert done.returncode == 0, done.stderr
    assert digest(place) == digest(whole)
    assert place_of(url_of(place)) == place


def test_a_server_that_is_not_there_is_one_paragraph_without_the_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"postgresql://me:secret@/runs?host={tmp_path}"
    for words in (["verify", url], ["report", url], ["tape", "info", url]):
        assert main(words) == 1
        told = capsys.readouterr().err
        assert "cannot be reached" in told
        assert "secret" not in told
    for url in ("postgresql://me:sec/ret@db/runs", "postgresql://db/runs?schema=A"):
        assert main(["verify", url]) == 2
        assert "the tape's URL" in capsys.readouterr().err


def test_a_password_in_the_settings_is_refused_and_not_repeated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run.yaml").write_text('tape: {url: "postgresql://me:secret@db/runs"}', encoding="utf-8")
    assert main(["config", "check", str(tmp_path / "run.yaml")]) == 2
    told = capsys.readouterr().err
    assert "PGPASSWORD" in told
    assert "secret" not in told
