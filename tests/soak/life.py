"""One life of the daemon: the real `papertape run` in a process of its own, watched from outside."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.command_line import environment


@dataclass(slots=True)
class Life:
    """A process, its log and what was seen of it.

    Attributes:
        process: It.
        log: Where its stderr goes.
        rss_mb: (ms of the exchange's time, resident megabytes), as sampled.
        ended_by: `kill`, `term`, or nothing while it runs.
        stop_s: Real seconds from SIGTERM to its end.
    """

    process: subprocess.Popen[bytes]
    log: Path
    rss_mb: list[tuple[int, float]] = field(default_factory=list)
    ended_by: str = ""
    stop_s: float = 0.0

    @classmethod
    def begin(cls, words: Sequence[str], log: Path) -> "Life":
        """Start the command."""
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "papertape", *words],
                cwd=log.parent,
                # One thread of polars: on a machine with few cores its pool costs more than it brings.
                env={**environment(), "POLARS_MAX_THREADS": "1"},
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )
        return cls(process, log)

    def sample(self, now_ms: int) -> None:
        """Note how much memory it holds."""
        try:
            pages = int(Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()[1])
        except (OSError, IndexError):
            return
        self.rss_mb.append((now_ms, pages * os.sysconf("SC_PAGE_SIZE") / 2**20))

    def kill(self) -> None:
        """kill -9."""
        self.ended_by = "kill"
        self.process.kill()
        self.process.wait()
