"""A live run on real bars, with a clock that jumps: begun, killed, taken up, and held against a replay."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from adapters.files.settings_file import read_settings
from adapters.tape import diagnostics
from adapters.tape.reader import TapeReader
from adapters.tape.writer import TapeWriter
from daemon.__main__ import main
from daemon.commands._bars import open_bars
from daemon.commands._live_start import LiveStart
from daemon.errors import BarsError, SettingsError, TapeMismatchError
from daemon.events import BAR_FLAG_BACKFILL, BAR_RECORD, BatchRecord
from daemon.feed import BarClosed
from daemon.live import Onlookers
from daemon.settings import Settings
from daemon.training.train import train
from tests.file_feed import FileFeed, bars_of, played
from tests.integration.command_line import batches
from tests.integration.test_real_markets import HOPEFUL, SMALL
from tests.jump_clock import JumpClock
from tests.runs import write_bundle

SYMBOLS = ("ARBUSDT", "BTCUSDT", "ETHUSDT")
BEGIN = datetime(2024, 3, 1, tzinfo=UTC)
START = datetime(2024, 3, 6, tzinfo=UTC)
FIRST = int(START.timestamp()) // 60
N = 150
KILLED, BACK = 90, 120
"""Minutes after FIRST: the last one decided before the kill, and when the machine is up again."""


class Market:
    """A folder with settings, a model and real bars."""

    def __init__(self, folder: Path, shared_data: Path) -> None:
        self.folder = folder
        sections = {
            **SMALL,
            "universe": {
                "instruments": list(SYMBOLS),
                "overrides": {symbol: {"tick": "0.00001", "lot": "0.001"} for symbol in SYMBOLS},
            },
            # What this model says moves around that share: positions come and go.
            "labels": {"horizon_minutes": 3, "threshold_sigma": 0.2},
            "policy": {"edge_multiple": 0.0, "min_direction": 0.518},
            "model": {"uri": str(folder / "model")},
        }
        (folder / "run.yaml").write_text(json.dumps(sections), encoding="utf-8")
        self.settings = read_settings(folder / "run.yaml", {}).settings
        frame = pl.read_parquet(shared_data / "binance_spot_train_2024-01_2024-06.parquet").filter(
            pl.col("symbol").is_in(SYMBOLS)
            & (pl.col("time") >= BEGIN)
            & (pl.col("time").dt.epoch("s") < (FIRST + N) * 60)
        )
        frame.write_parquet(folder / "bars.parquet")
        source = open_bars([folder / "bars.parquet"], self.settings)
        bundle = replace(
            train(source, self.settings, name="small", span=(None, FIRST - 1)).bundle, edge=HOPEFUL
        )
        write_bundle(folder / "model", bundle.to_files())
        self.bars = list(
            bars_of(source.blocks(source.first_minute, source.last_minute, 4096), source.instruments)
        )


@pytest.fixture(scope="module")
def market(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Market:
    return Market(tmp_path_factory.mktemp("live"), shared_data)


class Live:
    """One process of a live run: from `first` it plays the feed's minutes up to `last`."""

    def __init__(self, market: Market, tape: Path, first: int, last: int, **feed: object) -> None:
        self.market, self.tape = market, tape
        # The machine is up ten seconds into a minute, so that the last one is in every history.
        self.clock = JumpClock(first * 60_000 + 10_000)
        self.feed = FileFeed(market.bars, self.clock, first, last, **feed)  # type: ignore[arg-type]

    async def play(self, *, killed: bool = False, settings: Settings | None = None) -> None:
        stop = asyncio.Event()
        with TapeWriter(self.tape) as tape:
            settings = settings or self.market.settings
            start = LiveStart(settings, settings.model.uri, {"binance": self.feed}, self.clock, tape)
            live = start.live(await start.engine(), tape.append, Onlookers((self.feed.see,)))
            async with asyncio.timeout(120):
                await played(live, self.feed, stop, killed=killed)


def rows(records: Sequence[BatchRecord]) -> np.ndarray:
    return np.concatenate([np.frombuffer(record.bars, BAR_RECORD) for record in records])


@pytest.fixture(scope="module")
def begun(market: Market) -> Path:
    """A run that was killed after KILLED minutes, without a snapshot."""
    tape = market.folder / "begun.tape"
    asyncio.run(Live(market, tape, FIRST, FIRST + KILLED).play(killed=True))
    return tape


@pytest.fixture(scope="module")
def whole(market: Market, begun: Path) -> Path:
    """The same run taken up again half an hour later and stopped in an orderly way."""
    tape = market.folder / "whole.tape"
    for file in begun.parent.glob(f"{begun.name}*"):
        (tape.parent / file.name.replace(begun.name, tape.name)).write_bytes(file.read_bytes())
    asyncio.run(Live(market, tape, FIRST + BACK, FIRST + N - 1).play())
    return tape


def test_a_new_run_is_warm_when_it_sees_its_first_minute(begun: Path) -> None:
    first = batches(begun)[0]
    assert first.minute == FIRST
    assert first.decisions
    with TapeReader(begun) as reader:
        found = reader.warmup_event()
    assert found is not None
    assert found[1].last_minute == FIRST - 1


def test_the_ledger_is_that_of_a_replay_of_the_same_minutes(market: Market, begun: Path) -> None:
    tape = market.folder / "replayed.tape"
    named = {"bars": "bars.parquet", "config": "run.yaml", "model": "model", "tape": tape.name}
    words = [word for option, name in named.items() for word in (f"--{option}", str(market.folder / name))]
    assert main(["replay", *words, "--from", START.strftime("%Y-%m-%dT%H:%M")]) == 0
    live, replayed = batches(begun), batches(tape)[: KILLED + 1]
    assert [record.minute for record in live] == [record.minute for record in replayed]
    for name in ("bars", "decisions", "orders", "fills", "ends", "book"):
        assert [getattr(a, name) for a in live] == [getattr(b, name) for b in replayed], name
    assert sum(len(record.fills) for record in live) > 5


def test_a_killed_run_goes_on_without_a_minute_lost_or_doubled(market: Market, whole: Path) -> None:
    records = batches(whole)
    assert [record.minute - FIRST for record in records] == list(range(N))
    assert [record.minute - FIRST for record in records if record.catch_up] == list(range(KILLED + 1, BACK))
    assert not any(record.orders for record in records if record.catch_up)
    assert any(record.orders for record in records[BACK:])
    stored = rows(records)
    live = [(bar.minute, bar.instrument) for bar in market.bars if bar.minute >= FIRST]
    names = [f"binance:{symbol}" for symbol in SYMBOLS]
    assert [
        (int(m), names[i]) for m, i in zip(stored["minute"], stored["instrument"], strict=True)
    ] == sorted(live)


def test_an_orderly_end_leaves_a_snapshot_of_the_last_minute(whole: Path) -> None:
    with TapeReader(whole) as reader:
        snapshot = reader.snapshot()
    assert snapshot is not None
    assert (snapshot.batch, snapshot.minute) == (N, FIRST + N - 1)


def test_verify_accepts_what_a_live_run_left(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(whole)]) == 0
    assert f"reproduced: {N} batches" in capsys.readouterr().out


def test_arrivals_and_indications_are_on_the_tape(whole: Path) -> None:
    with TapeReader(whole) as reader:
        arrived = list(diagnostics.arrivals(reader))
        seen = list(diagnostics.indications(reader))
    assert len(arrived) == N * len(SYMBOLS)
    orders = {order.id for record in batches(whole) for order in record.orders}
    assert seen
    assert {one.order_id for one in seen} <= orders


def test_a_venue_that_was_away_comes_back_by_a_backfill(market: Market, begun: Path) -> None:
    """Its stream and its history are gone for half an hour; the others trade on."""
    tape = market.folder / "away.tape"
    for file in begun.parent.glob(f"{begun.name}*"):
        (tape.parent / file.name.replace(begun.name, tape.name)).write_bytes(file.read_bytes())
    away = range(FIRST + KILLED + 5, FIRST + KILLED + 25)

    def is_away(bar: BarClosed) -> bool:
        return bar.instrument == "binance:ETHUSDT" and bar.minute in away

    live = Live(market, tape, FIRST + KILLED + 1, FIRST + N - 1, mute=is_away)
    live.feed.down = {"binance:ETHUSDT": away}
    asyncio.run(live.play())
    records = batches(tape)
    assert [record.minute - FIRST for record in records] == list(range(N))
    events = {event.kind for record in records for event in record.events}
    assert "Backfill" in events
    with TapeReader(tape) as reader:
        stored = reader.fetch("SELECT minute, instrument, flags FROM bar WHERE minute >= ?", (FIRST,))
    assert len(stored) == N * len(SYMBOLS)
    late = {minute for minute, _, flags in stored if flags & BAR_FLAG_BACKFILL}
    assert set(away) <= late
    assert main(["verify", str(tape)]) == 0


def test_a_tape_of_other_settings_is_refused(market: Market, begun: Path) -> None:
    other = market.settings.model_copy(
        update={"run": market.settings.run.model_copy(update={"capital": Decimal(5_000)})}
    )
    with pytest.raises(TapeMismatchError, match=r"run\.capital"):
        asyncio.run(Live(market, begun, FIRST + BACK, FIRST + N - 1).play(settings=other))


def test_a_live_run_needs_its_instruments_by_name_and_with_bars(market: Market, tmp_path: Path) -> None:
    universe = market.settings.universe
    unnamed, strange = (
        market.settings.model_copy(update={"universe": universe.model_copy(update={"instruments": named})})
        for named in ("all", ("NOSUCHUSDT",))
    )
    with pytest.raises(SettingsError, match=r"universe\.instruments"):
        asyncio.run(Live(market, tmp_path / "a.tape", FIRST, FIRST + 1).play(settings=unnamed))
    with pytest.raises(BarsError, match="NOSUCHUSDT"):
        asyncio.run(Live(market, tmp_path / "b.tape", FIRST, FIRST + 1).play(settings=strange))
    assert not list(tmp_path.glob("*.tape"))
