"""Walks a tape once for its report, and writes the page."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import numpy as np

from adapters.host.progress import Progress
from adapters.tape.reader import TapeReader
from adapters.web.page import page
from daemon import chain
from daemon.bars.coverage import Coverage
from daemon.bars.sessions import days_per_year
from daemon.commands._drift_by_day import DriftByDay
from daemon.commands._run import CHUNK_ROWS, OUTSIDE, warmup_minutes
from daemon.commands._trials import trials
from daemon.errors import BundleError, unwritable
from daemon.events import (
    MINUTES_PER_DAY,
    BatchRecord,
    Instrument,
    Minutes,
    StateChange,
    UniverseChanged,
    VitalChange,
    decision_dtype,
)
from daemon.models.bundle import Bundle
from daemon.playback import minutes_of
from daemon.ports import Files
from daemon.settings import Settings
from daemon.vitals.cost_totals import CostTotals
from daemon.vitals.curves import Curves
from daemon.vitals.day_book import DayBook
from daemon.vitals.importance import most_important
from daemon.vitals.outcomes import Outcomes
from daemon.vitals.ratios import MIN_DAYS, Trials, Yardstick
from daemon.vitals.report import Report, Told
from daemon.vitals.trades import TradeFigures, Trades
from daemon.vitals.training_date import TrainingDate


def report(
    reader: TapeReader, registry: str, benchmark: str | None = None, n_trials: int | None = None
) -> Report:
    """Return the report of the run on a tape.

    Args:
        reader: Of the tape.
        registry: MLflow's address, whose runs are the trials that deflate the Sharpe ratio.
        benchmark: Instrument of alpha and beta; that of the features by default, else the first.
        n_trials: Models tried before this one was chosen; by default the registry is asked.

    Raises:
        click.UsageError: There is no such instrument, or nothing was decided yet.
    """
    n_batches, digest = reader.demand_begun()
    if not n_batches:
        raise click.UsageError(
            f"no minute is decided on the tape {reader.place} yet: there is nothing to report"
        )
    header, instruments = reader.header(), reader.instruments()
    settings = Settings.model_validate_json(header["settings"])
    names = tuple(instrument.name for instrument in instruments)
    measure = benchmark or settings.features.benchmark or names[0]
    if benchmark is not None and measure not in names:
        raise click.UsageError(f"no instrument {measure} is on the tape; it has {', '.join(names)}")
    files = reader.model_files()
    bundle = _bundle(files)
    drift = DriftByDay(bundle, instruments, settings.vitals.drift_alarm_share)
    walk = _Walk(settings, instruments, json.loads(header["experts"]), n_batches, bundle, drift)
    for minutes in warmup_minutes(reader, instruments):
        walk.warm(minutes)
    with Progress("reading the tape", n_batches) as progress:
        for records, universe in _chunks(reader, names):
            walk.take(records, universe)
            progress.reach(records[-1].batch)
    walk.account.end_day()
    return Report(
        told=Told(
            name=settings.run.name,
            quote=settings.run.quote,
            model=header["model_version"],
            capital=float(settings.run.capital),
            benchmark=measure,
            paid={name: float(amount) for name, amount in walk.costs.totals().items()},
            digest=digest.hex(),
            importance=tuple(most_important(files.get("trees.txt", b""))),
        ),
        account=walk.account,
        curves=walk.curves,
        outcomes=walk.outcomes.figures(),
        trades=walk.trades(),
        by=Yardstick(
            days_per_year=max(days_per_year(instrument.calendar) for instrument in instruments),
            benchmark=np.array(walk.account.benchmark(measure)),
            # Below that the ratio is withheld anyway, and MLflow takes seconds to ask.
            trials=trials(n_trials, bundle.name if bundle else None, registry)
            if n_trials or len(walk.account.days) >= MIN_DAYS
            else Trials(),
            seed=settings.run.seed,
        ),
        divided=walk.training.figures(),
        changes=tuple(walk.changes),
        coverage=walk.coverage.figures(),
        outside=json.loads(header.get(OUTSIDE, "{}")),
        drift=drift.figures(),
        no_drift=drift.none,
        alarms=tuple(walk.alarms),
    )


def _bundle(files: Files) -> Bundle | None:
    try:
        return Bundle.from_files(files)
    except BundleError:
        # Of another version, say: what the tape itself tells is reported all the same.
        return None


def write_page(made: Report, file: Path) -> None:
    """Write a report's page, whole or not at all.

    Raises:
        UserError: No file can be there.
        StorageError: The disk is full, read-only or broken.
    """
    text = page(made.to_plain())
    beside = file.with_name(f".{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            beside.write_text(text, encoding="utf-8")
            beside.replace(file)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise unwritable(f"the report {file}", error) from error


class _Walk:
    """Everything that one pass over the batches feeds."""

    def __init__(
        self,
        settings: Settings,
        instruments: Sequence[Instrument],
        experts: Sequence[str],
        n_batches: int,
        bundle: Bundle | None,
        drift: DriftByDay,
    ) -> None:
        capital = float(settings.run.capital)
        names = tuple(instrument.name for instrument in instruments)
        self._known = {instrument.name: instrument for instrument in instruments}
        self._horizon_minutes = settings.labels.horizon_minutes
        self.coverage = Coverage(instruments)
        self._decision = decision_dtype(experts)
        self._names = names
        self._drift = drift
        self.account = DayBook(capital, names)
        self.curves = Curves(n_batches, capital)
        self.costs = CostTotals()
        self.alarms: list[VitalChange] = []
        self.outcomes = Outcomes(settings.labels, experts, len(names))
        self.changes: list[StateChange] = []
        self.training = TrainingDate(bundle.ranges.get("end") if bundle else None, capital)

    def warm(self, minutes: Minutes) -> None:
        """Take minutes before the first decided one."""
        self.coverage.warm(minutes)
        self._drift.warm(minutes)

    def take(self, records: Sequence[BatchRecord], names: Sequence[str]) -> None:
        """Take batches that follow each other in one universe; only the first may have events."""
        if names != self._names:
            self._regroup(records[0], names)
        for record in records:
            self.account.add(record, names)
            self.curves.add(record, names)
            self.costs.add(record.fills)
            self.training.add(record)
            self.changes.extend(record.changes)
            self.alarms += record.vitals
        decisions = [np.frombuffer(record.decisions, self._decision) for record in records]
        row_minute = np.repeat(np.arange(len(records)), [len(rows) for rows in decisions])
        said, minutes = np.concatenate(decisions), minutes_of(records, len(names), without_refused=True)
        offered = minutes_of(records, len(names))
        self.coverage.update(offered, minutes)
        self.outcomes.add(minutes, row_minute, said)
        self._drift.take(records[0].events, offered)
        self._drift.hear(minutes.minute[row_minute], said)

    def trades(self) -> TradeFigures:
        """Return the figures of all closed trades."""
        days = self.account.days
        trades = Trades(self._horizon_minutes, (days[-1].number - days[0].number + 2) * MINUTES_PER_DAY)
        trades.add(sorted(self.account.trips, key=lambda trip: trip.exit_minute))
        return trades.figures()

    def _regroup(self, first: BatchRecord, names: Sequence[str]) -> None:
        """Go on with other instruments: those that join stand in the events of their first batch."""
        for event in map(chain.read_event, first.events):
            if isinstance(event, UniverseChanged):
                self._known.update({one.name: one for one in event.joining(self._names)})
                index, self._names = event.columns(self._names), event.after(self._names)
                self.coverage = self.coverage.regrouped(index, [self._known[name] for name in self._names])
        self.outcomes.regroup(len(names))


def _chunks(
    reader: TapeReader, names: tuple[str, ...]
) -> Iterator[tuple[list[BatchRecord], tuple[str, ...]]]:
    """Yield runs of batches with the instruments of their bars; what has events begins a run."""
    run: list[BatchRecord] = []
    for record in reader.batches():
        universe = names
        for event in map(chain.read_event, record.events):
            if isinstance(event, UniverseChanged):
                universe = event.after(universe)
        if run and (record.events or len(run) * len(names) >= CHUNK_ROWS):
            yield run, names
            run = []
        names = universe
        run.append(record)
    yield run, names
