"""One run on one tape: begun, taken up again after a crash, and held against what the tape says of it."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from adapters.host.progress import Progress
from adapters.tape.models import hashes_of
from daemon import chain, playback
from daemon.commands._from_tape import CHUNK_ROWS, bring
from daemon.commands._model import RUN_FILES
from daemon.commands._settings_taken_up import of_another_run, settings_of
from daemon.commands._tape_models import TapeModels
from daemon.engine import Engine
from daemon.errors import SnapshotVersionError, TapeDamagedError
from daemon.events import (
    BAR_RECORD,
    ArithmeticChanged,
    EventRecord,
    Instrument,
    Minutes,
    Snapshot,
    Warmup,
)
from daemon.ports import Files, RunSource
from daemon.run_model import RunModel
from daemon.service import outcomes
from daemon.settings import Settings, changes

if TYPE_CHECKING:
    from adapters.tape.reader import TapeReader
    from adapters.tape.writer import TapeWriter

FORMAT: Final = "papertape tape 1"
WARMUP_SEQ: Final = 1
MACHINE_KEYS: Final = ("arithmetic", "versions")
"""What a header says of the machine, not of the run."""

OUTSIDE: Final = "bars_outside_sessions"
"""What a header says of bars that no run ever sees: by instrument, as JSON, from the first decided minute to
the files' end (a tape must not depend on where its run paused); absent where there are none."""

WHAT_DIFFERS: Final = {
    "bars": "bar files",
    "first_minute": "first decided minute (--from)",
    "experts": "experts of the model",
}


@dataclass(frozen=True, slots=True)
class Run:
    """What a run is made of.

    Attributes:
        settings: In force at its start.
        source: Its recorded bars.
        first_minute: First decided minute, epoch.
        model: The model that trades.
        files: Its bundle, and the run's signals and funding.
        machine: The header's `MACHINE_KEYS`.
        funding: Columns of `costs.funding_file`, where the settings name one.
    """

    settings: Settings
    source: RunSource
    first_minute: int
    model: RunModel
    files: Files
    machine: Mapping[str, str]
    funding: Mapping[str, object] | None = None

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """The run's instruments, sorted by name."""
        return self.source.instruments

    @property
    def chunk_minutes(self) -> int:
        """How many minutes are prepared at once."""
        return min(self.settings.tape.group_batches, max(1, CHUNK_ROWS // len(self.instruments)))

    def header(self) -> dict[str, str]:
        """Return what the tape states at its beginning."""
        return {
            "format": FORMAT,
            "name": self.settings.run.name,
            "settings": self.settings.identity_json(),
            "bars": self.source.fingerprint,
            "first_minute": str(self.first_minute),
            "experts": json.dumps(list(self.model.bundle.experts)),
            **self.machine,
        }

    def engine(self) -> Engine:
        """Return an engine that has seen nothing."""
        return Engine(self.model, self.settings, self.instruments, funding=self.funding)

    def warmup(self) -> Iterator[Minutes]:
        """Yield the minutes before the first decided one that fill windows and settle averages."""
        start = self.first_minute - self.model.plan.past_rows
        return self.source.blocks(start, self.first_minute - 1, self.chunk_minutes)


def begin(run: Run, engine: Engine, tape: "TapeWriter") -> None:
    """Warm the engine with the bars before the first decided minute, and write the tape's beginning."""
    digest = chain.WarmupDigest()
    seen: list[int] = []
    n_bars = 0

    def blocks() -> Iterator[bytes]:
        nonlocal n_bars
        for minutes in run.warmup():
            block = engine.warm(minutes).tobytes()
            digest.add(block)
            n_bars += len(block) // BAR_RECORD.itemsize
            seen.extend((int(minutes.minute[0]), int(minutes.minute[-1])))
            yield block

    def events() -> Iterator[EventRecord]:
        if seen:
            event = Warmup(first_minute=seen[0], last_minute=seen[-1], n_bars=n_bars, digest=digest.value())
            yield chain.record_event(WARMUP_SEQ, event)

    genesis = tape.begin(
        {**run.header(), **_outside(run)},
        run.instruments,
        run.model.version,
        run.files,
        warmup=blocks(),
        warmup_seq=WARMUP_SEQ,
        events=events(),
    )
    engine.begin(genesis, WARMUP_SEQ if seen else 0)


def _outside(run: Run) -> dict[str, str]:
    counts = run.source.outside(run.first_minute, run.source.last_minute)
    return {OUTSIDE: json.dumps(dict(counts))} if counts else {}


def resume(run: Run, engine: Engine, reader: "TapeReader") -> bool:
    """Bring an engine to the end of a tape: its last snapshot, then the batches after it, checked.

    Under other arithmetic than the tape's the stored batches stand as they are, and a new segment of the
    chain begins; that is an event on the tape. Where its snapshot is one of another version of papertape, all
    of the tape is computed again from its first batch.

    Returns:
        Whether the tape lacks a snapshot that this version reads: one should be written now.

    Raises:
        TapeMismatchError: The tape is of other bars, settings or another model; names which.
        TapeDamagedError: A batch after the snapshot does not come out again as it is stored.
    """
    _demand_same(run, reader)
    models = TapeModels(reader, run.settings)
    before, now = machine_at(reader), dict(run.machine)
    snapshot, is_old = _newest_snapshot(reader)
    bring(engine, reader, models, snapshot)
    _follow(engine, reader, models, run.chunk_minutes, same_machine=before == now)
    if before != now:
        structlog.get_logger().warning("arithmetic_changed", before=before, after=now, batch=engine.batch)
        engine.apply(ArithmeticChanged(before=before, after=now))
    return is_old


def _newest_snapshot(reader: "TapeReader") -> tuple[Snapshot | None, bool]:
    """Return the snapshot to go on from, and whether there is none because its version is not read here.

    Raises:
        SnapshotVersionError: There is none, and not every batch is on the tape either.
    """
    try:
        return reader.snapshot(), False
    except SnapshotVersionError as error:
        if reader.pruned() is not None:
            message = (
                f"{error}. Its oldest batches were pruned, so it cannot be computed again from its first "
                "either: go on with the papertape that wrote it, or begin a new tape (--tape)"
            )
            raise SnapshotVersionError(message) from error
        tip = reader.tip()
        structlog.get_logger().warning(
            "snapshot of another version",
            batches=tip[0] if tip else 0,
            consequence="every batch is computed again, once",
        )
        return None, True


def _follow(
    engine: Engine, reader: "TapeReader", models: TapeModels, chunk_minutes: int, *, same_machine: bool
) -> None:
    """Decide the tape's batches after the engine's once more; they must come out as they are stored."""
    stored = reader.batches(engine.batch)
    items = playback.inputs(reader.batches(engine.batch), engine.run.names, chunk_minutes)
    items = models.supplied(engine, items)
    tip = reader.tip()
    n_batches = tip[0] if tip else 0
    with Progress("computing again", n_batches) as progress, ThreadPoolExecutor(1) as trees:
        for records, _ in outcomes(engine, items, trees):
            progress.reach(engine.batch)
            for record, before in zip(records, stored, strict=False):
                if record.digest != before.digest and same_machine:
                    raise TapeDamagedError(
                        f"batch {record.batch} of the tape does not come out again as it is stored; "
                        "`papertape verify` says where they part. Replay onto a new tape."
                    )
                if (record.orders, record.fills) != (before.orders, before.fills):
                    log = structlog.get_logger()
                    log.warning("stored_fills_differ", batch=record.batch, minute=record.minute)
    if tip is not None:
        engine.digest = tip[1]


def _demand_same(run: Run, reader: "TapeReader") -> None:
    header, ours = reader.header(), run.header()
    others = changes(settings_of(reader, run.settings), run.settings)
    differing = [f"settings ({', '.join(others)})"] if others else []
    differing += [text for key, text in WHAT_DIFFERS.items() if header.get(key) != ours[key]]
    if reader.instruments() != run.instruments:
        differing.append("instruments")
    hashes = hashes_of(run.files)
    stored = dict(reader.model_hashes())
    changed = {name for name in {*hashes, *stored} if hashes.get(name) != stored.get(name)}
    differing += [text for name, text in RUN_FILES.items() if name in changed]
    if changed - RUN_FILES.keys():
        differing.append("model")
    if differing:
        raise of_another_run(reader, differing)


def machine_at(reader: "TapeReader", seq: int | None = None) -> dict[str, str]:
    """Return under which arithmetic a tape was made at the input `seq`; at its end, if none is given."""
    machine = {key: reader.header()[key] for key in MACHINE_KEYS}
    for record in reader.events_of(ArithmeticChanged.__name__):
        event = chain.read_event(record)
        if isinstance(event, ArithmeticChanged) and (seq is None or record.seq <= seq):
            machine = dict(event.after)
    return machine


def machine() -> dict[str, str]:
    """Return what this machine computes with, for a tape's header."""
    from adapters.host.fingerprint import arithmetic, versions

    return {"arithmetic": arithmetic(), "versions": json.dumps(dict(sorted(versions().items())))}
