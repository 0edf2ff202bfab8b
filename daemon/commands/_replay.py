"""Playing a run onto its tape, with a live table, signals and a summary: what `replay` and `demo` share."""

import asyncio
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click
import structlog

from adapters.clock import SystemClock
from adapters.host.terminal import LiveTable, print_summary
from adapters.tape.place import Place
from adapters.tape.reader import TapeReader
from adapters.tape.writer import TapeWriter
from daemon.commands._figures import Meter
from daemon.commands._outages import tell_outages
from daemon.commands._run import Run, begin, resume
from daemon.commands._serving import Feed, feed_for
from daemon.commands._signals import on_signals
from daemon.commands._told import tell
from daemon.commands._views import Watcher
from daemon.engine import Engine
from daemon.events import BatchRecord, Book, Minutes, Snapshot
from daemon.service import Sink, play, untimed
from daemon.vitals.summary import RunSummary

if TYPE_CHECKING:
    from adapters.prometheus.server import MetricsServer


def replay(run: Run, end_minute: int, place: Place, server: "MetricsServer | None" = None) -> RunSummary:
    """Play a run's bars up to `end_minute` onto its tape and print what it came to.

    Args:
        run: What is played.
        end_minute: The minute after the last.
        place: Made where there is none; else it is gone on with.
        server: Serves the run's figures, if somebody is to see them.

    Returns:
        The summary.

    Raises:
        click.exceptions.Exit: A signal ended the run before its end, between two batches; the exit code is
            128 and the signal's number, as a shell has it (130 for SIGINT, 143 for SIGTERM).
    """
    clock, log = SystemClock(), structlog.get_logger()
    with TapeWriter(place) as tape:
        tell_outages(tape, server)
        engine = run.engine()
        book = _take_up(run, engine, tape)
        start = engine.minute + 1 if engine.batch else run.first_minute
        log.info(
            "replay", tape=str(place), minute=start, batch=engine.batch, instruments=len(run.instruments)
        )
        watcher = Watcher(engine, start, end_minute, book)
        meter = Meter(engine, watcher, run.settings.metrics.max_instruments, run.first_minute, book)
        feed = None if server is None else feed_for(server, meter, clock)
        began_s = clock.monotonic_s()
        with LiveTable(sys.stderr, clock) as table:

            def sink(batches: Sequence[BatchRecord]) -> None:
                watcher.see(batches)
                tell(batches)
                if batches and table.is_due():
                    table.show(watcher.live())
                if feed is not None:
                    feed.see(batches)

            inputs = run.source.blocks(start, end_minute - 1, run.chunk_minutes)
            stopped_by = asyncio.run(_play(engine, inputs, tape, sink, feed))
        if stopped_by is not None:
            log.warning(
                "stopped",
                signal=stopped_by.name,
                minute=engine.minute,
                batch=engine.batch,
                hint="start it again to go on",
            )
            raise click.exceptions.Exit(128 + stopped_by)
    took_s = clock.monotonic_s() - began_s
    outside = run.source.outside(run.first_minute, end_minute - 1)
    meter.note_outside(outside)
    summary = watcher.summary(run.first_minute, took_s, outside)
    print_summary(sys.stdout, summary.panels(), summary.verdict)
    if feed is not None:
        feed.linger(run.settings.metrics.linger_seconds)
    return summary


def _take_up(run: Run, engine: Engine, tape: TapeWriter) -> Book | None:
    """Bring the engine to the tape's end, beginning the tape if it is empty; return the account there."""
    if not tape.begun:
        begin(run, engine, tape)
        return None
    with TapeReader(tape.place) as reader:
        is_old = resume(run, engine, reader)
        last = reader.last_batch()
    if is_old and (snapshot := engine.snapshot()) is not None:
        tape.append((), snapshot)
    return last.book if last else None


async def _play(
    engine: Engine, inputs: Iterator[Minutes], tape: TapeWriter, sink: Sink, feed: Feed | None
) -> signal.Signals | None:
    """Play to the end of the inputs and return None, or until a signal comes, and return which."""
    stop = asyncio.Event()

    def halt() -> None:
        stop.set()
        tape.outages.hurry()

    caught = on_signals(halt)

    def commit(batches: Sequence[BatchRecord], snapshot: Snapshot | None) -> None:
        if batches or snapshot is not None:
            tape.append(batches, snapshot)
            if feed is not None:
                feed.note_commit(snapshot)

    timed = untimed if feed is None else feed.timed
    ended = await play(engine, inputs, commit, (sink,), stop, timed)
    return None if ended else caught[0]
