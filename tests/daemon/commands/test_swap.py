"""The model swapped in a live run: good versions and bad ones, a crash between, no registry afterwards."""

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import structlog

from adapters.registry.folder_store import version_of
from adapters.tape.newest import END, newest_decisions
from adapters.tape.reader import TapeReader
from daemon import chain
from daemon.__main__ import main
from daemon.commands._live import opened
from daemon.engine import Engine
from daemon.events import AnyEvent, BatchRecord, ModelChanged, decision_dtype
from daemon.live import Onlookers
from daemon.models.bundle import Bundle
from daemon.ports import Files, Submit
from daemon.settings import Settings
from tests.file_feed import FileFeed, all_bars
from tests.jump_clock import JumpClock
from tests.other_experts import NARROW, narrow
from tests.runs import (
    SETTINGS,
    bundle,
    decided,
    first_traded,
    fresh_engine,
    market,
    model,
    traded,
    write_bundle,
)

N_SWAPS = 200
KILLED_AFTER = 90
AWAY = 12
"""Minutes that the machine is down."""

SPARE = 40
"""Minutes that the feed may be ahead of the swaps."""

NAMES = tuple(instrument.name for instrument in market().instruments)


def settings_of(folder: Path) -> Settings:
    """The settings of `tests.runs` for a live run that looks at its model when it is told to."""
    universe = SETTINGS.universe.model_copy(update={"instruments": NAMES})
    told = {"uri": str(folder / "model"), "watch_seconds": 0.0}
    return SETTINGS.model_copy(
        update={
            "universe": universe,
            "model": SETTINGS.model.model_copy(update=told),
            "tape": SETTINGS.tape.model_copy(update={"snapshot_batches": 70}),
        }
    )


def put(folder: Path, files: Files) -> None:
    """Let the folder hold another bundle."""
    shutil.rmtree(folder / "model", ignore_errors=True)
    write_bundle(folder / "model", files)


def version(number: int) -> Bundle:
    """The n-th version: of two models in turn, each trained at another moment; some do not learn online."""
    one = replace(bundle(1 + number % 2), trained_at=number)
    return narrow(one) if number % 5 == 0 else one


@cache
def numbers() -> dict[str, int]:
    """Which version a name is of."""
    return {version_of(version(n).to_files()): n for n in range(N_SWAPS + 1)}


def torn(one: Bundle) -> Files:
    files = one.to_files()
    return {**files, "trees.txt": files["trees.txt"][:-100]}


def without_trees(one: Bundle) -> Files:
    return {name: content for name, content in one.to_files().items() if name != "trees.txt"}


def no_trees_at_all(one: Bundle) -> Files:
    return replace(one, trees=b"tree\nversion=v4\nnonsense\n").to_files()


def of_other_labels(one: Bundle) -> Files:
    return replace(one, labels=one.labels.model_copy(update={"horizon_minutes": 20})).to_files()


def of_other_sigma(one: Bundle) -> Files:
    return replace(one, features=one.features.model_copy(update={"sigma_bars": 90})).to_files()


def of_other_reference(one: Bundle) -> Files:
    return replace(one, reference=one.reference[1:]).to_files()


def of_strange_psi(one: Bundle) -> Files:
    return replace(one, psi={"features": {"names": ["strange"]}}).to_files()


BAD: tuple[tuple[Callable[[Bundle], Files], str], ...] = (
    (torn, "trees.txt: its content is not what SHA256SUMS says"),
    (without_trees, "trees.txt: missing"),
    (no_trees_at_all, ""),
    (of_other_labels, "labels.horizon_minutes is 10 here and 20 in the model"),
    (of_other_sigma, "features.sigma_bars is 60 here and 90 in the model"),
    (of_other_reference, "the reference list is"),
    (of_strange_psi, ""),
)


def content(number: int) -> tuple[Files, str | None]:
    """What the folder holds after the n-th swap, and why it is refused, if it is bad."""
    if number % 4 == 3:
        spoil, reason = BAD[number // 4 % len(BAD)]
        return spoil(version(number)), reason
    # Every tenth is a rollback to one that traded before.
    return version(number - 5 if number % 10 == 9 and number > 10 else number).to_files(), None


class Life:
    """One process of a live run on the test market, its model's folder changed as it goes.

    Args:
        folder: Of model and tape.
        first: Minute in which the machine is up.
        swaps: Numbers of the swaps.
    """

    def __init__(self, folder: Path, first: int, swaps: Sequence[int]) -> None:
        self.tape = folder / "live.tape"
        self.last = first - 1
        self.counts: dict[str, int] = {}
        self._folder, self._first, self._swaps = folder, first, swaps
        self._done = 0
        self._awaited = False
        self._held: Sequence[BatchRecord] = ()
        self._clock = JumpClock(first * 60_000 + 10_000)
        self._feed = FileFeed(all_bars(market()), self._clock, first, market().last_minute)

    def see(self, records: Sequence[BatchRecord]) -> None:
        """A sink: the feed waits where it would leave the swaps far behind."""
        self.last = records[-1].minute
        self._held = records
        if self._awaited or self.last - self._first < SPARE + self._done:
            self._feed.see(records)

    async def live(self, *, killed: bool) -> "Life":
        """Swap as told, then kill the run or end it in order."""
        stop = asyncio.Event()
        settings = settings_of(self._folder)
        run = opened(
            settings,
            settings.model.uri,
            lambda _venue, _names: self._feed,
            self._clock,
            self.tape,
            stop=stop,
            onlookers=Onlookers((self.see,)),
        )
        async with asyncio.timeout(120), run as session:
            assert session is not None
            running = asyncio.ensure_future(session.live.run(stop))
            for number in self._swaps:
                put(self._folder, content(number)[0])
                await session.models.poll(partial(self._submit, session.live.submit))
                self._done += 1
            self.counts = {of: int(n) for (of,), n in session.models.figures()["model_swaps_total"].items()}
            if killed:
                running.cancel()
            stop.set()
            with suppress(asyncio.CancelledError):
                await running
        return self

    async def _submit(self, submit: Submit, event: AnyEvent) -> None:
        """Let the minute come that the event waits for."""
        self._awaited = True
        waiting = asyncio.ensure_future(submit(event))
        if self._held:
            self._feed.see(self._held)
        await waiting
        self._awaited = False


@dataclass(frozen=True)
class Swapped:
    """A run of many swaps, killed in their midst; its registry is gone."""

    tape: Path
    records: list[BatchRecord]
    refused: list[tuple[str, str]]
    killed_at: int
    back_at: int


@pytest.fixture(scope="module")
def swapped(tmp_path_factory: pytest.TempPathFactory) -> Swapped:
    folder = tmp_path_factory.mktemp("swapped")
    put(folder, version(0).to_files())
    with structlog.testing.capture_logs() as lines:
        before = asyncio.run(Life(folder, first_traded(), range(1, KILLED_AFTER)).live(killed=True))
        shutil.rmtree(folder / "model")
        after = Life(folder, before.last + AWAY, range(KILLED_AFTER, N_SWAPS + 1))
        asyncio.run(after.live(killed=False))
    shutil.rmtree(folder / "model")
    refused = [(line["model"], line["reason"]) for line in lines if line["event"] == "model refused"]
    with TapeReader(after.tape) as reader:
        return Swapped(after.tape, list(reader.batches()), refused, before.last, before.last + AWAY)


def in_force(run: Swapped) -> Iterator[tuple[BatchRecord, str]]:
    """Every batch, with the version that decided it, as any reader of the tape finds it."""
    with TapeReader(run.tape) as reader:
        trades = reader.header()["model_version"]
    for record in run.records:
        came = chain.swapped_in(record.events, record.refusals)
        trades = came.version if came else trades
        yield record, trades


def test_no_minute_is_missed_and_none_comes_twice(swapped: Swapped) -> None:
    first, minutes = first_traded(), [record.minute for record in swapped.records]
    assert minutes == list(range(first, first + len(minutes)))
    missed = [record.minute for record in swapped.records if record.catch_up]
    assert missed == list(range(swapped.killed_at + 1, swapped.back_at))


def test_good_versions_trade_in_their_order_and_bad_ones_are_refused_with_their_reason(
    swapped: Swapped,
) -> None:
    held = [content(n) for n in range(1, N_SWAPS + 1)]
    good = [version_of(files) for files, reason in held if reason is None]
    told = [
        event.version
        for record in swapped.records
        for event in map(chain.read_event, record.events)
        if isinstance(event, ModelChanged)
    ]
    assert told == good
    assert len(good) == N_SWAPS - N_SWAPS // 4
    reasons = [reason for _, reason in held if reason is not None]
    assert len(swapped.refused) == len(reasons)
    for (_, said), reason in zip(swapped.refused, reasons, strict=True):
        assert reason in said


def test_every_decision_is_that_of_the_version_that_the_tape_names(swapped: Swapped) -> None:
    """Trees keep no state: what they say is known of each model from a run on it alone."""
    n_minutes = len(swapped.records)
    alone = [trees_of(decided(engine_of(seed), [traded(n_minutes)])[0], bundle().experts) for seed in (1, 2)]
    said = trees_of(swapped.records, NARROW)
    seen = set()
    for at, (_, trades) in enumerate(in_force(swapped)):
        ours, other = 1 + numbers()[trades] % 2, 1 + (numbers()[trades] + 1) % 2
        seen.add(trades)
        np.testing.assert_array_equal(said[at], alone[ours - 1][at])
        assert (said[at] != alone[other - 1][at]).any()
    assert len(seen) > N_SWAPS // 2


def test_an_export_names_the_version_beside_every_decision(swapped: Swapped, tmp_path: Path) -> None:
    assert main(["tape", "export", str(swapped.tape), "--out", str(tmp_path)]) == 0
    decisions = pl.read_parquet(tmp_path / "decisions.parquet")
    told = dict(decisions.select("batch", "model").unique().iter_rows())
    assert told == {record.batch: trades for record, trades in in_force(swapped)}
    # Who learns online is silent where the version has no such expert.
    learns = {trades for trades in told.values() if "online" in version(numbers()[trades]).experts}
    silent = decisions.filter(pl.col("online_up").is_nan())["model"].unique().to_list()
    assert sorted(silent) == sorted(set(told.values()) - learns)
    assert len(silent) > N_SWAPS // 10
    assert not decisions["trees_up"].is_nan().any()
    assert decisions.height == len(swapped.records) * len(NAMES)


def test_the_newest_decisions_name_the_experts_of_their_version(swapped: Swapped) -> None:
    with TapeReader(swapped.tape) as reader:
        newest, _ = newest_decisions(reader, END, len(swapped.records) * len(NAMES))
    said = [row["trees"].tolist() for _, _, row in newest][::-1]
    assert said == np.concatenate(trees_of(swapped.records, NARROW)).tolist()
    assert {row.dtype for _, _, row in newest} == {decision_dtype(one) for one in (bundle().experts, NARROW)}


def test_a_report_judges_every_expert_that_ever_spoke(
    swapped: Swapped, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(swapped.tape), "--json"]) == 0
    experts = {one["name"]: one for one in json.loads(capsys.readouterr().out)["experts"]}
    assert list(experts) == [*NARROW, "online", "blend"]
    heard = {name: int(np.sum(one["confusion"])) for name, one in experts.items()}
    assert heard["trees"] == heard["base_rate"] == heard["blend"]
    learned = sum("online" in version_experts for version_experts in experts_of(swapped))
    assert 0.0 < heard["online"] / heard["trees"] < 1.0
    assert heard["online"] / heard["trees"] == pytest.approx(learned / len(swapped.records), abs=0.05)


def test_verify_reproduces_the_run_without_its_registry(
    swapped: Swapped, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(swapped.tape)]) == 0
    assert f"reproduced: {len(swapped.records)} batches" in capsys.readouterr().out


def experts_of(run: Swapped) -> list[tuple[str, ...]]:
    """The experts of every batch."""
    return [version(numbers()[trades]).experts for _, trades in in_force(run)]


def engine_of(seed: int) -> Engine:
    """An engine on one of the two models alone, as warm as `fresh_engine`."""
    engine = fresh_engine()
    engine.run.swap(model(str(seed)), first_traded(), 0)
    return engine


def trees_of(records: Sequence[BatchRecord], experts: Sequence[str]) -> list[np.ndarray]:
    """What the trees said, batch by batch, of a run that began with these experts."""
    said = []
    for record in records:
        came = chain.swapped_in(record.events, record.refusals)
        experts = came.experts if came else experts
        said.append(np.frombuffer(record.decisions, decision_dtype(experts))["trees"])
    return said
