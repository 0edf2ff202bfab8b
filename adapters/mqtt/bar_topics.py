"""Bars that come by topic: a feed for whoever has bars of their own.

A final bar of `venue:SYMBOL` is published on `<root>/<venue>/<SYMBOL>` (`messages.BarCame`). A bar that
cannot be one is refused by name. There is no history: minutes that were missed stay gaps.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from adapters.mqtt.broker import Arrived, Broker
from adapters.mqtt.messages import BarCame
from daemon.events import MINUTE_MS, FeedLost, FeedRestored
from daemon.feed import BarClosed, FeedMessage, FrameIgnored, FrameRefused

_END_MS: Final = 7_258_118_400_000
"""2200-01-01."""

_BAR: Final = msgspec.json.Decoder(BarCame)
_EXCERPT: Final = 200


class MqttFeed:
    """Implements `ports.Feed`.

    Args:
        name: Of the venue.
        instruments: `venue:SYMBOL`, those that are wanted.
        root: Topic under which bars come.
        most: Messages that wait; when there are more, the oldest are dropped and counted.

    Attributes:
        dropped: How many were.
    """

    def __init__(self, name: str, instruments: Sequence[str], root: str, most: int = 10_000) -> None:
        self.dropped = 0
        self._name = name
        self._wanted = frozenset(instruments)
        self._root = root
        self._messages: asyncio.Queue[FeedMessage] = asyncio.Queue(most)
        self._lost = False

    @property
    def name(self) -> str:
        """Names it in events, metrics and logs."""
        return self._name

    def listen_on(self, broker: Broker) -> None:
        """Take bars from this broker; call it before the broker runs."""
        broker.listen(f"{self._root}/{self._name}/+", self.hear)

    def link(self, gone: str | None) -> None:
        """Hear of the broker's connection (`broker.Told`): without it the feed is lost."""
        names = tuple(sorted(self._wanted))
        if gone is None and self._lost:
            self._lost = False
            self._offer(FeedRestored(feed=self._name, instruments=names))
        elif gone is not None and not self._lost:
            self._lost = True
            self._offer(FeedLost(feed=self._name, instruments=names, reason=gone))

    async def hear(self, arrived: Arrived) -> None:
        """Take a message."""
        instrument = f"{self._name}:{arrived.topic.rpartition('/')[2]}"
        self._offer(self._read(instrument, arrived.payload))

    def _read(self, instrument: str, payload: bytes) -> FeedMessage:
        if instrument not in self._wanted:
            return FrameIgnored(self._name, "instrument not asked for")
        try:
            came = _BAR.decode(payload)
            bar = BarClosed(
                instrument,
                _minute(came.time),
                came.open,
                came.high,
                came.low,
                came.close,
                came.volume,
                math.nan if came.taker_volume is None else came.taker_volume,
            )
            problem = bar.problem()
        except (msgspec.DecodeError, ValueError, OverflowError) as error:
            problem = str(error)
        if problem is not None:
            return FrameRefused(self._name, problem, payload[:_EXCERPT].decode(errors="replace"))
        return bar

    def _offer(self, message: FeedMessage) -> None:
        if self._messages.full():
            self._messages.get_nowait()
            self.dropped += 1
        self._messages.put_nowait(message)

    def regroup(self, instruments: Sequence[str]) -> None:
        """Bring these instruments from now on instead (`Feed.regroup`)."""
        self._wanted = frozenset(instruments)
        if self._lost and self._wanted:
            self._offer(
                FeedLost(feed=self._name, instruments=tuple(sorted(self._wanted)), reason="no broker")
            )

    async def messages(self) -> AsyncIterator[FeedMessage]:
        """Yield what comes, for ever."""
        while True:
            yield await self._messages.get()

    async def history(self, instrument: str, first_minute: int, last_minute: int) -> Sequence[BarClosed]:
        """Return nothing: topics have no past."""
        del instrument, first_minute, last_minute
        return ()


def _minute(time: int | str) -> int:
    """Return the epoch minute of a bar's open.

    Raises:
        ValueError: It is no whole minute, or not a time at all.
    """
    if isinstance(time, str):
        moment = datetime.fromisoformat(time)
        time = round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    if not 0 <= time < _END_MS:
        raise ValueError(f"{time} ms lies outside the years 1970 to 2200: is it in milliseconds?")
    minute, rest = divmod(time, MINUTE_MS)
    if rest:
        raise ValueError(f"{time} ms is no whole minute")
    return minute
