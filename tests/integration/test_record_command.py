"""`papertape record` as its user has it: killed while it records, started again, stopped."""

import json
import signal
from pathlib import Path

import numpy as np

from adapters.simulator.market import SimulatedMarket
from daemon.commands._bars import open_bars
from daemon.settings import Settings
from tests.integration.command_line import started, wait_for
from tests.integration.live_exchange import feeds_at, serving

N_MINUTES = 4_000


def n_lines(folder: Path) -> int:
    return sum(len(file.read_bytes().splitlines()) - 1 for file in folder.glob("*.csv"))


def test_a_recording_that_was_killed_goes_on_and_ends_as_the_exchanges_history(tmp_path: Path) -> None:
    exchange, out = tmp_path / "exchange", tmp_path / "rec"
    exchange.mkdir()
    words = ["record", "--config", str(tmp_path / "live.yaml"), "--out", str(out), "--frames"]
    log = tmp_path / "stderr.txt"
    with serving(["--minutes", str(N_MINUTES), "--speed", "300"], exchange) as address:
        settings = {
            "universe": {"instruments": ["ALFAUSDT", "BRAVOUSDT"]},
            "feeds": feeds_at(address),
        }
        (tmp_path / "live.yaml").write_text(json.dumps(settings), encoding="utf-8")
        with started(words, tmp_path) as process:
            assert wait_for(process, lambda: n_lines(out) >= 8), log.read_text(encoding="utf-8")
        killed_at = n_lines(out)
        assert killed_at >= 8
        with started(words, tmp_path) as process:
            assert wait_for(process, lambda: n_lines(out) >= killed_at + 8), log.read_text(encoding="utf-8")
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 0, log.read_text(encoding="utf-8")
    source = open_bars([out], Settings.model_validate({"universe": {"venue": "binance"}}))
    assert [one.name for one in source.instruments] == ["binance:ALFAUSDT", "binance:BRAVOUSDT"]
    (kept,) = source.blocks(source.first_minute, source.last_minute, 1 << 20)
    assert not kept.synthetic.any()
    market = SimulatedMarket(7, n_minutes=N_MINUTES)
    (truth,) = market.blocks(source.first_minute, source.last_minute, 1 << 20)
    assert np.allclose(kept.close, truth.close[:, :2], rtol=1e-6)
    frames = next((out / "frames" / "binance").glob("*.jsonl"))
    assert len(frames.read_bytes().splitlines()) == len(frames.with_suffix(".ts").read_bytes().splitlines())
