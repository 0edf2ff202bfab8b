"""What SIGHUP means: read the settings again, or that the terminal is gone."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.integration.command_line import environment

CHILD = """
import asyncio, fcntl, os, sys, termios
from daemon.commands._signals import on_hangup

async def main():
    ended = asyncio.Event()
    on_hangup(lambda: os.write(told, b"reread\\n"), lambda: (os.write(told, b"end\\n"), ended.set()))
    os.write(told, b"ready\\n")
    await ended.wait()

told = int(sys.argv[1])
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
asyncio.run(main())
"""


def test_a_hangup_asks_for_settings_and_a_closed_terminal_for_the_end(tmp_path: Path) -> None:
    master, terminal = os.openpty()
    reading, told = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(told)],
        cwd=tmp_path,
        env=environment(),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        pass_fds=(told,),
    ) as process:
        try:
            os.close(terminal)
            os.close(told)
            with os.fdopen(reading, encoding="utf-8") as heard:
                assert heard.readline() == "ready\n"
                process.send_signal(signal.SIGHUP)
                assert heard.readline() == "reread\n"
                os.close(master)
                assert heard.readline() == "end\n"
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()
