"""`papertape run --dry-connect` against a simulated exchange, and against nobody."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.sync.client import connect

from daemon.__main__ import main
from daemon.commands import _dry_connect
from tests.integration.live_exchange import feeds_at, serving


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where an exchange serves, ten times as fast as life."""
    with serving(["--minutes", "4000", "--speed", "10"], tmp_path_factory.mktemp("exchange")) as address:
        yield address


def words(folder: Path, address: str, symbols: list[str], *, own_clock: bool = False) -> list[str]:
    """Of a trial that goes by the exchange's clock, or by its own."""
    feeds = feeds_at(address)
    if own_clock:
        del feeds["clock_url"]
    settings = {"universe": {"instruments": symbols}, "feeds": feeds}
    (folder / "live.yaml").write_text(json.dumps(settings), encoding="utf-8")
    return ["run", "--dry-connect", "--config", str(folder / "live.yaml")]


def test_where_all_is_well_everything_is_said(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(tmp_path, address, ["ALFAUSDT", "BRAVOUSDT"])) == 0
    said = capsys.readouterr().out
    assert "connected in" in said
    row = next(line.split() for line in said.splitlines() if "binance:ALFAUSDT" in line)
    assert row[1] == "yes"
    assert row[4].startswith("2024-01-")
    assert row[6:] == ["0.01", "0.000001"]
    assert "all is well" in said
    assert [file.name for file in tmp_path.iterdir()] == ["live.yaml"]


def test_a_symbol_that_nobody_knows_is_named(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(tmp_path, address, ["ALFAUSDT", "NOSUCHUSDT"])) == 2
    assert "not known there: binance:NOSUCHUSDT" in capsys.readouterr().out


def test_a_clock_that_is_years_off_is_told(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(tmp_path, address, ["ALFAUSDT"], own_clock=True)) == 1
    assert "the clock of this machine is wrong by binance" in capsys.readouterr().out


def test_a_stream_that_says_nothing_is_not_well(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_dry_connect, "WAIT_S", 3.0)
    with connect(f"ws://{address}/papertape/control") as control:
        control.send('{"fault": "silence", "for_s": 3600}')
        assert "done" in str(control.recv())
        assert main(words(tmp_path, address, ["ALFAUSDT"])) == 1
        control.send('{"fault": "clear"}')
        control.recv()
    assert f"connected, and nothing of any symbol within {_dry_connect.WAIT_S:g} s" in capsys.readouterr().out


def test_a_venue_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        assert main(words(tmp_path, address, ["ALFAUSDT"], own_clock=True)) == 1
    said = capsys.readouterr().out
    assert f"no stream at ws://{address}/stream" in said
    assert f"no answer from http://{address}" in said
