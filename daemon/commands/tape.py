"""`papertape tape`: what is on a tape, and its content as Parquet."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daemon.commands._place import TapePlace

if TYPE_CHECKING:
    from adapters.tape.overview import Overview
    from adapters.tape.place import Place

_NAMES_SHOWN = 8


@click.group()
def command() -> None:
    """Look at a tape, or write what is on it as Parquet."""


@command.command()
@click.argument("file", type=TapePlace())
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
def info(file: "Place", *, as_json: bool) -> None:
    """Show which run is on the tape FILE, its range, instruments, model, counts, digest and size."""
    from adapters.tape.overview import overview
    from adapters.tape.reader import TapeReader

    with TapeReader(file) as reader:
        found = overview(reader)
    if as_json:
        click.echo(json.dumps({**asdict(found), "bytes_per_bar": found.bytes_per_bar}, indent=2))
        return
    for name, value in _lines(found):
        click.echo(f"{name:<16}{value}")


@command.command()
@click.argument("file", type=TapePlace())
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for the files; made where there is none. Files of the same names are replaced.",
)
def export(file: "Place", folder: Path) -> None:
    """Write the tape FILE as Parquet, one file each.

    Bars, decisions, orders, fills, equity, states (moves of the trading state), vitals (alarms and their
    ends) and events.
    """
    from adapters.host.progress import Progress
    from adapters.tape.export import export as write
    from adapters.tape.reader import TapeReader
    from daemon.policy.reasons import Reason

    reasons = {int(reason): reason.label for reason in Reason}
    with TapeReader(file) as reader, Progress("exporting", 0) as progress:
        reader.demand_begun()
        files = write(reader, folder, reasons, progress.tell)
        pruned = reader.pruned()
    for written in files:
        click.echo(f"{written}  {written.stat().st_size:,} bytes")
    if pruned is not None and pruned.batch:
        click.echo(f"from batch {pruned.batch + 1:,} on: those before it were pruned", err=True)


@command.command()
@click.argument("file", type=TapePlace())
@click.argument("copy", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace COPY if it is there.")
def backup(file: "Place", copy: Path, *, force: bool) -> None:
    """Copy the tape FILE to COPY as it stands now, also while its run goes on writing it.

    The copy is a tape like any other: verify it, report on it, or put it in the tape's place. A tape on
    PostgreSQL is copied by PostgreSQL's own tools.
    """
    from daemon.commands._copying import copied

    click.echo(copied(file, copy, force=force))


@command.command()
@click.argument("file", type=TapePlace())
def migrate(file: "Place") -> None:
    """Bring the tape FILE of an earlier papertape up to this one's schema, while no run writes it.

    It is done in one transaction: the tape is as it was, or brought up. A run that goes on with a tape does
    the same by itself. Copy the tape before, if it may have to go back: papertape tape backup FILE COPY.
    """
    from daemon.commands._copying import migrated

    click.echo(migrated(file))


@command.command()
@click.argument("file", type=TapePlace())
@click.option("--max-bytes", type=click.IntRange(min=1), help="Prune until what is left is smaller.")
@click.option("--keep-days", type=click.FloatRange(min=0, min_open=True), help="Prune what is older.")
def prune(file: "Place", max_bytes: int | None, keep_days: float | None) -> None:
    """Take the oldest batches off the tape FILE, up to a snapshot, while no run writes it.

    What the windows of that snapshot need stays, and so does a summary of every day, for reports.
    Verification begins at that snapshot from then on. A run prunes its own tape: see tape.max_bytes and
    tape.keep_days.
    """
    from daemon.commands._pruning import prune as pruned

    if max_bytes is None and keep_days is None:
        raise click.UsageError("name a limit: --max-bytes, --keep-days or both")
    click.echo(pruned(file, max_bytes, keep_days))


def _lines(found: "Overview") -> list[tuple[str, str]]:
    left = [("left", _listed(found.departed))] if found.departed else []
    size = f"{found.size_bytes:,} bytes, {found.bytes_per_bar:.0f} a bar"
    return [
        ("run", found.run),
        (
            "range",
            f"{_time(found.first_minute)} to {_time(found.last_minute)}{_pruned(found.pruned_batches)}",
        ),
        ("instruments", _listed(found.instruments)),
        *left,
        ("model", found.model_version + (f" (change {found.model_changes})" if found.model_changes else "")),
        *((name, f"{count:,}") for name, count in found.counts.items()),
        ("equity", f"{found.equity} {found.quote}" if found.equity else "none yet"),
        ("digest", found.digest),
        ("size", size),
    ]


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMES_SHOWN
    return f"{len(names)}: {', '.join(names[:_NAMES_SHOWN])}{f' and {more} more' if more > 0 else ''}"


def _pruned(n_batches: int) -> str:
    return f" ({n_batches:,} batches before it were pruned)" if n_batches else ""


def _time(minute: int | None) -> str:
    if minute is None:
        return "nothing yet"
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)).strftime("%Y-%m-%d %H:%M UTC")
