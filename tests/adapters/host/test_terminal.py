"""The terminal shows views no faster than a person reads, and every cell it is given."""

import io
from dataclasses import dataclass

from rich.console import Console

from adapters.host.terminal import LiveTable, Panel, drawn, plain, print_summary, writable
from tests.jump_clock import JumpClock

PANELS: tuple[Panel, ...] = (
    ("run", (), (("equity", "100,012.50 [+1.0, +2.0]"), ("bars", "80,000"))),
    ("skill", ("expert", "IC"), (("trees[bold]", "+0.081"), ("blend", "-"))),
    ("positions", ("instrument", "quantity"), ()),
)


@dataclass
class FakeView:
    """Says its number."""

    number: int

    def line(self) -> str:
        return f"view {self.number}"

    def panels(self) -> tuple[Panel, ...]:
        return (("now", (), (("number", f"view {self.number}"),)),)


class FakeTerminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def shown(stream: io.StringIO, n_views: int, step_s: float) -> str:
    clock = JumpClock(0)
    with LiveTable(stream, clock) as table:
        for number in range(n_views):
            table.show(FakeView(number))
            clock.set(clock.now_ms() + round(step_s * 1000))
    return stream.getvalue()


def test_off_a_terminal_a_line_comes_every_five_seconds_and_the_last_view_always() -> None:
    assert shown(io.StringIO(), 12, 1.0).splitlines() == ["view 0", "view 5", "view 10", "view 11"]


def test_on_a_terminal_at_most_four_views_a_second_are_drawn() -> None:
    text = shown(FakeTerminal(), 100, 0.01)
    drawn_views = {number for number in range(100) if f"view {number} " in text}
    assert 0 in drawn_views
    assert 99 in drawn_views
    assert len(drawn_views) <= 5


def test_a_view_is_only_due_when_it_would_be_shown() -> None:
    clock = JumpClock(0)
    table = LiveTable(io.StringIO(), clock)
    assert table.is_due()
    table.show(FakeView(1))
    assert not table.is_due()
    clock.set(5_000)
    assert table.is_due()


def test_nothing_to_show_shows_nothing() -> None:
    assert shown(io.StringIO(), 0, 1.0) == ""


def test_a_summary_ends_in_its_verdict_on_a_terminal_and_off_it() -> None:
    verdict = "gross +1.4, cost 10.0, net -8.6 bps a trade, 95 % interval -12.1 to -5.2: losing after costs"
    off, on = io.StringIO(), FakeTerminal()
    print_summary(off, PANELS, verdict)
    print_summary(on, PANELS, verdict)
    assert off.getvalue().splitlines()[-1] == verdict
    assert "losing after costs" in on.getvalue().splitlines()[-1]
    for text in (off.getvalue(), on.getvalue()):
        for cell in ("equity", "100,012.50 [+1.0, +2.0]", "trees[bold]", "+0.081", "blend"):
            assert cell in text


def test_plain_tables_are_aligned_and_titled() -> None:
    assert plain(PANELS[1]) == ["skill", "  expert       IC", "  trees[bold]  +0.081", "  blend        -"]
    assert plain(PANELS[2]) == ["positions", "  instrument  quantity"]
    assert plain(("nothing", (), ())) == ["nothing"]


def test_tables_without_rows_are_not_drawn() -> None:
    console = Console(file=io.StringIO(), width=100)
    console.print(drawn(PANELS))
    file = console.file
    assert isinstance(file, io.StringIO)
    assert "positions" not in file.getvalue()


def test_a_stream_that_cannot_write_a_character_gets_another() -> None:
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    print_summary(ascii_only, (("skill", (), (("IC", "+0.08 ±0.03"), ("name", "é"))),), "too few trades")
    ascii_only.seek(0)
    text = ascii_only.read()
    assert "+0.08 +-0.03" in text
    assert "name  ?" in text
    assert writable("±", io.TextIOWrapper(io.BytesIO(), encoding="latin-1")) == "±"
