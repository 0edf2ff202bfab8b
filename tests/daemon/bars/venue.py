"""A venue for tests of the sequencer: its true bars, a stream that misbehaves, a history that answers."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from math import nan

import numpy as np

from daemon.bars.asking import Answer, Ask
from daemon.bars.drained import Drained
from daemon.bars.lane import LaneStart
from daemon.bars.sequencer import Sequencer
from daemon.diagnostics import StoredBar
from daemon.events import MINUTE_MS, Backfill, FeedLost, FeedRestored, Instrument, Minutes
from daemon.feed import BarClosed, FeedMessage
from daemon.settings import Settings

FIRST = 28_400_000
FEED = "binance"
CLOSED = Instrument("binance:XUSDT", "USDT", Decimal("0.01"), Decimal("0.001"), "XNYS")

Cell = tuple[int, str]
Value = tuple[float, bool, bool]


def names(n: int) -> tuple[str, ...]:
    return tuple(f"binance:C{at}USDT" for at in range(n))


def instruments(n: int) -> tuple[Instrument, ...]:
    return tuple(Instrument(name, "USDT", Decimal("0.01"), Decimal("0.001")) for name in names(n))


def bar(name: str, minute: int, price: float | None = None, volume: float = 1.0) -> BarClosed:
    close = 100.0 + minute % 50 if price is None else price
    return BarClosed(name, minute, close, close + 1, close - 1, close, volume, nan)


def end_ms(minute: int) -> int:
    return (minute + 1) * MINUTE_MS


class Venue:
    """Drives a sequencer and writes down what comes out.

    Args:
        truth: The venue's bars: what its history says.
        n: Instruments.
        rules: Settings of the section `sealing`.
    """

    def __init__(
        self,
        truth: Iterable[BarClosed] = (),
        n: int = 2,
        rules: Mapping[str, object] | None = None,
        *,
        first: int = FIRST,
        now_ms: int | None = None,
        starts: Mapping[str, LaneStart] | None = None,
        lost: Mapping[str, Sequence[str]] | None = None,
        universe: Sequence[Instrument] | None = None,
        universe_rules: Mapping[str, object] | None = None,
    ) -> None:
        settings = Settings.model_validate({"sealing": rules or {}, "universe": universe_rules or {}})
        self.truth = {(bar.minute, bar.instrument): bar for bar in truth}
        self.names = [one.name for one in universe or instruments(n)]
        self.sequencer = Sequencer(
            settings,
            universe or instruments(n),
            {FEED: self.names},
            first,
            first * MINUTE_MS if now_ms is None else now_ms,
            starts=starts,
            lost=lost,
        )
        self.answers = True
        self.fails = False
        self.begins = 0
        self.asks: list[Ask] = []
        self.open_asks: list[Ask] = []
        self.minutes: list[Minutes] = []
        self.inputs: list[object] = []
        self.stored: list[StoredBar] = []
        self.rows: dict[Cell, Value] = {}
        self.arrivals: dict[Cell, int] = {}

    def say(self, message: FeedMessage, at_ms: int) -> None:
        self.sequencer.take(FEED, message, at_ms)
        self.pass_to(at_ms)

    def pass_to(self, now_ms: int) -> None:
        self.sequencer.advance(now_ms)
        self._collect(self.sequencer.drain(), now_ms)

    def run_to(self, now_ms: int, start_ms: int | None = None) -> None:
        """Let time pass tick by tick."""
        while (at := self.sequencer.wake_ms) < now_ms:
            self.pass_to(at)
        self.pass_to(now_ms)

    def answer(self, ask: Ask, now_ms: int) -> None:
        if self.fails:
            self.sequencer.answer(Answer(ask, failure="down"), now_ms)
        elif ask.first_minute < self.begins:
            self.sequencer.answer(Answer(ask, begins=self.begins), now_ms)
        else:
            self.sequencer.answer(Answer(ask, self.history(ask)), now_ms)
        self.pass_to(now_ms)

    def history(self, ask: Ask) -> list[BarClosed]:
        span = range(ask.first_minute, ask.last_minute + 1)
        return [
            self.truth[minute, ask.instrument] for minute in span if (minute, ask.instrument) in self.truth
        ]

    def _collect(self, drained: Drained, now_ms: int) -> None:
        for item in drained.inputs:
            self.inputs.append(item)
            if isinstance(item, Minutes):
                self.minutes.append(item)
                for column in np.flatnonzero(item.present[0]).tolist():
                    value = float(item.close[0, column])
                    self._note(
                        (int(item.minute[0]), self.names[column]),
                        (value, bool(item.synthetic[0, column]), False),
                    )
            elif isinstance(item, Backfill):
                for row in item.bars:
                    self._note((row[0], item.instrument), (row[4], row[7], True))
        self.stored += drained.diagnostics.bars
        self.arrivals |= {
            (one.minute, one.instrument): one.received_ms for one in drained.diagnostics.arrivals
        }
        self.asks += drained.asks
        if self.answers:
            for ask in drained.asks:
                self.answer(ask, now_ms)
        else:
            self.open_asks += drained.asks

    def _note(self, cell: Cell, value: Value) -> None:
        assert cell not in self.rows, f"{cell} twice"
        newer = [minute for minute, name in self.rows if name == cell[1] and minute > cell[0]]
        assert not newer, f"{cell} after {newer}"
        self.rows[cell] = value

    @property
    def sealed(self) -> list[int]:
        return [int(minutes.minute[0]) for minutes in self.minutes]

    @property
    def catch_up(self) -> list[int]:
        return [int(minutes.minute[0]) for minutes in self.minutes if minutes.catch_up[0]]

    @property
    def told(self) -> list[FeedLost | FeedRestored]:
        return [item for item in self.inputs if isinstance(item, FeedLost | FeedRestored)]
