"""What a new run asks a venue's history for, and what it says where that is too short."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from adapters.clock import SystemClock
from adapters.exchanges.catalogue import VENUES
from adapters.exchanges.history import History
from daemon.bars.fetched import FetchedBars
from daemon.commands._live_start import FIRST_PAGE_MINUTES
from daemon.commands._warmth import tell_who_is_cold
from daemon.errors import HistoryTooOldError
from daemon.features.catalogue import catalogue
from daemon.features.compilation import compile_plan
from daemon.features.listing import described
from daemon.feed import BarClosed
from daemon.settings import Settings
from tests.adapters.exchanges.samples import SYMBOL

NOTHING = {
    "binance": "[]",
    "binance_um": "[]",
    "bybit": '{"retCode": 0, "result": {"list": []}}',
    "bybit_linear": '{"retCode": 0, "result": {"list": []}}',
    "coinbase": "[]",
    "kraken": '{"error": [], "result": {"XXBTZUSD": [], "last": 0}}',
    "okx": '{"code": "0", "data": []}',
}
REQUESTS = {
    "binance": 3,
    "binance_um": 3,
    "bybit": 3,
    "bybit_linear": 3,
    "coinbase": 11,
    "kraken": 5,
    "okx": 29,
}
"""What a new run with the default features asks for an instrument; the README says it too."""


@asynccontextmanager
async def answering(body: str) -> AsyncIterator[tuple[str, list[str]]]:
    """A server that says the same to everybody, and what it was asked."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(str(request.rel_url))
        return web.Response(text=body, content_type="application/json")

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    finally:
        await runner.cleanup()


def history_at(venue: str, url: str) -> History:
    known = VENUES[venue]()
    here = replace(known, history=replace(known.history, url=url, requests_per_s=10_000.0))
    return History(here, SystemClock(), Random(1), lambda _: None)


@pytest.mark.parametrize("venue", VENUES)
async def test_a_warm_up_is_a_number_of_requests_that_a_venue_can_live_with(venue: str) -> None:
    chosen = described(one for one in catalogue().values() if "default" in one.groups)
    minutes = 2 * max(int(str(one["history_bars"])) for one in chosen)
    now = int(SystemClock().epoch_s() // 60)
    async with answering(NOTHING[venue]) as (url, asked):
        history = history_at(venue, url)
        async with history.session() as session:
            for first, last in (
                (now - FIRST_PAGE_MINUTES, now - 1),
                (now - minutes, now - FIRST_PAGE_MINUTES - 1),
            ):
                await history.fetch(session, SYMBOL[venue], first, last)
    assert len(asked) == REQUESTS[venue]
    assert len(asked) / VENUES[venue]().history.requests_per_s <= 6.0  # seconds


async def test_kraken_is_asked_once_for_what_it_keeps_no_more() -> None:
    now = int(SystemClock().epoch_s() // 60)
    rows = [[60 * (now - 719 + n), *["1.0"] * 5, "2.0", 1] for n in range(720)]
    body = json.dumps({"error": [], "result": {"XXBTZUSD": rows, "last": 0}})
    async with answering(body) as (url, asked):
        history = history_at("kraken", url)
        async with history.session() as session:
            with pytest.raises(HistoryTooOldError) as old:
                await history.fetch(session, "BTC/USD", now - 2_884, now - 1_001)
    assert old.value.first_minute == now - 719
    assert len(asked) == 1


def bars(name: str, n_minutes: int) -> list[BarClosed]:
    return [BarClosed(name, 28_401_120 - n_minutes + n, 1.0, 1.0, 1.0, 1.0, 1.0) for n in range(n_minutes)]


def test_a_run_says_who_is_not_scored_for_how_long_and_because_of_which_features() -> None:
    settings = Settings.model_validate({"run": {"quote": "USD"}})
    plan = compile_plan(settings.features, ("coinbase:BTC-USD", "kraken:BTC/USD"))
    source = FetchedBars(
        {
            "kraken:BTC/USD": bars("kraken:BTC/USD", 719),
            "coinbase:BTC-USD": bars("coinbase:BTC-USD", plan.warmup_bars),
        },
        settings,
    )
    with capture_logs() as logs:
        tell_who_is_cold(source, plan, 28_401_120)
    (line,) = logs
    assert line["log_level"] == "warning"
    assert (line["venue"], line["instruments"], line["bars"]) == ("kraken", "kraken:BTC/USD", 719)
    assert (line["needs"], line["minutes"], line["until"]) == (1441, 721, "2024-01-01 12:01 UTC")
    assert "return_1440 (1441)" in line["features"]
    assert "sma_ratio_720" not in line["features"]
