"""Bars that come by topic, through a real mosquitto."""

import asyncio
from pathlib import Path
from random import Random

import aiomqtt
import pytest

from adapters.mqtt.bar_topics import MqttFeed
from adapters.mqtt.broker import Address, Arrived, Broker
from daemon.events import FeedLost, FeedRestored
from daemon.feed import BarClosed, FeedMessage, FrameIgnored, FrameRefused
from tests.mosquitto import mosquitto

GOOD = b'{"time": 1700000040000, "open": 1, "high": 3, "low": 0.5, "close": 2, "volume": 10}'
MINUTE = 1_700_000_040 // 60


def feed(most: int = 100) -> MqttFeed:
    return MqttFeed("mqtt", ["mqtt:GOLD"], "bars", most)


async def heard(payload: bytes, topic: str = "bars/mqtt/GOLD") -> FeedMessage:
    source = feed()
    await source.hear(Arrived(topic, payload))
    return await anext(aiter(source.messages()))


@pytest.mark.parametrize(
    "time", [b"1700000040000", b'"2023-11-14T22:14:00Z"', b'"2023-11-14T23:14:00+01:00"']
)
async def test_a_bar_is_stamped_in_milliseconds_or_iso(time: bytes) -> None:
    bar = await heard(GOOD.replace(b"1700000040000", time))
    assert isinstance(bar, BarClosed)
    assert (bar.instrument, bar.minute, bar.close, bar.volume) == ("mqtt:GOLD", MINUTE, 2.0, 10.0)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "truncated"),
        (b"[]", "Expected `object`"),
        (GOOD.replace(b"40000", b"40001"), "no whole minute"),
        (GOOD.replace(b'"high": 3', b'"high": 1'), "between low and high"),
        (GOOD.replace(b"10}", b"-1}"), "volume"),
        (GOOD.replace(b"1700000040000", b'"yesterday"'), "isoformat"),
        (GOOD.replace(b"1700000040000", b'"9999-12-31T23:59:00-23:59"'), "1970 to 2200"),
        (GOOD.replace(b"1700000040000", b"1700000040000000"), "1970 to 2200"),
    ],
)
async def test_what_is_no_bar_is_refused_with_its_reason(payload: bytes, reason: str) -> None:
    refused = await heard(payload)
    assert isinstance(refused, FrameRefused)
    assert reason in refused.reason


async def test_an_instrument_that_nobody_wants_is_ignored_by_name() -> None:
    assert await heard(GOOD, "bars/mqtt/TIN") == FrameIgnored("mqtt", "instrument not asked for")


async def test_when_too_many_wait_the_oldest_go() -> None:
    source = feed(most=2)
    for minute in range(3):
        stamp = str(1_700_000_040_000 + 60_000 * minute).encode()
        await source.hear(Arrived("bars/mqtt/GOLD", GOOD.replace(b"1700000040000", stamp)))
    assert source.dropped == 1
    first = await anext(aiter(source.messages()))
    assert isinstance(first, BarClosed)
    assert first.minute == MINUTE + 1


async def test_bars_come_through_a_broker_whose_death_loses_the_feed(tmp_path: Path) -> None:
    source = feed()
    messages = aiter(source.messages())
    async with mosquitto(tmp_path) as server, asyncio.timeout(30):
        broker = Broker(Address("127.0.0.1", server.port), ("w", b""), b"", Random(1), source.link)
        source.listen_on(broker)
        running = asyncio.create_task(broker.run())
        async with aiomqtt.Client("127.0.0.1", server.port) as client:
            # Retained, so that it does not matter whether the subscription is there yet.
            await client.publish("bars/mqtt/GOLD", GOOD, 1, retain=True)
            assert isinstance(await anext(messages), BarClosed)
        server.kill()
        lost = await anext(messages)
        assert isinstance(lost, FeedLost)
        assert lost.instruments == ("mqtt:GOLD",)
        await server.start()
        assert isinstance(await anext(messages), FeedRestored)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert await source.history("mqtt:GOLD", 0, 10) == ()


async def test_other_instruments_are_brought_from_then_on_and_one_that_joins_a_lost_feed_is_lost() -> None:
    source = feed()
    source.link("no broker yet")
    source.regroup(["mqtt:TIN"])
    await source.hear(Arrived("bars/mqtt/GOLD", GOOD))
    await source.hear(Arrived("bars/mqtt/TIN", GOOD))
    messages = aiter(source.messages())
    told = [await anext(messages) for _ in range(4)]
    assert [type(one).__name__ for one in told] == ["FeedLost", "FeedLost", "FrameIgnored", "BarClosed"]
    assert isinstance(told[1], FeedLost)
    assert told[1].instruments == ("mqtt:TIN",)
