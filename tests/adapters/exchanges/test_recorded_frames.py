"""Every recorded frame of our venues is read or ignored by name; none raises, none is dropped without a word."""

from collections import Counter
from pathlib import Path

import pytest

from adapters.exchanges.venue import InstrumentAlive, ReconnectAsked, SubscriptionRefused
from daemon.feed import BarClosed, FrameIgnored, FrameRefused, PriceSeen
from tests.adapters.exchanges.parsers import LONG_AFTER, VENUES, lines_of, symbols_in
from tests.conftest import REPOSITORY, skip_or_fail

FRAMES = REPOSITORY.parent / "shared" / "frames"
FILES = sorted(
    str(path.relative_to(FRAMES)) for venue in VENUES for path in (FRAMES / venue).glob("*.jsonl")
)

REFUSED = {
    "binance/rest_errors_gct_WRAPPED.jsonl": {"an unknown event ''": 4},
    "binance/rest_klines_gct_WRAPPED.jsonl": {"an unknown event ''": 29},
}
"""What of the recordings is refused, and why: nothing else may be."""


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


@pytest.mark.skipif(bool(FILES), reason="the recordings are there")
def test_the_recordings_are_there() -> None:
    skip_or_fail(f"recorded frames are not at {FRAMES}: tests of parsers need them")


@pytest.mark.parametrize("file", FILES)
def test_every_recorded_frame_is_read_or_known_by_name(file: str) -> None:
    print(dict(outcomes(file)))
