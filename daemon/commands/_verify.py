"""The two steps of verification."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import click

from adapters.host.progress import Progress
from adapters.tape.intact import check_intact
from adapters.tape.reader import SqliteTapeReader
from daemon import playback
from daemon.commands._model import from_files
from daemon.commands._run import CHUNK_ROWS, MACHINE_KEYS, machine, warmup_minutes
from daemon.engine import Engine
from daemon.events import AnyEvent, Minutes
from daemon.playback import Difference
from daemon.service import outcomes
from daemon.settings import Settings

MOST_SHOWN = 20


def intact(reader: SqliteTapeReader) -> bool:
    """Hash every stored row again and say what is not as it was written."""
    last = reader.tip()
    n_batches = last[0] if last else 0
    with Progress("hashing stored rows", n_batches) as progress:
        findings = list(check_intact(reader, progress.reach))
    for finding in findings[:MOST_SHOWN]:
        click.echo(f"not intact: {finding}")
    if len(findings) > MOST_SHOWN:
        click.echo(f"... and {len(findings) - MOST_SHOWN} more")
    if not findings:
        click.echo(f"intact: {n_batches:,} batches and everything beside them are as they were written")
    return not findings


def reproduced(reader: SqliteTapeReader) -> bool:
    """Compute the run again and say where it first comes out differently."""
    stored = {key: reader.header()[key] for key in MACHINE_KEYS}
    elsewhere = [key for key, value in machine().items() if stored[key] != value]
    last = reader.tip()
    difference, n_batches = _first_difference(reader, last[0] if last else 0)
    if difference is None:
        click.echo(f"reproduced: {n_batches:,} batches came out with the same bits, digest {_tip(reader)}")
        return True
    click.echo(f"not reproduced: {difference}")
    if elsewhere:
        told = ", ".join(f"{key} {stored[key]} on the tape, {machine()[key]} here" for key in elsewhere)
        click.echo(f"made under other {' and '.join(elsewhere)}: {told}. That may be all there is to it.")
    else:
        click.echo("this machine computes as the one that made the tape: the tape or papertape has changed")
    return False


def _first_difference(reader: SqliteTapeReader, n_batches: int) -> tuple[Difference | None, int]:
    """Compute the run again; return where it parts from the tape and how many batches agreed before."""
    settings = Settings.model_validate_json(reader.header()["settings"])
    instruments = reader.instruments()
    loaded = from_files(reader.header()["model_version"], reader.model_files(), settings, instruments)
    engine = Engine(loaded.model, settings, instruments)
    for minutes in warmup_minutes(reader, instruments):
        engine.warm(minutes)
    engine.begin(reader.genesis(), max((record.seq for record in reader.begin_events()), default=0))
    stored = reader.batches()
    agreed = 0
    with Progress("computing again", n_batches) as progress, ThreadPoolExecutor(1) as trees:
        for records, _ in outcomes(engine, _inputs(reader, engine), trees):
            for record in records:
                before = next(stored)
                difference = playback.first_difference(before, record, engine.dtype, engine.run.names)
                if difference is not None:
                    return difference, agreed
                agreed += 1
            progress.reach(agreed)
    return None, agreed


def _inputs(reader: SqliteTapeReader, engine: Engine) -> Iterator[AnyEvent | Minutes]:
    names = engine.run.names
    return playback.inputs(reader.batches(), names, max(1, CHUNK_ROWS // len(names)))


def _tip(reader: SqliteTapeReader) -> str:
    tip = reader.tip()
    return tip[1].hex() if tip else "none"
