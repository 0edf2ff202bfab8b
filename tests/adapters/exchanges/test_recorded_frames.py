"""Every recorded frame of our venues is read or ignored by name; none raises, none is dropped unsaid."""

from collections import Counter

import pytest

from adapters.exchanges.catalogue import VENUES
from adapters.exchanges.venue import InstrumentAlive, ReconnectAsked, SubscriptionRefused
from daemon.feed import BarClosed, FrameIgnored, FrameRefused, PriceSeen
from tests.adapters.exchanges.recordings import LONG_AFTER, lines_of, symbols_in
from tests.conftest import REPOSITORY, skip_or_fail

FRAMES = REPOSITORY.parent / "shared" / "frames"
FILES = sorted(
    str(path.relative_to(FRAMES))
    for venue in VENUES
    for path in (FRAMES / venue).glob("*.jsonl")
    if not path.name.startswith("rest_")  # test_recorded_history.py reads those
)

SEVEN_FIELDS = "refused: a candle of 7 fields instead of 9 does not say whether it is final"
REFUSED = {"okx/candles_msgparser.jsonl": {SEVEN_FIELDS: 6}, "okx/msgparser_all.jsonl": {SEVEN_FIELDS: 6}}
"""What of the recordings is refused, and why: nothing else may be."""

READ = {
    "binance/candles_tr.jsonl": {"bar": 4, "price": 4},
    "binance/candles_um_TESTNET_2026-07-26.jsonl": {"bar": 1, "price": 1},
    "bybit/candles_v5_2024-06-29.jsonl": {"bar": 0, "price": 1},
    "coinbase/session_pro_legacy_2021-04.jsonl": {"bar": 0, "price": 97, "InstrumentAlive": 10},
    "kraken/candles_v2_captured_2026-09-10_BTC-USDT.jsonl": {"bar": 8, "price": 9, "SubscriptionRefused": 1},
    "okx/session_okcoin_v5_candle1m.jsonl": {"bar": 4, "price": 8},
}
"""What some of them say about bars: no parser may lose it by ignoring more."""


def outcomes(file: str) -> Counter[str]:
    """How often each thing was said about the frames of a file."""
    frames = lines_of(FRAMES / file)
    venue = VENUES[file.partition("/")[0]]()
    parser = venue.parser(symbols_in(frames))
    counts: Counter[str] = Counter()
    for frame in frames:
        said = parser.parse(frame, LONG_AFTER)
        assert said, f"nothing was said about {frame[:200]!r}"
        for message in said:
            match message:
                case BarClosed():
                    assert message.problem() is None
                    counts["bar"] += 1
                case PriceSeen():
                    counts["price"] += 1
                case FrameIgnored():
                    counts[f"ignored: {message.name}"] += 1
                case FrameRefused():
                    assert message.reason
                    assert len(message.excerpt) <= 200
                    counts[f"refused: {message.reason}"] += 1
                case SubscriptionRefused() | ReconnectAsked() | InstrumentAlive():
                    counts[type(message).__name__] += 1
    return counts


def test_the_recordings_are_there() -> None:
    if not FILES:
        skip_or_fail(f"recorded frames are not at {FRAMES}: tests of parsers need them")


@pytest.mark.parametrize("file", FILES)
def test_every_recorded_frame_is_read_or_known_by_name(file: str) -> None:
    counts = outcomes(file)
    refused = {said: n for said, n in counts.items() if said.startswith("refused")}
    assert refused == REFUSED.get(file, {})
    expected = READ.get(file, {})
    assert {said: counts[said] for said in expected} == expected
