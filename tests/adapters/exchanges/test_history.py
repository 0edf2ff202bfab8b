"""History against a real HTTP server on loopback: paged, paced, patient, and never a forming bar."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from random import Random
from typing import Any

import pytest
from aiohttp import web

from adapters.clock import SystemClock
from adapters.exchanges.binance import BinanceSpot
from adapters.exchanges.history import MAX_BODY_BYTES, History, Patience
from adapters.exchanges.kraken import Kraken
from adapters.exchanges.retry_after import retry_after_s
from adapters.exchanges.venue import Venue
from daemon.errors import FeedError, HistoryTooOldError
from daemon.feed import BarClosed, FrameRefused
from tests.adapters.exchanges.loopback import LoopbackVenue, SetClock, loopback_venue, rows

FIRST = 29_000_000
QUICK = Patience(answer_s=0.5, attempts=3, first_wait_s=0.01, longest_wait_s=3.0)


@pytest.fixture
async def server() -> AsyncIterator[LoopbackVenue]:
    async with loopback_venue() as venue:
        yield venue


class Asking:
    """A history of a venue at the loopback server, and what it refused."""

    def __init__(
        self, server: LoopbackVenue, venue: Venue | None = None, clock: SystemClock | None = None
    ) -> None:
        self.refused: list[FrameRefused] = []
        self.history = History(
            venue or server.venue(), clock or SystemClock(), Random(3), self.refused.append, QUICK
        )

    async def __call__(self, first: int, last: int, symbol: str = "BTCUSDT") -> list[BarClosed]:
        async with self.history.session() as session:
            return await self.history.fetch(session, symbol, first, last)


def paged(server: LoopbackVenue, minutes_per_page: int) -> BinanceSpot:
    venue = server.venue()
    return replace(venue, history=replace(venue.history, minutes_per_page=minutes_per_page))


async def test_pages_cover_every_minute_once(server: LoopbackVenue) -> None:
    bars = await Asking(server, paged(server, 100))(FIRST, FIRST + 249)
    assert [bar.minute for bar in bars] == list(range(FIRST, FIRST + 250))
    starts = [int(query["startTime"]) // 60_000 - FIRST for query in server.requests]
    ends = [(int(query["endTime"]) + 1) // 60_000 - FIRST for query in server.requests]
    assert (starts, ends) == ([0, 100, 200], [100, 200, 250])


async def test_minutes_that_the_venue_leaves_out_are_absent_and_not_asked_for_again(
    server: LoopbackVenue,
) -> None:
    server.answers.append(lambda _: web.json_response([]))
    server.answers.append(lambda _: web.json_response(rows(FIRST + 105, FIRST + 106)))
    bars = await Asking(server, paged(server, 100))(FIRST, FIRST + 299)
    assert [bar.minute - FIRST for bar in bars] == [105, 106, *range(200, 300)]
    assert len(server.requests) == 3


async def test_rows_outside_of_what_was_asked_for_are_left_out(server: LoopbackVenue) -> None:
    server.answers.append(lambda _: web.json_response(rows(FIRST - 5, FIRST + 5)))
    assert [bar.minute - FIRST for bar in await Asking(server)(FIRST, FIRST + 1)] == [0, 1]


async def test_the_row_that_forms_is_left_out_though_nothing_marks_it(server: LoopbackVenue) -> None:
    asking = Asking(server, clock=SetClock(FIRST + 2.5))
    assert [bar.minute - FIRST for bar in await asking(FIRST, FIRST + 3)] == [0, 1]


async def test_a_clock_that_is_ahead_here_makes_no_forming_row_final(server: LoopbackVenue) -> None:
    answered = datetime.fromtimestamp((FIRST + 2) * 60 + 59, UTC)
    server.answers.append(
        lambda _: web.json_response(
            rows(FIRST, FIRST + 3), headers={"Date": format_datetime(answered, usegmt=True)}
        )
    )
    assert [bar.minute - FIRST for bar in await Asking(server)(FIRST, FIRST + 3)] == [0, 1]


@pytest.mark.parametrize("status", [429, 418])
async def test_waits_as_long_as_the_venue_asks_and_asks_nothing_in_between(
    server: LoopbackVenue, status: int
) -> None:
    server.answers.append(lambda _: web.Response(status=status, headers={"Retry-After": "1"}))
    clock, asking = SystemClock(), Asking(server)
    started = clock.monotonic_s()
    await asyncio.gather(asking(FIRST, FIRST), asking(FIRST, FIRST))
    assert clock.monotonic_s() - started >= 1.0


async def test_a_ban_that_is_longer_than_anybody_waits_is_an_error_that_says_so(
    server: LoopbackVenue,
) -> None:
    server.answers.append(lambda _: web.Response(status=418, headers={"Retry-After": "259200"}))
    with pytest.raises(FeedError, match="HTTP status 418"):
        await Asking(server)(FIRST, FIRST)
    assert len(server.requests) == 1


@pytest.mark.parametrize("failure", ["500", "503", "cut", "slow", "busy", "rate"])
async def test_what_passes_is_tried_again(server: LoopbackVenue, failure: str) -> None:
    def fail(request: web.Request) -> web.StreamResponse:
        if failure.isdigit():
            return web.Response(status=int(failure))
        if failure == "cut":
            assert request.transport is not None
            request.transport.abort()
        if failure == "slow":
            return SlowResponse()
        return web.json_response({"code": -1003, "msg": "Too many requests."}, status=400)

    server.answers.extend([fail, fail])
    assert len(await Asking(server)(FIRST, FIRST)) == 1


class SlowResponse(web.Response):
    """Sends its head after any client's patience."""

    async def prepare(self, request: web.BaseRequest) -> Any:
        await asyncio.sleep(1.0)
        return await super().prepare(request)


async def test_a_venue_that_keeps_failing_is_given_up_with_its_last_reason(server: LoopbackVenue) -> None:
    server.answers.extend([lambda _: web.Response(status=502)] * 3)
    with pytest.raises(FeedError, match="HTTP status 502; gave up after attempt 3"):
        await Asking(server)(FIRST, FIRST)


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (400, '{"code":-1121,"msg":"Invalid symbol."}', r"Invalid symbol. \(code -1121\)"),
        (403, "<html>forbidden</html>", "not the venue's answer"),
        (451, '{"code":0,"msg":"Service unavailable from a restricted location"}', "restricted location"),
        (404, "[]", "HTTP status 404"),
        (200, "", "not the venue's answer"),
        (200, '{"a":', "not the venue's answer"),
    ],
)
async def test_a_refusal_for_good_is_an_error_at_once(
    server: LoopbackVenue, status: int, body: str, reason: str
) -> None:
    server.answers.append(lambda _: web.Response(status=status, text=body))
    with pytest.raises(FeedError, match=reason):
        await Asking(server)(FIRST, FIRST)
    assert len(server.requests) == 1


async def test_rows_that_cannot_be_bars_are_told_and_left_out(server: LoopbackVenue) -> None:
    bad = rows(FIRST, FIRST + 2)
    bad[1][2] = "1"  # a high below everything
    server.answers.append(lambda _: web.json_response(bad))
    asking = Asking(server)
    assert [bar.minute - FIRST for bar in await asking(FIRST, FIRST + 2)] == [0, 2]
    assert [refusal.reason for refusal in asking.refused] == [
        "history: open and close must lie between low and high"
    ]


async def test_an_answer_without_end_is_cut_off(server: LoopbackVenue) -> None:
    server.answers.extend([lambda _: web.Response(body=b"[" + b" " * MAX_BODY_BYTES)] * 3)
    with pytest.raises(FeedError, match="an answer of more than"):
        await Asking(server)(FIRST, FIRST)


async def test_minutes_that_a_venue_no_longer_keeps_are_an_error_and_not_empty(server: LoopbackVenue) -> None:
    def kept(_: web.Request) -> web.StreamResponse:
        newest = [[(FIRST + n) * 60, "1", "1", "1", "1", "1", "2", 3] for n in range(1000, 1721)]
        return web.json_response({"error": [], "result": {"XXBTZUSD": newest, "last": 1}})

    venue = Kraken()
    here = replace(venue, history=replace(venue.history, url=server.history_url, requests_per_s=1000.0))
    server.answers.extend([kept, kept])
    asking = Asking(server, here)
    with pytest.raises(HistoryTooOldError) as error:
        await asking(FIRST, FIRST + 1500, "BTC/USD")
    assert error.value.first_minute == FIRST + 1000
    bars = await asking(error.value.first_minute, FIRST + 1500, "BTC/USD")
    assert [bar.minute for bar in bars] == list(range(FIRST + 1000, FIRST + 1501))
    assert server.requests[0]["pair"] == "BTCUSD"


def test_retry_after_is_read_in_both_of_its_forms() -> None:
    now = "Tue, 14 Nov 2023 22:13:20 GMT"
    assert retry_after_s("7", now) == 7.0
    assert retry_after_s("Tue, 14 Nov 2023 22:14:00 GMT", now) == 40.0
    assert retry_after_s("Tue, 14 Nov 2023 22:13:00 GMT", now) == 0.0
    assert retry_after_s("soon", now) == 0.0
    assert retry_after_s(None, now) == 0.0
    assert retry_after_s("Tue, 14 Nov 2023 22:14:00 GMT", None) == 0.0
