"""How far long work has come: a bar on a terminal, log lines elsewhere."""

import sys
import time
from types import TracebackType
from typing import Final, Self

import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

LINE_S: Final = 5.0
"""Seconds between two log lines."""


class Progress:
    """Shows one piece of long work, on stderr. Use it as a context manager.

    Args:
        what: What is being done, e.g. `hashing stored rows`.
        of: Steps in all.
    """

    def __init__(self, what: str, of: int) -> None:
        self._what = what
        self._of = of
        console = Console(stderr=True)
        self._bar = (
            RichProgress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=console,
                transient=True,
            )
            if sys.stderr.isatty()
            else None
        )
        self._task = self._bar.add_task(what, total=of) if self._bar else None
        self._due_s = time.monotonic() + LINE_S

    def reach(self, done: int) -> None:
        """Say how many steps are done."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done)
        elif time.monotonic() >= self._due_s:
            self._due_s = time.monotonic() + LINE_S
            structlog.get_logger().info("progress", what=self._what, done=done, of=self._of)

    def tell(self, what: str, done: int, of: int) -> None:
        """Say that another part of the work has come so far."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=what, total=of)
        self._what, self._of = what, of
        self.reach(done)

    def __enter__(self) -> Self:
        """Start to draw."""
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop drawing."""
        if self._bar is not None:
            self._bar.stop()
