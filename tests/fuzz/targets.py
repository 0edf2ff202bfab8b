"""What must hold of a venue's parser and history reader, whatever bytes they are given."""

import json
import math
from random import Random
from typing import Any, Final

from adapters.exchanges.catalogue import VENUES
from adapters.exchanges.venue import HistoryRefusedError, InstrumentAlive, ReconnectAsked, SubscriptionRefused
from daemon.feed import BarClosed, FrameIgnored, FrameRefused, PriceSeen
from tests.adapters.exchanges.samples import OVER_S, SAMPLES, START_MS, SYMBOL

MAX_NAMES: Final = 64
"""A parser's names of what it ignores are counted for ever, so there may only be so many."""

STRANGE: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63 - 1, 2**63, 2**64, -(2**63), 1e308, 5e-324, 0.1, -0.0),
    *("", "0", "-1", "1", "1.5", "nan", "inf", "-inf", "Infinity", "1e999", "1e-400", "1_000", " 1", "1 "),
    *("٣", "\x00", "\ud800", "x" * 300, "9" * 400, "0." + "0" * 400 + "1", "true", "null"),
    *([], {}, [[]], [None], {"e": "kline"}, [[1, 2, 3]], ["1"] * 9),
    *(START_MS, START_MS + 1, START_MS * 1000, START_MS // 1000, str(START_MS), str(START_MS + 60_000)),
    *(
        "2023-11-14T22:13:00Z",
        "2023-11-14T22:13:00",
        "9999-12-31T23:59:59.999999999Z",
        "0001-01-01T00:00:00Z",
    ),
    *("2023-11-14T22:13:00+23:59", "2023-11-14T22:14:00.000000000Z", "2290-01-01T00:00:00Z"),
)


class Target:
    """One parser that lives as long as the run, so that growth shows."""

    def __init__(self, venue: str) -> None:
        self.venue = VENUES[venue]()
        self.symbol = SYMBOL[venue]
        self.parser = self.venue.parser([self.symbol, "OTHER"])
        self.samples = [json.loads(text) for text in SAMPLES[venue] if text != "pong"]
        self.names: set[str] = set()
        self.n_bars = self.n_frames = 0

    def give(self, data: bytes) -> None:
        """Parse and read the bytes as they are, and frames made from them."""
        for frame in data.split(b"\n"):
            self.frame(frame)
        self.history(data)
        chance = Random(data)
        made = self.made(chance)
        self.frame(made)
        self.history(made)

    def made(self, chance: Random) -> bytes:
        """Return a sample with up to three of its values replaced by strange ones, now and then cut short."""
        value = json.loads(json.dumps(chance.choice(self.samples)))
        for _ in range(chance.randrange(4)):
            value = replaced(value, chance)
        text = json.dumps(value, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")
        return text[: chance.randrange(len(text) + 1)] if chance.random() < 0.1 else text

    def frame(self, frame: bytes) -> None:
        """Hold the parser to its promises on one frame."""
        said = [*self.parser.parse(frame, OVER_S), *self.parser.due(OVER_S)]
        assert said, "nothing was said"
        self.n_frames += 1
        for message in said:
            match message:
                case BarClosed():
                    self.bar(message)
                case PriceSeen():
                    assert 0.0 < message.price < math.inf
                    assert message.minute >= 0
                case FrameRefused():
                    assert 0 < len(message.reason) <= 200
                    assert len(message.excerpt) <= 200
                case FrameIgnored():
                    self.names.add(message.name)
                    assert len(self.names) <= MAX_NAMES
                case SubscriptionRefused():
                    assert len(message.reason) <= 200
                case ReconnectAsked() | InstrumentAlive():
                    pass

    def history(self, body: bytes) -> None:
        """Hold the reader of histories to its promises on one answer."""
        try:
            page = self.venue.read_history(self.symbol, body)
        except HistoryRefusedError:
            return
        for bar in page.bars:
            self.bar(bar)
        assert [bar.minute for bar in page.bars] == sorted(bar.minute for bar in page.bars)

    def bar(self, bar: BarClosed) -> None:
        """Hold a bar to what holds of every bar."""
        self.n_bars += 1
        assert bar.problem() is None
        assert isinstance(bar.minute, int)
        assert bar.instrument.startswith(f"{self.venue.name}:")

    def held(self) -> int:
        """Return how many values the parser holds, in whatever it holds them."""
        return _count(vars(self.parser))


def replaced(value: Any, chance: Random) -> Any:
    """Return a JSON value with one value somewhere in it replaced, taken out or doubled."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(sorted(value))
        if chance.random() < 0.1:
            return {k: v for k, v in value.items() if k != key}
        return {**value, key: replaced(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.9:
        at = chance.randrange(len(value))
        if chance.random() < 0.1:
            return value[:at] + value[at:] * 2
        return [*value[:at], replaced(value[at], chance), *value[at + 1 :]]
    return chance.choice(STRANGE)


def _count(value: object) -> int:
    if isinstance(value, dict):
        return len(value) + sum(_count(inner) for inner in value.values())
    if isinstance(value, (list, tuple, set)):
        return len(value) + sum(_count(inner) for inner in value)
    if hasattr(value, "__dict__"):
        return 1 + _count(vars(value))
    return 1
