"""An exchange of many instruments in a process of its own: `python -m tests.bench.wire_exchange ...`."""

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from adapters.simulator.book import Book
from adapters.simulator.exchange import SimulatedExchange
from adapters.simulator.pace import Pace
from daemon.events import MINUTE_MS, Instrument, Minutes
from tests.bench.live import WideMarket


@dataclass(frozen=True)
class WideSource:
    """The bars of a wide market by their minutes; implements `ports.BarSource`."""

    market: WideMarket
    n_minutes: int
    fingerprint: str = ""

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """The instruments."""
        return self.market.instruments

    @property
    def first_minute(self) -> int:
        """Epoch minute of the first bar."""
        return int(self.market.block(0, 1).minute[0])

    @property
    def last_minute(self) -> int:
        """Epoch minute of the last bar."""
        return self.first_minute + self.n_minutes - 1

    def blocks(self, first_minute: int, last_minute: int, max_minutes: int) -> Iterator[Minutes]:
        """Yield the minutes of [first_minute, last_minute]."""
        start, end = max(first_minute - self.first_minute, 0), last_minute - self.first_minute + 1
        for at in range(start, min(end, self.n_minutes), max_minutes):
            yield self.market.block(at, min(at + max_minutes, end, self.n_minutes))


async def main(n_instruments: int, n_minutes: int, first: int, speed: float) -> None:
    """Serve; time passes from minute `first` of the market on, once somebody wants a stream."""
    source = WideSource(WideMarket(n_instruments, n_minutes), n_minutes)
    pace = Pace((source.first_minute + first) * MINUTE_MS, speed)
    # Forming bars every two real seconds, as Binance sends them, are less than one a minute at this speed.
    exchange = SimulatedExchange(Book(source), pace, forming_every_s=0.0)
    async with exchange.serving() as port:
        print(port, flush=True)
        while not exchange.asked:  # noqa: ASYNC110 - a count, in a process that only waits
            await asyncio.sleep(0.01)
        await exchange.run()


if __name__ == "__main__":
    wide, long, after = (int(word) for word in sys.argv[1:4])
    asyncio.run(main(wide, long, after, float(sys.argv[4])))
