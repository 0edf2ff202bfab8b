"""What is sent to the venues: subscriptions in the batches they take, and requests of their histories."""

import json
from dataclasses import replace

import pytest

from adapters.exchanges.catalogue import VENUES, venue_of
from daemon.errors import UnknownVenueError

MINUTE = 28_333_333
MS = MINUTE * 60_000


def frames(name: str, symbols: list[str]) -> list[dict[str, object]]:
    return [json.loads(frame) for frame in venue_of(name).subscribe(symbols)]


def test_binance_names_streams_in_lower_case_200_a_request() -> None:
    sent = frames("binance", [f"S{n}USDT" for n in range(401)])
    assert [len(frame["params"]) for frame in sent] == [200, 200, 1]  # type: ignore[arg-type] # a list of text
    assert sent[2] == {"method": "SUBSCRIBE", "params": ["s400usdt@kline_1m"], "id": 3}


def test_bybit_spot_takes_ten_topics_a_request() -> None:
    sent = frames("bybit", [f"S{n}" for n in range(11)])
    assert sent[1] == {"op": "subscribe", "args": ["kline.1.S10"]}
    assert len(sent) == 2
    assert len(frames("bybit_linear", [f"S{n}" for n in range(11)])) == 1


def test_coinbase_wants_matches_and_heartbeats() -> None:
    assert frames("coinbase", ["BTC-USD"]) == [
        {"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["matches", "heartbeat"]}
    ]


def test_kraken_wants_the_snapshot_that_tells_what_forms() -> None:
    assert frames("kraken", ["BTC/USD"]) == [
        {
            "method": "subscribe",
            "params": {"channel": "ohlc", "interval": 1, "snapshot": True, "symbol": ["BTC/USD"]},
        }
    ]


def test_okx_requests_stay_below_64_kib_and_480_an_hour() -> None:
    okx = venue_of("okx")
    symbols = [f"LONGCOIN{n}-USDT-SWAP" for n in range(okx.stream.instruments_per_connection)]
    sent = okx.subscribe(symbols)
    assert max(map(len, sent)) < 64 * 1024
    assert len(sent) * 10 < 480, "ten connections an hour"
    assert json.loads(sent[0])["args"][0] == {"channel": "candle1m", "instId": symbols[0]}


@pytest.mark.parametrize(
    ("name", "symbol", "path", "query"),
    [
        (
            *("binance", "BTCUSDT", "/api/v3/klines"),
            {"startTime": str(MS), "endTime": str(MS + 179_999), "limit": "1000", "interval": "1m"},
        ),
        ("binance_um", "BTCUSDT", "/fapi/v1/klines", {"startTime": str(MS), "limit": "1500"}),
        (
            "bybit",
            "BTCUSDT",
            "/v5/market/kline",
            {"category": "spot", "start": str(MS), "end": str(MS + 120_000)},
        ),
        ("bybit_linear", "BTCUSDT", "/v5/market/kline", {"category": "linear"}),
        (
            *("coinbase", "BTC-USD", "/products/BTC-USD/candles"),
            {"granularity": "60", "start": "2023-11-14T22:13:00Z", "end": "2023-11-14T22:15:00Z"},
        ),
        ("kraken", "BTC/USD", "/0/public/OHLC", {"pair": "BTCUSD", "since": str(MINUTE * 60 - 1)}),
        (
            *("okx", "BTC-USDT", "/api/v5/market/candles"),
            {"before": str(MS - 1), "after": str(MS + 120_001), "bar": "1m"},
        ),
    ],
)
def test_a_history_is_asked_for_by_its_first_and_last_minute(
    name: str, symbol: str, path: str, query: dict[str, str]
) -> None:
    request = venue_of(name).history_request(symbol, MINUTE, MINUTE + 2, MINUTE + 10)
    assert request.path == path
    assert {key: request.query[key] for key in query} == query


def test_okx_keeps_old_bars_at_another_address_than_new_ones() -> None:
    request = venue_of("okx").history_request("BTC-USDT", MINUTE, MINUTE + 2, MINUTE + 5_000)
    assert request.path == "/api/v5/market/history-candles"


def test_a_venues_addresses_can_be_others_than_its_own() -> None:
    for name in VENUES:
        there = venue_of(name, "ws://127.0.0.1:1/x", "http://127.0.0.1:2")
        own = venue_of(name)
        assert (there.stream.url, there.history.url) == ("ws://127.0.0.1:1/x", "http://127.0.0.1:2")
        assert there.stream == replace(own.stream, url=there.stream.url)
        assert own.stream.url.startswith("wss://")
        assert own.history.url.startswith("https://")


def test_an_unknown_venue_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(
        UnknownVenueError, match="there are binance, binance_um, bybit, bybit_linear, coinbase"
    ):
        venue_of("mtgox")
