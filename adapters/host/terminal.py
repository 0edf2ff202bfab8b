"""Draws a run's tables: a table that renews itself on a terminal, plain lines anywhere else."""

from collections.abc import Sequence
from types import TracebackType
from typing import Final, Protocol, Self, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from daemon.ports import Clock

Panel = tuple[str, tuple[str, ...], tuple[tuple[str, ...], ...]]

REDRAW_S: Final = 0.25
LINE_S: Final = 5.0


class View(Protocol):
    """Something to look at: as tables, or in one line."""

    def line(self) -> str:
        """Return it in one line."""

    def panels(self) -> Sequence[Panel]:
        """Return it as tables: title, column names (none: a list of named figures), rows."""


class LiveTable:
    """Shows views as they come: at most four a second on a terminal, a line every five seconds elsewhere.

    Use it as a context manager; the last view is always shown.

    Args:
        stream: Where to; a terminal or not.
        clock: Tells when the next view is due.
    """

    def __init__(self, stream: TextIO, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock
        self._console = Console(file=stream)
        self._live = (
            Live(console=self._console, auto_refresh=False, transient=True)
            if self._console.is_terminal
            else None
        )
        self._due_s = clock.monotonic_s()
        self._waiting: View | None = None

    def is_due(self) -> bool:
        """Whether a view given now would be shown: making one for nothing can be left out."""
        return self._clock.monotonic_s() >= self._due_s

    def show(self, view: View) -> None:
        """Show a view if one is due, else keep it until another comes."""
        self._waiting = view
        if self.is_due():
            self._draw()

    def _draw(self) -> None:
        if self._waiting is None:
            return
        if self._live is None:
            print(writable(self._waiting.line(), self._stream), file=self._stream, flush=True)
        else:
            self._live.update(drawn(self._waiting.panels()), refresh=True)
        self._waiting = None
        self._due_s = self._clock.monotonic_s() + (LINE_S if self._live is None else REDRAW_S)

    def __enter__(self) -> Self:
        """Start to draw."""
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Show the last view and stop."""
        self._draw()
        if self._live is not None:
            self._live.stop()


def print_summary(stream: TextIO, panels: Sequence[Panel], verdict: str) -> None:
    """Print a run's tables, and its verdict as the last line.

    Args:
        stream: Where to. Off a terminal, tables are plain aligned text of any width.
        panels: Title, column names (none: a list of named figures), rows.
        verdict: The sentence that everything ends in.
    """
    console = Console(file=stream)
    if console.is_terminal:
        console.print(drawn(panels))
        console.print(verdict, style="bold", markup=False, highlight=False, soft_wrap=True)
        return
    for panel in panels:
        print(*(writable(line, stream) for line in plain(panel)), "", sep="\n", file=stream)
    print(writable(verdict, stream), file=stream, flush=True)


def drawn(panels: Sequence[Panel]) -> RenderableType:
    """Return tables for a terminal; those without rows are left out."""
    tables = []
    for title, header, rows in panels:
        if not rows:
            continue
        table = Table(title=title, title_justify="left", show_header=bool(header), header_style="bold")
        for column, name in enumerate(header or rows[0]):
            table.add_column(name if header else "", justify="left" if column == 0 or not header else "right")
        for row in rows:
            # Text, so that a bracket in a name is no markup.
            table.add_row(*map(Text, row))
        tables.append(table)
    return Group(*tables)


def plain(panel: Panel) -> list[str]:
    """Return a table as aligned lines, its title first."""
    title, header, rows = panel
    lines = [header, *rows] if header else list(rows)
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    cells = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    return [title, *(f"  {line}" for line in cells)]


def writable(text: str, stream: TextIO) -> str:
    """Return the text in characters that the stream's encoding has: a run never ends in an encoding error."""
    encoding = stream.encoding or "utf-8"
    if not "±".encode(encoding, "ignore"):
        text = text.replace("±", "+-")
    return text.encode(encoding, "replace").decode(encoding)
