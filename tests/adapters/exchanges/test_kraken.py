"""Kraken marks no bar as final: the next row or Kraken's own clock closes it."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from adapters.exchanges.kraken import Kraken, KrakenParser
from adapters.exchanges.venue import Said
from daemon.feed import BarClosed, FrameIgnored, FrameRefused, PriceSeen
from tests.adapters.exchanges.samples import MINUTE, kraken

NAME = "kraken:BTC/USD"


def at(time: str) -> float:
    """Seconds since 1970 of a time of 2023-11-14."""
    return datetime.fromisoformat(f"2023-11-14T{time}+00:00").timestamp()


@pytest.fixture
def parser() -> KrakenParser:
    return Kraken().parser(["BTC/USD"])


def give(
    parser: KrakenParser, minute: str, sent: str, close: float = 37001.0, ahead_s: float = 0.0
) -> list[Said]:
    frame = kraken(minute, sent).replace('"close":37001.0', f'"close":{close}')
    return parser.parse(frame.encode(), at(sent) + 0.2 + ahead_s)


def closed(said: list[Said]) -> list[tuple[int, float]]:
    return [(m.minute - MINUTE, m.close) for m in said if isinstance(m, BarClosed)]


def test_a_later_interval_closes_the_bar_with_its_last_state(parser: KrakenParser) -> None:
    assert give(parser, "22:13:00", "22:13:05") == [PriceSeen(NAME, MINUTE, 37001.0)]
    assert closed(give(parser, "22:13:00", "22:13:50", close=37002.0)) == []
    said = give(parser, "22:14:00", "22:14:01")
    assert closed(said) == [(0, 37002.0)]
    assert said[1] == PriceSeen(NAME, MINUTE + 1, 37001.0)


def test_krakens_clock_closes_the_bar_of_a_pair_that_nobody_trades_any_more(parser: KrakenParser) -> None:
    give(parser, "22:13:00", "22:13:05")
    assert closed(parser.due(at("22:14:02"))) == []
    assert closed(parser.due(at("22:14:04"))) == [(0, 37001.0)]
    assert parser.due(at("22:14:10")) == []
    assert closed(give(parser, "22:16:00", "22:16:01")) == [], "given out once"


@pytest.mark.parametrize("ahead_s", [-3600.0, 3600.0])
def test_a_wrong_clock_here_closes_no_bar_early_or_late(parser: KrakenParser, ahead_s: float) -> None:
    if ahead_s < 0:
        said = give(parser, "22:13:00", "22:13:05", ahead_s=ahead_s)
        assert isinstance(said[0], FrameRefused), "so wrong a clock is said"
        return
    give(parser, "22:13:00", "22:13:05", ahead_s=ahead_s)
    assert closed(parser.due(at("22:14:02") + ahead_s)) == []
    assert closed(parser.due(at("22:14:04") + ahead_s)) == [(0, 37001.0)]


def test_a_row_that_comes_after_its_bar_was_closed_is_a_revision(parser: KrakenParser) -> None:
    give(parser, "22:13:00", "22:13:05")
    parser.due(at("22:14:04"))
    assert closed(give(parser, "22:13:00", "22:14:05", close=37002.0)) == [(0, 37002.0)]
    assert give(parser, "22:13:00", "22:14:06", close=37002.0) == [
        FrameIgnored("kraken", "ohlc row known already")
    ]


def test_the_snapshot_after_a_reconnect_fills_the_hole_and_repeats_nothing(parser: KrakenParser) -> None:
    give(parser, "22:12:00", "22:12:05")
    give(parser, "22:13:00", "22:13:05")
    one = '{"symbol":"BTC/USD"'
    frames = [
        kraken(minute, "22:16:30", "snapshot") for minute in ("22:12:00", "22:13:00", "22:15:00", "22:16:00")
    ]
    rows = [frame[frame.index(one) : -2] for frame in frames]
    snapshot = frames[0].replace(rows[0], ",".join(rows))
    said = parser.parse(snapshot.encode(), at("22:16:31"))
    assert closed(said) == [(0, 37001.0), (2, 37001.0)]
    assert PriceSeen(NAME, MINUTE + 3, 37001.0) in said


def test_a_row_that_the_stream_missed_is_still_taken_when_a_later_one_forms(parser: KrakenParser) -> None:
    give(parser, "22:12:00", "22:12:05")
    give(parser, "22:15:00", "22:15:05")
    assert closed(give(parser, "22:13:00", "22:15:06")) == [(0, 37001.0)]


@pytest.mark.parametrize(
    ("minute", "sent", "reason"),
    [
        ("22:14:00", "22:13:59", "begins after the frame was sent"),
        ("22:13:30", "22:13:59", "is not where a minute begins"),
    ],
)
def test_a_row_of_a_minute_that_cannot_be_is_refused(
    parser: KrakenParser, minute: str, sent: str, reason: str
) -> None:
    (refusal,) = give(parser, minute, sent)
    assert isinstance(refusal, FrameRefused)
    assert reason in refusal.reason


def test_a_frame_from_the_future_is_refused_and_closes_nothing(parser: KrakenParser) -> None:
    give(parser, "22:13:00", "22:13:05")
    frame = kraken("22:13:00", "22:13:05").replace("2023-11-14", "2090-01-01")
    (refusal,) = parser.parse(frame.encode(), at("22:13:06"))
    assert isinstance(refusal, FrameRefused)
    assert closed(give(parser, "22:14:00", "22:14:01")) == [(0, 37001.0)]


def test_real_bars_come_out_as_they_went_in_and_no_minute_is_invented(
    parser: KrakenParser, shared_data: Path
) -> None:
    bars = pl.read_parquet(shared_data / "kraken_btcusdc_2023-01_2023-03.parquet").head(1_000)
    out: list[BarClosed] = []
    for time, o, h, low, c, v in bars.select("time", "open", "high", "low", "close", "volume").iter_rows():
        begin = time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M")
        for high, lowest, last, volume in ((o, o, o, v / 2), (h, low, c, v)):
            frame = (
                f'{{"channel":"ohlc","type":"update","timestamp":"{begin}:30Z","data":[{{"symbol":"BTC/USD",'
                f'"open":{o!r},"high":{high!r},"low":{lowest!r},"close":{last!r},"volume":{volume!r},'
                f'"interval_begin":"{begin}:00Z","interval":1}}]}}'
            )
            out += [
                m for m in parser.parse(frame.encode(), time.timestamp() + 30) if isinstance(m, BarClosed)
            ]
    expected = list(
        bars.head(999)
        .select(pl.col("time").dt.epoch("s") // 60, "open", "high", "low", "close", "volume")
        .iter_rows()
    )
    assert [(b.minute, b.open, b.high, b.low, b.close, b.volume) for b in out] == expected
