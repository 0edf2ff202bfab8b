"""`papertape download`, from a real HTTP server on loopback that speaks Binance's history."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import polars as pl
import pytest

from daemon.__main__ import main
from daemon.commands._bars import open_bars
from daemon.settings import Settings

FIRST = 28_401_120
"""2024-01-01 00:00 UTC."""


class Exchange:
    """Answers klines; refuses everything after so many requests."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int, int]] = []
        self.most = 10_000

    def answer(self, target: str) -> tuple[int, object]:
        query = {key: values[0] for key, values in parse_qs(urlsplit(target).query).items()}
        first, last = int(query["startTime"]) // 60_000, int(query["endTime"]) // 60_000
        if len(self.asked) >= self.most or query["symbol"] == "NOSUCH":
            return 400, {"code": -1121, "msg": "Invalid symbol."}
        self.asked.append((query["symbol"], first - FIRST, last - FIRST))
        return 200, [
            [m * 60_000, "100", "101", "99", "100", "2", m * 60_000 + 59_999, "0", 1, "1", "0", "0"]
            for m in range(first, last + 1)
            if m % 10  # every tenth minute has no bar
        ]


@pytest.fixture
def exchange() -> Iterator[tuple[Exchange, str]]:
    venue = Exchange()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, answer = venue.answer(self.path)
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = Thread(target=server.serve_forever)
        serving.start()
        yield venue, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        serving.join()


def download(url: str, file: Path, *words: str, until: str = "2024-01-03") -> int:
    span = ["--from", "2024-01-01", "--to", until]
    return main(["download", "binance", *words, *span, "--out", str(file), "--history-url", url])


def test_the_file_is_what_replay_reads_and_holds_what_the_venue_has(
    exchange: tuple[Exchange, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bars.parquet"
    assert download(exchange[1], file, "BTCUSDT", "ETHUSDT") == 0
    assert "5,184 bars in" in capsys.readouterr().out
    frame = pl.read_parquet(file)
    assert frame.columns == ["time", "symbol", "open", "high", "low", "close", "volume", "taker"]
    assert frame.height == 2 * 2_880 * 9 // 10
    source = open_bars([file], Settings.model_validate({"universe": {"venue": "binance"}}))
    assert [one.name for one in source.instruments] == ["binance:BTCUSDT", "binance:ETHUSDT"]
    assert (source.first_minute, source.last_minute) == (FIRST + 1, FIRST + 2_879)
    assert list(tmp_path.iterdir()) == [file]


def test_a_download_that_was_stopped_goes_on_where_it_ended(
    exchange: tuple[Exchange, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    venue, url = exchange
    file = tmp_path / "bars.parquet"
    venue.most = 3  # a day is two requests
    assert download(url, file, "BTCUSDT") == 1
    assert "binance gives no history of BTCUSDT: Invalid symbol. (code -1121)" in capsys.readouterr().err
    assert not file.exists()
    venue.most, venue.asked = 10_000, []
    assert download(url, file, "BTCUSDT") == 0
    assert [first for _, first, _ in venue.asked] == [1440, 2440]
    assert pl.read_parquet(file)["time"].is_sorted()
    assert pl.read_parquet(file).height == 2_880 * 9 // 10


def test_what_cannot_be_downloaded_is_said(
    exchange: tuple[Exchange, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bars.parquet"
    assert download(exchange[1], file, "NOSUCH") == 1
    assert download(exchange[1], file, "BTCUSDT", until="2024-01-01") == 2
    assert "there is no minute from 2024-01-01 00:00 to 2024-01-01 00:00 UTC" in capsys.readouterr().err
    assert main(["download", "mtgox", "BTCUSD", "--from", "2013-01-01", "--dry-run"]) == 2
    assert "there is no venue 'mtgox'; there are binance" in capsys.readouterr().err


def test_a_dry_run_asks_nothing(
    exchange: tuple[Exchange, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert download(exchange[1], tmp_path / "x.parquet", "BTCUSDT", "--dry-run") == 0
    assert "1 instruments of binance, 2024-01-01 00:00 to 2024-01-02 23:59 UTC: 2,880 minutes" in (
        capsys.readouterr().out
    )
    assert exchange[0].asked == []
    assert list(tmp_path.iterdir()) == []
