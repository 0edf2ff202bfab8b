"""Venues that mark their final bars: Binance, Bybit, OKX."""

import math
from collections.abc import Callable

import pytest

from adapters.exchanges.catalogue import VENUES
from adapters.exchanges.venue import ReconnectAsked, SubscriptionRefused
from daemon.feed import BarClosed, FrameIgnored, FrameRefused, PriceSeen
from tests.adapters.exchanges.samples import MINUTE, OVER_S, START_MS, SYMBOL, binance, bybit, okx

FRAME: dict[str, Callable[..., str]] = {
    "binance": binance,
    "binance_um": binance,
    "bybit": bybit,
    "bybit_linear": bybit,
    "okx": okx,
}


def said(venue: str, frame: str) -> list[object]:
    return list(VENUES[venue]().parser([SYMBOL[venue]]).parse(frame.encode(), OVER_S))


@pytest.mark.parametrize("venue", FRAME)
def test_a_marked_bar_is_closed_and_any_other_is_a_price(venue: str) -> None:
    name = f"{venue}:{SYMBOL[venue]}"
    assert said(venue, FRAME[venue]("false")) == [PriceSeen(name, MINUTE, 37001.0)]
    (bar,) = said(venue, FRAME[venue]("true"))
    assert isinstance(bar, BarClosed)
    assert (bar.instrument, bar.minute) == (name, MINUTE)
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (37000.1, 37002.5, 36999.0, 37001.0, 12.5)
    assert bar.taker == 7.25 if venue.startswith("binance") else math.isnan(bar.taker)


@pytest.mark.parametrize("venue", FRAME)
@pytest.mark.parametrize(
    ("time", "reason"),
    [
        (START_MS + 1, "is not where a minute begins"),
        (START_MS + 30_000, "is not where a minute begins"),
        (START_MS * 1000, "is no time in milliseconds"),
        (START_MS // 1000, "is no time in milliseconds"),
        (-60_000, "is no time in milliseconds|is no whole number"),
    ],
)
def test_a_time_that_begins_no_minute_or_is_in_another_unit_is_refused(
    venue: str, time: int, reason: str
) -> None:
    (refusal,) = said(venue, FRAME[venue]("true", time))
    assert isinstance(refusal, FrameRefused)
    assert any(text in refusal.reason for text in reason.split("|"))


@pytest.mark.parametrize("venue", FRAME)
@pytest.mark.parametrize("is_final", ["true", "false"])
@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("37002.5", "36000.5", "open and close must lie between low and high"),
        ("36999", "37001.5", "open and close must lie between low and high"),
        ("36999", "0", "prices must be positive and finite"),
        ("37000.1", "-37000.1", "is no decimal number"),
        ("37000.1", "NaN", "is no decimal number"),
        ("37000.1", "Infinity", "is no decimal number"),
        ("37000.1", "3_7", "is no decimal number"),
        ("37000.1", "", "is no decimal number"),
        ("37000.1", "9" * 400, "is too large"),
        ('"12.5"', '"-1"', "is no decimal number"),
    ],
)
def test_what_cannot_be_a_bar_is_refused_forming_or_not(
    venue: str, is_final: str, before: str, after: str, reason: str
) -> None:
    (refusal,) = said(venue, FRAME[venue](is_final).replace(before, after))
    assert isinstance(refusal, FrameRefused)
    assert reason in refusal.reason


def test_takers_cannot_buy_more_than_was_traded() -> None:
    (refusal,) = said("binance", binance("true").replace('"V":"7.25"', '"V":"12.6"'))
    assert isinstance(refusal, FrameRefused)
    assert refusal.reason == "taker volume must lie between 0 and the volume"


@pytest.mark.parametrize("venue", FRAME)
def test_a_flag_of_another_type_is_refused_and_not_guessed(venue: str) -> None:
    old, new = ('"1"]]', '"true"]]') if venue == "okx" else ("true", '"true"')
    (refusal,) = said(venue, FRAME[venue]("true").replace(old, new))
    assert isinstance(refusal, FrameRefused)


@pytest.mark.parametrize("venue", FRAME)
def test_an_instrument_that_was_not_asked_for_is_ignored(venue: str) -> None:
    frame = FRAME[venue]("true").replace("BTC", "XYZ")
    assert said(venue, frame) == [FrameIgnored(venue, "an instrument not asked for")]


def test_one_bad_row_takes_no_good_one_with_it() -> None:
    row = okx("true")[len('{"arg":{"channel":"candle1m","instId":"BTC-USDT"},"data":[') : -2]
    frame = okx("true").replace(row, f"{row},{row.replace('36999', '99999')}")
    bar, refusal = said("okx", frame)
    assert isinstance(bar, BarClosed)
    assert isinstance(refusal, FrameRefused)


def test_okx_volume_is_in_base_units_also_where_the_venue_counts_contracts() -> None:
    frame = okx("true").replace("BTC-USDT", "BTC-USDT-SWAP").replace('"12.5","12.5"', '"1250","12.5"')
    (bar,) = VENUES["okx"]().parser(["BTC-USDT-SWAP"]).parse(frame.encode(), OVER_S)
    assert isinstance(bar, BarClosed)
    assert bar.volume == 12.5


@pytest.mark.parametrize(
    ("venue", "frame", "kind"),
    [
        ("binance", '{"error":{"code":2,"msg":"Invalid"},"id":1}', SubscriptionRefused),
        ("binance", '{"e":"serverShutdown","E":1}', ReconnectAsked),
        (
            "bybit",
            '{"success":false,"ret_msg":"error:handler not found","op":"subscribe"}',
            SubscriptionRefused,
        ),
        ("okx", '{"event":"error","code":"60018","msg":"Wrong URL","connId":"a"}', SubscriptionRefused),
        ("okx", '{"event":"notice","code":"64008","msg":"soon closed","connId":"a"}', ReconnectAsked),
    ],
)
def test_what_a_venue_says_to_the_shell_is_told_apart_from_data(venue: str, frame: str, kind: type) -> None:
    assert [type(message) for message in said(venue, frame)] == [kind]
