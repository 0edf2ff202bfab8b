"""Walks a tape once for its report, and writes the page."""

import json
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any, cast

import click
import numpy as np

from adapters.host.progress import Progress
from adapters.tape.reader import TapeReader
from adapters.web.page import page
from daemon.bars.sessions import days_per_year
from daemon.commands._drift_by_day import DriftByDay
from daemon.commands._from_tape import history
from daemon.commands._life import bundle_of, chunks, life_of
from daemon.commands._run import OUTSIDE
from daemon.commands._trials import trials
from daemon.errors import unwritable
from daemon.settings import Settings
from daemon.vitals.importance import most_important
from daemon.vitals.ratios import MIN_DAYS, Trials, Yardstick
from daemon.vitals.report import Report, Told


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
    settings = Settings.stored(header["settings"])
    names = tuple(instrument.name for instrument in instruments)
    measure = benchmark or settings.features.benchmark or names[0]
    if benchmark is not None and measure not in names:
        raise click.UsageError(f"no instrument {measure} is on the tape; it has {', '.join(names)}")
    files = reader.model_files()
    bundle = bundle_of(files)
    drift = DriftByDay(bundle, instruments, settings.vitals.drift_alarm_share)
    whole = reader.pruned() is None
    life = life_of(reader, bundle, n_batches, drift.warm if whole else None)
    # Of a pruned tape drift is counted from the oldest snapshot on: its features need what is before.
    since = 0 if whole else _restored(drift, reader)
    with Progress("reading the tape", n_batches) as progress:
        before = takewhile(lambda record: record.batch <= since, reader.batches())
        for records, universe in chunks(before, life.names):
            life.take(records, universe)
            progress.reach(records[-1].batch)
        for records, universe in chunks(reader.batches(since), life.names):
            offered, minute, said = life.take(records, universe)
            drift.take(records[0].events, offered)
            drift.hear(minute, said)
            progress.reach(records[-1].batch)
    life.account.end_day()
    return Report(
        told=Told(
            name=settings.run.name,
            quote=settings.run.quote,
            model=header["model_version"],
            capital=float(settings.run.capital),
            benchmark=measure,
            paid={name: float(amount) for name, amount in life.costs.totals().items()},
            digest=digest.hex(),
            importance=tuple(most_important(files.get("trees.txt", b""))),
        ),
        account=life.account,
        curves=life.curves,
        outcomes=life.outcomes.figures(),
        trades=life.trades(),
        by=Yardstick(
            days_per_year=max(days_per_year(instrument.calendar) for instrument in instruments),
            benchmark=np.array(life.account.benchmark(measure)),
            # Below that the ratio is withheld anyway, and MLflow takes seconds to ask.
            trials=trials(n_trials, bundle.name if bundle else None, registry)
            if n_trials or len(life.account.days) >= MIN_DAYS
            else Trials(),
            seed=settings.run.seed,
        ),
        divided=life.training.figures(),
        changes=tuple(life.changes),
        coverage=life.coverage.figures(),
        outside=json.loads(header.get(OUTSIDE, "{}")),
        drift=drift.figures(),
        no_drift=drift.none,
        alarms=tuple(life.alarms),
    )


def _restored(drift: DriftByDay, reader: TapeReader) -> int:
    """Bring what counts drift by day to the oldest snapshot of a tape; return the batch after which it is."""
    snapshot = reader.oldest_snapshot()
    inputs = cast("Mapping[str, Any]", snapshot.state["inputs"])
    drift.restore(inputs, lambda rows: history(reader, reader.instruments(), snapshot, rows))
    return snapshot.batch


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
