"""Recorded markets that bite: an exchange's halt, pairs that hardly trade, absent minutes, sessions.

Each replay is a real command on a slice of real bars, with a small model that always expects something, so
that it trades. What the tape and the summary say is held against the files, read here by other means.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from adapters.files.settings_file import read_settings
from adapters.tape.reader import TapeReader
from daemon.__main__ import main
from daemon.commands._bars import open_bars
from daemon.events import BAR_FLAG_SYNTHETIC, BAR_RECORD, BatchRecord, FillKind, decision_dtype
from daemon.policy.reasons import Reason
from daemon.settings import Settings
from daemon.training.train import train
from tests.conftest import REPOSITORY
from tests.runs import write_bundle

pytestmark = pytest.mark.slow

SMALL: dict[str, dict[str, Any]] = {
    "features": {"groups": ["twenty"], "sigma_bars": 120},
    "labels": {"horizon_minutes": 60},
    "experts": {
        "trees": {"rounds": 8, "leaves": 6, "min_leaf_rows": 50, "threads": 1},
        "online": {"enabled": False},
    },
    "training": {"folds": 0, "min_rows": 500},
    "tape": {"snapshot_batches": 500},
}
HOPEFUL = {"class_means": [-0.8, 0.0, 0.8], "slope": 1.0}
"""An edge that pays for costs, whatever training found: these tests want trades."""

OUTAGE = "binance_spot_outage_2023-03_2023-05"
OUTAGE_PAIRS = ("ADAUSDT", "BTCUSDT", "DOGEUSDT", "ETHUSDT", "SOLUSDT")
"""Those whose bars begin before the halt."""

UNTRADED = (datetime(2023, 3, 24, 11, 28, tzinfo=UTC), datetime(2023, 3, 24, 13, 59, tzinfo=UTC))
"""Binance stopped at 11:28, began at 14:00: bars without volume until 12:39, none from 12:40 on."""

XNYS_MINUTES_PER_YEAR = ((252 + 251 + 250 + 252) * 390 - 7 * 180) / 4
"""2021 to 2024: days, and half days, as the exchange has published them."""


@dataclass(frozen=True)
class Market:
    """A slice of a recorded file; [start, end) is replayed after learning from [begin, start)."""

    file: str
    config: str
    begin: str
    start: str
    end: str
    symbols: tuple[str, ...] = ()
    sections: tuple[tuple[str, dict[str, Any]], ...] = ()


HALT = Market(
    *(OUTAGE, "default", "2023-03-21", "2023-03-24T06:00", "2023-03-24T20:00", OUTAGE_PAIRS),
    sections=(("policy", {"edge_multiple": 0.02}),),
)
THIN = Market(
    *(OUTAGE, "binance_btc", "2023-04-01T16:18", "2023-04-05", "2023-04-06"),
    sections=(("policy", {"edge_multiple": 0.02}),),
)
SPARSE = Market(
    *("kraken_btcusdc_2023-01_2023-03", "kraken", "2023-01-01", "2023-01-20", "2023-01-24"),
    sections=(("costs", {"taker_fee_bps": 1.0, "order_minutes": 10}),),
)
SESSIONS = Market(
    *("us_spy_2024-03_2025-04", "us_stocks", "2024-10-07", "2024-10-31", "2024-12-03"),
    sections=(("policy", {"target_volatility": 0.01}),),
)


@dataclass(frozen=True)
class Played:
    """A replay that has ended: its bars, settings, tape, and what it printed."""

    market: Market
    folder: Path
    settings: Settings
    raw: pl.DataFrame
    printed: str

    @property
    def tape(self) -> Path:
        return self.folder / "run.tape"

    @property
    def decided(self) -> pl.DataFrame:
        """The file's bars of the replayed time, of the run's instruments."""
        start, end = (
            datetime.fromisoformat(t).replace(tzinfo=UTC) for t in (self.market.start, self.market.end)
        )
        return self.raw.filter(pl.col("time").is_between(start, end, closed="left"))

    def batches(self) -> Iterator[BatchRecord]:
        with TapeReader(self.tape) as reader:
            yield from reader.batches()

    def bars(self) -> pl.DataFrame:
        """The decided bars of the tape: minute, symbol, synthetic."""
        with TapeReader(self.tape) as reader:
            names = [i.name for i in reader.instruments()]
            rows = np.concatenate([np.frombuffer(r.bars, BAR_RECORD) for r in reader.batches()])
        return pl.DataFrame(
            {
                "minute": rows["minute"],
                "symbol": [names[i].partition(":")[2] for i in rows["instrument"].tolist()],
                "synthetic": (rows["flags"] & BAR_FLAG_SYNTHETIC) > 0,
            }
        )


def words(folder: Path, market: Market, tape: str, *, until: str) -> list[str]:
    named = {"bars": "bars.parquet", "config": "run.yaml", "model": "model", "tape": tape}
    paths = [word for option, name in named.items() for word in (f"--{option}", str(folder / name))]
    return ["replay", *paths, "--from", market.start, "--to", until]


def prepared(market: Market, shared_data: Path, folder: Path) -> tuple[Settings, pl.DataFrame]:
    """Write bars, settings and model into a folder."""
    ready = read_settings(REPOSITORY / "configs" / f"{market.config}.yaml", {}).settings
    sections = ready.model_dump(mode="json", exclude_unset=True)
    small = {**SMALL, **dict(market.sections)}
    merged = {key: {**sections.get(key, {}), **small.get(key, {})} for key in {*sections, *small}}
    if market.symbols:
        merged["universe"]["instruments"] = list(market.symbols)
    (folder / "run.yaml").write_text(json.dumps(merged), encoding="utf-8")
    settings = read_settings(folder / "run.yaml", {}).settings
    begin, end = (datetime.fromisoformat(t).replace(tzinfo=UTC) for t in (market.begin, market.end))
    raw = pl.read_parquet(shared_data / f"{market.file}.parquet").filter(
        pl.col("time").is_between(begin, end, closed="left")
    )
    raw.write_parquet(folder / "bars.parquet")
    source = open_bars([folder / "bars.parquet"], settings)
    start = int(datetime.fromisoformat(market.start).replace(tzinfo=UTC).timestamp()) // 60
    bundle = replace(train(source, settings, name="small", span=(None, start - 1)).bundle, edge=HOPEFUL)
    write_bundle(folder / "model", bundle.to_files())
    traded = [instrument.name.partition(":")[2] for instrument in source.instruments]
    return settings, raw.filter(pl.col("symbol").is_in(traded))


@pytest.fixture(scope="module")
def play(
    shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Market, pytest.CaptureFixture[str]], Played]:
    """Play a market once for all tests that look at it."""
    played: dict[str, Played] = {}

    def once(market: Market, capsys: pytest.CaptureFixture[str]) -> Played:
        if market.config not in played:
            folder = tmp_path_factory.mktemp(market.config)
            settings, raw = prepared(market, shared_data, folder)
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("COLUMNS", "200")
                assert main(words(folder, market, "run.tape", until=market.end)) == 0
            played[market.config] = Played(market, folder, settings, raw, capsys.readouterr().out)
        return played[market.config]

    return once


Play = Callable[[Market, pytest.CaptureFixture[str]], Played]
MARKETS = pytest.mark.parametrize("market", [HALT, THIN, SPARSE, SESSIONS], ids=lambda market: market.config)


def table_row(printed: str, name: str) -> list[int]:
    """The numbers of an instrument's row: expected, received, no trade, flat, absent, gaps, longest gap."""
    found = re.search(rf"^ +{re.escape(name)} +([\d,]+ +.* min)$", printed, re.MULTILINE)
    assert found, name
    text = re.sub(r"\([\d.]+%\)|min|,", "", found.group(1))
    return [int(word) for word in text.split()]


def expected_row(played: Played, symbol: str, session_minutes: np.ndarray) -> list[int]:
    """The same row from the file alone."""
    rows = played.raw.filter(pl.col("symbol") == symbol)
    there = np.isin(session_minutes, rows["time"].dt.epoch("s").to_numpy() // 60)
    decided = (
        session_minutes
        >= int(datetime.fromisoformat(played.market.start).replace(tzinfo=UTC).timestamp()) // 60
    )
    fill = played.settings.bars.max_synthetic_minutes
    synthetic, gaps, longest, at = 0, 0, 0, 0
    at = int(np.argmax(there))
    while at < len(there):
        if there[at]:
            at += 1
            continue
        stop = at
        while stop < len(there) and not there[stop]:
            stop += 1
        within = stop < len(there) and session_minutes[stop] - session_minutes[at - 1] == stop - at + 1
        n_decided = int(decided[at:stop].sum())
        if within and stop - at <= fill:
            synthetic += n_decided
        elif n_decided:
            gaps, longest = gaps + 1, max(longest, n_decided)
        at = stop
    received = int((there & decided).sum())
    own = rows.filter(pl.col("time").dt.epoch("s") // 60 >= session_minutes[decided][0])
    inside = np.isin(own["time"].dt.epoch("s").to_numpy() // 60, session_minutes)
    untraded = int(((own["volume"].to_numpy() == 0) & inside).sum())
    n_expected = int(decided.sum())
    return [n_expected, received, untraded, synthetic, n_expected - received - synthetic, gaps, longest]


def new_york_minutes(first: date, n_days: int) -> np.ndarray:
    """Session minutes by hand, from the exchange's published hours of autumn 2024: no library."""
    closed, half = {date(2024, 11, 28)}, {date(2024, 11, 29)}
    minutes = []
    for day in (first + timedelta(days=i) for i in range(n_days)):
        if day.weekday() >= 5 or day in closed:
            continue
        utc_open = 14 * 60 + 30 if day >= date(2024, 11, 3) else 13 * 60 + 30
        length = 210 if day in half else 390
        midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) // 60
        minutes.append(midnight + utc_open + np.arange(length))
    return np.concatenate(minutes)


def all_minutes(market: Market) -> np.ndarray:
    if market.config == "us_stocks":
        first, end = date.fromisoformat(market.begin), date.fromisoformat(market.end)
        return new_york_minutes(first, (end - first).days)
    begin, end_time = (datetime.fromisoformat(t).replace(tzinfo=UTC) for t in (market.begin, market.end))
    return np.arange(int(begin.timestamp()) // 60, int(end_time.timestamp()) // 60)


@MARKETS
def test_a_replay_decides_every_session_minute_and_says_what_was_missing(
    market: Market, play: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    played = play(market, capsys)
    minutes = all_minutes(market)
    last_bar = int(played.raw["time"].max().timestamp()) // 60  # type: ignore[union-attr]
    minutes = minutes[minutes <= last_bar]
    start = int(datetime.fromisoformat(market.start).replace(tzinfo=UTC).timestamp()) // 60
    assert [record.minute for record in played.batches()] == minutes[minutes >= start].tolist()
    venue = played.settings.universe.venue
    bars = played.bars()
    for symbol in played.raw["symbol"].unique().to_list():
        wanted = expected_row(played, symbol, minutes)
        assert table_row(played.printed, f"{venue}:{symbol}") == wanted, symbol
        own = bars.filter(pl.col("symbol") == symbol)
        assert [own["synthetic"].not_().sum(), own["synthetic"].sum()] == [wanted[1], wanted[3]]


@MARKETS
def test_no_trade_has_a_price_that_nobody_could_have_had(
    market: Market, play: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    played = play(market, capsys)
    real = {
        (int(time.timestamp()) // 60, symbol): (opened, volume)
        for time, symbol, opened, volume in played.decided.select(
            "time", "symbol", "open", "volume"
        ).iter_rows()
    }
    fills = [fill for record in played.batches() for fill in record.fills]
    trades = [fill for fill in fills if fill.kind is FillKind.TRADE]
    assert len(trades) >= 10
    for fill in trades:
        opened, volume = real[fill.minute, fill.instrument.partition(":")[2]]
        assert fill.reference == Decimal(repr(opened))
        assert volume > 0
        share = played.settings.costs.max_volume_share
        assert abs(fill.quantity) <= Decimal(repr(volume)) * Decimal(repr(share))
        assert (fill.price - fill.reference) * fill.quantity >= 0


def test_in_a_halt_nothing_is_filled_and_every_mark_says_how_old_it_is(
    play: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    played = play(HALT, capsys)
    first, last = (int(time.timestamp()) // 60 for time in UNTRADED)
    halted = [record for record in played.batches() if first <= record.minute <= last]
    assert len(halted) == 152
    assert not [fill for record in halted for fill in record.fills]
    # 30 minutes after the last bar the instruments count as halted: not even an order is made.
    assert not [order for record in halted if record.minute >= last - 80 + 30 for order in record.orders]
    assert main(words(played.folder, HALT, "stopped.tape", until="2023-03-24T13:30")) == 0
    with TapeReader(played.folder / "stopped.tape") as reader:
        held: dict[str, Decimal] = {}
        for record in reader.batches():
            for fill in record.fills:
                held[fill.instrument] = held.get(fill.instrument, Decimal(0)) + fill.quantity
    printed = " ".join(capsys.readouterr().out.split())
    open_positions = sorted(name for name, quantity in held.items() if quantity)
    assert open_positions
    stale = 13 * 60 + 29 - (11 * 60 + 27)
    for name in open_positions:
        assert f"{name} {stale} min old" in printed
        assert f"{name} for the last 50 min" in printed
    assert main(["report", str(played.folder / "stopped.tape"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert {one["instrument"]: one["age_minutes"] for one in report["positions"]} == dict.fromkeys(
        open_positions, stale
    )
    assert {one["marked"] for one in report["positions"]} == {"2023-03-24 11:27"}
    oldest = {row["instrument"]: row["oldest_mark_minutes"] for row in report["instruments"]}
    assert {name: oldest[name] for name in open_positions} == dict.fromkeys(open_positions, stale)


def test_a_summary_of_a_resumed_replay_counts_the_whole_run(
    play: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    played = play(SPARSE, capsys)
    for until in ("2023-01-21T07:13", "2023-01-23T02:01", SPARSE.end):
        capsys.readouterr()
        assert main(words(played.folder, SPARSE, "parts.tape", until=until)) == 0
    name = f"{played.settings.universe.venue}:XBT/USDC"
    assert table_row(capsys.readouterr().out, name) == table_row(played.printed, name)


def test_bars_of_an_afternoon_off_are_left_out_and_counted(
    play: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    played = play(SESSIONS, capsys)
    outside = ~np.isin(played.decided["time"].dt.epoch("s").to_numpy() // 60, all_minutes(SESSIONS))
    assert outside.sum() > 0
    assert f"outside sessions us:SPY {outside.sum()} bars left out" in " ".join(played.printed.split())
    assert main(["report", str(played.tape)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"outside sessions us:SPY {outside.sum()} bars left out, to the files' end" in said


def test_volatility_is_annualised_by_the_sessions_of_the_market(
    play: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    played = play(SESSIONS, capsys)
    policy = played.settings.policy
    sizes = [
        (abs(float(row["target"])), float(row["sigma"]))
        for record in played.batches()
        for row in np.frombuffer(record.decisions, decision_dtype(("trees", "base_rate")))
        if row["reason"] == Reason.ENTRY
    ]
    uncapped = [(size, sigma) for size, sigma in sizes if size < policy.max_weight]
    assert len(uncapped) >= 10
    for size, sigma in uncapped:
        assert size * sigma * XNYS_MINUTES_PER_YEAR**0.5 == pytest.approx(policy.target_volatility, rel=1e-9)


def test_a_tape_of_sessions_is_verified(play: Play, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(play(SESSIONS, capsys).tape)]) == 0


@pytest.mark.parametrize(("market", "n_days"), [(SPARSE, 365), (SESSIONS, 251)], ids=["kraken", "us_stocks"])
def test_the_report_of_a_tape_says_the_same_of_what_was_missing(
    market: Market, n_days: int, play: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    played = play(market, capsys)
    capsys.readouterr()
    assert main(["report", str(played.tape), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    (bars,) = report["bars"]
    counts = ("expected", "received", "untraded", "synthetic", "absent", "gaps", "longest_gap")
    assert [bars[name] for name in counts] == table_row(played.printed, bars["instrument"])
    assert report["run"]["days_per_year"] == n_days
