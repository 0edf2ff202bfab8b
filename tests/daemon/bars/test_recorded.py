"""Bar files as one source, through the adapter that reads them."""

import subprocess
import sys
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from daemon.commands._bars import open_bars
from daemon.errors import BarsError
from daemon.events import Minutes
from daemon.settings import Settings

START = datetime(2025, 1, 6, tzinfo=UTC)
FIRST = int(START.timestamp()) // 60
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")


def frame(
    n_minutes: int = 300, *, seed: int = 1, share: float = 0.7, symbols: tuple[str, ...] = SYMBOLS
) -> pl.DataFrame:
    """Bars of a random walk in which every minute is there with probability `share`."""
    generator = np.random.default_rng(seed)
    parts = []
    for symbol in symbols:
        there = np.flatnonzero(generator.random(n_minutes) < share)
        close = np.round(100.0 * np.exp(np.cumsum(generator.normal(0, 1e-3, len(there)))), 2)
        parts.append(
            pl.DataFrame(
                {
                    "time": [START + timedelta(minutes=int(minute)) for minute in there],
                    "symbol": symbol,
                    "open": close,
                    "high": close + 0.05,
                    "low": close - 0.05,
                    "close": close,
                    "volume": generator.integers(1, 1000, len(there)) / 10.0,
                },
                schema_overrides={"time": pl.Datetime("us", "UTC")},
            )
        )
    return pl.concat(parts).sort("time", "symbol")


def settings(**sections: Any) -> Settings:
    return Settings.model_validate(sections)


def columns(minutes: Minutes) -> list[Any]:
    names = ("minute", "open", "high", "low", "close", "volume", "taker", "present", "synthetic", "catch_up")
    return [getattr(minutes, name) for name in names]


def same(left: Minutes, right: Minutes) -> bool:
    return all(
        np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        for a, b in zip(columns(left), columns(right), strict=True)
    )


def whole(
    paths: list[Path], *, max_minutes: int = 100_000, first: int = 0, last: int = 1 << 40, **sections: Any
) -> Minutes:
    source = open_bars(paths, settings(**sections))
    return Minutes.concat(list(source.blocks(first, last, max_minutes)))


@pytest.fixture
def one_file(tmp_path: Path) -> Path:
    path = tmp_path / "bars.parquet"
    frame().write_parquet(path)
    return path


def test_a_source_says_what_it_holds(one_file: Path) -> None:
    source = open_bars([one_file], settings())
    assert [instrument.name for instrument in source.instruments] == [
        f"binance:{symbol}" for symbol in SYMBOLS
    ]
    assert source.first_minute == FIRST
    assert source.last_minute == FIRST + 299


@pytest.mark.parametrize("max_minutes", [1, 2, 17, 299, 300])
@pytest.mark.parametrize("longest", [0, 2, 30])
def test_blocks_of_any_size_hold_the_same_minutes(one_file: Path, max_minutes: int, longest: int) -> None:
    bars = {"max_synthetic_minutes": longest}
    blocks = list(open_bars([one_file], settings(bars=bars)).blocks(0, 1 << 40, max_minutes))
    assert {len(block) for block in blocks[:-1]} <= {max_minutes}
    assert same(Minutes.concat(blocks), whole([one_file], bars=bars))


@pytest.mark.parametrize(("first", "last"), [(40, 90), (1, 1), (0, 298), (250, 1000)])
def test_a_part_of_the_range_is_that_part_of_the_whole(one_file: Path, first: int, last: int) -> None:
    part = whole([one_file], first=FIRST + first, last=FIRST + last, max_minutes=7)
    assert same(part, whole([one_file])[first : last + 1])


def test_a_range_outside_the_files_is_empty(one_file: Path) -> None:
    source = open_bars([one_file], settings())
    assert list(source.blocks(FIRST + 300, FIRST + 400, 10)) == []


def test_every_bar_of_the_file_stands_in_its_minute(one_file: Path) -> None:
    sealed = whole([one_file])
    real = sealed.present & ~sealed.synthetic
    at, who = np.nonzero(real)
    rows = frame()
    assert (rows["time"].dt.epoch("s") // 60).to_list() == sealed.minute[at].tolist()
    assert rows["symbol"].to_list() == [SYMBOLS[position] for position in who]
    for name in ("open", "high", "low", "close", "volume"):
        assert rows[name].to_list() == getattr(sealed, name)[at, who].tolist()


def test_several_files_are_merged_whatever_their_order(tmp_path: Path) -> None:
    rows = frame()
    cut = START + timedelta(minutes=120)
    pieces = {
        "early": rows.filter(pl.col("time") < cut),
        "late_btc": rows.filter(pl.col("time") >= cut, pl.col("symbol") == "BTCUSDT"),
        "late_rest": rows.filter(pl.col("time") >= cut, pl.col("symbol") != "BTCUSDT"),
    }
    paths = [tmp_path / f"{name}.parquet" for name in pieces]
    for path, piece in zip(paths, pieces.values(), strict=True):
        piece.write_parquet(path)
    single = tmp_path / "single.parquet"
    rows.write_parquet(single)
    for order in (paths, paths[::-1]):
        assert same(whole(order, max_minutes=50), whole([single]))
    forwards, backwards = (open_bars(order, settings()).fingerprint for order in (paths, paths[::-1]))
    assert forwards == backwards != open_bars([single], settings()).fingerprint


def test_a_file_that_is_not_in_order_of_time_is_read_as_if_it_were(tmp_path: Path, one_file: Path) -> None:
    by_symbol = tmp_path / "by_symbol.parquet"
    frame().sort("symbol", "time").write_parquet(by_symbol)
    assert same(whole([by_symbol], max_minutes=50), whole([one_file]))


def test_chosen_instruments_are_read_without_looking_at_the_others(tmp_path: Path) -> None:
    path = tmp_path / "bars.parquet"
    bad = frame().with_columns(close=pl.when(pl.col("symbol") == "ETHUSDT").then(-1.0).otherwise("close"))
    bad.write_parquet(path)
    chosen = {"instruments": ["binance:SOLUSDT", "BTCUSDT"]}
    sealed = whole([path], universe=chosen)
    assert sealed.n_instruments == 2
    with pytest.raises(BarsError, match="close is not positive"):
        whole([path])


def test_an_instrument_that_no_file_holds_is_named(one_file: Path) -> None:
    with pytest.raises(BarsError, match=r"binance:DOGEUSDT, which.*They hold binance:BTCUSDT"):
        open_bars([one_file], settings(universe={"instruments": ["DOGEUSDT", "BTCUSDT"]}))


def test_another_quote_currency_is_refused_by_name(one_file: Path) -> None:
    with pytest.raises(BarsError, match=r"run.quote: USD.*binance:BTCUSDT \(USDT\)"):
        open_bars([one_file], settings(run={"quote": "USD"}))


def test_a_bar_in_two_files_is_refused_with_both_names(tmp_path: Path, one_file: Path) -> None:
    other = tmp_path / "other.parquet"
    frame()[100:101].write_parquet(other)
    with pytest.raises(BarsError, match=r"once in .*bars.parquet, once in .*other.parquet.*row 101 .*row 1 "):
        whole([one_file, other])


def test_a_bar_twice_in_a_file_is_refused_with_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "twice.parquet"
    rows = frame()
    pl.concat([rows[:50], rows[49:]]).write_parquet(path)
    with pytest.raises(BarsError, match=r"same bar \(in .*twice.parquet\): row 50 .*row 51 "):
        whole([path])


def test_a_bad_row_is_named_with_file_row_instrument_and_time(tmp_path: Path) -> None:
    path = tmp_path / "bad.parquet"
    rows = (
        frame().with_row_index().with_columns(high=pl.when(pl.col("index") == 10).then(1.0).otherwise("high"))
    )
    rows.write_parquet(path)
    who, when = frame()["symbol"][10], frame()["time"][10].strftime("%Y-%m-%dT%H:%M")
    with pytest.raises(BarsError, match=rf"bad.parquet .*row 11 \(binance:{who}, {when}Z\): high is below"):
        whole([path])


@pytest.mark.parametrize("shift_ms", [60_000, 59_999, 59_500])
def test_bars_stamped_with_their_end_are_read_as_if_stamped_with_their_open(
    tmp_path: Path, one_file: Path, shift_ms: int
) -> None:
    path = tmp_path / "closing.parquet"
    frame().with_columns(pl.col("time") + pl.duration(milliseconds=shift_ms)).write_parquet(path)
    source = open_bars([path], settings(bars={"stamped": "close"}))
    assert (source.first_minute, source.last_minute) == (FIRST, FIRST + 299)
    assert same(whole([path], bars={"stamped": "close"}, max_minutes=9), whole([one_file]))
    first, last = FIRST + 20, FIRST + 30
    part = whole([path], bars={"stamped": "close"}, first=first, last=last)
    assert same(part, whole([one_file], first=first, last=last))


def test_a_time_off_the_minute_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "off.parquet"
    frame().with_columns(pl.col("time") + pl.duration(seconds=3)).write_parquet(path)
    with pytest.raises(BarsError, match=r"row 1: the time is 3 s past the minute"):
        whole([path])


@pytest.mark.parametrize("stamped", ["open", "close"])
def test_a_missing_time_or_symbol_is_refused(tmp_path: Path, stamped: str) -> None:
    path = tmp_path / "holes.parquet"
    rows = frame().with_row_index()
    rows.with_columns(time=pl.when(pl.col("index") != 7).then("time")).write_parquet(path)
    with pytest.raises(BarsError, match=r"row 8: the time is missing"):
        whole([path], bars={"stamped": stamped})
    rows.with_columns(symbol=pl.when(pl.col("index") != 7).then("symbol")).write_parquet(path)
    with pytest.raises(BarsError, match=r"row 8 has no symbol"):
        whole([path])


def test_files_without_a_bar_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.parquet"
    frame().clear().write_parquet(path)
    with pytest.raises(BarsError, match=r"no bars in .*empty.parquet"):
        open_bars([path], settings())


def long_file(path: Path, n_minutes: int) -> Path:
    """Four instruments, every minute there, in order of time."""
    minute = pl.datetime_range(START, START + timedelta(minutes=n_minutes - 1), "1m", eager=True)
    bars = pl.DataFrame({"time": minute, "open": 1.0, "high": 1.0, "low": 1.0, "close": 1.0, "volume": 1.0})
    symbols = pl.DataFrame({"symbol": [*SYMBOLS, "XRPUSDT"]})
    bars.join(symbols, how="cross").write_parquet(path, row_group_size=65_536)
    return path


READ = """
import sys
from pathlib import Path
from daemon.commands._bars import open_bars
from daemon.settings import Settings
source = open_bars([sys.argv[1]], Settings())
n_bars = sum(int(block.present.sum()) for block in source.blocks(0, 1 << 40, 4096))
# ru_maxrss would be the parent's, if that is the larger.
status = Path("/proc/self/status").read_text().split()
print(n_bars, status[status.index("VmHWM:") + 1])
"""


def peak_kb(path: Path, repository: Path) -> tuple[int, int]:
    """How many bars a process read of a file, and the most memory it ever held, in kB."""
    words = [sys.executable, "-c", READ, str(path)]
    done = subprocess.run(words, cwd=repository, capture_output=True, text=True, check=True)
    n_bars, peak = done.stdout.split()
    return int(n_bars), int(peak)


def test_memory_does_not_grow_with_the_file(tmp_path: Path, repository: Path) -> None:
    # polars fills its buffers with the first million rows or two, more or less of them as its threads fall.
    small = peak_kb(long_file(tmp_path / "small.parquet", 500_000), repository)
    large = peak_kb(long_file(tmp_path / "large.parquet", 2_000_000), repository)
    assert (small[0], large[0]) == (2_000_000, 8_000_000)
    # As columns of float64 the six million bars more would be 390 MB.
    assert large[1] - small[1] < 130_000


REAL: dict[str, tuple[dict[str, Any], int, int]] = {
    # file: (settings, rows expected in the universe's sessions, instruments)
    "binance_um_2025-05_2025-06": ({}, 708_180, 16),
    "kraken_btcusdc_2023-01_2023-03": ({"run": {"quote": "USDC"}}, 56_717, 1),
    "bittrex_sparse_2018-01_2018-03": (
        {"run": {"quote": "BTC"}, "universe": {"venue": "bittrex"}},
        295_999,
        4,
    ),
    "us_spy_2024-03_2025-04": (
        {"run": {"quote": "USD"}, "universe": {"calendar": "XNYS", "overrides": {"SPY": {"quote": "USD"}}}},
        99_264,
        1,
    ),
}


@pytest.mark.parametrize("name", sorted(REAL))
def test_every_real_bar_of_a_session_is_sealed(shared_data: Path, name: str) -> None:
    sections, n_bars, n_instruments = REAL[name]
    source = open_bars([shared_data / f"{name}.parquet"], settings(**sections))
    blocks = list(source.blocks(source.first_minute, source.last_minute, 4096))
    assert sum(int((block.present & ~block.synthetic).sum()) for block in blocks) == n_bars
    assert len(source.instruments) == n_instruments
    filled = sum(int(block.synthetic.sum()) for block in blocks)
    assert (filled > 0) == (name[:3] in {"kra", "bit"})


def test_the_real_outage_is_a_gap_and_no_row_of_flat_bars(shared_data: Path) -> None:
    chosen = {"instruments": ["BTCUSDT", "ETHUSDT"]}
    source = open_bars(
        [shared_data / "binance_spot_outage_2023-03_2023-05.parquet"], settings(universe=chosen)
    )
    first, last = (
        int(datetime(2023, 3, 24, *at, tzinfo=UTC).timestamp()) // 60 for at in ((12, 39), (14, 0))
    )
    sealed = Minutes.concat(list(source.blocks(first, last, 20)))
    present = np.all(sealed.present, axis=1).tolist()
    assert (present[0], present[-1]) == (True, True)
    assert not any(present[1:-1])


def test_bars_outside_their_sessions_are_counted_wherever_the_question_is_cut(tmp_path: Path) -> None:
    bars = frame(2 * 1440)  # a Monday and a Tuesday around the clock; New York trades 14:30 to 21:00 UTC
    bars.write_parquet(tmp_path / "bars.parquet")
    stock = {"universe": {"overrides": {"ETHUSDT": {"calendar": "XNYS"}}}}
    source = open_bars([tmp_path / "bars.parquet"], settings(**stock))
    night = pl.col("time").dt.time().is_between(time(14, 30), time(20, 59)).not_()
    expected = bars.filter(night & (pl.col("symbol") == "ETHUSDT"))
    name = "binance:ETHUSDT"
    last = FIRST + 2 * 1440 - 1
    assert source.outside(FIRST, last) == {name: expected.height}
    cut = FIRST + 1000
    parts = [source.outside(FIRST, cut), source.outside(cut + 1, last)]
    assert sum(part[name] for part in parts) == expected.height
    seen = sum(int(block.present.sum() - block.synthetic.sum()) for block in source.blocks(FIRST, last, 500))
    assert seen == bars.height - expected.height
    assert source.outside(FIRST + 15 * 60, FIRST + 16 * 60) == {}
    assert open_bars([tmp_path / "bars.parquet"], settings()).outside(FIRST, last) == {}
