"""`papertape run` as its user has it: against a simulated exchange, killed, started again, stopped."""

import json
import signal
from pathlib import Path

import numpy as np
import pytest

from adapters.tape.reader import TapeReader
from daemon.events import BAR_FLAG_SYNTHETIC
from tests import runs
from tests.integration.command_line import n_batches, papertape, started, wait_for
from tests.integration.live_exchange import Exchange

pytestmark = pytest.mark.slow


def test_a_run_is_killed_taken_up_and_stopped_and_its_tape_is_the_exchanges_history(
    exchange: Exchange,
) -> None:
    log, tape = exchange.folder / "stderr.txt", exchange.tape
    with started(exchange.words, exchange.folder) as process:
        assert wait_for(process, lambda: n_batches(tape) >= 15), log.read_text(encoding="utf-8")
        second = papertape(exchange.words, exchange.folder)
        assert second.returncode == 2
        assert f"is being written by process {process.pid}" in second.stderr
    killed_at = n_batches(tape)
    with started(exchange.words, exchange.folder) as process:
        # It catches up first, and then it is live again.
        assert wait_for(process, lambda: n_live_after(tape, killed_at) >= 10), log.read_text(encoding="utf-8")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0, log.read_text(encoding="utf-8")
    with TapeReader(tape) as reader:
        records = list(reader.batches())
        snapshot = reader.snapshot()
        stored = reader.fetch("SELECT minute, instrument, close, flags FROM bar ORDER BY 1, 2", ())
    first = records[0].minute
    assert [record.minute for record in records] == list(range(first, first + len(records)))
    assert snapshot is not None
    assert snapshot.batch == len(records)
    assert any(record.catch_up for record in records[killed_at:])
    assert not any(record.catch_up and record.orders for record in records)
    assert not any(flags & BAR_FLAG_SYNTHETIC for _, _, _, flags in stored)
    (truth,) = runs.market().blocks(stored[0][0], stored[-1][0], 1 << 20)
    assert len(stored) == truth.close.size
    assert np.allclose([close for _, _, close, _ in stored], truth.close.reshape(-1), rtol=1e-6)
    verified = papertape(["verify", str(tape)], exchange.folder)
    assert verified.returncode == 0, verified.stdout


def n_live_after(tape: Path, batch: int) -> int:
    """How many minutes after the catch-up of a second process are on the tape."""
    with TapeReader(tape) as reader:
        last = "SELECT coalesce(max(number), ?) FROM batch WHERE catch_up AND number > ?"
        ((caught_up,),) = reader.fetch(last, (1 << 40, batch))
        ((newest,),) = reader.fetch("SELECT max(number) FROM batch", ())
    return int(newest) - int(caught_up)


def test_a_run_without_instruments_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "live.yaml").write_text(json.dumps({"run": {"name": "live"}}), encoding="utf-8")
    done = papertape(
        ["run", "--config", str(tmp_path / "live.yaml"), "--tape", str(tmp_path / "a.tape")], tmp_path
    )
    assert done.returncode == 2
    assert "universe.instruments" in done.stderr
    assert not (tmp_path / "a.tape").exists()


def test_an_unknown_venue_is_named(tmp_path: Path) -> None:
    settings = {"universe": {"venue": "nowhere", "instruments": ["BTCUSDT"]}}
    (tmp_path / "live.yaml").write_text(json.dumps(settings), encoding="utf-8")
    done = papertape(
        ["run", "--config", str(tmp_path / "live.yaml"), "--tape", str(tmp_path / "a.tape")], tmp_path
    )
    assert done.returncode == 2
    assert "there is no venue 'nowhere'" in done.stderr
