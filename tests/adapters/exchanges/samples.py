"""Frames and answers of every venue in its own form, written here: forming and final bars, and the rest.

All are about `SYMBOL[venue]` and minute `MINUTE`. They are what the docstrings of the venues' files describe.
"""

from collections.abc import Mapping
from typing import Final

MINUTE: Final = 28_333_333
"""2023-11-14 22:13 UTC."""
START_MS: Final = MINUTE * 60_000
END_MS: Final = START_MS + 59_999
OVER_S: Final = (MINUTE + 2) * 60.0
"""A clock that stands after the minute."""

SYMBOL: Final[Mapping[str, str]] = {
    "binance": "BTCUSDT",
    "binance_um": "BTCUSDT",
    "bybit": "BTCUSDT",
    "bybit_linear": "BTCUSDT",
    "coinbase": "BTC-USD",
    "kraken": "BTC/USD",
    "okx": "BTC-USDT",
}


def binance(is_final: str, minute_ms: int = START_MS) -> str:
    return (
        f'{{"stream":"btcusdt@kline_1m","data":{{"e":"kline","E":{END_MS},"s":"BTCUSDT","k":{{"t":{minute_ms},'
        f'"T":{minute_ms + 59_999},"s":"BTCUSDT","i":"1m","f":1,"L":2,"o":"37000.1","c":"37001",'
        f'"h":"37002.5","l":"36999","v":"12.5","n":420,"x":{is_final},"q":"462512.5","V":"7.25",'
        '"Q":"268000.0","B":"0"}}}'
    )


def bybit(is_final: str, minute_ms: int = START_MS) -> str:
    return (
        f'{{"topic":"kline.1.BTCUSDT","type":"snapshot","ts":{END_MS},"data":[{{"start":{minute_ms},'
        f'"end":{minute_ms + 59_999},"interval":"1","open":"37000.1","close":"37001","high":"37002.5",'
        f'"low":"36999","volume":"12.5","turnover":"462512.5","confirm":{is_final},"timestamp":{END_MS}}}]}}'
    )


def okx(is_final: str, minute_ms: int = START_MS) -> str:
    confirm = "1" if is_final == "true" else "0"
    return (
        '{"arg":{"channel":"candle1m","instId":"BTC-USDT"},"data":[["'
        f'{minute_ms}","37000.1","37002.5","36999","37001","12.5","12.5","462512.5","{confirm}"]]}}'
    )


def kraken(minute: str, sent: str, kind: str = "update") -> str:
    """`minute` and `sent` are times of 2023-11-14 (`22:13:05`)."""
    return (
        f'{{"channel":"ohlc","type":"{kind}","timestamp":"2023-11-14T{sent}.123456789Z","data":[{{"symbol":'
        '"BTC/USD","open":37000.1,"high":37002.5,"low":36999.0,"close":37001.0,"trades":420,"volume":12.5,'
        f'"vwap":37000.5,"interval_begin":"2023-11-14T{minute}.000000000Z","interval":1}}]}}'
    )


def match(number: int, time: str, price: str = "37000.10", size: str = "0.5", kind: str = "match") -> str:
    """`time` is one of 2023-11-14 (`22:13:05`)."""
    return (
        f'{{"type":"{kind}","trade_id":{number},"maker_order_id":"a","taker_order_id":"b","side":"sell",'
        f'"size":"{size}","price":"{price}","product_id":"BTC-USD","sequence":{90_000 + number},'
        f'"time":"2023-11-14T{time}.123456Z"}}'
    )


def heartbeat(last_number: int, time: str) -> str:
    return (
        f'{{"type":"heartbeat","last_trade_id":{last_number},"product_id":"BTC-USD","sequence":90500,'
        f'"time":"2023-11-14T{time}.000000Z"}}'
    )


_BINANCE: Final = (
    *(binance("false"), binance("true"), '{"result":null,"id":1}'),
    '{"error":{"code":2,"msg":"Invalid request"},"id":1}',
    '{"e":"serverShutdown","E":1700000000000}',
    '{"stream":"btcusdt@bookTicker","data":{"u":1,"s":"BTCUSDT","b":"1","B":"2","a":"3","A":"4"}}',
    f'[[{START_MS},"37000.1","37002.5","36999","37001","12.5",{END_MS},"1",9,"7.25","1","0"]]',
    '{"code":-1121,"msg":"Invalid symbol."}',
)
_BYBIT: Final = (
    *(bybit("false"), bybit("true")),
    '{"success":true,"ret_msg":"pong","conn_id":"c","req_id":"","op":"ping"}',
    '{"success":false,"ret_msg":"error:handler not found,topic:kline.1.X","conn_id":"c","op":"subscribe"}',
    (
        '{"retCode":0,"retMsg":"OK","result":{"category":"spot","symbol":"BTCUSDT","list":[['
        f'"{START_MS}","37000.1","37002.5","36999","37001","12.5","462512.5"]]}}}}'
    ),
    '{"retCode":10001,"retMsg":"Not supported symbols","result":{}}',
)

SAMPLES: Final[Mapping[str, tuple[str, ...]]] = {
    "binance": _BINANCE,
    "binance_um": _BINANCE,
    "bybit": _BYBIT,
    "bybit_linear": _BYBIT,
    "coinbase": (
        *(match(1, "22:12:59", kind="last_match"), match(2, "22:13:05"), match(3, "22:13:06", "36999", "1")),
        *(heartbeat(3, "22:13:30"), heartbeat(3, "22:14:05"), match(4, "22:14:06")),
        '{"type":"error","message":"Failed to subscribe","reason":"X is not a valid product"}',
        f"[[{MINUTE * 60},36999,37002.5,37000.1,37001,12.5]]",
        '{"message":"NotFound"}',
    ),
    "kraken": (
        *(kraken("22:12:00", "22:12:59", "snapshot"), kraken("22:13:00", "22:13:05")),
        *(kraken("22:14:00", "22:14:01"), '{"channel":"heartbeat"}'),
        '{"error":"Currency pair not supported X/Y","method":"subscribe","success":false,"symbol":"X/Y"}',
        (
            '{"error":[],"result":{"XXBTZUSD":['
            f'[{MINUTE * 60},"37000.1","37002.5","36999","37001","37000","12.5",420],'
            f'[{MINUTE * 60 + 60},"37001","37001","37001","37001","0","0",0]],"last":{MINUTE * 60}}}}}'
        ),
        '{"error":["EQuery:Unknown asset pair"]}',
    ),
    "okx": (
        *(okx("false"), okx("true"), "pong"),
        '{"event":"subscribe","arg":{"channel":"candle1m","instId":"BTC-USDT"},"connId":"c"}',
        '{"event":"error","code":"60018","msg":"Invalid request","connId":"c"}',
        '{"event":"notice","code":"64008","msg":"The connection will soon be closed","connId":"c"}',
        (
            '{"code":"0","msg":"","data":[["'
            f'{START_MS}","37000.1","37002.5","36999","37001","12.5","12.5","462512.5","1"]]}}'
        ),
    ),
}
