"""The two steps of verification."""

import contextlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import click

from adapters.host.progress import Progress
from adapters.tape.intact import check_intact
from adapters.tape.pruned import Pruned
from adapters.tape.reader import TapeReader
from daemon import chain, playback
from daemon.commands._from_tape import CHUNK_ROWS, bring
from daemon.commands._run import MACHINE_KEYS, machine, machine_at
from daemon.commands._tape_models import TapeModels, first_model
from daemon.engine import Engine
from daemon.errors import PapertapeError, TapeDamagedError
from daemon.events import MINUTE_MS, AnyEvent, ArithmeticChanged, BatchRecord, Minutes
from daemon.playback import Difference
from daemon.service import outcomes
from daemon.vitals.moment import clock

MOST_SHOWN = 20


def demand_begun(reader: TapeReader) -> None:
    """Refuse a tape on which nothing was ever written; one that lost its beginning or end is for the steps.

    Raises:
        TapeVersionError: Its run stopped before it began.
    """
    with contextlib.suppress(TapeDamagedError):
        if reader.tip() is None and not reader.header():
            reader.demand_begun()


def intact(reader: TapeReader) -> bool:
    """Hash every stored row again and say what is not as it was written."""
    n_batches, gone = _length(reader), _gone(reader)
    with Progress("hashing stored rows", n_batches) as progress:
        findings = list(check_intact(reader, progress.reach))
    for finding in findings[:MOST_SHOWN]:
        click.echo(f"not intact: {finding}")
    if len(findings) > MOST_SHOWN:
        click.echo(f"... and {len(findings) - MOST_SHOWN} more")
    if not findings:
        n_left = n_batches - (gone.batch if gone else 0)
        click.echo(f"intact: {n_left:,} batches and everything beside them are as they were written")
        if gone is not None and gone.batch:
            click.echo(
                f"batches 1 to {gone.batch:,} were pruned, on {_day(gone.pruned_ms)}: the chain is verified "
                f"from batch {gone.batch + 1:,}"
            )
    return not findings


def reproduced(reader: TapeReader) -> bool:
    """Compute the run again and say where it first comes out differently, and what that may be due to."""
    again = _Again(reader)
    try:
        difference = again.first_difference(_length(reader))
    except (PapertapeError, ValueError, LookupError, ArithmeticError) as error:
        # Damaged rows can make anything fail, and that is what a check of a tape is asked to say.
        what = str(error) if isinstance(error, PapertapeError) else f"{type(error).__name__}: {error}"
        last = again.start + again.agreed
        click.echo(f"not reproduced: after batch {last:,} it could not be computed again: {what}")
        return False
    if difference is None:
        since = f" from batch {again.start + 1:,}, after the oldest snapshot," if again.start else ""
        came = "came out with the same bits, digest"
        click.echo(f"reproduced: {again.agreed:,} batches{since} {came} {_tip(reader)}")
        return True
    click.echo(f"not reproduced: {difference}")
    click.echo(again.explanation())
    return False


class _Again:
    """A run computed again from its tape.

    Attributes:
        start: The batch after which it is computed: that of the oldest snapshot where batches were pruned.
        agreed: How many batches came out as they are stored.
        made_under: What the machine computed with that made the batch now compared (`MACHINE_KEYS`).
    """

    def __init__(self, reader: TapeReader) -> None:
        self._reader = reader
        self.start = 0
        self.agreed = 0
        self.made_under: dict[str, str] = {}

    def first_difference(self, n_batches: int) -> Difference | None:
        """Return where the run parts from the tape of `n_batches`; None if it never does."""
        reader = self._reader
        settings, first = first_model(reader)
        engine = Engine(first.model, settings, reader.instruments(), funding=first.funding)
        models = TapeModels(reader, engine.run.settings)
        snapshot = None if reader.pruned() is None else reader.oldest_snapshot()
        bring(engine, reader, models, snapshot)
        if snapshot is None:
            self.made_under = {key: reader.header()[key] for key in MACHINE_KEYS}
        else:
            self.start, self.made_under = snapshot.batch, machine_at(reader, snapshot.seq)
        stored = reader.batches(self.start)
        with Progress("computing again", n_batches) as progress, ThreadPoolExecutor(1) as trees:
            items = models.supplied(engine, _inputs(reader, engine))
            for records, _ in outcomes(engine, items, trees):
                for record in records:
                    before = next(stored)
                    self._note_machine(before)
                    difference = playback.first_difference(before, record, engine.dtype, engine.run.names)
                    if difference is not None:
                        return difference
                    self.agreed += 1
                progress.reach(self.start + self.agreed)
        return None

    def explanation(self) -> str:
        """Say whether the machine that made the differing batch computes as this one does."""
        elsewhere = [_between(key, self.made_under[key], now) for key, now in machine().items()]
        told = "; ".join(filter(None, elsewhere))
        if told:
            return (
                f"This batch was made under other arithmetic or libraries ({told}): that may be all there is "
                "to it. Bits can be compared where it was made; later batches were not compared."
            )
        return "This machine computes as the one that made the tape: the tape or papertape has changed."

    def _note_machine(self, record: BatchRecord) -> None:
        for event in record.events:
            if event.kind == ArithmeticChanged.__name__:
                changed = chain.read_event(event)
                if isinstance(changed, ArithmeticChanged):
                    self.made_under = dict(changed.after)


def _between(key: str, stored: str, now: str) -> str:
    """Say how one entry of the header differs from what it would be here; nothing if it does not."""
    if stored == now:
        return ""
    if key != "versions":
        return f"{key} {stored} on the tape, {now} here"
    before, after = json.loads(stored), json.loads(now)
    return ", ".join(
        f"{name} {before.get(name, 'none')} on the tape, {after.get(name, 'none')} here"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    )


def _inputs(reader: TapeReader, engine: Engine) -> Iterator[AnyEvent | Minutes]:
    names = engine.run.names
    return playback.inputs(reader.batches(engine.batch), names, max(1, CHUNK_ROWS // len(names)))


def _length(reader: TapeReader) -> int:
    """Return up to which batch the tape was written, for the progress bar; 0 if it does not say."""
    with contextlib.suppress(TapeDamagedError):
        tip = reader.tip()
        return tip[0] if tip else 0
    return 0


def _gone(reader: TapeReader) -> Pruned | None:
    """Return what was pruned; nothing if it does not say."""
    with contextlib.suppress(TapeDamagedError):
        return reader.pruned()
    return None


def _day(epoch_ms: int) -> str:
    return clock(epoch_ms // MINUTE_MS)


def _tip(reader: TapeReader) -> str:
    tip = reader.tip()
    return tip[1].hex() if tip else "none"
