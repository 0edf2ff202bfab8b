"""A feed against real servers on loopback: it never goes quiet, and it never loses what history has."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from random import Random

import pytest

from adapters.exchanges.feed import ExchangeFeed
from daemon.feed import BarClosed, FrameIgnored, FrameRefused, PriceSeen
from tests.adapters.exchanges.loopback import BRISK, SetClock, kline, listening, loopback_venue

NOW = 29_000_000


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOW + 0.5)


async def test_subscribes_in_batches_and_passes_on_forming_and_final_bars(clock: SetClock) -> None:
    symbols = [f"S{n}USDT" for n in range(450)]
    async with loopback_venue() as venue, listening(venue.venue(), symbols, clock=clock) as heard:
        socket = await venue.when_subscribed(1)
        await heard.until(lambda m: m == FrameIgnored("binance", "subscription confirmed"), 3)
        assert venue.subscriptions == [[f"s{n}usdt@kline_1m" for n in range(450)]]
        await socket.send(kline("S7USDT", NOW, final=False, price=3.5))
        await socket.send(kline("S7USDT", NOW))
        await heard.bar(NOW, "S7USDT")
        assert PriceSeen("binance:S7USDT", NOW, 3.5) in heard.messages
        assert venue.opened == 1


async def test_spreads_instruments_over_as_many_connections_as_the_venue_allows(clock: SetClock) -> None:
    async with loopback_venue() as venue:
        here = venue.venue(instruments_per_connection=2)
        async with listening(here, ["A", "B", "C"], clock=clock) as heard:
            await heard.until(lambda m: m == FrameIgnored("binance", "subscription confirmed"), 2)
            assert sorted(venue.subscriptions) == [["a@kline_1m", "b@kline_1m"], ["c@kline_1m"]]


async def test_a_broken_connection_is_a_loss_and_is_restored_after_history_filled_the_hole(
    clock: SetClock,
) -> None:
    async with loopback_venue() as venue, listening(venue.venue(), clock=clock) as heard:
        socket = await venue.when_subscribed(1)
        await socket.send(kline("BTCUSDT", NOW))
        await heard.bar(NOW)
        clock.minute = NOW + 4.5  # minutes NOW + 1 to NOW + 3 pass without a connection
        socket.transport.abort()
        lost = await heard.loss()
        assert lost.instruments == ("binance:BTCUSDT",)
        assert lost.reason.startswith("not connected: ConnectionClosedError")
        await (await venue.when_subscribed(2)).send(kline("BTCUSDT", NOW + 4, final=False))
        restored = await heard.restoration()
        assert restored.instruments == lost.instruments
        bars = [m.minute for m in heard.messages if isinstance(m, BarClosed)]
        assert bars == [NOW, NOW + 1, NOW + 2, NOW + 3]
        assert heard.kinds().index("FeedRestored") > max(
            n for n, m in enumerate(heard.messages) if isinstance(m, BarClosed)
        )
        assert heard.kinds().count("FeedLost") == 1


async def test_a_closed_bar_that_comes_before_the_hole_is_filled_does_not_hide_it(clock: SetClock) -> None:
    patient = replace(BRISK, poll_s=60.0, settle_s=0.3)  # the bar is there before history is asked
    async with loopback_venue() as venue, listening(venue.venue(), rules=patient, clock=clock) as heard:
        # After a first loss and return, nothing but the next return makes the feed look at its history.
        await (await venue.when_subscribed(1)).close()
        await heard.loss()
        await (await venue.when_subscribed(2)).send(kline("BTCUSDT", NOW))
        await heard.restoration()
        clock.minute = NOW + 3.5
        await venue.sockets[-1].close()
        await heard.loss(2)
        await (await venue.when_subscribed(3)).send(kline("BTCUSDT", NOW + 3))
        await heard.restoration(2)
        bars = [m.minute - NOW for m in heard.messages if isinstance(m, BarClosed)]
        assert bars == [0, 3, 0, 1, 2]


async def test_a_reader_that_is_slower_than_silence_lasts_is_not_taken_for_a_silent_venue(
    clock: SetClock,
) -> None:
    rules = replace(BRISK, queue_frames=1)
    async with loopback_venue() as venue:
        feed = ExchangeFeed(venue.venue(silent_after_s=0.2), ["BTCUSDT"], clock, Random(7), rules)
        messages = feed.messages()
        assert isinstance(messages, AsyncGenerator)
        taken = [await anext(messages)]
        for n in range(20):
            await venue.sockets[-1].send(kline("BTCUSDT", NOW + n))
        await asyncio.sleep(0.6)  # the slowness itself
        async with asyncio.timeout(5):
            while sum(isinstance(message, BarClosed) for message in taken) < 20:
                taken.append(await anext(messages))
        await messages.aclose()
    assert [type(message).__name__ for message in taken] == ["FrameIgnored", *["BarClosed"] * 20]


async def test_before_the_venue_cuts_it_a_connection_is_replaced_with_the_new_one_up_first(
    clock: SetClock,
) -> None:
    async with (
        loopback_venue() as venue,
        listening(venue.venue(lifetime_s=0.2), clock=clock) as heard,
    ):
        sent = 0
        await venue.when_subscribed(1)
        while venue.opened < 4:
            await venue.broadcast(kline("BTCUSDT", NOW + sent))
            await heard.bar(NOW + sent)
            sent += 1
        minutes = [m.minute for m in heard.messages if isinstance(m, BarClosed)]
        assert sorted(set(minutes)) == [NOW + n for n in range(sent)]
        assert venue.most_open == 2
        assert "FeedLost" not in heard.kinds()


async def test_a_socket_that_is_open_and_silent_is_dead(clock: SetClock) -> None:
    async with (
        loopback_venue() as venue,
        listening(venue.venue(silent_after_s=0.2), clock=clock) as heard,
    ):
        await venue.when_subscribed(1)
        assert "silent for 0.2 s with an open socket" in (await heard.loss()).reason
        await (await venue.when_subscribed(2)).send(kline("BTCUSDT", NOW, final=False))
        await heard.restoration()


async def test_an_instrument_that_is_confirmed_and_never_delivered_is_lost_and_polled(
    clock: SetClock,
) -> None:
    async with loopback_venue() as venue:
        here = venue.venue(quiet_after_s=0.3)
        async with listening(here, ["BTCUSDT", "DEAD"], clock=clock) as heard:
            await venue.when_subscribed(1)

            async def keep_speaking() -> None:
                while True:
                    await venue.broadcast(kline("BTCUSDT", NOW, final=False))
                    await asyncio.sleep(0.02)

            speaking = asyncio.create_task(keep_speaking())
            lost = await heard.loss()
            assert lost.instruments == ("binance:DEAD",)
            assert lost.reason == "nothing for 0.3 s though connected"
            clock.minute = NOW + 2.5
            await heard.bar(NOW, "DEAD")
            await heard.bar(NOW + 1, "DEAD")
            await venue.when_subscribed(2)  # subscribed again, on another connection
            await venue.sockets[-1].send(kline("DEAD", NOW + 2, final=False))
            assert (await heard.restoration()).instruments == ("binance:DEAD",)
            speaking.cancel()
            assert all("BTCUSDT" not in str(m) for m in heard.messages if m == lost)


async def test_garbage_is_refused_by_frame_and_costs_no_connection(clock: SetClock) -> None:
    async with loopback_venue() as venue, listening(venue.venue(), clock=clock) as heard:
        socket = await venue.when_subscribed(1)
        for frame in ("", "{", "[1,2", b"\xff\xfe\x00", '{"e":"kline","k":{}}', "null", "[" * 5000):
            await socket.send(frame)
        await socket.send(kline("BTCUSDT", NOW))
        await heard.bar(NOW)
        assert heard.kinds().count("FrameRefused") == 7
        assert venue.opened == 1


async def test_an_oversized_frame_ends_the_connection_and_the_feed_comes_back(clock: SetClock) -> None:
    async with (
        loopback_venue() as venue,
        listening(venue.venue(max_frame_bytes=4096), clock=clock) as heard,
    ):
        socket = await venue.when_subscribed(1)
        await socket.send("x" * 5000)
        assert "1009" in (await heard.loss()).reason
        await (await venue.when_subscribed(2)).send(kline("BTCUSDT", NOW))
        await heard.restoration()


async def test_a_server_that_goes_away_without_a_word_is_found_out_by_pings(clock: SetClock) -> None:
    """Half of the socket is closed: the server reads no more, answers no ping, and sends no end either."""
    async with (
        loopback_venue(ping_interval=None) as venue,
        listening(venue.venue(silent_after_s=0.3), clock=clock) as heard,
    ):
        socket = await venue.when_subscribed(1)
        socket.transport.pause_reading()
        await heard.loss()
        await (await venue.when_subscribed(2)).send(kline("BTCUSDT", NOW, final=False))
        await heard.restoration()
        socket.transport.abort()


async def test_pings_of_the_server_are_answered(clock: SetClock) -> None:
    async with loopback_venue() as venue, listening(venue.venue(), clock=clock):
        socket = await venue.when_subscribed(1)
        async with asyncio.timeout(5):
            await (await socket.ping(b"same payload"))


async def test_a_venue_that_asks_for_another_connection_gets_it_at_once(clock: SetClock) -> None:
    async with loopback_venue() as venue, listening(venue.venue(), clock=clock) as heard:
        socket = await venue.when_subscribed(1)
        await socket.send('{"e":"serverShutdown","E":1}')
        await (await venue.when_subscribed(2)).send(kline("BTCUSDT", NOW))
        await heard.bar(NOW)
        assert "FeedLost" not in heard.kinds()


async def test_a_venue_that_cannot_be_reached_is_a_loss_with_its_reason_and_is_polled(
    clock: SetClock,
) -> None:
    async with loopback_venue() as venue:
        here = venue.venue()
        closed = replace(here, stream=replace(here.stream, url="ws://127.0.0.1:9/stream"))
        async with listening(closed, clock=clock) as heard:
            assert "refused" in (await heard.loss()).reason.lower()
            clock.minute = NOW + 1.5
            await heard.bar(NOW)
            assert heard.kinds().count("FeedLost") == 1


async def test_a_quiet_instrument_of_a_venue_that_may_be_quiet_is_lost_only_if_its_history_says_so(
    clock: SetClock,
) -> None:
    async with loopback_venue() as venue:
        here = venue.venue(quiet_after_s=0.2, speaks_each_minute=False)
        async with listening(here, clock=clock) as heard:
            await venue.when_subscribed(1)
            clock.minute = NOW + 1.9
            lost = await heard.loss()
            assert "bars in its history that the stream did not bring" in lost.reason
            await heard.bar(NOW)
            await heard.restoration()


async def test_closing_the_iterator_closes_sockets_and_leaves_no_task(clock: SetClock) -> None:
    before = asyncio.all_tasks()
    async with loopback_venue() as venue:
        async with listening(venue.venue(), clock=clock):
            await venue.when_subscribed(1)
        await venue.when_nobody_is_connected()
    left = [t for t in asyncio.all_tasks() - before if "adapters" in repr(t.get_coro())]
    assert left == []


async def test_a_full_queue_stops_the_reading_and_loses_nothing(clock: SetClock) -> None:
    narrow = replace(BRISK, queue_frames=1)
    async with loopback_venue() as venue, listening(venue.venue(), rules=narrow, clock=clock) as heard:
        socket = await venue.when_subscribed(1)
        for n in range(500):
            await socket.send(kline("BTCUSDT", NOW + n))
        await heard.bar(NOW + 499)
        assert sum(isinstance(m, BarClosed) for m in heard.messages) == 500
        assert not any(isinstance(m, FrameRefused) for m in heard.messages)
