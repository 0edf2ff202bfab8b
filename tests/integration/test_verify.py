"""`papertape verify`: good tapes, damaged ones, forged ones, and those made on other machines."""

import json
import re
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from adapters.tape import schema
from adapters.tape.reader import TapeReader
from adapters.tape.writer import TapeWriter
from daemon import chain
from daemon.__main__ import main
from daemon.events import BAR_RECORD, ArithmeticChanged, BatchRecord, decision_dtype
from tests.integration.command_line import Job, digest, papertape, run_python, tip

N_BATCHES = 240


@pytest.fixture(scope="module")
def short(job: Job) -> Path:
    """The tape of four traded hours."""
    assert main(job.words("short.tape", until="2024-01-02T20:00")) == 0
    return job.folder / "short.tape"


@pytest.fixture
def tape(short: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(short, tmp_path / "run.tape"))


@dataclass(frozen=True)
class Said:
    """What a command left with and printed on stdout and stderr."""

    code: int
    out: str
    err: str


@pytest.fixture
def verify(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """The command in this process: importing everything anew for each of forty tapes would take minutes."""

    def run(path: Path, *options: str) -> Said:
        capsys.readouterr()
        code = main(["verify", str(path), *options])
        return Said(code, *capsys.readouterr())

    return run


# --- good tapes


def test_a_good_tape_is_intact_and_reproduced_though_bars_and_model_are_gone(
    job: Job, short: Path, tmp_path: Path
) -> None:
    (tmp_path / "job").mkdir()
    moved = Job(tmp_path / "job")
    for name in (job.bars, job.config):
        shutil.copy(job.folder / name, moved.folder)
    shutil.copytree(job.folder / job.model, moved.folder / moved.model)
    assert papertape(moved.words("run.tape", until="2024-01-02T20:00"), tmp_path).returncode == 0
    tape = Path(shutil.copy(moved.folder / "run.tape", tmp_path / "run.tape"))
    shutil.rmtree(moved.folder)
    done = papertape(["verify", "run.tape"], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    first, second = done.stdout.splitlines()
    assert first.startswith(f"intact: {N_BATCHES} batches")
    assert second.startswith(f"reproduced: {N_BATCHES} batches")
    assert second.endswith(digest(short))
    assert tip(tape) == tip(short), "where a run's files are is no part of it"


@pytest.mark.parametrize("step", ["intact", "reproduced"])
def test_each_step_can_be_taken_alone(tape: Path, verify: Callable[..., Said], step: str) -> None:
    said = verify(tape, "--only", step)
    assert said.code == 0
    assert [line.split(":")[0] for line in said.out.splitlines()] == [step]


def test_a_tape_that_was_never_begun_is_told_in_one_line(tmp_path: Path, verify: Callable[..., Said]) -> None:
    with TapeWriter(tmp_path / "made.tape"):
        # A writer takes away what it never began; a kill leaves it.
        for part in ("", "-wal"):
            shutil.copyfile(tmp_path / f"made.tape{part}", tmp_path / f"run.tape{part}")
    said = verify(tmp_path / "run.tape")
    assert said.code == 2
    assert "stopped before it began" in said.err
    assert verify(tmp_path / "none.tape").code == 2


# --- damaged tapes: a flipped byte in a stored row


def flipped(value: Any) -> Any:
    """The value with one bit of its stored form changed."""
    if isinstance(value, float):
        bits = np.float64(value).view(np.int64) ^ 1
        return float(np.int64(bits).view(np.float64))
    if isinstance(value, bytes):
        middle = len(value) // 2
        return value[:middle] + bytes([value[middle] ^ 1]) + value[middle + 1 :]
    if isinstance(value, str):
        return value[:-1] + chr(ord(value[-1]) ^ 1)
    return value ^ 1


BATCH = "batch [0-9]+ .*does not match its digest: "
FLIPS = {
    ("bar", "close", "minute"): BATCH + "bars changed",
    ("batch", "decisions", "number"): BATCH + "decisions changed",
    ("batch", "equity", "number"): BATCH + "book changed",
    ("batch", "digest", "number"): "batch [0-9]+ .*does not match its digest",
    ("fill", "price", "batch"): BATCH + "fills changed",
    ("paper_order", "quantity", "batch"): BATCH + "orders changed",
    ("event", "payload", "seq"): "events from before the first batch do not match the header",
    ("snapshot", "content", "batch"): "snapshot of batch [0-9]+ does not match its checksum",
    ("model_file", "content", "hash"): "model file '[0-9a-f]+' does not match its digest",
    ("model_version", "hash", "name"): "model_version of .* does not match its checksum",
    ("instrument", "tick", "id"): "instrument of id 2 does not match its checksum",
    ("tip", "digest", "id"): "tip of id 1 does not match its checksum",
}


@pytest.mark.parametrize("cell", FLIPS, ids=lambda cell: f"{cell[0]}.{cell[1]}")
def test_a_flipped_bit_is_found_and_its_place_named(
    tape: Path, verify: Callable[..., Said], cell: tuple[str, str, str]
) -> None:
    table, column, key = cell
    assert table in schema.metadata.tables
    where = "minute = (SELECT max(minute) - 100 FROM bar)" if table == "bar" else None
    with sqlite3.connect(tape) as connection:
        rows = connection.execute(
            f"SELECT {key}, {column} FROM {table} {f'WHERE {where}' if where else ''} ORDER BY {key}"  # noqa: S608 - our own names
        ).fetchall()
        place, value = rows[len(rows) // 2]
        connection.execute(
            f"UPDATE {table} SET {column} = ? WHERE {key} = ? AND {column} IS ?",  # noqa: S608 - as above
            (flipped(value), place, value),
        )
        assert connection.total_changes == 1
    connection.close()
    said = verify(tape)
    assert said.code == 1
    assert "Traceback" not in said.err
    assert "bug" not in said.err
    findings = [line for line in said.out.splitlines() if line.startswith("not intact: ")]
    assert any(re.search(FLIPS[cell], line) for line in findings), said


def test_changed_settings_are_found(tape: Path, verify: Callable[..., Said]) -> None:
    with sqlite3.connect(tape) as connection:
        connection.execute(
            "UPDATE header SET value = replace(value, '\"seed\":1', '\"seed\":2') WHERE key = 'settings'"
        )
        assert connection.total_changes == 1
    connection.close()
    said = verify(tape)
    assert said.code == 1
    assert "header of key 'settings' does not match its checksum" in said.out
    assert "not reproduced: " in said.out


# --- forged tapes: changed, and every digest made again so that they look as if written like that


Change = Callable[[BatchRecord, np.dtype], BatchRecord]


def forged(
    source: Path,
    target: Path,
    change: Change | None = None,
    *,
    after: int = 120,
    header: Mapping[str, str] | None = None,
) -> BatchRecord | None:
    """Write a tape whose chain holds, with other header entries or one batch changed.

    Args:
        source: A good tape.
        target: The forged one.
        change: Returns a batch changed, or the same one if it has nothing to change; used up by one change.
        after: Batches up to this one stay as they are.
        header: Entries in place of the source's.

    Returns:
        The changed batch as it was.
    """
    changed = None
    with TapeReader(source) as old, TapeWriter(target) as new:
        entries = {**old.header(), **(header or {})}
        dtype = decision_dtype(json.loads(entries["experts"]))
        version = entries.pop("model_version")
        del entries["begin_events"]
        beginning = old.warmup(1440), old.begin_events()
        digest = new.begin(
            entries,
            old.instruments(),
            version,
            old.model_files(),
            warmup=beginning[0],
            events=beginning[1],
        )
        records = []
        for before in old.batches():
            record = before
            if change is not None and changed is None and before.batch > after:
                record = change(before, dtype)
                changed = before if record is not before else None
            records.append(chain.sealed(digest, record))
            digest = records[-1].digest
        new.append(records)
    return changed


def another_close(record: BatchRecord, dtype: np.dtype) -> BatchRecord:
    bars = np.frombuffer(record.bars, BAR_RECORD).copy()
    bars["close"][0] = bars["low"][0] if bars["close"][0] != bars["low"][0] else bars["high"][0]
    return msgspec.structs.replace(record, bars=bars.tobytes())


def another_edge(record: BatchRecord, dtype: np.dtype) -> BatchRecord:
    rows = np.frombuffer(record.decisions, dtype).copy()
    rows["edge"][2] = np.nextafter(rows["edge"][2], 1.0)
    return msgspec.structs.replace(record, decisions=rows.tobytes())


def another_order(record: BatchRecord, dtype: np.dtype) -> BatchRecord:
    if not record.orders:
        return record
    first = msgspec.structs.replace(record.orders[0], quantity=record.orders[0].quantity * 2)
    return msgspec.structs.replace(record, orders=(first, *record.orders[1:]))


def another_fill(record: BatchRecord, dtype: np.dtype) -> BatchRecord:
    if not record.fills:
        return record
    first = msgspec.structs.replace(record.fills[0], fee=record.fills[0].fee + Decimal("1E-12"))
    return msgspec.structs.replace(record, fills=(first, *record.fills[1:]))


def another_equity(record: BatchRecord, dtype: np.dtype) -> BatchRecord:
    book = msgspec.structs.replace(record.book, equity=record.book.equity + 1)
    return msgspec.structs.replace(record, book=book)


FORGERIES: dict[str, tuple[Change, Callable[[BatchRecord], str]]] = {
    # The bar is an input and taken as it stands: what follows from it is what differs.
    "a bar": (another_close, lambda _: r" simulator:ALFAUSDT: decisions\.\w+ is "),
    "a decision": (another_edge, lambda _: r" simulator:CHARLIEUSDT: decisions\.edge is "),
    "an order": (another_order, lambda was: rf" {was.orders[0].instrument}: orders\.quantity is "),
    "a fill": (another_fill, lambda was: rf" {was.fills[0].instrument}: fills\.fee is "),
    "the book": (another_equity, lambda was: rf": book\.equity is {was.book.equity + 1} on the tape and "),
}


@pytest.mark.parametrize("what", FORGERIES)
def test_a_forged_tape_is_intact_and_the_first_difference_is_named(
    short: Path, tmp_path: Path, verify: Callable[..., Said], what: str
) -> None:
    change, expected = FORGERIES[what]
    was = forged(short, tmp_path / "run.tape", change)
    assert was is not None
    said = verify(tmp_path / "run.tape")
    assert said.code == 1
    assert f"intact: {N_BATCHES} batches" in said.out
    assert re.search(rf"^not reproduced: batch {was.batch}{expected(was)}", said.out, re.MULTILINE), said.out
    assert "This machine computes as the one that made the tape" in said.out


# --- tapes of other machines


def other_numpy(tape: Path) -> str:
    with TapeReader(tape) as reader:
        return json.dumps({**json.loads(reader.header()["versions"]), "numpy": "1.0.0"})


@pytest.mark.parametrize("what", ["arithmetic", "versions"])
def test_a_difference_on_a_tape_of_another_machine_is_put_down_to_it(
    short: Path, tmp_path: Path, verify: Callable[..., Said], what: str
) -> None:
    entry = {"arithmetic": "0" * 32, "versions": other_numpy(short)}[what]
    assert forged(short, tmp_path / "run.tape", another_edge, header={what: entry}) is not None
    said = verify(tmp_path / "run.tape")
    assert said.code == 1
    assert "not intact" not in said.out
    assert "made under other arithmetic or libraries" in said.out
    told = {"arithmetic": f"arithmetic {entry} on the tape", "versions": "numpy 1.0.0 on the tape"}
    assert told[what] in said.out
    assert "python" not in said.out, "what is the same is not told"
    assert "This machine computes as" not in said.out


def test_a_tape_of_another_machine_that_comes_out_the_same_is_reproduced(
    short: Path, tmp_path: Path, verify: Callable[..., Said]
) -> None:
    forged(short, tmp_path / "run.tape", header={"arithmetic": "0" * 32})
    assert verify(tmp_path / "run.tape").code == 0


ELSEWHERE = """
import sys
from adapters.host import fingerprint
fingerprint.arithmetic = lambda: "{arithmetic}"
import papertape
sys.exit(papertape.main())
"""


@pytest.fixture(scope="module")
def moved(job: Job, short: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tape that another machine (to judge by its fingerprint) went on with for an hour after four."""
    folder = tmp_path_factory.mktemp("moved")
    (folder / "elsewhere.py").write_text(ELSEWHERE.format(arithmetic="e" * 32), encoding="utf-8")
    tape = shutil.copy(short, job.folder / "moved.tape")
    words = job.words("moved.tape", until="2024-01-02T21:00")
    done = run_python([str(folder / "elsewhere.py"), *words], folder)
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in map(json.loads, json_lines(done.stderr)) if "before" in line)
    assert (line["event"], line["level"], line["batch"]) == ("arithmetic_changed", "warning", N_BATCHES)
    assert line["after"]["arithmetic"] == "e" * 32
    return Path(tape)


def json_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("{")]


def test_a_replay_goes_on_under_other_arithmetic_and_says_so_on_the_tape(
    moved: Path, verify: Callable[..., Said]
) -> None:
    with TapeReader(moved) as reader:
        (event,) = map(chain.read_event, reader.events_of("ArithmeticChanged"))
        (first,) = (record.batch for record in reader.batches() if record.events)
    assert isinstance(event, ArithmeticChanged)
    assert event.before["arithmetic"] != event.after["arithmetic"] == "e" * 32
    assert first == N_BATCHES + 1
    said = verify(moved)
    assert said.code == 0, said.out
    assert f"reproduced: {N_BATCHES + 60} batches" in said.out


@pytest.mark.parametrize(("after", "elsewhere"), [(120, False), (N_BATCHES + 10, True)])
def test_a_difference_is_put_down_to_the_machine_that_made_its_part_of_the_tape(
    moved: Path, tmp_path: Path, verify: Callable[..., Said], after: int, elsewhere: bool
) -> None:
    assert forged(moved, tmp_path / "run.tape", another_edge, after=after) is not None
    said = verify(tmp_path / "run.tape")
    assert said.code == 1
    assert f"not reproduced: batch {after + 1} simulator:CHARLIEUSDT: decisions.edge" in said.out
    assert ("made under other arithmetic" in said.out) == elsewhere
    assert ("This machine computes as the one" in said.out) != elsewhere


def test_back_on_its_first_machine_a_run_goes_on_and_a_third_part_begins(
    job: Job, moved: Path, tmp_path: Path, verify: Callable[..., Said]
) -> None:
    back = Path(shutil.copy(moved, job.folder / "back.tape"))
    assert main(job.words("back.tape", until="2024-01-02T21:30")) == 0
    with TapeReader(back) as reader:
        assert [record.batch for record in reader.batches() if record.events] == [241, 301]
    assert verify(back).code == 0
