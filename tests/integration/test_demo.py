"""`papertape demo`, and what a person at a terminal sees."""

import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.command_line import PATIENCE_S, Job, environment, papertape


class Screen:
    """What was written to a pseudo-terminal."""

    def __init__(self) -> None:
        self.content = b""

    def read_all(self, master: int) -> None:
        """Read until every writer has gone: Linux says so by an error."""
        try:
            while block := os.read(master, 65_536):
                self.content += block
        except OSError:
            return

    @property
    def text(self) -> str:
        """Everything, control sequences too."""
        return self.content.decode("utf-8", "replace")


@contextmanager
def terminal(screen: Screen) -> Iterator[int]:
    """A pseudo-terminal's descriptor for a command to write to."""
    master, slave = pty.openpty()
    thread = threading.Thread(target=screen.read_all, args=(master,))
    thread.start()
    try:
        yield slave
    finally:
        os.close(slave)
        thread.join(PATIENCE_S)
        os.close(master)


@pytest.mark.slow
def test_the_demo_trades_on_a_live_table_ends_in_a_verdict_and_its_tape_verifies(tmp_path: Path) -> None:
    screen = Screen()
    with terminal(screen) as slave:
        done = subprocess.run(
            [sys.executable, "-m", "papertape", "demo", "--minutes", "7200", "--out", "shown"],
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=slave,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    assert done.returncode == 0, screen.text
    assert re.search(r"bps a trade, 95 % interval|too few trades to tell", done.stdout.splitlines()[-1])
    assert "equity" in screen.text
    assert "Traceback" not in screen.text
    assert "report: shown/report.html" in screen.text
    assert done.stdout.splitlines()[-1] in (tmp_path / "shown/report.html").read_text(encoding="utf-8")
    verified = papertape(["verify", "shown/demo.tape"], tmp_path)
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_on_a_terminal_a_replay_draws_its_tables_and_leaves_it_as_it_was(job: Job) -> None:
    screen = Screen()
    with terminal(screen) as slave:
        done = subprocess.run(
            [sys.executable, "-m", "papertape", *job.words("shown.tape", until="2024-01-02T20:00")],
            cwd=job.folder,
            env=environment(),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            timeout=PATIENCE_S,
            check=False,
        )
    assert done.returncode == 0, screen.text
    assert "equity" in screen.text
    hidden, shown = "\x1b[?25l", "\x1b[?25h"
    assert screen.text.count(hidden) == screen.text.count(shown) > 0, "the cursor is gone"
    assert "decision funnel" in screen.text
