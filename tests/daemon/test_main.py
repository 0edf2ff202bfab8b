"""The command line: one paragraph and an exit code for whatever happens."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from daemon import __version__
from daemon.__main__ import cli, main
from daemon.commands import everywhere
from daemon.commands._settings import config_option, open_settings
from daemon.errors import BrokenBoundError, PapertapeError, SettingsError, UserError

Run = Callable[..., int]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Give the command line a command `fail` that raises what it is given."""

    def prepare(error: BaseException) -> None:
        @click.command()
        def fail() -> None:
            raise error

        monkeypatch.setitem(cli.commands, "fail", everywhere(fail))

    return prepare


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UserError("bars.csv: has no column `close`; name it in bars.close"), 2),
        (SettingsError(["a:1: first", "a:2: second"]), 2),
        (PapertapeError("the disk is full"), 1),
        (BrokenBoundError("a bound is broken"), 1),
    ],
)
def test_our_errors_are_told_without_a_traceback_and_with_their_exit_code(
    error: PapertapeError,
    code: int,
    failing: Callable[[BaseException], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    failing(error)
    assert main(["fail"]) == code
    captured = capsys.readouterr()
    assert captured.err == f"papertape: {error}\n"
    assert captured.out == ""


@pytest.mark.parametrize("place", ["before", "after"])
def test_debug_shows_the_traceback_wherever_it_stands(
    place: str, failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(UserError("no"))
    assert main(["--debug", "fail"] if place == "before" else ["fail", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_an_error_that_nobody_foresaw_is_called_a_bug_of_ours(
    failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(KeyError("x"))
    assert main(["fail"]) == 1
    text = capsys.readouterr().err
    assert "this is a bug in papertape: KeyError: 'x'" in text
    assert "--debug" in text
    assert "Traceback" not in text
    assert main(["--debug", "fail"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_the_one_task_that_failed_speaks_for_its_group(
    failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(ExceptionGroup("tasks", [ExceptionGroup("more", [UserError("no such symbol")])]))
    assert main(["fail"]) == 2
    assert capsys.readouterr().err == "papertape: no such symbol\n"


def test_what_the_machine_refuses_is_not_called_a_bug(
    failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "var/run.tape"))
    assert main(["fail"]) == 1
    text = capsys.readouterr().err
    assert "var/run.tape" in text
    assert "bug" not in text


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), click.Abort()])
def test_an_interrupted_command_leaves_with_130(
    stop: BaseException, failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(stop)
    assert main(["fail"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_word_that_is_no_command_leaves_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "chek"]) == 2
    assert "No such command 'chek'" in capsys.readouterr().err
    assert main(["--colour"]) == 2


def test_version_and_help_leave_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert __version__ in capsys.readouterr().out
    assert main(["--help"]) == 0
    assert "config" in capsys.readouterr().out
    assert main(["config", "check", "-h"]) == 0


def test_a_reader_that_has_gone_is_no_failure(repository: Path) -> None:
    """As `papertape config schema | head -1`, with a pipe that is already closed at its reading end."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, repository / "papertape.py", "config", "schema"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
        # Python's own subprocess ignores SIGPIPE for the child unless told otherwise; a shell does not.
        preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_DFL),
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_help_waits_for_no_heavy_library(repository: Path) -> None:
    code = (
        "import sys; from daemon.__main__ import main; main(['--help']); "
        "sys.stderr.write(' '.join(sorted({'polars', 'lightgbm', 'river', 'mlflow', 'pandas', 'numpy', "
        "'scipy', 'sqlalchemy', 'pydantic'} & set(sys.modules))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "level", "is_json"),
    [
        ([], "WARNING", True),
        (["--log-level", "debug"], "DEBUG", True),
        (["--log-format", "console"], "WARNING", False),
    ],
)
def test_a_command_logs_as_its_settings_say_unless_the_command_line_says_otherwise(
    words: list[str],
    level: str,
    is_json: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import logging

    import structlog

    @click.command()
    @config_option
    def work(config_file: Path | None) -> None:
        settings = open_settings(config_file)
        structlog.get_logger().warning("working", name=settings.run.name)
        assert logging.getLevelName(logging.getLogger().level) == level

    monkeypatch.setitem(cli.commands, "work", everywhere(work))
    file = tmp_path / "run.yaml"
    file.write_text("run: {name: btc}\nlog: {level: warning, format: json}\n")
    assert main(["work", "--config", str(file), *words]) == 0
    text = capsys.readouterr().err
    assert text.startswith("{") == is_json
    assert "btc" in text
