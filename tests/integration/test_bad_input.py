"""What a user can give wrong, given to the real command: one paragraph, the right exit code, nothing left."""

import os
import re
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path

import polars as pl
import pytest

from adapters.registry import FolderStore, MlflowStore
from adapters.tape.reader import TapeReader
from adapters.tape.schema import REVISION
from adapters.tape.writer import TapeWriter
from daemon.__main__ import main
from daemon.errors import StorageError
from tests import runs
from tests.integration.command_line import Job, digest, n_batches, run_python, settings_text

Frame = pl.DataFrame
BAD_ROW = 13_900
"""In the part that is traded, of ALFAUSDT at 2024-01-03T09:55."""

UNITS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
"""In nanoseconds."""

KIB = 1024
MOUNT, UMOUNT = shutil.which("mount") or "", shutil.which("umount") or ""


@dataclass(frozen=True)
class Said:
    """What a command said.

    Attributes:
        code: Its exit code.
        told: The paragraph that begins with the program's name.
    """

    code: int
    told: str


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[list[str]], Said]:
    """Run a command line that fails, in this process, and demand one paragraph without a traceback."""

    def run(words: list[str]) -> Said:
        capsys.readouterr()
        code = main(words)
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        assert "bug in papertape" not in captured.err
        assert captured.err.count("papertape: ") == 1, captured.err
        return Said(code, captured.err.partition("papertape: ")[2])

    return run


@pytest.fixture
def bars(job: Job) -> Frame:
    """The good bars."""
    return pl.read_parquet(job.folder / job.bars)


def replayed(job: Job, folder: Path, **given: Path) -> list[str]:
    """The words of a replay onto `bad.tape` in a folder, with other files in place of the job's own."""
    words = job.words("bad.tape")
    for option, path in {"tape": folder / "bad.tape", **given}.items():
        words[words.index(f"--{option}") + 1] = str(path)
    return words


def with_cell(frame: Frame, column: str, value: object) -> Frame:
    cells = frame[column].to_list()
    cells[BAD_ROW] = value
    return frame.with_columns(pl.Series(column, cells, dtype=frame.schema[column]))


BAD_BARS: dict[str, tuple[Callable[[Frame], Frame], str]] = {
    "a NaN": (
        lambda f: with_cell(f, "close", float("nan")),
        r"row 13901 \(simulator:ALFAUSDT, 2024-01-03T09:55Z\): close is m",
    ),
    "no price": (lambda f: with_cell(f, "open", None), "row 13901 .*: open is missing"),
    "an infinite volume": (lambda f: with_cell(f, "volume", float("inf")), "row 13901 .*: volume is"),
    "a negative price": (lambda f: with_cell(f, "low", -1.0), "row 13901 .*: low is not positive"),
    "a high below the close": (lambda f: with_cell(f, "high", 1e-3), "row 13901 .*: high is below"),
    "no time": (lambda f: with_cell(f, "time", None), "row 13901: the time is missing"),
    "no symbol": (lambda f: with_cell(f, "symbol", None), "row 13901 has no symbol"),
    "the same bar twice": (
        lambda f: pl.concat([f, f[BAD_ROW : BAD_ROW + 1]]),
        "row 13901 .* and row 14401 .*only once",
    ),
    "times off the minute": (
        lambda f: f.with_columns(pl.col("time") + pl.duration(seconds=7)),
        "the time is 7 s past the minute",
    ),
    "dates for times": (lambda f: f.with_columns(pl.col("time").dt.date()), "two rows are the same bar"),
    "a time of another age": (
        lambda f: with_cell(f, "time", datetime(2224, 1, 1, tzinfo=UTC)),
        "has a bar at 2224-01-01",
    ),
    "times in a unit nobody knows": (
        lambda f: f.with_columns(pl.col("time").dt.epoch("us") * 10_000),
        "bars.time_unit",
    ),
    "durations for times": (
        lambda f: f.with_columns(pl.col("time") - pl.col("time").min()),
        "which is no time",
    ),
    "truths for prices": (
        lambda f: f.with_columns(pl.col("close") > 0),
        r"close is Boolean, not numbers \(bars.close\)",
    ),
    "times for prices": (
        lambda f: f.with_columns(pl.col("time").alias("low")),
        r"low is Datetime.*bars\.low",
    ),
    "words for prices": (
        lambda f: f.with_columns(pl.lit("high").alias("close")),
        "close is missing or not a finite number",
    ),
    "lists for names": (
        lambda f: f.with_columns(symbol=pl.concat_list("symbol")),
        "symbol is List.*not names",
    ),
    "a missing column": (
        lambda f: f.drop("close", "low"),
        "columns are missing: bars.low: low; bars.close: close",
    ),
    "no rows": (lambda f: f.head(0), "there are no bars in"),
    "too few rows": (
        lambda f: f.head(40),
        "lies outside the bars, which go from 2024-01-01 00:00 to 2024-01-01 00:09",
    ),
    "another currency": (
        lambda f: f.with_columns(pl.col("symbol").str.replace("USDT", "EUR")),
        "quoted in another.*run.quote",
    ),
}


@pytest.mark.parametrize("what", BAD_BARS)
def test_bars_that_cannot_be_used_are_refused_before_anything_is_written(
    what: str, job: Job, bars: Frame, tmp_path: Path, say: Callable[[list[str]], Said]
) -> None:
    spoil, named = BAD_BARS[what]
    spoil(bars).write_parquet(tmp_path / "bad.parquet")
    said = say(replayed(job, tmp_path, bars=tmp_path / "bad.parquet"))
    assert said.code == 2
    assert re.search(named, said.told), said.told
    assert len(said.told.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["bad.parquet"]


@pytest.mark.parametrize(("counted", "said_to_be"), list(permutations(UNITS, 2)))
def test_whole_number_times_in_another_unit_than_stated_are_refused(
    counted: str, said_to_be: str, job: Job, bars: Frame, tmp_path: Path, say: Callable[[list[str]], Said]
) -> None:
    """One unit beside the truth is 1970 or the year 55,000: no run may set out for there."""
    numbers = pl.col("time").dt.epoch("us") * 1_000 // UNITS[counted]
    bars.with_columns(time=numbers).write_parquet(tmp_path / "bad.parquet")
    sections = {"bars": {"taker_volume": "taker_volume", "time_unit": said_to_be}}
    (tmp_path / "run.yaml").write_text(settings_text(**sections), encoding="utf-8")
    words = replayed(job, tmp_path, bars=tmp_path / "bad.parquet", config=tmp_path / "run.yaml")
    said = say(words)
    assert said.code == 2
    assert f"bars.time_unit what they count (it is '{said_to_be}')" in said.told
    assert not (tmp_path / "bad.tape").exists()


def test_bars_out_of_order_are_sorted_and_another_time_zone_is_the_same_moments(
    job: Job, whole: Path, bars: Frame, tmp_path: Path
) -> None:
    """Neither is a mistake: both come to the very decisions of the file in order, in UTC."""
    for name, frame in {
        "unsorted": bars.reverse(),
        "zoned": bars.with_columns(pl.col("time").dt.convert_time_zone("America/New_York")),
    }.items():
        frame.write_parquet(tmp_path / f"{name}.parquet")
        words = replayed(job, tmp_path, bars=tmp_path / f"{name}.parquet", tape=tmp_path / f"{name}.tape")
        assert main(words) == 0
        assert decided(tmp_path / f"{name}.tape") == decided(whole)


def decided(tape: Path) -> list[object]:
    with TapeReader(tape) as reader:
        return [(batch.minute, batch.bars, batch.decisions, batch.fills) for batch in reader.batches()]


def test_an_instrument_that_has_no_history_is_not_scored_until_it_has(
    job: Job, bars: Frame, tmp_path: Path
) -> None:
    """It begins an hour after the first decision: the others trade meanwhile, and it is never guessed at."""
    begins = datetime(2024, 1, 2, 17, tzinfo=UTC)
    late = bars.filter((pl.col("symbol") != "ALFAUSDT") | (pl.col("time") >= begins))
    late.write_parquet(tmp_path / "late.parquet")
    assert main(replayed(job, tmp_path, bars=tmp_path / "late.parquet")) == 0
    assert main(["tape", "export", str(tmp_path / "bad.tape"), "--out", str(tmp_path)]) == 0
    scored = pl.read_parquet(tmp_path / "decisions.parquet").group_by("instrument").agg(pl.col("time").min())
    first = dict(scored.iter_rows())
    assert first["simulator:ALFAUSDT"] > begins
    assert first["simulator:BRAVOUSDT"] < begins


def test_an_instrument_of_the_settings_without_any_bar_is_named(
    job: Job, tmp_path: Path, say: Callable[[list[str]], Said]
) -> None:
    universe = {"venue": "simulator", "instruments": ["ALFAUSDT", "ECHOUSDT"]}
    (tmp_path / "run.yaml").write_text(settings_text(universe=universe), encoding="utf-8")
    said = say(replayed(job, tmp_path, config=tmp_path / "run.yaml"))
    assert said.code == 2
    assert "universe.instruments names simulator:ECHOUSDT, which the bar files do not hold" in said.told


@pytest.mark.parametrize("what", ["cut in half", "emptied", "overwritten at its end", "no bars at all"])
def test_a_damaged_parquet_file_is_named(
    what: str, job: Job, tmp_path: Path, say: Callable[[list[str]], Said]
) -> None:
    content = (job.folder / job.bars).read_bytes()
    damaged = {
        "cut in half": content[: len(content) // 2],
        "emptied": b"",
        "overwritten at its end": content[:-2_000] + b"?" * 2_000,
        "no bars at all": b"run: {name: btc}",
    }
    (tmp_path / "bad.parquet").write_bytes(damaged[what])
    said = say(replayed(job, tmp_path, bars=tmp_path / "bad.parquet"))
    assert said.code == 2
    assert re.search(
        r"bad.parquet: cannot be read as bars: .*The file is damaged or of another kind\.", said.told
    )
    assert not (tmp_path / "bad.tape").exists()


def cut(name: str, to: int) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:to])


BAD_BUNDLES: dict[str, Callable[[Path], object]] = {
    "without its trees": lambda folder: (folder / "trees.txt").unlink(),
    "with half of its trees": cut("trees.txt", 900),
    "with half of its description": cut("bundle.json", 200),
    "with an empty description": cut("bundle.json", 0),
    "of another program": lambda folder: (folder / "bundle.json").write_text('{"MLmodel": 1}'),
    "with a list for a description": lambda folder: (folder / "bundle.json").write_text("[]"),
    "without a description": lambda folder: (folder / "bundle.json").unlink(),
    "of bytes": lambda folder: (folder / "bundle.json").write_bytes(b"\xff\x00\xfe"),
}


@pytest.mark.parametrize("what", BAD_BUNDLES)
def test_a_damaged_or_foreign_bundle_is_refused(
    what: str, job: Job, tmp_path: Path, say: Callable[[list[str]], Said]
) -> None:
    shutil.copytree(job.folder / job.model, tmp_path / "model")
    BAD_BUNDLES[what](tmp_path / "model")
    said = say(replayed(job, tmp_path, model=tmp_path / "model"))
    assert said.code == 2, said.told
    assert not (tmp_path / "bad.tape").exists()


def test_every_file_of_a_bundle_may_be_the_damaged_one(
    job: Job, tmp_path: Path, say: Callable[[list[str]], Said]
) -> None:
    for name in sorted(path.name for path in (job.folder / job.model).iterdir()):
        for to in (0, 60):
            folder = tmp_path / f"{name}-{to}"
            shutil.copytree(job.folder / job.model, folder)
            cut(name, to)(folder)
            said = say(replayed(job, tmp_path, model=folder))
            assert said.code == 2, (name, said.told)
            assert not (tmp_path / "bad.tape").exists()


def of_another_version(tape: Path) -> None:
    with sqlite3.connect(tape) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()


def damaged(tape: Path) -> None:
    with tape.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xa5" * 8192 * 6)


def of_another_program(tape: Path) -> None:
    tape.unlink()
    with sqlite3.connect(tape) as connection:
        connection.execute("CREATE TABLE bar (close REAL)")
    connection.close()


BAD_TAPES: dict[str, tuple[Callable[[Path], object], int, str]] = {
    "of another version": (of_another_version, 2, f"schema version 9999, this papertape reads {REVISION}"),
    "damaged": (damaged, 1, "damaged.*restore a copy, or replay it anew"),
    "of another program": (of_another_program, 2, "but not a papertape tape"),
    "a text": (lambda tape: tape.write_text("tape" * 5_000), 2, "is not a papertape tape"),
    "cut": (lambda tape: os.truncate(tape, 20_000), 1, "damaged"),
}


@pytest.mark.parametrize("command", ["replay", "report", "tape info", "tape export", "verify"])
@pytest.mark.parametrize("what", BAD_TAPES)
def test_a_tape_that_cannot_be_used_is_named_and_left_as_it_is(
    what: str, command: str, job: Job, whole: Path, tmp_path: Path, say: Callable[[list[str]], Said]
) -> None:
    spoil, code, named = BAD_TAPES[what]
    tape = tmp_path / "bad.tape"
    shutil.copy(whole, tape)
    spoil(tape)
    before = tape.read_bytes()
    words = replayed(job, tmp_path) if command == "replay" else [*command.split(), str(tape)]
    if command == "tape export":
        words += ["--out", str(tmp_path / "out")]
    if command == "verify" and code == 1:
        assert main(words) == 1  # what verify finds is its result, not a failure of it
    else:
        said = say(words)
        assert said.code == code, said.told
        assert re.search(named, said.told), said.told
        assert str(tape) in said.told
    assert tape.read_bytes() == before
    for written in (tmp_path / "out").glob("*"):
        pl.read_parquet(written)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 24 megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    may_try = os.geteuid() == 0 and MOUNT and UMOUNT
    if not (may_try and _mount("-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder))):
        pytest.skip("a small file system can be mounted by root only, and not in every container")
    yield folder
    subprocess.run([UMOUNT, "-l", str(folder)], check=True)


def _mount(*words: str) -> bool:
    done = subprocess.run([MOUNT, *words], capture_output=True, check=False)
    return done.returncode == 0


def leave(disk: Path, kib: int) -> Path:
    """Fill a disk but for so much; return the file that fills it."""
    ballast = disk / "ballast"
    free = shutil.disk_usage(disk).free
    ballast.write_bytes(bytes(free - kib * KIB))
    return ballast


@pytest.mark.parametrize("kib", [0, 8, 64, 256, 1_000, 1_600])
def test_after_a_full_disk_free_space_and_start_again_gives_the_same_digest(
    kib: int, job: Job, whole: Path, disk: Path, say: Callable[[list[str]], Said]
) -> None:
    """The disk is full before the tape, while it is begun, or in the middle of the run."""
    ballast = leave(disk, kib)
    tape = disk / "bad.tape"
    said = say(replayed(job, disk))
    assert said.code == 1
    assert str(tape) in said.told
    assert re.search(r"full|No space left", said.told), said.told
    if n_batches(tape) < 0:
        assert [path.name for path in disk.iterdir()] == ["ballast"]
    else:
        assert main(["verify", str(tape), "--only", "intact"]) == 0
    ballast.unlink()
    assert main(replayed(job, disk)) == 0
    assert digest(tape) == digest(whole)


def test_a_model_that_finds_no_room_leaves_nothing_and_the_one_before_it_whole(job: Job, disk: Path) -> None:
    files = runs.bundle().to_files()
    store = FolderStore(disk / "model")
    version = store.register("m", None, files, {})
    leave(disk, 12)
    with pytest.raises(StorageError, match="No space left"):
        store.register("m", None, runs.bundle(2).to_files(), {})
    assert sorted(path.name for path in disk.iterdir()) == ["ballast", "model"]
    assert store.load(str(disk / "model")) == (version, files)


def test_an_export_that_finds_no_room_leaves_no_half_file(
    whole: Path, disk: Path, say: Callable[[list[str]], Said]
) -> None:
    leave(disk, 64)
    said = say(["tape", "export", str(whole), "--out", str(disk / "out")])
    assert said.code == 1
    assert "No space left" in said.told
    for written in (disk / "out").iterdir():
        pl.read_parquet(written)


def test_on_a_read_only_disk_a_tape_is_read_and_not_written(
    job: Job, whole: Path, disk: Path, say: Callable[[list[str]], Said]
) -> None:
    shutil.copy(whole, disk / "whole.tape")
    assert _mount("-o", "remount,ro", str(disk))
    assert main(["verify", str(disk / "whole.tape"), "--only", "intact"]) == 0
    for name in ("whole.tape", "new.tape", "folder/new.tape"):
        said = say(replayed(job, disk, tape=disk / name))
        assert said.code == 1
        assert "Read-only file system" in said.told
        assert str(disk) in said.told


def writers(job: Job, tape: Path, place: Path) -> dict[str, list[str]]:
    """By what is written: a command line that writes it at a place."""
    learned = ["--bars", str(job.folder / job.bars), "--config", str(job.folder / job.config)]
    return {
        "a tape": replayed(job, place.parent, tape=place),
        "a demo": ["demo", "--minutes", "7200", "--out", str(place)],
        "a model": ["train", *learned, "--to", "2024-01-02T16:00", "--out", str(place)],
        "a packed model": [
            *("pack", "--model", str(job.folder / job.model / "trees.txt"), *learned),
            *("--out", str(place)),
        ],
        "a page": ["report", str(tape), "--html", str(place)],
        "an export": ["tape", "export", str(tape), "--out", str(place)],
    }


WRITTEN = ["a tape", "a demo", "a model", "a packed model", "a page", "an export"]


@pytest.mark.parametrize("what", WRITTEN)
def test_beneath_a_file_nothing_can_be_and_that_is_said_at_once(
    what: str,
    job: Job,
    whole: Path,
    tmp_path: Path,
    say: Callable[[list[str]], Said],
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_text("precious", encoding="utf-8")
    said = say(writers(job, whole, tmp_path / "file" / "deep" / "place")[what])
    assert said.code == 2, said.told
    assert re.search("Not a directory|File exists", said.told), said.told
    assert str(tmp_path / "file") in said.told
    assert re.search("[Nn]ame another", said.told), said.told
    assert "log-loss" not in capsys.readouterr().out, "it was trained in vain"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text(encoding="utf-8") == "precious"


@pytest.mark.parametrize("what", WRITTEN)
def test_what_cannot_be_written_onto_a_read_only_disk_is_the_machines_fault(
    what: str, job: Job, whole: Path, disk: Path, say: Callable[[list[str]], Said]
) -> None:
    assert _mount("-o", "remount,ro", str(disk))
    said = say(writers(job, whole, disk / "deep" / "place")[what])
    assert said.code == 1, said.told
    assert "Read-only file system" in said.told
    assert str(disk) in said.told


def test_a_page_that_finds_no_room_leaves_the_one_before_it_whole(
    whole: Path, disk: Path, say: Callable[[list[str]], Said]
) -> None:
    (disk / "report.html").write_text("before", encoding="utf-8")
    leave(disk, 12)
    said = say(["report", str(whole), "--html", str(disk / "report.html")])
    assert said.code == 1
    assert "No space left" in said.told
    assert (disk / "report.html").read_text(encoding="utf-8") == "before"
    assert sorted(path.name for path in disk.iterdir()) == ["ballast", "report.html"]


@pytest.mark.parametrize("kib", [40, 120, 400])
def test_a_registry_without_room_registers_nothing_and_goes_on_when_there_is(kib: int, disk: Path) -> None:
    """Its disk is full while the files are written, whatever was done before."""
    store, files = MlflowStore(f"sqlite:///{disk}/mlflow.db"), runs.bundle().to_files()
    assert store.register("m", "champion", files, {}) == "1"
    ballast = leave(disk, kib)
    with pytest.raises(StorageError, match=r"registry sqlite:///.* cannot be used: .*(full|No space left)"):
        store.register("m", "champion", {**files, "large": bytes(500 * KIB)}, {"skill": 0.1})
    ballast.unlink()
    assert store.load("models:/m@champion") == ("1", files)
    with sqlite3.connect(disk / "mlflow.db") as connection:
        assert connection.execute("SELECT version FROM model_versions").fetchall() == [(1,)]
    connection.close()
    stored = [path.parent.parent.name for path in (disk / "mlartifacts").rglob("bundle/bundle.json")]
    assert len(stored) == 1
    again = store.register("m", "champion", runs.bundle(2).to_files(), {})
    assert store.load("models:/m@champion")[0] == again


REGISTER = """
from adapters.host.telemetry import turn_off_telemetry
from adapters.registry import FolderStore, MlflowStore

turn_off_telemetry()
files = FolderStore({model!r}).load({model!r})[1]
MlflowStore({address!r}).register("m", "champion", files, {{}})
"""


def test_a_read_only_registry_lends_models_and_takes_none(
    job: Job, disk: Path, tmp_path: Path, say: Callable[[list[str]], Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is filled by another process: MLflow keeps its database open as long as a process lives."""
    address = f"sqlite:///{disk}/mlflow.db"
    made = run_python(["-c", REGISTER.format(model=str(job.folder / job.model), address=address)], tmp_path)
    assert made.returncode == 0, made.stderr
    assert _mount("-o", "remount,ro", str(disk))
    monkeypatch.setenv("PAPERTAPE_MODEL__REGISTRY", address)
    words = [*replayed(job, tmp_path), "--to", "2024-01-02T16:30"]
    words[words.index("--model") + 1] = "models:/m@champion"
    assert main(words) == 0
    said = say(["train", "--bars", str(job.folder / job.bars), "--config", str(job.folder / job.config)])
    assert said.code == 1
    assert "Read-only file system" in said.told
    assert str(disk) in said.told


BAD_REGISTRIES = {
    "sqlite:///{folder}/file/mlflow.db": "Not a directory",
    "sqlite:///{folder}/file": "cannot be used",
    "nonsense://host": "cannot be used",
}


@pytest.mark.parametrize("address", BAD_REGISTRIES)
def test_a_registry_that_cannot_be_one_is_named_before_a_model_is_trained(
    address: str,
    job: Job,
    tmp_path: Path,
    say: Callable[[list[str]], Said],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "file").write_text("no database, but precious\n" * 99, encoding="utf-8")
    monkeypatch.setenv("PAPERTAPE_MODEL__REGISTRY", address.format(folder=tmp_path))
    words = ["--bars", str(job.folder / job.bars), "--config", str(job.folder / job.config)]
    said = say(["train", *words, "--to", "2024-01-02T16:00"])
    assert said.code == 2, said.told
    assert BAD_REGISTRIES[address] in said.told
    assert "log-loss" not in capsys.readouterr().out, "it was trained in vain"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_demo_leaves_alone_the_tape_that_another_demo_writes(
    tmp_path: Path, say: Callable[[list[str]], Said]
) -> None:
    with TapeWriter(tmp_path / "demo.tape"):
        said = say(["demo", "--minutes", "7200", "--out", str(tmp_path)])
        assert (tmp_path / "demo.tape").exists()
    assert said.code == 2
    assert f"is being written by process {os.getpid()}" in said.told


@pytest.mark.parametrize("what", ["a tape", "a demo"])
def test_an_address_that_cannot_be_had_leaves_no_tape(
    what: str, job: Job, whole: Path, tmp_path: Path, say: Callable[[list[str]], Said]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        said = say([*writers(job, whole, tmp_path / "place")[what], "--serve", port])
    assert said.code == 2
    assert f"cannot serve on 127.0.0.1:{port}" in said.told
    assert "--serve [HOST:]PORT" in said.told
    assert not list(tmp_path.iterdir())


BAD_SETTINGS: dict[str, tuple[str, str]] = {
    "no YAML": ("run: {name: [", "run.yaml:1: is not valid YAML"),
    "a list": ("- run", "run.yaml:1: must be sections"),
    "an unknown section": ("runs: {name: a}", "runs"),
    "an unknown field": ("run: {nam: a}", "run.nam"),
    "a word for a number": ("costs: {taker_fee_bps: much}", "costs.taker_fee_bps"),
    "a negative fee": ("costs: {half_spread_bps: -1}", "costs.half_spread_bps"),
    "a NaN": ("costs: {slippage_bps: .nan}", "costs.slippage_bps"),
    "infinity": ("policy: {max_weight: .inf}", "policy.max_weight"),
    "a field twice": ("run: {name: a}\nrun: {name: b}", "run"),
    "a section that is a number": ("run: 5", "run"),
    "bytes": ("\x00", "run.yaml"),
    "a horizon of nothing": ("labels: {horizon_minutes: 0}", "labels.horizon_minutes"),
}


@pytest.mark.parametrize("what", BAD_SETTINGS)
def test_settings_of_every_wrong_kind_are_refused_by_field(
    what: str, job: Job, tmp_path: Path, say: Callable[[list[str]], Said]
) -> None:
    text, named = BAD_SETTINGS[what]
    (tmp_path / "run.yaml").write_text(text, encoding="utf-8")
    said = say(replayed(job, tmp_path, config=tmp_path / "run.yaml"))
    assert said.code == 2
    assert named in said.told, said.told
    assert not (tmp_path / "bad.tape").exists()


def test_a_folder_is_no_tape(job: Job, tmp_path: Path, say: Callable[[list[str]], Said]) -> None:
    said = say(replayed(job, tmp_path, tape=tmp_path))
    assert (said.code, said.told) == (2, f"{tmp_path} is a folder; name a file for the tape\n")
    assert not tmp_path.with_name(f"{tmp_path.name}.lock").exists()


def test_a_range_that_ends_before_it_begins_makes_no_tape(
    job: Job, tmp_path: Path, say: Callable[[list[str]], Said]
) -> None:
    said = say([*replayed(job, tmp_path), "--to", "2024-01-02T15:00"])
    assert said.code == 2
    assert "--to 2024-01-02 15:00 is not after --from 2024-01-02 16:00" in said.told
    assert not (tmp_path / "bad.tape").exists()


def test_a_tape_that_another_run_holds_is_refused_and_left_as_it_is(
    job: Job, whole: Path, tmp_path: Path, say: Callable[[list[str]], Said]
) -> None:
    tape = tmp_path / "bad.tape"
    shutil.copy(whole, tape)
    with TapeWriter(tape):
        before = tape.read_bytes()
        said = say(replayed(job, tmp_path))
        assert tape.read_bytes() == before
    assert said.code == 2
    assert f"{tape} is being written by process {os.getpid()}; stop it first" in said.told


@pytest.mark.parametrize("what", ["a NaN", "the same bar twice", "a missing column", "no rows"])
def test_no_model_is_made_of_bars_that_cannot_be_used(
    what: str, job: Job, bars: Frame, tmp_path: Path, say: Callable[[list[str]], Said]
) -> None:
    spoil, named = BAD_BARS[what]
    spoil(bars).write_parquet(tmp_path / "bad.parquet")
    words = ["--config", str(job.folder / job.config), "--out", str(tmp_path / "model")]
    said = say(["train", "--bars", str(tmp_path / "bad.parquet"), *words])
    assert said.code == 2
    assert re.search(named, said.told), said.told
    assert [path.name for path in tmp_path.iterdir()] == ["bad.parquet"]
