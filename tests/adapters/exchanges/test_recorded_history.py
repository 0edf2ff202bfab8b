"""Recorded answers of REST histories are read as the bars that they are."""

import json
import math

import pytest

from adapters.exchanges.catalogue import VENUES
from adapters.exchanges.coinbase import Coinbase
from adapters.exchanges.kraken import Kraken
from adapters.exchanges.okx import Okx
from adapters.exchanges.venue import HistoryPage, HistoryRefusedError, Venue
from tests.conftest import REPOSITORY, skip_or_fail

FRAMES = REPOSITORY.parent / "shared" / "frames"


def recorded(name: str) -> list[bytes]:
    path = FRAMES / name
    if not path.exists():
        skip_or_fail(f"{path} is not there: tests of histories need it")
    return path.read_bytes().splitlines()


def wrapped(name: str, route: str, interval: str) -> list[bytes]:
    """The bodies of a recording that keeps route and query beside them."""
    lines = [json.loads(line) for line in recorded(name)]
    return [
        json.dumps(line["body"]).encode()
        for line in lines
        if line["route"] == route and f"interval={interval}&" in line["query"]
    ]


def read(venue: Venue, body: bytes) -> HistoryPage:
    return venue.read_history("SYMBOL", body)


def test_binance_minutes_are_read_whole_with_what_takers_bought() -> None:
    pages = [
        read(VENUES["binance"](), body)
        for body in wrapped("binance/rest_klines_gct_WRAPPED.jsonl", "/api/v3/klines", "1m")
    ]
    assert [len(page.bars) for page in pages] == [60, 1]
    first = pages[0].bars[0]
    assert (first.minute * 60, first.open, first.high, first.low, first.close) == (
        *(1588740120, 9033.34, 9039.99, 9032.75),
        9033.15,
    )
    assert (first.volume, first.taker) == (31.19296800, 6.35810300)
    assert not any(page.refused for page in pages)
    assert [bar.minute for bar in pages[0].bars] == list(range(first.minute, first.minute + 60))


@pytest.mark.parametrize("interval", ["5m", "1h", "1d"])
def test_binance_rows_of_another_interval_are_refused(interval: str) -> None:
    for body in wrapped("binance/rest_klines_gct_WRAPPED.jsonl", "/api/v3/klines", interval):
        page = read(VENUES["binance"](), body)
        assert page.bars == []
        assert "a minute from" in page.refused[0].reason


def test_binance_errors_are_refusals_that_say_why() -> None:
    bodies = [
        json.dumps(json.loads(line)["body"]).encode()
        for line in recorded("binance/rest_errors_gct_WRAPPED.jsonl")
    ]
    assert len(bodies) == 4
    for body in bodies:
        with pytest.raises(HistoryRefusedError, match=r"code -\d+") as refusal:
            read(VENUES["binance_um"](), body)
        assert not refusal.value.passing


def test_coinbase_columns_are_low_high_open_close_and_its_newest_row_comes_first() -> None:
    (body,) = recorded("coinbase/rest_candles_exchange_xchange.jsonl")
    bars = Coinbase().read_history("BTC-USD", body).bars
    assert [bar.minute for bar in bars] == list(range(bars[0].minute, bars[0].minute + 10))
    last = bars[-1]
    assert (last.minute * 60, last.low, last.high, last.open, last.close, last.volume) == (
        *(1517443740, 10106.0, 10120.21, 10106.01, 10120.21),
        2.85107455,
    )
    assert math.isnan(last.taker)


@pytest.mark.parametrize(
    ("name", "n_rows", "n_without_trades"),
    [("rest_ohlc_XBTUSDT_2025-11_compacted", 721, 216), ("rest_ohlc_xchange", 720, 17)],
)
def test_kraken_leaves_out_its_forming_row_and_rows_without_trades(
    name: str, n_rows: int, n_without_trades: int
) -> None:
    (body,) = recorded(f"kraken/{name}.jsonl")
    rows = next(v for k, v in json.loads(body)["result"].items() if k != "last")
    assert len(rows) == n_rows
    page = Kraken().read_history("BTC/USDT", body)
    assert len(page.bars) == n_rows - 1 - sum(1 for row in rows[:-1] if row[7] == 0)
    assert sum(1 for row in rows if row[7] == 0) == n_without_trades
    assert page.bars[-1].minute * 60 < rows[-1][0]
    assert page.reach == rows[0][0] // 60
    assert not page.refused


def test_okx_error_is_a_refusal_for_good() -> None:
    (body,) = recorded("okx/rest_error.jsonl")
    with pytest.raises(HistoryRefusedError, match="51001") as refusal:
        Okx().read_history("BTC-USDX", body)
    assert not refusal.value.passing
