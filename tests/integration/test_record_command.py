"""`papertape record` as its user has it: killed while it records, started again, stopped."""

import json
import signal
import socket
from pathlib import Path

import numpy as np

from adapters.simulator.market import SimulatedMarket
from daemon.commands._bars import open_bars
from daemon.settings import Settings
from tests.integration.command_line import started, wait_for

N_MINUTES = 4_000


def n_lines(folder: Path) -> int:
    return sum(len(file.read_bytes().splitlines()) - 1 for file in folder.glob("*.csv"))


def test_a_recording_that_was_killed_goes_on_and_ends_as_the_exchanges_history(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"127.0.0.1:{port}"
    settings = {
        "universe": {"instruments": ["ALFAUSDT", "BRAVOUSDT"]},
        "feeds": {
            "venues": {
                "binance": {"stream_url": f"ws://{address}/stream", "history_url": f"http://{address}"}
            },
            "clock_url": f"ws://{address}/papertape/clock",
        },
    }
    (tmp_path / "live.yaml").write_text(json.dumps(settings), encoding="utf-8")
    exchange, out = tmp_path / "exchange", tmp_path / "rec"
    exchange.mkdir()
    serve = ["simulate", "--minutes", str(N_MINUTES), "--speed", "300", "--port", str(port)]
    words = ["record", "--config", str(tmp_path / "live.yaml"), "--out", str(out), "--frames"]
    log = tmp_path / "stderr.txt"
    with started(serve, exchange) as serving:

        def is_open() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        assert wait_for(serving, is_open), (exchange / "stderr.txt").read_text(encoding="utf-8")
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
