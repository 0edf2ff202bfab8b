"""What venues say of their time and their instruments, in their own documented forms."""

import json
from decimal import Decimal
from typing import Any

import pytest

from adapters.exchanges.catalogue import VENUES
from adapters.exchanges.questions import QUESTIONS, UNKNOWN, Listed, NoAnswerError

BINANCE = {
    "symbols": [
        {"symbol": "OTHER", "status": "TRADING", "filters": []},
        {
            "symbol": "BTCUSDT",
            "status": "BREAK",
            "filters": [
                {"filterType": "PRICE_FILTER", "tickSize": "0.01000000"},
                {"filterType": "LOT_SIZE", "stepSize": "0.00001000"},
            ],
        },
    ]
}


def bybit(lots: dict[str, str]) -> dict[str, Any]:
    row = {
        "symbol": "BTCUSDT",
        "status": "Trading",
        "lotSizeFilter": lots,
        "priceFilter": {"tickSize": "0.1"},
    }
    return {"retCode": 0, "result": {"list": [row]}, "time": 1_700_000_000_000}


COINBASE = {"id": "BTC-USD", "quote_increment": "0.01", "base_increment": "0.00000001", "status": "online"}
KRAKEN = {
    "error": [],
    "result": {"XXBTZUSD": {"wsname": "XBT/USD", "tick_size": "0.1", "pair_decimals": 1, "lot_decimals": 8}},
}
OKX = {
    "code": "0",
    "data": [
        {"instId": "BTC-USDT-SWAP", "tickSz": "0.1", "lotSz": "0.1", "ctVal": "0.01", "state": "live"},
    ],
}
D = Decimal


@pytest.mark.parametrize(
    ("venue", "symbol", "answer", "listed"),
    [
        ("binance", "BTCUSDT", BINANCE, Listed(True, D("0.01"), D("0.00001"), is_trading=False)),
        ("binance", "NOSUCH", {"code": -1121, "msg": "Invalid symbol."}, UNKNOWN),
        ("binance_um", "NOSUCH", BINANCE, UNKNOWN),
        ("bybit", "BTCUSDT", bybit({"basePrecision": "0.000001"}), Listed(True, D("0.1"), D("0.000001"))),
        ("bybit_linear", "BTCUSDT", bybit({"qtyStep": "0.001"}), Listed(True, D("0.1"), D("0.001"))),
        ("bybit", "NOSUCH", bybit({}), UNKNOWN),
        ("bybit", "NOSUCH", {"retCode": 10001, "retMsg": "Not supported symbols"}, UNKNOWN),
        ("coinbase", "BTC-USD", COINBASE, Listed(True, D("0.01"), D("1e-8"))),
        ("coinbase", "NO-SUCH", {"message": "NotFound"}, UNKNOWN),
        ("kraken", "BTC/USD", KRAKEN, Listed(True, D("0.1"), D("1e-8"))),
        ("kraken", "NO/SUCH", {"error": ["EQuery:Unknown asset pair"]}, UNKNOWN),
        ("okx", "BTC-USDT-SWAP", OKX, Listed(True, D("0.1"), D("0.001"))),
        ("okx", "NO-SUCH", {"code": "51001", "data": [], "msg": "Instrument ID does not exist"}, UNKNOWN),
    ],
)
def test_what_an_instrument_is(venue: str, symbol: str, answer: Any, listed: Listed) -> None:
    assert QUESTIONS[venue].listed(symbol, json.dumps(answer).encode()) == listed


@pytest.mark.parametrize(
    ("venue", "answer"),
    [
        ("binance", {"serverTime": 1_700_000_000_000}),
        ("bybit", {"retCode": 0, "result": {}, "time": 1_700_000_000_000}),
        ("coinbase", {"iso": "2023-11-14T22:13:20Z", "epoch": 1_700_000_000.0}),
        ("kraken", {"error": [], "result": {"unixtime": 1_700_000_000}}),
        ("okx", {"code": "0", "data": [{"ts": "1700000000000"}]}),
    ],
)
def test_what_time_it_is(venue: str, answer: Any) -> None:
    assert QUESTIONS[venue].time_s(json.dumps(answer).encode()) == 1_700_000_000.0


def test_every_venue_can_be_asked_and_an_answer_of_another_form_is_none() -> None:
    assert set(QUESTIONS) == set(VENUES)
    for questions in QUESTIONS.values():
        for body in (b"", b"<html>", b"[]", b"null", b"7", b'{"result": null}', b"\xff", b"[" * 5000):
            with pytest.raises(NoAnswerError):
                questions.time_s(body)
            with pytest.raises(NoAnswerError):
                questions.listed("BTCUSDT", body)


def test_kinds_of_okx_are_told_by_their_names() -> None:
    kinds = {
        symbol: QUESTIONS["okx"].listing(symbol).query["instType"]
        for symbol in ("BTC-USDT", "BTC-USDT-SWAP", "BTC-USDT-261225")
    }
    assert kinds == {"BTC-USDT": "SPOT", "BTC-USDT-SWAP": "SWAP", "BTC-USDT-261225": "FUTURES"}
