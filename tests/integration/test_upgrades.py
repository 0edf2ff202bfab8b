"""What earlier versions wrote: tapes of each schema and settings, brought up, or refused with what to do."""

import asyncio
import gzip
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from adapters.files.settings_file import read_settings
from adapters.tape import schema
from adapters.tape.checksums import row_checksum
from adapters.tape.pruned import Pruned
from adapters.tape.reader import TapeReader
from adapters.tape.schema import REVISION
from adapters.tape.writer import TapeWriter
from daemon.__main__ import main
from daemon.commands._live_start import LiveStart
from daemon.engine import Engine
from daemon.errors import SettingsError, SnapshotVersionError, TapeVersionError
from daemon.settings import Settings
from daemon.settings.stored import MOVED, Moved, upgraded
from tests.jump_clock import JumpClock

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
TAPES = sorted((FIXTURES / "tapes").iterdir())
READABLE = [file for file in TAPES if "schema-0001" not in file.name]
BATCHES = 20


def unpacked(file: Path, folder: Path) -> Path:
    """The tape that a fixture holds."""
    tape = folder / "run.tape"
    tape.write_bytes(gzip.decompress(file.read_bytes()))
    return tape


def go_on(tape: Path) -> Engine:
    """A live run taken up from a tape, as `papertape run` does; there is no feed and no registry."""
    with TapeWriter(tape) as writer:
        with TapeReader(tape, writer._database) as reader:
            settings = Settings.stored(reader.header()["settings"])
            names = tuple(instrument.name for instrument in reader.instruments())
        # A live run has its instruments by name.
        universe = settings.universe.model_copy(update={"instruments": names})
        settings = settings.model_copy(update={"universe": universe})
        return asyncio.run(LiveStart(settings, "none", {}, JumpClock(0), writer).engine())


def snapshots(tape: Path) -> list[tuple[int, bytes]]:
    with closing(sqlite3.connect(tape)) as connection:
        found: list[tuple[int, bytes]] = connection.execute(
            "SELECT batch, content FROM snapshot ORDER BY batch"
        ).fetchall()
    return found


def test_there_is_a_tape_of_every_schema() -> None:
    schemas = {file.name.partition("schema-")[2][:4] for file in TAPES}
    assert schemas | {REVISION} >= {f"{number:04}" for number in range(1, int(REVISION) + 1)}


@pytest.mark.parametrize("file", READABLE, ids=lambda file: str(file.name))
def test_a_tape_of_an_earlier_schema_is_brought_up_verified_reported_and_gone_on_with(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tape = unpacked(file, tmp_path)
    if f"schema-{REVISION}" not in file.name:
        assert main(["verify", str(tape)]) == 2
        assert f"papertape tape migrate {tape}" in capsys.readouterr().err
    assert main(["tape", "backup", str(tape), str(tmp_path / "copy.tape")]) == 0
    assert main(["tape", "migrate", str(tape)]) == 0
    assert REVISION in capsys.readouterr().out
    assert main(["verify", str(tape)]) == 0
    assert f"reproduced: {BATCHES} batches" in capsys.readouterr().out
    assert main(["report", str(tape), "--json", "--trials", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["run"]["minutes"] == BATCHES
    assert go_on(tape).batch == BATCHES
    # The copy is of the schema before; a run that goes on with it brings it up by itself.
    assert go_on(tmp_path / "copy.tape").batch == BATCHES


def test_a_tape_from_before_alarms_is_refused_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tape = unpacked(TAPES[0], tmp_path)
    content = tape.read_bytes()
    assert main(["tape", "migrate", str(tape)]) == 2
    said = capsys.readouterr().err
    assert "use the papertape that wrote it, or replay onto a new tape" in said
    assert tape.read_bytes() == content


# --- snapshots of another version


def with_old_snapshots(tape: Path) -> None:
    """Let the tape's snapshots be of a version that nobody reads any more."""
    with closing(sqlite3.connect(tape)) as connection, connection:
        for batch, content in connection.execute("SELECT batch, content FROM snapshot").fetchall():
            old = content[:1] + bytes([1]) + content[2:]
            connection.execute(
                "UPDATE snapshot SET content = ?, checksum = ? WHERE batch = ?",
                (old, row_checksum("snapshot", (batch, old)), batch),
            )


def test_a_run_whose_snapshots_are_of_another_version_is_computed_again_from_its_first_batch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tape = unpacked(READABLE[-1], tmp_path)
    usual = go_on(tape)
    with_old_snapshots(tape)
    again = go_on(tape)
    assert (again.batch, again.digest) == (usual.batch, usual.digest)
    assert "every batch is computed again, once" in capsys.readouterr().out
    newest, content = snapshots(tape)[-1]
    assert (newest, content[1]) != (BATCHES, 1), "a snapshot of this version stands at its end"
    go_on(tape)
    assert "computed again, once" not in capsys.readouterr().out
    assert main(["verify", str(tape)]) == 0


def test_a_pruned_tape_whose_snapshots_are_of_another_version_is_refused_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tape = unpacked(READABLE[-1], tmp_path)
    go_on(tape)
    with closing(sqlite3.connect(tape)) as connection, connection:
        (digest,) = connection.execute("SELECT digest FROM batch WHERE number = 1").fetchone()
    with TapeWriter(tape) as writer:
        writer.database.replace(schema.pruned, [Pruned(1, 2, 0, digest, "", b"", 0).row()])
    with_old_snapshots(tape)
    with pytest.raises(SnapshotVersionError, match=r"pruned.*begin a new tape \(--tape\)"):
        go_on(tape)
    assert main(["verify", str(tape), "--only", "reproduced"]) == 1
    assert "no snapshot that this papertape reads" in capsys.readouterr().out


# --- settings


@pytest.mark.parametrize("file", sorted((FIXTURES / "settings").iterdir()), ids=lambda file: str(file.name))
def test_a_settings_file_of_an_earlier_version_is_read(file: Path) -> None:
    assert read_settings(file, {}).settings == Settings()


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Moved]], None]:
    """Let settings have been renamed or removed since."""

    def move(what: dict[str, Moved]) -> None:
        for old, new in what.items():
            monkeypatch.setitem(MOVED, old, new)

    return move


RENAMED = {
    "costs.fee_bps": Moved("costs.taker_fee_bps"),
    "policy.magic": Moved(None, "nothing stands for it; remove it"),
}


def test_a_setting_that_was_renamed_or_removed_is_told_by_its_new_name(
    tmp_path: Path, moved: Callable[[dict[str, Moved]], None]
) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("costs:\n  fee_bps: 3.0\npolicy:\n  magic: 1\n", encoding="utf-8")
    with pytest.raises(SettingsError) as before:
        read_settings(file, {})
    assert "there is no setting costs.fee_bps" in before.value.problems[0]
    moved(RENAMED)
    with pytest.raises(SettingsError) as after:
        read_settings(file, {})
    assert list(after.value.problems) == [
        f"{file}:2: costs.fee_bps: costs.fee_bps is called `costs.taker_fee_bps` now; write that instead",
        f"{file}:4: policy.magic: policy.magic is no setting any more; nothing stands for it; remove it",
    ]


def test_stored_settings_are_read_under_their_new_names(
    moved: Callable[[dict[str, Moved]], None],
) -> None:
    text = json.dumps({"costs": {"fee_bps": 3.0}, "policy": {"magic": 1}})
    with pytest.raises(TapeVersionError, match=r"policy\.magic, costs\.fee_bps.*the one that wrote it"):
        Settings.stored(text)
    assert upgraded(text, RENAMED) == {"costs": {"taker_fee_bps": 3.0}, "policy": {}}
    moved(RENAMED)
    assert Settings.stored(text).costs.taker_fee_bps == 3.0
    assert Settings().deciding_as(text).costs.taker_fee_bps == 3.0
    assert upgraded(json.dumps({"costs": 3}), RENAMED) == {"costs": 3}
