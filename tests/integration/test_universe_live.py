"""Instruments join and leave a live run: no minute missed, and its tape says all of it, also after a kill."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from adapters.tape.reader import TapeReader
from adapters.tape.writer import TapeWriter
from daemon.__main__ import main
from daemon.commands._live_start import LiveStart
from daemon.commands._universe import UniverseChanger
from daemon.engine import Engine
from daemon.errors import SettingsError
from daemon.events import BAR_RECORD, BatchRecord, FillKind
from daemon.feed import BarClosed, FeedMessage
from daemon.live import Onlookers
from daemon.ports import Feed
from daemon.settings import InstrumentSettings, Settings
from tests.file_feed import FileFeed, all_bars, played
from tests.integration.command_line import batches
from tests.jump_clock import JumpClock
from tests.runs import SETTINGS, bundle, first_traded, market, write_bundle

NAMES = tuple(one.name for one in market().instruments)
A, B, C, D = NAMES
FIRST = first_traded()
ELSEWHERE = "elsewhere:XUSDT"
"""Of another venue, with the prices of the market's last instrument."""
SILENT = "elsewhere:QUIETUSDT"
"""Nobody ever traded it."""


def naming(*names: str, **universe: object) -> Settings:
    update = {"venue": "simulator", "instruments": names, **universe}
    return SETTINGS.model_copy(update={"universe": SETTINGS.universe.model_copy(update=update)})


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    write_bundle(folder, bundle().to_files())
    return folder


@dataclass
class Live:
    """One process of a live run, from minute `first` to `last` after the run's first.

    `changes` are by the minute after which they are asked for; an eager one has fetched before it runs.
    """

    model: Path
    tape: Path
    settings: Settings
    first: int
    last: int
    changes: dict[int, Settings] = field(default_factory=dict)
    killed: bool = False
    eager: bool = False
    mute: Callable[[BarClosed], bool] = lambda _: False
    refused: list[SettingsError] = field(default_factory=list)
    changed_in: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = JumpClock((FIRST + self.first) * 60_000 + 10_000)
        span = FIRST + self.first, FIRST + self.last
        self.feed = FileFeed(all_bars(market()), self.clock, *span, mute=self.mute)
        twins = [replace(bar, instrument=ELSEWHERE) for bar in all_bars(market()) if bar.instrument == D]
        self.other = Following(twins, self.clock, *span)
        self.feeds: dict[str, Feed] = {}
        self.tasks: list[asyncio.Task[None]] = []

    def make_feed(self, venue: str, instruments: tuple[str, ...]) -> Feed:
        if venue == "nowhere":
            raise SettingsError(["universe: there is no venue nowhere"])
        return self.other

    async def play(self) -> "Live":
        stop = asyncio.Event()
        with TapeWriter(self.tape) as tape:
            start = LiveStart(self.settings, str(self.model), {"simulator": self.feed}, self.clock, tape)
            self.engine = await start.engine()
            sinks = (self.feed.see, self.other.see, self.see)
            self.live = start.live(self.engine, tape.append, Onlookers(sinks))
            self.changer = UniverseChanger(self.engine, self.live, self.make_feed, self.clock)
            if self.eager:
                change = await self.changer._prepared(self.settings)
                self.tasks.append(asyncio.ensure_future(self.live.regroup(change)))
                await asyncio.sleep(0)
            async with asyncio.timeout(60), self.changer.settling(self.engine_settings):
                await played(self.live, self.feed, stop, killed=self.killed)
                await asyncio.gather(*self.tasks)
        return self

    @property
    def engine_settings(self) -> Settings:
        return self.engine.run.settings if self.eager else self.settings

    def see(self, records: Sequence[BatchRecord]) -> None:
        for record in records:
            wanted = self.changes.get(record.minute - FIRST)
            if wanted is not None:
                self.tasks.append(asyncio.ensure_future(self._change(wanted)))

    async def _change(self, wanted: Settings) -> None:
        try:
            await self.changer.change(wanted)
        except SettingsError as error:
            self.refused.append(error)
        else:
            self.changed_in.append(self.engine.minute - FIRST)


class Following(FileFeed):
    """A feed that another one moves the clock for."""

    name = "elsewhere"

    async def messages(self) -> AsyncIterator[FeedMessage]:
        try:
            # The newest bar at once: nobody moves the clock to the grace for a feed that is late.
            minute = self._clock.now_ms() // 60_000 - 1
            while True:
                await self._clock.sleep((minute + 1) * 60 - self._clock.epoch_s())
                for bar in self.bars.get(minute, []):
                    yield bar
                minute += 1
        finally:
            self.closed = True


def n_scored(record: BatchRecord, engine: Engine) -> int:
    return len(np.frombuffer(record.decisions, engine.dtype))


def n_bars(record: BatchRecord) -> int:
    return len(record.bars) // BAR_RECORD.itemsize


async def test_two_join_and_one_leaves_and_no_minute_is_missed(model_folder: Path, tmp_path: Path) -> None:
    tape = tmp_path / "live.tape"
    live = await Live(
        model_folder, tape, naming(A, B), 0, 119, changes={30: naming(A, C, D), 80: naming(A, B, C, D)}
    ).play()
    records = batches(tape)
    assert not live.refused
    assert [record.minute - FIRST for record in records] == list(range(120))
    assert not any(record.refusals or record.catch_up for record in records)
    at, again = live.changed_in
    assert 30 < at < 40
    assert 80 < again < 90
    assert [n_scored(records[m], live.engine) for m in (at - 1, at, again - 1, again)] == [2, 3, 3, 4]
    assert all(n_bars(record) == n_scored(record, live.engine) for record in records)
    closed = [fill for fill in records[at].fills if fill.kind is FillKind.DELISTED]
    held = sum(fill.quantity for record in records[:at] for fill in record.fills if fill.instrument == B)
    assert [(fill.instrument, fill.quantity) for fill in closed] == ([(B, -held)] if held else [])
    traded = {fill.instrument for record in records[at:] for fill in record.fills}
    assert {C, D} <= traded
    assert live.engine.run.settings.universe.instruments == (A, B, C, D)
    assert live.engine.run.desk.account.ledger.imbalance == 0
    assert live.feed.groups == [(A, C, D), (A, B, C, D)]
    assert main(["verify", str(tape)]) == 0


def kinds(records: Sequence[BatchRecord]) -> list[str]:
    return [event.kind for record in records for event in record.events]


@pytest.mark.parametrize("killed_at", [33, 60])
async def test_a_killed_run_goes_on_with_the_instruments_it_had(
    model_folder: Path, tmp_path: Path, killed_at: int
) -> None:
    """Once right after the change, before any snapshot of it; once after a snapshot."""
    tape = tmp_path / "live.tape"
    changed = naming(C, D)
    first = Live(model_folder, tape, naming(A, B), 0, killed_at, changes={28: changed}, killed=True)
    await first.play()
    assert first.changed_in
    assert first.changed_in[0] <= killed_at
    second = await Live(model_folder, tape, changed, killed_at + 6, 99, changes={80: naming(A, C)}).play()
    records = batches(tape)
    assert [record.minute - FIRST for record in records] == list(range(100))
    assert [record.minute - FIRST for record in records if record.catch_up] == list(
        range(killed_at + 1, killed_at + 6)
    )
    assert kinds(records).count("UniverseChanged") == 2
    assert second.engine.run.names == (A, C)
    # What came back brought its past along once more, and is warm.
    assert n_scored(records[-1], second.engine) == 2
    assert not any(record.refusals for record in records)
    assert main(["verify", str(tape)]) == 0
    assert main(["tape", "export", str(tape), "--out", str(tmp_path / "out")]) == 0
    bars = pl.read_parquet(tmp_path / "out" / "bars.parquet")
    assert not bars.select("time", "symbol").is_duplicated().any()
    with TapeReader(tape) as reader:
        assert reader.fetch("SELECT count(*) FROM bar", ())[0][0] > len(bars)


@pytest.mark.parametrize("eager", [False, True])
async def test_other_instruments_in_the_settings_of_a_restart_are_traded_once_it_has_caught_up(
    model_folder: Path, tmp_path: Path, *, eager: bool
) -> None:
    tape = tmp_path / "live.tape"
    await Live(model_folder, tape, naming(A, B), 0, 20).play()
    again = await Live(model_folder, tape, naming(B, C, D), 30, 60, eager=eager).play()
    records = batches(tape)
    assert [record.minute - FIRST for record in records] == list(range(61))
    assert [record.minute - FIRST for record in records if record.catch_up] == list(range(21, 30))
    # What was missed is caught up first: who leaves is closed at a price of now.
    assert {n_bars(record) for record in records[:30]} == {2}
    assert n_bars(records[40]) == 3
    assert again.engine.run.names == (B, C, D)
    assert again.engine.run.settings.universe.instruments == (B, C, D)
    assert main(["verify", str(tape)]) == 0


REFUSED: dict[str, tuple[Settings, str]] = {
    "unknown symbol": (naming(A, B, "simulator:NOSUCHUSDT"), "NOSUCHUSDT"),
    "other currency": (
        naming(A, B, C, overrides={C.partition(":")[2]: InstrumentSettings(quote="EUR")}),
        "quoted in another",
    ),
    "no such venue": (naming(A, B, "nowhere:XUSDT"), "no venue nowhere"),
    "other words about one that stays": (
        naming(A, B, C, overrides={A: InstrumentSettings(tick=Decimal("0.5"))}),
        "while the run has it",
    ),
}


@pytest.mark.parametrize(("wanted", "reason"), REFUSED.values(), ids=REFUSED.keys())
async def test_a_change_that_cannot_be_is_refused_whole_and_the_run_goes_on(
    model_folder: Path, tmp_path: Path, wanted: Settings, reason: str
) -> None:
    tape = tmp_path / "live.tape"
    live = await Live(model_folder, tape, naming(A, B), 0, 30, changes={10: wanted}).play()
    assert [reason in str(error) for error in live.refused] == [True]
    records = batches(tape)
    assert len(records) == 31
    assert kinds(records) == []
    assert live.engine.run.names == (A, B)
    assert live.feed.groups == []


async def test_the_first_instrument_of_a_venue_brings_its_feed_and_the_last_closes_it(
    model_folder: Path, tmp_path: Path
) -> None:
    tape = tmp_path / "live.tape"
    live = await Live(
        model_folder, tape, naming(A, B), 0, 90, changes={10: naming(A, B, ELSEWHERE), 60: naming(A, B)}
    ).play()
    assert not live.refused
    assert live.other.closed
    assert set(live.live.feeds) == {"simulator"}
    records = batches(tape)
    there = [n_bars(record) for record in records]
    joined, left = live.changed_in
    assert set(there[:joined]) == {2}
    assert set(there[left:]) == {2}
    assert there[left - 1] == 3
    with TapeReader(tape) as reader:
        key = {name: key for key, name in reader.names().items()}[ELSEWHERE]
        minutes = [row[0] for row in reader.fetch("SELECT minute FROM bar WHERE instrument = ?", (key,))]
    # Its past and what came since follow each other without a gap.
    assert np.diff(sorted(minutes)).tolist() == [1] * (len(minutes) - 1)
    assert main(["verify", str(tape)]) == 0


async def test_one_without_a_past_joins_where_the_settings_say_what_it_is_and_holds_nobody_up(
    model_folder: Path, tmp_path: Path
) -> None:
    tape = tmp_path / "live.tape"
    described = {SILENT: InstrumentSettings(tick=Decimal("0.01"), lot=Decimal("0.001"))}
    wanted = naming(A, B, SILENT, overrides=described)
    # What the stream does not bring has the clock moved to the grace: the quiet one is asked for then.
    live = await Live(
        model_folder, tape, naming(A, B), 0, 40, changes={10: wanted}, mute=lambda bar: bar.instrument == D
    ).play()
    assert not live.refused
    assert live.engine.run.names == (SILENT, A, B)
    records = batches(tape)
    assert len(records) == 41
    assert not any(record.catch_up or record.refusals for record in records)
    assert {n_bars(record) for record in records} == {2}
    assert "Backfill" not in kinds(records)
