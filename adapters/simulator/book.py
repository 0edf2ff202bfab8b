"""The bars a simulated exchange has: those of a recording or of a generated market, looked up by minute."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from adapters.simulator.wire import Candle
from daemon.events import Instrument, Minutes
from daemon.ports import BarSource

_BLOCK_MINUTES: Final = 240
_BLOCKS_KEPT: Final = 24
"""Four days: what a stream and the usual questions about history need."""


class Book:
    """Candles by symbol and minute, read in blocks from their source; only the newest few blocks are kept.

    Args:
        source: Where the bars come from. A synthetic bar of it is a minute without a trade, which Binance has
            a candle for; a minute without a bar is one that the exchange does not have.
    """

    def __init__(self, source: BarSource) -> None:
        self._source = source
        self.instruments: tuple[Instrument, ...] = source.instruments
        self.symbols = tuple(instrument.name.partition(":")[2] for instrument in source.instruments)
        self._column = {symbol: column for column, symbol in enumerate(self.symbols)}
        self._absent: set[tuple[str, int]] = set()
        self._block = lru_cache(_BLOCKS_KEPT)(self._read)

    @property
    def first_minute(self) -> int:
        """Epoch minute of the first bar."""
        return self._source.first_minute

    @property
    def last_minute(self) -> int:
        """Epoch minute of the last bar."""
        return self._source.last_minute

    def forget(self, symbol: str, minute: int) -> None:
        """Never have had this bar: neither the stream nor history has it from now on."""
        self._absent.add((symbol, minute))

    def candle(self, symbol: str, minute: int) -> Candle | None:
        """Return a whole minute of a symbol; None where the exchange has none."""
        column = self._column.get(symbol)
        if column is None or (symbol, minute) in self._absent:
            return None
        rows, at = self._block(minute // _BLOCK_MINUTES).get(minute, (None, 0))
        if rows is None or not rows.present[at, column]:
            return None
        taker = float(rows.taker[at, column])
        volume = float(rows.volume[at, column])
        return Candle(
            symbol=symbol,
            minute=minute,
            open=float(rows.open[at, column]),
            high=float(rows.high[at, column]),
            low=float(rows.low[at, column]),
            close=float(rows.close[at, column]),
            volume=volume,
            taker=taker if taker == taker else volume / 2.0,  # noqa: PLR0124 - not NaN: the source says it
            final=True,
        )

    def candles(self, symbol: str, first_minute: int, last_minute: int, limit: int) -> Iterator[Candle]:
        """Yield at most `limit` candles of [first_minute, last_minute], oldest first."""
        minute, left = max(first_minute, self.first_minute), limit
        while minute <= min(last_minute, self.last_minute) and left:
            candle = self.candle(symbol, minute)
            minute += 1
            if candle is not None:
                left -= 1
                yield candle

    def _read(self, block: int) -> dict[int, tuple[Minutes, int]]:
        first = block * _BLOCK_MINUTES
        rows: dict[int, tuple[Minutes, int]] = {}
        for part in self._source.blocks(first, first + _BLOCK_MINUTES - 1, _BLOCK_MINUTES):
            rows |= {minute: (part, at) for at, minute in enumerate(part.minute.tolist())}
        return rows


def forming(candle: Candle, share: float) -> Candle:
    """Return a candle as it stood when `share` of its minute had passed (0 to 1): on its way to the whole.

    The price goes straight from open to close; the extremes are reached at the end. (True paths cross them
    earlier; nothing here depends on it.)
    """
    price = candle.open if share <= 0.0 else candle.open + share * (candle.close - candle.open)
    return Candle(
        symbol=candle.symbol,
        minute=candle.minute,
        open=candle.open,
        high=max(candle.open, price),
        low=min(candle.open, price),
        close=price,
        volume=candle.volume * share,
        taker=candle.taker * share,
        final=False,
    )
